"""Revenue at the desk: what final invoices billed, month by month, and of what; as the report of the API has it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from flask import Response

from usage_billing.core.decimals import plain, sum_of
from usage_billing.core.errors import InvalidInput
from usage_billing.core.spans import ALWAYS, Span
from usage_billing.reports.revenue import RevenueBy, RevenueLine, RevenueReport, revenue_report
from usage_billing.reports.revenue_csv import revenue_csv
from usage_billing.wire.noun import show
from usage_billing.wire.revenue import REVENUE_TOTAL
from web.admin.blueprint import address, blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.pages import guard

TOP = 5
"""Columns that are drawn by themselves; all others are one."""

_KINDS = {"usage": "Usage", "fees": "Fees", "purchases": "Bought", "adjustments": "Put right", "voided": "Void"}
_BYS = (
    ("", "kind of charge"),
    (RevenueBy.PLAN.value, "plan"),
    (RevenueBy.USAGE_TYPE.value, "usage type"),
    (RevenueBy.CUSTOMER.value, "customer"),
)
_OF: dict[str, Callable[[RevenueLine], str | None]] = {
    RevenueBy.PLAN: lambda line: line.plan_id,
    RevenueBy.USAGE_TYPE: lambda line: line.usage_type,
    RevenueBy.CUSTOMER: lambda line: line.customer_id,
}
_WITHOUT = {RevenueBy.PLAN: "bought", RevenueBy.USAGE_TYPE: "no usage", RevenueBy.CUSTOMER: ""}
_PAGES = {RevenueBy.PLAN: "plans", RevenueBy.USAGE_TYPE: "usage-types", RevenueBy.CUSTOMER: "customers"}


class Column(NamedTuple):
    """A column of the table: its head, the address of what it is of, and its amounts by month."""

    name: str
    url: str
    amounts: dict[str, Decimal]

    @property
    def total(self) -> Decimal:
        """The sum of its months."""
        return sum_of(self.amounts.values())


@blp.get("/revenue")
@looking
def show_revenue(desk: Desk) -> Response:
    """Months and what was billed in them; ``by``, ``span`` and ``currency`` choose."""
    query = query_of("by", "span", "currency")
    found = _report(desk, query)
    currencies = [line.currency for line in found.totals]
    chosen = query.get("currency") or (currencies[0] if currencies else "")
    lines = [line for line in found.lines if line.currency == chosen]
    total = next((line for line in found.totals if line.currency == chosen), None)
    by = query.get("by", "")
    columns = _columns(lines, by)
    return framed(
        desk,
        "revenue",
        "revenue",
        query=query,
        bys=_BYS,
        by_word=dict(_BYS)[by],
        spans=[(name, word) for name, (word, _) in _spans(desk.now).items()],
        currencies=[(one, one) for one in sorted({*currencies, chosen})],
        currency=chosen,
        total=None if total is None else show(REVENUE_TOTAL, total),
        some_void=total is not None and bool(total.voided),
        rows=_rows(lines, columns),
        columns=columns,
        csv=address("revenue.csv", **query),
        plain=plain,
    )


@blp.get("/revenue.csv")
@looking
def save_revenue(desk: Desk) -> Response:
    """What the page shows, in all currencies unless one is chosen, as the API's CSV."""
    found = _report(desk, query_of("by", "span", "currency"))
    response = guard(Response(revenue_csv(found), mimetype="text/csv"))
    response.headers["Content-Disposition"] = 'attachment; filename="revenue.csv"'
    return response


def _report(desk: Desk, query: dict[str, str]) -> RevenueReport:
    """The report for the choices of the address; raises InvalidInput for a choice that there is not."""
    spans, by = _spans(desk.now), query.get("by", "")
    for name, known in (("by", dict(_BYS)), ("span", spans)):
        if query.get(name, next(iter(known))) not in known:
            raise InvalidInput.field(f"?{name}", "is not one of the choices", code="not_a_choice")
    _, span = spans[query.get("span", next(iter(spans)))]
    keys = [RevenueBy.MONTH, *([RevenueBy(by)] if by else [])]
    return revenue_report(desk.session, span, by=keys, currency=query.get("currency"))


def _spans(now: datetime) -> dict[str, tuple[str, Span]]:
    """The choices of a span: their words, and whole months of UTC."""
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year = month.replace(month=1)
    earlier = month.replace(year=month.year - 1, month=month.month + 1) if month.month < 12 else year  # noqa: PLR2004
    return {
        "months": ("The last 12 months", Span(start=earlier, end=None)),
        "year": ("This year", Span(start=year, end=None)),
        "last-year": ("Last year", Span(start=year.replace(year=year.year - 1), end=year)),
        "always": ("All time", ALWAYS),
    }


def _columns(lines: Sequence[RevenueLine], by: str) -> list[Column]:
    """The parts of each month: the kinds of charge, or the largest of what was chosen and the others as one."""
    if not by:
        return [_kind(lines, name, word) for name, word in _KINDS.items() if any(getattr(one, name) for one in lines)]
    parts: dict[str | None, dict[str, Decimal]] = {}
    for line in lines:
        parts.setdefault(_OF[by](line), {})[line.month or ""] = line.net
    largest = sorted(parts, key=lambda key: (-sum_of(parts[key].values()), key or ""))
    columns = [
        Column(key or _WITHOUT[RevenueBy(by)], address(_PAGES[RevenueBy(by)], key) if key else "", parts[key])
        for key in largest[:TOP]
    ]
    others: dict[str, list[Decimal]] = {}
    for key in largest[TOP:]:
        for month, amount in parts[key].items():
            others.setdefault(month, []).append(amount)
    if others:
        columns.append(Column("others", "", {month: sum_of(amounts) for month, amounts in others.items()}))
    return columns


def _kind(lines: Sequence[RevenueLine], name: str, word: str) -> Column:
    amounts = {line.month or "": getattr(line, name) for line in lines}
    return Column(word, "", {month: -one if name == "voided" else one for month, one in amounts.items()})


def _rows(lines: Sequence[RevenueLine], columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The months, the newest first, each with its whole and its parts."""
    months = sorted({line.month or "" for line in lines}, reverse=True)
    found = []
    for month in months:
        parts = [column.amounts.get(month, Decimal(0)) for column in columns]
        found.append({"month": f"{month}-01T00:00:00+00:00", "whole": sum_of(parts), "parts": parts})
    return found
