"""The base fees that are due: one row for each segment of a subscription, whenever it is charged."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.invoicing.models import FeeCharge


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFee:
    """What is due of a base fee for one segment, and when it is invoiced."""

    subscription_id: str
    plan_id: str
    period_start: datetime
    period_end: datetime
    bills_at: datetime
    amount: Decimal
    description: str


def put_fees(session: Session, fees: Sequence[NewFee]) -> None:
    """Store what is due; a segment that is known is changed if it differs, and charged again by the difference."""
    if not fees:
        return
    statement = insert(FeeCharge)
    new = statement.excluded
    changing = ("plan_id", "period_end", "bills_at", "amount", "description")
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["subscription_id", "period_start"],
            set_={name: new[name] for name in changing} | {"to_charge": True},
            where=or_(*(getattr(FeeCharge, name) != new[name] for name in changing)),
        ),
        [
            {
                "subscription_id": fee.subscription_id,
                "plan_id": fee.plan_id,
                "period_start": fee.period_start,
                "period_end": fee.period_end,
                "bills_at": fee.bills_at,
                "amount": fee.amount,
                "description": fee.description,
                "to_charge": True,
            }
            for fee in fees
        ],
    )


def lock_uncharged(session: Session, subscription_ids: Collection[str], *, as_of: datetime) -> list[FeeCharge]:
    """The fees of these locked subscriptions that billing has not seen as they are."""
    return list(
        session.scalars(
            select(FeeCharge)
            .where(
                FeeCharge.to_charge, FeeCharge.subscription_id.in_(subscription_ids), FeeCharge.period_start <= as_of
            )
            .order_by(FeeCharge.subscription_id, FeeCharge.period_start)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def settle_fees(session: Session, fees: Sequence[FeeCharge]) -> None:
    """Say that billing has seen these fees."""
    if fees:
        session.execute(update(FeeCharge).where(FeeCharge.id.in_([fee.id for fee in fees])).values(to_charge=False))


def charge_fees_again(session: Session, fee_ids: Sequence[int]) -> None:
    """Let billing look at these again."""
    if fee_ids:
        session.execute(update(FeeCharge).where(FeeCharge.id.in_(fee_ids)).values(to_charge=True))
