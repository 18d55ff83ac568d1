"""The base fees that are due: one row for each segment of a subscription, whenever it is charged."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.invoicing.models import FeeCharge

_DROP = text(
    "UPDATE fee_charges AS f SET amount = 0, to_charge = true"
    " FROM unnest(CAST(:subscriptions AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))"
    " AS v (subscription_id, since, until)"
    " WHERE f.subscription_id = v.subscription_id AND f.period_start >= v.since"
    " AND (v.until IS NULL OR f.period_start < v.until) AND f.amount <> 0 AND NOT EXISTS ("
    " SELECT FROM unnest(CAST(:kept AS text[]), CAST(:starts AS timestamptz[])) AS k (subscription_id, period_start)"
    " WHERE k.subscription_id = f.subscription_id AND k.period_start = f.period_start)"
)


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


class Looked(NamedTuple):
    """What billing looked at of a subscription: the segments that begin from ``since`` to before ``until``."""

    subscription_id: str
    since: datetime
    until: datetime | None


def drop_other_fees(session: Session, looked: Sequence[Looked], *, keep: Sequence[NewFee]) -> None:
    """Let nothing be due for segments that are no more, for the subscription was changed as of a moment in the past."""
    if looked:
        session.execute(
            _DROP,
            {
                "subscriptions": [one.subscription_id for one in looked],
                "since": [one.since for one in looked],
                "until": [one.until for one in looked],
                "kept": [fee.subscription_id for fee in keep],
                "starts": [fee.period_start for fee in keep],
            },
        )


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
