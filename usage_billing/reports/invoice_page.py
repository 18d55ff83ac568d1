"""An invoice as a plain page for people: what ``wire`` says of it, and nothing else. Pure.

Every text is escaped; the page has no script and loads nothing.
"""

from datetime import datetime
from html import escape
from typing import Any

from usage_billing.invoicing.wording import days_of, days_text, grouped
from usage_billing.wire.noun import Shape

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy under which the page is complete."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; margin: 0 0 1.5rem; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: .4rem .5rem; border-bottom: 1px solid #ddd; vertical-align: top; }
td.amount, th.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tfoot th { font-weight: 600; }
@media print { body { margin: 0; } }
"""
_STATUSES = {
    "draft": "Draft, not final yet",
    "finalized": "Final",
    "paid": "Paid",
    "void": "Void",
    "uncollectible": "Not to be collected",
}
_KINDS = {"period": "Invoice", "change": "Invoice of a change", "correction": "Correction", "purchase": "Purchase"}


def page_of_invoice(invoice: Shape, *, zone: str = "UTC") -> str:
    """The page of an invoice as ``wire`` shows it; days are those of ``zone``."""
    title = f"{_KINDS[invoice['kind']]} {invoice['number'] or '(draft)'}"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"{_head(invoice, zone)}{_items(invoice)}</body>\n</html>\n"
    )


def _head(invoice: Shape, zone: str) -> str:
    days = days_of(datetime.fromisoformat(invoice["periodStart"]), datetime.fromisoformat(invoice["periodEnd"]), zone)
    facts = {
        "Customer": invoice["userId"],
        "Subscription": invoice["subscriptionId"],
        "Period": days_text(days),
        "Status": _STATUSES[invoice["status"]],
        "Final since": _day(invoice["finalizedAt"], zone),
        "To be paid until": _day(invoice["dueAt"], zone),
        "Paid": _day(invoice["paidAt"], zone),
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>\n" for name, fact in facts.items() if fact)
    return f"<dl>\n{rows}</dl>\n"


def _items(invoice: Shape) -> str:
    currency = escape(invoice["currency"])
    rows = "".join(_row("td", item["description"], item["amount"]) for item in invoice["items"])
    sums = [("Total", invoice["total"])]
    if invoice["creditApplied"].strip("0."):
        sums.append(("Credit applied", f"-{invoice['creditApplied']}"))
    sums.append(("Amount due", invoice["amountDue"]))
    foot = "".join(_row("th", name, amount) for name, amount in sums)
    head = f'<tr><th>What</th><th class="amount">{currency}</th></tr>\n'
    return f"<table>\n<thead>\n{head}</thead>\n<tbody>\n{rows}</tbody>\n<tfoot>\n{foot}</tfoot>\n</table>\n"


def _row(cell: str, what: str, amount: str) -> str:
    return f'<tr><{cell}>{escape(what)}</{cell}><{cell} class="amount">{escape(grouped(amount))}</{cell}></tr>\n'


def _day(instant: Any, zone: str) -> str | None:
    if instant is None:
        return None
    moment = datetime.fromisoformat(instant)
    return days_text(days_of(moment, moment, zone))
