"""From the summaries to the items of invoices: what is charged follows from what was used, item by item."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import plain
from usage_billing.reports.verify.arithmetic import due
from usage_billing.reports.verify.difference import Difference

DRAFT, VOID = "draft", "void"
_UNREADABLE = (ValueError, KeyError, TypeError, ZeroDivisionError, StopIteration)

# Each summary with each of its items, in the order in which invoices became final; the usage up to an item's last
# recording is added up anew, and counted beyond the limit of the item's own quota.
_ITEMS = text(
    """
    WITH u AS (
        SELECT summary_id, ordinal, quantity, sum(quantity) OVER (PARTITION BY summary_id ORDER BY ordinal) AS after
        FROM usage WHERE summary_id = ANY(CAST(:ids AS bigint[]))
    )
    SELECT s.id AS summary_id, s.to_rate, s.beyond_limit, s.beyond_events, sq.monthly_limit AS limit,
        sq.price AS quota_price, p.currency AS plan_currency,
        t.id, t.total, t.billable, t.billable_events, t.quantity, t.charged_before, t.amount, t.price, t.events,
        i.status, i.currency, i.finalized_at, i.voided_at,
        tq.price AS own_price, tq.monthly_limit AS own_limit, used.total AS used_total,
        used.events AS used_events, used.beyond_events AS used_beyond_events,
        t.usage_type_id <> s.usage_type_id OR t.period_start <> s.period_start OR t.period_end <> s.period_end
            OR i.subscription_id <> s.subscription_id AS foreign_to
    FROM usage_summaries AS s
    JOIN subscriptions AS a ON a.id = s.subscription_id JOIN plans AS p ON p.id = a.plan_id
    LEFT JOIN usage_quotas AS sq ON sq.id = s.quota_id
    LEFT JOIN usage_invoice_items AS t ON t.summary_id = s.id
    LEFT JOIN invoices AS i ON i.id = t.invoice_id
    LEFT JOIN usage_quotas AS tq ON tq.id = t.quota_id
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(u.quantity), 0) AS total, count(*) AS events,
            count(*) FILTER (WHERE u.after > tq.monthly_limit) AS beyond_events
        FROM u WHERE u.summary_id = t.summary_id AND u.ordinal <= t.events
    ) AS used ON t.id IS NOT NULL
    WHERE s.id = ANY(CAST(:ids AS bigint[])) AND (t.id IS NOT NULL OR s.beyond_limit > 0)
    ORDER BY s.id, i.number NULLS LAST, t.id
    """
)


@dataclass(slots=True)
class _Earlier:
    """An item on an invoice that became final before the one that is looked at."""

    quantity: Decimal
    amount: Decimal
    voided_at: datetime | None


@dataclass(slots=True)
class _Ledger:
    """What was charged of one summary so far."""

    final: list[_Earlier] = field(default_factory=list)
    drafted: Decimal = Decimal(0)
    voided: bool = False

    def before(self, finalized_at: datetime | None) -> tuple[Decimal, Decimal]:
        """Quantity and amount on the invoices that stood when one was finalized (None: that stand now)."""
        standing = [
            item
            for item in self.final
            if item.voided_at is None or (finalized_at is not None and item.voided_at > finalized_at)
        ]
        return sum((item.quantity for item in standing), Decimal(0)), sum(
            (item.amount for item in standing), Decimal(0)
        )


def charge_differences(session: Session, ids: Sequence[int]) -> Iterator[Difference]:
    """What is wrong with the items of these summaries, or missing."""
    rows = session.execute(_ITEMS, {"ids": list(ids)}).mappings()
    for summary_id, group in groupby(rows, key=lambda row: row["summary_id"]):
        ledger, row = _Ledger(), None
        for row in group:
            if row["id"] is not None:
                yield from _item(row, ledger)
        if row is not None and not row["to_rate"] and not ledger.voided:
            yield from _whole(summary_id, row, ledger)


def _item(row: Any, ledger: _Ledger) -> Iterator[Difference]:
    id: UUID = row["id"]
    quantity_before, charged_before = ledger.before(row["finalized_at"])
    limit = row["own_limit"]
    billable = Decimal(0) if limit is None else max(row["used_total"] - limit, Decimal(0))
    yield from _compare(id, "item_events", "last recording", row["events"], row["used_events"])
    yield from _compare(id, "item_total", "total", row["total"], row["used_total"])
    yield from _compare(id, "item_billable", "quantity beyond the limit", row["billable"], billable)
    yield from _compare(id, "item_billable", "number beyond", row["billable_events"], row["used_beyond_events"])
    yield from _compare(id, "item_quantity", "quantity", row["quantity"], billable - quantity_before)
    yield from _compare(id, "item_charged_before", "charge before it", row["charged_before"], charged_before)
    if row["price"] != row["own_price"]:
        yield Difference("item_price", f"item:{id}", "its price is not that of its quota")
    if row["foreign_to"]:
        yield Difference("item_owner", f"item:{id}", "its subscription, usage type or period is not its summary's")
    try:
        amount = due(row["own_price"], billable, row["used_beyond_events"], currency=row["currency"])
    except _UNREADABLE as error:
        yield Difference("item_price", f"item:{id}", f"its price cannot be read: {error!r}")
    else:
        yield from _compare(id, "item_amount", "amount", row["amount"], amount - charged_before)
    if row["status"] == DRAFT:
        ledger.drafted += row["amount"]
    else:
        ledger.final.append(_Earlier(row["quantity"], row["amount"], row["voided_at"]))
        ledger.voided = ledger.voided or row["status"] == VOID


def _whole(summary_id: int, row: Any, ledger: _Ledger) -> Iterator[Difference]:
    """Billing has seen the summary: over all its invoices exactly what is due must be charged."""
    charged = ledger.before(None)[1] + ledger.drafted
    subject = f"summary:{summary_id}"
    try:
        should = _due_of(row)
    except _UNREADABLE as error:
        yield Difference("summary_price", subject, f"its quota's price cannot be read: {error!r}")
        return
    if charged != should:
        message = f"{plain(charged)} is charged over all invoices, {plain(should)} is due"
        yield Difference("summary_charged", subject, message)


def _due_of(row: Any) -> Decimal:
    if row["limit"] is None:
        return Decimal(0)
    return due(row["quota_price"], row["beyond_limit"], row["beyond_events"], currency=row["plan_currency"])


def _compare(id: UUID, kind: str, name: str, stands: Decimal | int, should: Decimal | int) -> Iterator[Difference]:
    if stands != should:
        message = f"its {name} is {plain(Decimal(stands))}, its usage gives {plain(Decimal(should))}"
        yield Difference(kind, f"item:{id}", message)
