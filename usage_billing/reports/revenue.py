"""What was billed, as finance adds it up: by month, plan, usage type and customer, for any span.

An invoice is told at the moment at which it became final, and taken back at the moment at which it became void. So the
figures of neighbouring spans add up, and those of all time are the sum of the final invoices that stand. Drafts are no
part of it. Months are those of UTC.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.errors import FieldError, InvalidInput
from usage_billing.core.spans import Span
from usage_billing.db.rows import read_rows
from usage_billing.rating.currency import is_currency

MOST_LINES = 10_000
"""The most lines of an answer in JSON; as CSV it has all."""


class RevenueBy(StrEnum):
    """What the lines of the report are told apart by."""

    MONTH = "month"
    PLAN = "plan"
    USAGE_TYPE = "usageType"
    CUSTOMER = "customer"


_OF_INVOICES = frozenset({RevenueBy.MONTH, RevenueBy.CUSTOMER})
_NAMES = {
    RevenueBy.MONTH: "month",
    RevenueBy.PLAN: "plan_id",
    RevenueBy.USAGE_TYPE: "usage_type",
    RevenueBy.CUSTOMER: "customer_id",
}
_KEYS = {
    RevenueBy.MONTH: "to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM')",
    RevenueBy.PLAN: "coalesce(q.plan_id, f.plan_id)",
    RevenueBy.USAGE_TYPE: "t.usage_type_id",
    RevenueBy.CUSTOMER: "e.customer_id",
}
_TOLD = """
    WITH e AS (
        SELECT i.*, 1 AS sign, i.finalized_at AS at
        FROM invoices AS i
        WHERE i.finalized_at < :until AND (CAST(:since AS timestamptz) IS NULL OR i.finalized_at >= :since)
            AND (CAST(:currency AS text) IS NULL OR i.currency = :currency)
        UNION ALL
        SELECT i.*, -1, i.voided_at
        FROM invoices AS i
        WHERE i.voided_at < :until AND (CAST(:since AS timestamptz) IS NULL OR i.voided_at >= :since)
            AND (CAST(:currency AS text) IS NULL OR i.currency = :currency)
    )
"""
_ITEMS = """
    {told}
    SELECT e.currency, {keys},
        coalesce(sum(t.amount) FILTER (WHERE t.kind = 'usage' AND e.sign > 0), 0) AS usage,
        coalesce(sum(t.amount) FILTER (WHERE t.kind = 'fee' AND e.sign > 0), 0) AS fees,
        coalesce(sum(t.amount) FILTER (WHERE t.kind = 'purchase' AND e.sign > 0), 0) AS purchases,
        coalesce(sum(t.amount) FILTER (WHERE t.kind = 'adjustment' AND e.sign > 0), 0) AS adjustments,
        coalesce(sum(t.amount) FILTER (WHERE e.sign < 0), 0) AS voided
    FROM e
    JOIN usage_invoice_items AS t ON t.invoice_id = e.id
    LEFT JOIN usage_quotas AS q ON q.id = t.quota_id
    LEFT JOIN fee_charges AS f ON f.id = t.fee_id
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 2 NULLS FIRST, 1, 3 NULLS LAST, 4 NULLS LAST, 5
"""
_INVOICES = """
    {told}
    SELECT e.currency, {keys},
        sum(e.sign * e.tax) AS tax,
        sum(e.sign * e.prepaid_applied) AS prepaid_applied,
        sum(e.sign * e.credit_applied) AS credit_applied,
        sum(e.sign * greatest(e.prepaid_applied - e.total - e.tax, 0)) AS credit_granted
    FROM e
    GROUP BY 1, 2, 3, 4, 5
"""


class Settled(NamedTuple):
    """What came on top of the charges of invoices, and what settled them: each less what was voided in the span.

    ``credit_granted`` is what invoices below zero gave as credit.
    """

    tax: Decimal
    prepaid_applied: Decimal
    credit_applied: Decimal
    credit_granted: Decimal


@dataclass(frozen=True, slots=True)
class RevenueLine:
    """What was billed in one currency, of the keys that were asked for; a key that was not is None.

    A plan is None for what was bought, and a usage type for what is no usage. ``voided`` is what stood on invoices that
    became void in the span. ``settled`` is None where the lines are of items: it is that of whole invoices.
    """

    currency: str
    month: str | None
    plan_id: str | None
    usage_type: str | None
    customer_id: str | None
    usage: Decimal
    fees: Decimal
    purchases: Decimal
    adjustments: Decimal
    voided: Decimal
    settled: Settled | None = None

    @property
    def net(self) -> Decimal:
        """The charges without tax, less what was voided."""
        charged = sum_of((self.usage, self.fees, self.purchases, self.adjustments))
        return EXACT.subtract(charged, self.voided)

    @property
    def tax(self) -> Decimal | None:
        """The tax on it."""
        return None if self.settled is None else self.settled.tax

    @property
    def total_with_tax(self) -> Decimal | None:
        """What it came to."""
        return None if self.settled is None else EXACT.add(self.net, self.settled.tax)

    @property
    def prepaid_applied(self) -> Decimal | None:
        """What grants of wallets in money paid of it."""
        return None if self.settled is None else self.settled.prepaid_applied

    @property
    def credit_applied(self) -> Decimal | None:
        """What credit paid of it."""
        return None if self.settled is None else self.settled.credit_applied

    @property
    def credit_granted(self) -> Decimal | None:
        """What invoices below zero gave as credit."""
        return None if self.settled is None else self.settled.credit_granted

    @property
    def amount_due(self) -> Decimal | None:
        """What was left to be paid when the invoices became final."""
        if self.settled is None or self.total_with_tax is None:
            return None
        paid = EXACT.add(self.settled.prepaid_applied, self.settled.credit_applied)
        return EXACT.add(EXACT.subtract(self.total_with_tax, paid), self.settled.credit_granted)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueReport:
    """The report from ``start`` (None: the first invoice) to before ``end``; ``totals`` has a line a currency."""

    start: datetime | None
    end: datetime
    by: Sequence[RevenueBy]
    lines: Sequence[RevenueLine]
    totals: Sequence[RevenueLine]


def revenue_report(session: Session, span: Span, *, by: Collection[RevenueBy], currency: str | None) -> RevenueReport:
    """The report for a span, to this moment where that has no end; raises InvalidInput for an unknown currency."""
    if currency is not None and not is_currency(currency):
        message = "must be an ISO 4217 currency code such as USD"
        raise InvalidInput("the currency is unknown", fields=(FieldError("?currency", message, "unknown_currency"),))
    until = span.end or session.execute(text("SELECT clock_timestamp()")).scalar_one()
    asked = {"since": span.start, "until": until, "currency": currency}
    wanted = [key for key in RevenueBy if key in by]
    totals = _lines(session, (), asked)
    lines = _lines(session, wanted, asked) if wanted else totals
    return RevenueReport(start=span.start, end=until, by=wanted, lines=lines, totals=totals)


def _lines(session: Session, by: Collection[RevenueBy], asked: Mapping[str, Any]) -> list[RevenueLine]:
    keys = ", ".join(f"{_KEYS[key] if key in by else 'NULL'} AS {_NAMES[key]}" for key in RevenueBy)
    found = read_rows(session.execute(text(_ITEMS.format(told=_TOLD, keys=keys)), asked), RevenueLine)
    if not _OF_INVOICES.issuperset(by):
        return found
    settled = {
        (row.currency, row.month, row.customer_id): Settled(
            tax=row.tax,
            prepaid_applied=row.prepaid_applied,
            credit_applied=row.credit_applied,
            credit_granted=row.credit_granted,
        )
        for row in session.execute(text(_INVOICES.format(told=_TOLD, keys=keys)), asked)
    }
    return [replace(line, settled=settled[line.currency, line.month, line.customer_id]) for line in found]
