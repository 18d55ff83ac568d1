"""The items of an invoice as CSV (RFC 4180), for spreadsheets and programs. Pure."""

from collections.abc import Mapping
from typing import Any

from usage_billing.core.csv_text import csv_line, text_cell
from usage_billing.wire.noun import Shape

_OF_INVOICE = ("number", "userId", "subscriptionId", "status", "currency")
_OF_ITEM = (
    "id",
    "kind",
    "usageType",
    "cell",
    "periodStart",
    "periodEnd",
    "quantity",
    "billable",
    "allowance",
    "covered",
    "unitPrice",
    "amount",
    "description",
    "taxCategory",
    "taxCountry",
    "taxRate",
)
COLUMNS = ("invoiceId", *_OF_INVOICE, *("itemId" if name == "id" else name for name in _OF_ITEM))
"""The columns in their order; each has the text that the API shows under its name."""

_TEXTS = {"userId", "subscriptionId", "usageType", "cell", "description"}


def items_csv(invoice: Shape) -> str:
    """A line with the names of the columns, and a line for each item of an invoice as ``wire`` shows it."""
    head = (invoice["id"], *(_cell(name, invoice) for name in _OF_INVOICE))
    lines = [csv_line(COLUMNS)]
    lines += [csv_line((*head, *(_cell(name, item) for name in _OF_ITEM))) for item in invoice["items"]]
    return "".join(lines)


def _cell(name: str, thing: Mapping[str, Any]) -> Any:
    value = thing.get(name)
    return text_cell(value) if name in _TEXTS else value
