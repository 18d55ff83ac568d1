"""What was sold beforehand as a table for finance, RFC 4180."""

from usage_billing.core.csv_text import csv_line, text_cell
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit
from usage_billing.reports.prepaid import PrepaidLine, PrepaidReport

_NAMES = (
    *("currency", "day", "grantId", "walletId", "userId"),
    *("deferredAtStart", "sold", "recognised", "breakage", "refunded", "deferredAtEnd", "provisional"),
)


def prepaid_csv(report: PrepaidReport) -> str:
    """A line for each currency, day or grant. Cells that do not apply are empty; amounts are in the currency."""
    return "".join([csv_line(_NAMES), *(csv_line(_cells(line)) for line in report.lines)])


def _cells(line: PrepaidLine) -> list[str | None]:
    figures = (line.deferred_at_start, line.sold, line.recognised, line.breakage, line.refunded, line.deferred_at_end)
    digits = minor_unit(line.currency)
    return [
        line.currency,
        None if line.day is None else line.day.isoformat(),
        None if line.grant_id is None else str(line.grant_id),
        text_cell(line.wallet_id),
        text_cell(line.customer_id),
        *(money_text(figure, digits) for figure in figures),
        None if line.provisional is None else money_text(line.provisional, digits),
    ]
