"""An invoice as a PDF, laid out by typst. Equal content gives equal bytes, on every machine and at any time.

typst is 84 MB of code: it is imported only where a document is made. A compiler serves one thread at a time: a worker's
process and a command have one.
"""

import hashlib
import json
import logging
import re
from base64 import b64encode
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from usage_billing.brand.identity import OURS, Brand, Logo
from usage_billing.documents.content import Content, Line
from usage_billing.documents.template import FOLDER, TEMPLATE, VERSION

if TYPE_CHECKING:
    from typst import Compiler, PDFStandard

# Archived for good (PDF/A-3) and readable by everybody (PDF/UA); the first lets files be attached later.
_STANDARDS: "list[PDFStandard]" = ["a-3a", "ua-1"]
# Tenths of a millimetre.
_LOGO_HEIGHT = 110
_NO_GLYPH = "could not be displayed with font"
# What ends lines or turns the direction of all that follows; no text of ours has any.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

_log = logging.getLogger(__name__)


def render(content: Content, template: Path = TEMPLATE, brand: Brand = OURS) -> bytes:
    """The PDF of an invoice by a template, with a brand: PDF/A-3a and PDF/UA-1.

    Where a text has a character that the font lacks, the PDF is of no such standard, and the character an empty box.
    """
    from typst import TypstError

    says = {"says": json.dumps(_said(content, brand), ensure_ascii=False), "logo": _drawing(brand.logo)}
    made_at = int(content.final_at.timestamp())
    compiler = _compiler(template)
    try:
        return _pdf(compiler.compile(sys_inputs=says, format="pdf", timestamp=made_at, pdf_standards=_STANDARDS))
    except TypstError as error:
        if _NO_GLYPH not in str(error):
            raise
        _log.warning("a document has a character that no font has: %s", content.title)
        return _pdf(compiler.compile(sys_inputs=says, format="pdf", timestamp=made_at, pdf_standards=[]))


def version_of(template: Path = TEMPLATE) -> str:
    """What a kept document says by which template it was made: a number, or of an own one a part of its SHA-256."""
    if template == TEMPLATE:
        return VERSION
    return f"own {hashlib.sha256(template.read_bytes()).hexdigest()[:12]}"


@lru_cache(maxsize=1)
def _compiler(template: Path) -> "Compiler":
    """The compiler of this process, with our fonts alone: others would make other bytes on another machine.

    An own template may have fonts and pictures in its folder.
    """
    import typst

    folders = [FOLDER / "fonts", *([] if template == TEMPLATE else [template.parent])]
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
    # A path, for a template given as bytes is forgotten after the first document.
    return typst.Compiler(template, root=template.parent, font_paths=fonts, ignore_system_fonts=True)


def _said(content: Content, brand: Brand) -> dict[str, object]:
    """What the template reads."""
    found: dict[str, object] = {
        "title": content.title,
        "author": content.seller[0] if content.seller else content.title,
        "language": content.language,
        "notice": content.notice,
        "seller": content.seller,
        "seller_facts": content.seller_facts,
        "buyer": content.buyer,
        "facts": content.facts,
        "columns": content.columns,
        "lines": [_cells(line, taxed=content.taxed) for line in content.lines],
        "sums": content.sums,
        "due": (content.due[0], f"{content.due[1]} {content.currency}"),
        "notes": content.notes,
        "closing": content.closing,
        "payment": content.payment,
        "foot": ", ".join((*content.seller[:1], content.title)),
        "page": content.page,
        "brand": _brand(brand),
    }
    return {name: _clean(value) for name, value in found.items()}


def _brand(brand: Brand) -> dict[str, object]:
    """What of a brand a document shows; our own has nothing to show."""
    return {
        "name": brand.name,
        "accent": brand.light.accent if brand.light else "",
        "lines": [line for line in (brand.legal, brand.support.removeprefix("mailto:")) if line],
        "logo_width": brand.logo.width_at(_LOGO_HEIGHT) if brand.logo else 0,
        "logo_height": _LOGO_HEIGHT,
    }


def _drawing(logo: Logo | None) -> str:
    """A logo as an SVG, which a template reads from a text; a PNG stands in one as its only picture."""
    if logo is None:
        return ""
    if logo.kind == "svg":
        return logo.content.decode()
    picture = b64encode(logo.content).decode()
    size = f'width="{logo.width}" height="{logo.height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><image {size} href="data:image/png;base64,{picture}"/></svg>'
    )


def _cells(line: Line, *, taxed: bool) -> list[str]:
    return [line.what, line.quantity, line.price, *([line.tax] if taxed else []), line.amount]


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _CONTROLS.sub(" ", value)
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {name: _clean(one) for name, one in value.items()}
    return value


def _pdf(made: object) -> bytes:
    if not isinstance(made, bytes):
        raise TypeError("typst made no PDF")
    return made
