"""An invoice as a plain page for people: what its document says, and what became of it since. Pure.

Every text is escaped; the page has no script and loads nothing.
"""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from usage_billing.brand.identity import OURS, Brand
from usage_billing.documents.content import Facts, Line, content_of, day_text, language_of
from usage_billing.documents.languages import Language
from usage_billing.wire.noun import Shape

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy under which the page is complete."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; }
address { font-style: normal; margin: 0 0 1.5rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; margin: 0 0 1.5rem; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; margin: 0 0 1.5rem; }
th, td { text-align: left; padding: .4rem .5rem; border-bottom: 1px solid #ddd; vertical-align: top; }
td { overflow-wrap: anywhere; }
td.amount, th.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tfoot th { font-weight: 600; }
@media print { body { margin: 0; } }
footer { color: #555; font-size: .8rem; }
"""
_LOGO_HEIGHT = 40
_STATUSES = {
    "draft": "Draft, not final yet",
    "finalized": "Final",
    "paid": "Paid",
    "void": "Void",
    "uncollectible": "Not to be collected",
}


def page_of_invoice(invoice: Shape, *, zone: str = "UTC", brand: Brand = OURS) -> str:
    """The page of an invoice as ``wire`` shows it, with a brand; days are those of ``zone``."""
    says = content_of(invoice, zone=zone)
    said = language_of(invoice)
    since = (
        (said.text("Status"), said.text(_STATUSES[invoice["status"]])),
        (said.text("Paid"), day_text(invoice["paidAt"], zone, said) or ""),
    )
    rows = "".join(_row("td", _what(line), line.amount) for line in says.lines)
    foot = "".join(_row("th", name, amount) for name, amount in (*says.sums, _left(invoice, says.due, said)))
    head = f'<tr><th>{escape(says.columns[0])}</th><th class="amount">{escape(says.currency)}</th></tr>\n'
    parts = (
        _logo(brand),
        f"<h1>{escape(says.title)}</h1>\n",
        _party(says.seller, says.seller_facts),
        _party(says.buyer, ()),
        _list((*says.facts, *since)),
        f"<table>\n<thead>\n{head}</thead>\n<tbody>\n{rows}</tbody>\n<tfoot>\n{foot}</tfoot>\n</table>\n",
        "".join(f"<p>{escape(note)}</p>\n" for note in (*says.notes, says.closing) if note),
        _list(says.payment),
        f"<footer>{escape(brand.legal)}</footer>\n" if brand.legal else "",
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{says.language}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(says.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{''.join(parts)}"
        "</body>\n</html>\n"
    )


def _logo(brand: Brand) -> str:
    if brand.logo is None:
        return ""
    kind = {"svg": "image/svg+xml", "png": "image/png"}[brand.logo.kind]
    source = f"data:{kind};base64,{b64encode(brand.logo.content).decode()}"
    size = f'width="{brand.logo.width_at(_LOGO_HEIGHT)}" height="{_LOGO_HEIGHT}"'
    return f'<p><img src="{source}" alt="{escape(brand.name)}" {size}></p>\n'


def _what(line: Line) -> str:
    return f"{line.what} ({line.tax})" if line.tax else line.what


def _left(invoice: Shape, due: tuple[str, str], said: Language) -> tuple[str, str]:
    """What is left to pay now: nothing of an invoice that is paid or void."""
    return due if invoice["status"] not in {"paid", "void"} else (due[0], said.number(invoice["amountDue"]))


def _party(lines: Sequence[str], facts: Facts) -> str:
    if not lines:
        return ""
    said = [escape(line) for line in lines] + [f"{escape(name)}: {escape(fact)}" for name, fact in facts]
    return f"<address>{'<br>'.join(said)}</address>\n"


def _list(facts: Facts) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>\n" for name, fact in facts if fact)
    return f"<dl>\n{rows}</dl>\n" if rows else ""


def _row(cell: str, what: str, amount: str) -> str:
    return f'<tr><{cell}>{escape(what)}</{cell}><{cell} class="amount">{escape(amount)}</{cell}></tr>\n'
