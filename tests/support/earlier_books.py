"""Books of the layouts before periods that are cut had one allowance, filled by SQL as that version left them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from usage_billing.core.identifiers import new_id
from usage_billing.metering.digest import hash_of, to_bytes

CALLS = "calls"


@dataclass
class EarlierBooks:
    """Writes in one transaction of a database at such a layout; instants are aware, amounts in the currency's units."""

    connection: Connection

    def plan(self, id: str, *, interval: str = "month", base_fee: str | None = None) -> str:
        """A plan in USD whose segments are divided by time."""
        self._put("plans", id=id, name=id.title(), currency="USD", interval=interval, base_fee=base_fee)
        return id

    def usage_type(self) -> None:
        """The one usage type."""
        self._put("usage_types", id=CALLS, unit_name="call")

    def quota(
        self, plan: str, limit: int, price: str, since: datetime, *, until: datetime | None = None, version: int = 1,
        own: str | None = None, immediate: bool = False,
    ) -> int:  # fmt: skip
        """A version of a quota; returns its id."""
        return int(
            self._put(
                "usage_quotas",
                plan_id=plan,
                usage_type_id=CALLS,
                subscription_id=own,
                version=version,
                immediate=immediate,
                monthly_limit=limit,
                price=json.dumps({"model": "per_unit", "unitPrice": price}),
                unit_name="call",
                effective_from=since,
                effective_until=until,
            )
        )

    def subscription(self, id: str, terms: Sequence[tuple[str, datetime]], *, opens_at: datetime | None = None) -> str:
        """A subscription and customer of that id, on each plan from the instant beside it."""
        self._put("customers", id=id, name=id)
        self._put(
            "subscriptions",
            id=id,
            customer_id=id,
            plan_id=terms[-1][0],
            started_at=terms[0][1],
            opens_at=opens_at,
        )
        ends = [*(since for _, since in terms[1:]), None]
        for (plan, since), until in zip(terms, ends, strict=True):
            self._put("subscription_terms", subscription_id=id, plan_id=plan, starts_at=since, ends_at=until)
        return id

    def used(
        self, id: str, span: tuple[datetime, datetime, datetime], quota: int, allowance: str, quantities: Sequence[int],
        *, to_rate: bool = False,
    ) -> tuple[int, Decimal]:  # fmt: skip
        """Usage in a segment (from, until, billed at), divided at its ``allowance``.

        Returns the summary's id and how much lies beyond.
        """
        left, parts = Decimal(allowance), []
        for quantity in map(Decimal, quantities):
            within = min(left, quantity)
            left -= within
            parts.append((new_id(), quantity, quantity - within))
        beyond = sum((part for _, _, part in parts), Decimal(0))
        summary = self._put(
            "usage_summaries",
            subscription_id=id,
            usage_type_id=CALLS,
            period_start=span[0],
            period_end=span[1],
            bills_at=span[2],
            quota_id=quota,
            allowance=allowance,
            total=sum(quantities),
            beyond_limit=beyond,
            events=len(parts),
            beyond_events=sum(1 for _, _, part in parts if part),
            events_hash=to_bytes(sum(hash_of(name, quantity) for name, quantity, _ in parts)),
            to_rate=to_rate,
        )
        for ordinal, (name, quantity, part) in enumerate(parts, start=1):
            self._put(
                "usage",
                id=name,
                summary_id=summary,
                ordinal=ordinal,
                occurred_at=span[0],
                received_at=span[0],
                recorded_at=span[0],
                subscription_id=id,
                usage_type_id=CALLS,
                source="test",
                idempotency_key=str(name),
                fingerprint=b"-",
                quantity=quantity,
                beyond_limit=part,
                metadata="{}",
            )
        return int(summary), beyond

    def fee(self, id: str, plan: str, span: tuple[datetime, datetime, datetime], amount: str) -> int:
        """A base fee (from, until, billed at) that stands on a draft."""
        return int(
            self._put(
                "fee_charges",
                subscription_id=id,
                plan_id=plan,
                period_start=span[0],
                period_end=span[1],
                bills_at=span[2],
                amount=amount,
                description=plan,
                to_charge=False,
            )
        )

    def invoice(self, id: str, period: tuple[datetime, datetime], total: str) -> UUID:
        """A draft without its items."""
        made = new_id()
        self._put(
            "invoices",
            id=made,
            customer_id=id,
            subscription_id=id,
            currency="USD",
            period_start=period[0],
            period_end=period[1],
            total=total,
        )
        return made

    def item(self, invoice: UUID, cause: str, cause_id: int, amount: str) -> None:
        """What a summary (``summary``) or fee (``fee``) is charged with on a draft."""
        of_usage = cause == "summary"
        table = "usage_summaries" if of_usage else "fee_charges"
        row = self.connection.execute(
            text(f"SELECT * FROM {table} WHERE id = :id"),
            {"id": cause_id},
        ).one()
        quota = row.quota_id if of_usage else None
        price = self.connection.scalar(text("SELECT price FROM usage_quotas WHERE id = :id"), {"id": quota})
        self._put(
            "usage_invoice_items",
            id=new_id(),
            invoice_id=invoice,
            summary_id=cause_id if of_usage else None,
            fee_id=None if of_usage else cause_id,
            quota_id=quota,
            usage_type_id=CALLS if of_usage else None,
            kind="usage" if of_usage else "fee",
            period_start=row.period_start,
            period_end=row.period_end,
            total=row.total if of_usage else 1,
            billable=row.beyond_limit if of_usage else 1,
            quantity=row.beyond_limit if of_usage else 1,
            charged_before=0,
            amount=amount,
            allowance=row.allowance if of_usage else None,
            price=json.dumps(price) if of_usage else None,
            events=row.events if of_usage else 0,
            billable_events=row.beyond_events if of_usage else 0,
            events_hash=row.events_hash if of_usage else None,
            description=CALLS if of_usage else row.description,
        )

    def finalize(self, invoice: UUID, number: int) -> None:
        """Make a draft final."""
        self.connection.execute(
            text("UPDATE invoices SET status = 'finalized', number = :number, finalized_at = now() WHERE id = :id"),
            {"id": invoice, "number": number},
        )
        self.connection.execute(text("UPDATE invoice_numbers SET last = :number"), {"number": number})

    def _put(self, table: str, **row: Any) -> Any:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        return self.connection.scalar(
            text(f"INSERT INTO {table} ({names}) VALUES ({values}) RETURNING *"),
            row,
        )
