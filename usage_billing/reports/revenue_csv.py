"""What was billed as a table for finance, RFC 4180."""

from usage_billing.core.csv_text import csv_line, text_cell
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit
from usage_billing.reports.revenue import RevenueLine, RevenueReport

_NAMES = (
    *("month", "currency", "planId", "usageType", "userId", "usage", "fees", "purchases", "adjustments", "voided"),
    *("net", "tax", "totalWithTax", "prepaidApplied", "creditApplied", "creditGranted", "amountDue"),
)


def revenue_csv(report: RevenueReport) -> str:
    """The lines of the report. Cells that do not apply are empty; amounts are in the currency of the line."""
    return "".join([csv_line(_NAMES), *(csv_line(_cells(line)) for line in report.lines)])


def _cells(line: RevenueLine) -> list[str | None]:
    digits = minor_unit(line.currency)
    charges = (line.usage, line.fees, line.purchases, line.adjustments, line.voided, line.net)
    settled = (
        *(line.tax, line.total_with_tax, line.prepaid_applied),
        *(line.credit_applied, line.credit_granted, line.amount_due),
    )
    return [
        line.month,
        line.currency,
        text_cell(line.plan_id),
        text_cell(line.usage_type),
        text_cell(line.customer_id),
        *(None if amount is None else money_text(amount, digits) for amount in (*charges, *settled)),
    ]
