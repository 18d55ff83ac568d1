"""What a subscription used in its present period, what that would cost, and the tax on it, if the period ended now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import quotas_of
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.errors import Conflict
from usage_billing.core.identifiers import new_id
from usage_billing.customers.queries import find_seller
from usage_billing.invoicing.taxable import TaxableItem
from usage_billing.invoicing.taxing import tax_drafts
from usage_billing.reports.series_windows import billing_period
from usage_billing.reports.usage import UsageLine, usage_under
from usage_billing.subscriptions.queries import Contract

_EVENTS = text("""
    SELECT usage_type_id AS usage_type, CAST(sum(events - voids) AS bigint) AS events
    FROM usage_summaries
    WHERE subscription_id = :subscription AND period_start < :end AND period_end > :start
    GROUP BY 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeNow:
    """One usage type: its units, how many recordings made them, and what they would cost. ``price`` is None if free."""

    usage_type: str
    aggregation: str
    unit_name: str
    used: Decimal
    events: int
    charge: Decimal
    price: dict[str, Any] | None
    quota_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentUsage:
    """The present period; ``amount`` is the sum of the charges, without fees, wallets and credit."""

    start: datetime
    end: datetime
    currency: str
    charges: Sequence[ChargeNow]
    amount: Decimal
    tax: Decimal


class _Draft(NamedTuple):
    """What would be invoiced: a draft that is not stored."""

    id: UUID
    customer_id: str
    currency: str


def current_usage(
    session: Session, contract: Contract, *, now: datetime, taxed: bool, usage_types: Collection[str] = ()
) -> CurrentUsage:
    """The usage of the present period, by usage type, of all of them or of those that are named.

    It is without tax unless ``taxed``. Raises Conflict, code ``tax_pending``, where the tax is not known then.
    """
    lines = [
        line
        for line in usage_under(session, [contract], now=now, span=None)
        if not usage_types or line.usage_type in usage_types
    ]
    period = billing_period(contract.timeline, now)
    asked = {"subscription": contract.id, "start": period.start, "end": period.end}
    events = {row.usage_type: row.events for row in session.execute(_EVENTS, asked)}
    quotas = quotas_of(session, {term.plan_id for term in contract.timeline.terms}, subscription_ids=[contract.id])
    by_type: dict[str, list[UsageLine]] = {}
    for line in lines:
        by_type.setdefault(line.usage_type, []).append(line)
    charges = []
    types = {one.id: one for one in session.scalars(select(UsageType).where(UsageType.id.in_(by_type)))}
    for name, found in sorted(by_type.items()):
        quota = quotas.by_id(found[-1].quota_id)
        charges.append(
            ChargeNow(
                usage_type=name,
                aggregation=types[name].aggregation,
                unit_name=found[-1].unit_name,
                used=sum_of(line.used for line in found),
                events=events.get(name, 0),
                charge=sum_of(line.estimated_charge for line in found),
                price=None if quota is None else quota.price,
                quota_id=found[-1].quota_id,
            )
        )
    return CurrentUsage(
        start=period.start,
        end=period.end,
        currency=contract.currency,
        charges=charges,
        amount=sum_of(one.charge for one in charges),
        tax=_tax(session, contract, lines) if taxed else Decimal(0),
    )


def _tax(session: Session, contract: Contract, lines: Sequence[UsageLine]) -> Decimal:
    """The tax on an invoice of these lines alone, by the rules and rates of now."""
    draft = _Draft(new_id(), contract.customer_id, contract.currency)
    items = [_taxable(line, draft, contract) for line in lines if line.estimated_charge]
    found = tax_drafts(session, [draft], items, seller=find_seller(session)).of(draft.id)
    if found is None:
        return Decimal(0)
    if found.pending is not None:
        raise Conflict(f"the tax is not known: {found.pending}", code="tax_pending")
    return EXACT.plus(found.tax)


def _taxable(line: UsageLine, draft: _Draft, contract: Contract) -> TaxableItem:
    return TaxableItem(
        id=new_id(),
        invoice_id=draft.id,
        kind="usage",
        amount=line.estimated_charge,
        period_end=line.period_end,
        summary_id=None,
        fee_id=None,
        purchase_id=None,
        usage_type_id=line.usage_type,
        plan_id=None,
        zone=contract.timeline.zone,
    )
