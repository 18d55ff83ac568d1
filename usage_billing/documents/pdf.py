"""An invoice as a PDF, laid out by typst. Equal content gives equal bytes, on every machine and at any time.

typst is 84 MB of code: it is imported only where a document is made. A compiler serves one thread at a time: a worker's
process and a command have one.
"""

import hashlib
import json
import logging
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from usage_billing.documents.content import Content, Line

if TYPE_CHECKING:
    from typst import Compiler, PDFStandard

TEMPLATE_VERSION = "3"
"""That of ``invoice.typ``; a kept document says by which it was made."""

_FOLDER = Path(__file__).parent
TEMPLATE = _FOLDER / "invoice.typ"
"""That of the release."""

# Archived for good (PDF/A-3) and readable by everybody (PDF/UA); the first lets files be attached later.
_STANDARDS: "list[PDFStandard]" = ["a-3a", "ua-1"]
_NO_GLYPH = "could not be displayed with font"
# What ends lines or turns the direction of all that follows; no text of ours has any.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

_log = logging.getLogger(__name__)


def render(content: Content, template: Path = TEMPLATE) -> bytes:
    """The PDF of an invoice by a template: PDF/A-3a and PDF/UA-1.

    Where a text has a character that the font lacks, the PDF is of no such standard, and the character an empty box.
    """
    from typst import TypstError

    says = {"says": json.dumps(_said(content), ensure_ascii=False)}
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
        return TEMPLATE_VERSION
    return f"own {hashlib.sha256(template.read_bytes()).hexdigest()[:12]}"


@lru_cache(maxsize=1)
def _compiler(template: Path) -> "Compiler":
    """The compiler of this process, with our fonts alone: others would make other bytes on another machine.

    An own template may have fonts and pictures in its folder.
    """
    import typst

    folders = [_FOLDER / "fonts", *([] if template == TEMPLATE else [template.parent])]
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
    # A path, for a template given as bytes is forgotten after the first document.
    return typst.Compiler(template, root=template.parent, font_paths=fonts, ignore_system_fonts=True)


def _said(content: Content) -> dict[str, object]:
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
    }
    return {name: _clean(value) for name, value in found.items()}


def _cells(line: Line, *, taxed: bool) -> list[str]:
    return [line.what, line.quantity, line.price, *([line.tax] if taxed else []), line.amount]


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _CONTROLS.sub(" ", value)
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value


def _pdf(made: object) -> bytes:
    if not isinstance(made, bytes):
        raise TypeError("typst made no PDF")
    return made
