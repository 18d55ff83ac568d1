"""Looks at an SVG: it is a drawing, and nothing that runs, loads or speaks to another address. Pure.

What is not on a list is refused: elements by name, and of attributes each that leads elsewhere or runs.
"""

import re
import xml.etree.ElementTree as ET

from usage_billing.brand.identity import Logo

MOST_BYTES = 64 * 1024
_SVG = "{http://www.w3.org/2000/svg}"
# What drawing programs write beside the drawing; a browser does nothing with it.
_INERT = (
    "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}",
    "{http://creativecommons.org/ns#}",
    "{http://web.resource.org/cc/}",
    "{http://purl.org/dc/elements/1.1/}",
    "{http://www.inkscape.org/namespaces/inkscape}",
    "{http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd}",
)
_GROUPS = ("svg", "g", "defs", "symbol", "use", "clipPath", "mask", "marker", "pattern")
_SHAPES = ("path", "rect", "circle", "ellipse", "line", "polyline", "polygon")
_OTHERS = ("title", "desc", "metadata", "linearGradient", "radialGradient", "stop", "style")
_ELEMENTS = frozenset((*_GROUPS, *_SHAPES, *_OTHERS))
_REFERENCES = frozenset({"href", "{http://www.w3.org/1999/xlink}href", "src"})
_ELSEWHERE = re.compile(r"url\(\s*(?!['\"]?#)|@import|expression\(|javascript:|\\", re.IGNORECASE)
_OTHER_ENCODING = re.compile(r"<\?xml[^>]*encoding=['\"](?!utf-8['\"])", re.IGNORECASE)
_LENGTH = re.compile(r"\s*([0-9]{1,6})(\.[0-9]{1,9})?\s*(?:px|pt|mm|cm|in)?\s*")
_BOX = re.compile(r"[\s,]+")
_FOUR = 4


def read_svg(content: bytes) -> Logo:
    """The drawing; raises ValueError that says what is wrong with it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it has a DOCTYPE or entities: save it without them")
    if _OTHER_ENCODING.match(text) or "<?xml-stylesheet" in text:
        raise ValueError("it has another encoding than UTF-8, or loads a stylesheet")
    try:
        root = ET.fromstring(text)  # noqa: S314  without a DOCTYPE there are no entities to be expanded
    except (ET.ParseError, ValueError) as error:
        raise ValueError(f"it is no XML: {error}") from None
    if root.tag != f"{_SVG}svg":
        raise ValueError("it is no SVG: its first element is not svg")
    for element in root.iter():
        _check(element)
    width, height = _size(root)
    return Logo(kind="svg", content=text.encode(), width=width, height=height)


def _check(element: ET.Element) -> None:
    tag = element.tag
    if not isinstance(tag, str) or tag.startswith(_INERT):
        return
    name = tag.removeprefix(_SVG)
    if name == "text":
        raise ValueError("it has text, whose font is not everywhere: turn it into paths")
    if name not in _ELEMENTS:
        raise ValueError(f"it has an element that no logo may have: {name[:40]}")
    if name == "style" and _ELSEWHERE.search("".join(element.itertext())):
        raise ValueError("its style leads elsewhere")
    for attribute, value in element.attrib.items():
        if attribute.lower().startswith("on"):
            raise ValueError(f"it has a script: {attribute[:40]}")
        if attribute in _REFERENCES and not value.strip().startswith("#"):
            raise ValueError(f"it leads elsewhere: {value[:40]}")
        if _ELSEWHERE.search(value):
            raise ValueError(f"it leads elsewhere: {attribute[:40]}")


def _size(root: ET.Element) -> tuple[int, int]:
    """Width and height in thousandths of what the drawing is measured in; only their ratio is used."""
    box = _BOX.split(root.get("viewBox", "").strip())
    texts = box[2:] if len(box) == _FOUR else [root.get("width", ""), root.get("height", "")]
    found = [_thousandths(text) for text in texts]
    if not all(found):
        raise ValueError("it does not say how large it is: it needs a viewBox")
    return found[0], found[1]


def _thousandths(text: str) -> int:
    match = _LENGTH.fullmatch(text)
    if match is None:
        return 0
    return int(match[1]) * 1000 + int(((match[2] or ".")[1:] + "000")[:3])
