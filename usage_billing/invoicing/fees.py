"""The base fees that are due: one row for each segment of a subscription, no matter when it is charged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.invoicing.models import FeeCharge

_DROP = text("""
    UPDATE fee_charges AS f
    SET amount = 0, to_charge = true, frozen = false
    FROM unnest(CAST(:subscriptions AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))
        AS v (subscription_id, since, until)
    WHERE f.subscription_id = v.subscription_id
        AND f.period_start >= v.since
        AND (v.until IS NULL OR f.period_start < v.until)
        AND f.amount <> 0
        AND NOT EXISTS (
            SELECT FROM unnest(CAST(:kept AS text[]), CAST(:starts AS timestamptz[]))
                AS k (subscription_id, period_start)
            WHERE k.subscription_id = f.subscription_id AND k.period_start = f.period_start
        )
""")

_PUT = text("""
    INSERT INTO fee_charges AS f (subscription_id, plan_id, period_start, period_end, bills_at, amount,
        description, to_charge)
    SELECT v.*, true
    FROM unnest(CAST(:subscriptions AS text[]), CAST(:plans AS text[]), CAST(:starts AS timestamptz[]),
        CAST(:ends AS timestamptz[]), CAST(:bills AS timestamptz[]), CAST(:amounts AS numeric[]),
        CAST(:descriptions AS text[])) AS v
    ON CONFLICT (subscription_id, period_start) DO UPDATE
    SET plan_id = excluded.plan_id, period_end = excluded.period_end, bills_at = excluded.bills_at,
        amount = excluded.amount, description = excluded.description, to_charge = true, frozen = false
    WHERE (f.plan_id, f.period_end, f.bills_at, f.amount, f.description) <> (excluded.plan_id,
        excluded.period_end, excluded.bills_at, excluded.amount, excluded.description)
        AND (NOT f.frozen OR (f.plan_id, f.period_end) <> (excluded.plan_id, excluded.period_end))
""")
_LOCK = text("""
    SELECT f.id, f.subscription_id, p.name AS plan_name, f.period_start, f.period_end, f.bills_at, f.amount
    FROM fee_charges AS f
    JOIN plans AS p ON p.id = f.plan_id
    WHERE f.to_charge AND f.subscription_id = ANY(CAST(:subscriptions AS text[])) AND f.period_start <= :as_of
    ORDER BY f.subscription_id, f.period_start
    FOR UPDATE OF f
""")
_READ = text("""
    SELECT f.id, f.subscription_id, p.name AS plan_name, f.period_start, f.period_end, f.bills_at, f.amount, f.plan_id,
        f.description, f.to_charge, f.frozen
    FROM unnest(CAST(:subscriptions AS text[]), CAST(:since AS timestamptz[])) AS v (subscription_id, since)
    JOIN fee_charges AS f ON f.subscription_id = v.subscription_id AND (f.to_charge OR f.period_end > v.since)
    JOIN plans AS p ON p.id = f.plan_id
    ORDER BY f.subscription_id, f.period_start
""")
_WANTING = text("""
    SELECT id, subscription_id, period_start, amount
    FROM fee_charges
    WHERE subscription_id = ANY(CAST(:subscriptions AS text[])) AND period_end > :since AND amount > 0
""")
_SETTLE = text("UPDATE fee_charges SET to_charge = false WHERE id = ANY(CAST(:ids AS bigint[]))")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFee:
    """What is due of a base fee for one segment, in units of the plan's currency, and when it is invoiced."""

    subscription_id: str
    plan_id: str
    period_start: datetime
    period_end: datetime
    bills_at: datetime
    amount: Decimal
    description: str


class DueFee(NamedTuple):
    """A locked fee whose present amount or span billing has not charged yet."""

    id: int
    subscription_id: str
    plan_name: str
    period_start: datetime
    period_end: datetime
    bills_at: datetime
    amount: Decimal


class StoredFee(NamedTuple):
    """A fee as it is stored."""

    id: int
    subscription_id: str
    plan_name: str
    period_start: datetime
    period_end: datetime
    bills_at: datetime
    amount: Decimal
    plan_id: str
    description: str
    to_charge: bool
    frozen: bool


class WantingFee(NamedTuple):
    """What is due of a fee, whose segment begins at ``period_start``."""

    id: int
    subscription_id: str
    period_start: datetime
    amount: Decimal


class BilledSpan(NamedTuple):
    """What billing looked at of a subscription: the segments that begin from ``since`` to before ``until``."""

    subscription_id: str
    since: datetime
    until: datetime | None


def drop_other_fees(session: Session, looked: Sequence[BilledSpan], *, keep: Sequence[NewFee]) -> None:
    """Set the fee to 0 for each segment that a change of its subscription, as of a moment in the past, did away with.

    Within the spans of ``looked``, the fees of ``keep`` stay as they are.
    """
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
    """Store fees. If a segment's fee is stored already and differs, it is changed, and the difference is charged."""
    if fees:
        session.execute(
            _PUT,
            {
                "subscriptions": [fee.subscription_id for fee in fees],
                "plans": [fee.plan_id for fee in fees],
                "starts": [fee.period_start for fee in fees],
                "ends": [fee.period_end for fee in fees],
                "bills": [fee.bills_at for fee in fees],
                "amounts": [fee.amount for fee in fees],
                "descriptions": [fee.description for fee in fees],
            },
        )


def lock_uncharged(session: Session, subscription_ids: Collection[str], *, as_of: datetime) -> list[DueFee]:
    """Lock and return the fees to charge of these locked subscriptions whose segments began by ``as_of``."""
    rows = session.execute(_LOCK, {"subscriptions": list(subscription_ids), "as_of": as_of})
    return read_rows(rows, DueFee)


def read_fees(session: Session, since: Mapping[str, datetime | None]) -> list[StoredFee]:
    """The fees of these subscriptions that are to charge, or whose segments end after the instant given."""
    asked = {"subscriptions": list(since), "since": list(since.values())}
    return read_rows(session.execute(_READ, asked), StoredFee)


def fees_wanting(session: Session, subscription_ids: Collection[str], *, since: datetime) -> list[WantingFee]:
    """What is due of the fees of these subscriptions whose segments go on beyond ``since``."""
    asked = {"subscriptions": list(subscription_ids), "since": since}
    return read_rows(session.execute(_WANTING, asked), WantingFee)


def settle_fees(session: Session, fees: Sequence[DueFee]) -> None:
    """Note that billing has charged these fees as they are."""
    if fees:
        session.execute(_SETTLE, {"ids": [fee.id for fee in fees]})


def charge_fees_again(session: Session, fee_ids: Sequence[int]) -> None:
    """Let billing look at these fees again."""
    if fee_ids:
        session.execute(update(FeeCharge).where(FeeCharge.id.in_(fee_ids)).values(to_charge=True))
