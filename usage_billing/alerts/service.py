"""Writes rules, firings, and which subscriptions are to be judged anew."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertFiring, AlertHour, AlertLook, AlertProjection, AlertRule
from usage_billing.alerts.states import HOURLY, FiringState, Rearm, Watches
from usage_billing.core.errors import Conflict
from usage_billing.db.rows import read_rows

_LOOKS = """
    INSERT INTO alert_looks (subscription_id)
    SELECT s.id
    FROM subscriptions AS s
    WHERE EXISTS (SELECT FROM alert_rules WHERE ended_at IS NULL) AND {}
"""
_LOOK_AT = text(_LOOKS.format("s.id = ANY(CAST(:ids AS text[]))"))
_LOOK_AT_CUSTOMER = text(_LOOKS.format("s.customer_id = :customer"))
_LOOK_AT_PLAN = text(
    _LOOKS.format("s.id IN (SELECT t.subscription_id FROM subscription_terms AS t WHERE t.plan_id = :plan)")
)
_LOOK_AT_ALL = text(_LOOKS.format("true"))
# For wallets too, whose customer may have no subscription.
_LOOK_AT_WALLETS = text("""
    INSERT INTO alert_looks (customer_id)
    SELECT DISTINCT customer_id FROM alert_wallets WHERE customer_id = ANY(CAST(:customers AS text[]))
""")
_LOOK_AT_WALLETS_BESIDE = text("""
    INSERT INTO alert_looks (customer_id)
    SELECT DISTINCT w.customer_id
    FROM subscriptions AS s
    JOIN alert_wallets AS w ON w.customer_id = s.customer_id
    WHERE s.id = ANY(CAST(:ids AS text[]))
""")
_LOOK_AT_WALLETS_OF_RULE = text("""
    INSERT INTO alert_looks (customer_id)
    SELECT DISTINCT w.customer_id
    FROM wallets AS w
    WHERE coalesce(:wallet, w.id) = w.id AND coalesce(:customer, w.customer_id) = w.customer_id
""")
_WATCH = text("""
    INSERT INTO alert_wallets (wallet_id, customer_id)
    SELECT w.id, w.customer_id
    FROM wallets AS w
    WHERE w.customer_id = ANY(CAST(:customers AS text[])) AND EXISTS (
        SELECT
        FROM alert_rules AS r
        WHERE r.ended_at IS NULL AND r.watches = 'balance' AND coalesce(r.wallet_id, w.id) = w.id
            AND coalesce(r.customer_id, w.customer_id) = w.customer_id
    )
    ORDER BY w.id
    ON CONFLICT DO NOTHING
""")
_LOCK_WATCHED = text("""
    SELECT wallet_id
    FROM alert_wallets
    WHERE customer_id = ANY(CAST(:customers AS text[]))
    ORDER BY wallet_id
    FOR NO KEY UPDATE
""")
_LOOK_NEXT = text("""
    UPDATE alert_wallets AS w
    SET look_at = v.at
    FROM unnest(CAST(:ids AS text[]), CAST(:at AS timestamptz[])) AS v (id, at)
    WHERE w.wallet_id = v.id AND w.look_at <> v.at
""")
_UNWATCH = text("DELETE FROM alert_wallets WHERE wallet_id = ANY(CAST(:ids AS text[]))")
_CLAIM = text("""
    SELECT id, subscription_id, customer_id
    FROM alert_looks
    WHERE id <= :upto
    ORDER BY id
    LIMIT :size
    FOR UPDATE SKIP LOCKED
""")
_LOOKED = text("DELETE FROM alert_looks WHERE id = ANY(CAST(:ids AS bigint[]))")
_RESOLVE = text("""
    UPDATE alert_firings
    SET state = 'back', resolved_at = :now
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'open'
    RETURNING id
""")
_END_OF_PERIODS = text("""
    UPDATE alert_firings AS f
    SET state = 'over', resolved_at = :now
    WHERE f.id IN (
        SELECT id
        FROM alert_firings
        WHERE state = 'open' AND period_end <= :now
        ORDER BY period_end, id
        LIMIT :size
        FOR UPDATE SKIP LOCKED
    )
    RETURNING f.id
""")
# Two that judge one subscription each see what the other has told.
_LOCK = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('alerts:' || name, 0)), clock_timestamp() AS now
    FROM unnest(CAST(:names AS text[])) AS name
""")


class Look(NamedTuple):
    """That a subscription, or else the wallets of a customer, are to be judged anew."""

    id: int
    subscription_id: str | None
    customer_id: str | None


def lock_hour(session: Session, watches: Watches) -> AlertHour | None:
    """How far what is judged hourly is judged, locked until the transaction ends; None: another one judges it."""
    session.execute(insert(AlertHour).values(watches=watches, hour=0).on_conflict_do_nothing())
    statement = select(AlertHour).where(AlertHour.watches == watches).with_for_update(skip_locked=True)
    return session.scalars(statement, execution_options={"populate_existing": True}).first()


def foresee(session: Session, projections: Sequence[Mapping[str, Any]]) -> None:
    """Keep what this hour foresees of subjects of rules, instead of what an earlier one did."""
    if not projections:
        return
    row = insert(AlertProjection)
    anew = {name: row.excluded[name] for name in ("period_start", "hour", "value")}
    row = row.on_conflict_do_update(index_elements=["rule_id", "subject"], set_=anew)
    session.execute(row, [dict(one) for one in projections])


def add_rule(session: Session, values: Mapping[str, Any]) -> AlertRule:
    """Store a rule; raises Conflict when its id is taken, also by one that has ended."""
    row = insert(AlertRule).values(dict(values)).on_conflict_do_nothing()
    added = session.scalars(row.returning(AlertRule)).first()
    if added is None:
        raise Conflict(f"there is an alert {values['id']} already", code="already_exists")
    return added


def lock_alerts(session: Session, subscription_ids: Collection[str]) -> datetime:
    """Wait until this transaction is the only one that judges these subscriptions, at least one; returns when."""
    rows = session.execute(_LOCK, {"names": sorted(subscription_ids)}).all()
    now: datetime = rows[-1].now
    return now


def add_firings(session: Session, firings: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Store firings, all with the same columns; returns the ids of those whose line was not told in its cycle yet."""
    if not firings:
        return set()
    statement = insert(AlertFiring).on_conflict_do_nothing().returning(AlertFiring.id)
    return set(session.scalars(statement, [dict(one) for one in firings]))


def resolve(session: Session, ids: Collection[UUID], *, now: datetime) -> set[UUID]:
    """Note that these firings came back in their period; returns the ids of those that had not."""
    return set(session.scalars(_RESOLVE, {"ids": list(ids), "now": now})) if ids else set()


def end_periods(session: Session, *, now: datetime, at_most: int) -> list[AlertFiring]:
    """Resolve firings whose period is over, the oldest first."""
    ids = list(session.scalars(_END_OF_PERIODS, {"now": now, "size": at_most}))
    return [one for id in ids if (one := session.get(AlertFiring, id, populate_existing=True)) is not None]


def look_at(session: Session, subscription_ids: Collection[str]) -> None:
    """Have these subscriptions judged anew: their lines may have moved. Nothing where there are no rules."""
    session.execute(_LOOK_AT, {"ids": list(subscription_ids)})


def look_at_customer(session: Session, customer_id: str) -> None:
    """Have all subscriptions and wallets of a customer judged anew."""
    session.execute(_LOOK_AT_CUSTOMER, {"customer": customer_id})
    session.execute(_LOOK_AT_WALLETS, {"customers": [customer_id]})


def look_at_wallets_beside(session: Session, subscription_ids: Collection[str]) -> None:
    """Have the watched wallets judged anew that may pay for these subscriptions."""
    session.execute(_LOOK_AT_WALLETS_BESIDE, {"ids": list(subscription_ids)})


def watch_wallets_of(session: Session, customer_ids: Collection[str]) -> None:
    """Watch those wallets of these customers that a rule is for, and that are not watched yet."""
    session.execute(_WATCH, {"customers": list(customer_ids)})


def lock_watched(session: Session, customer_ids: Collection[str]) -> list[str]:
    """Lock the watched wallets of these customers until the transaction ends; returns their ids, ascending."""
    return list(session.scalars(_LOCK_WATCHED, {"customers": list(customer_ids)}))


def look_next(session: Session, wallets: Mapping[str, datetime]) -> None:
    """Note when the task looks at these locked wallets next."""
    session.execute(_LOOK_NEXT, {"ids": list(wallets), "at": list(wallets.values())})


def unwatch(session: Session, wallet_ids: Collection[str]) -> None:
    """Watch these locked wallets no more: no rule is for them."""
    session.execute(_UNWATCH, {"ids": list(wallet_ids)})


def look_at_plan(session: Session, plan_id: str) -> None:
    """Have all subscriptions judged anew that are, were or will be on a plan."""
    session.execute(_LOOK_AT_PLAN, {"plan": plan_id})


def look_at_scope(session: Session, rule: AlertRule) -> None:
    """Have all subscriptions or wallets judged anew that a rule is for; what is judged hourly waits for its hour."""
    if rule.watches in HOURLY:
        return
    if rule.watches == Watches.BALANCE:
        session.execute(_LOOK_AT_WALLETS_OF_RULE, {"wallet": rule.wallet_id, "customer": rule.customer_id})
    elif rule.subscription_id is not None:
        look_at(session, [rule.subscription_id])
    elif rule.customer_id is not None:
        look_at_customer(session, rule.customer_id)
    elif rule.plan_id is not None:
        look_at_plan(session, rule.plan_id)
    else:
        session.execute(_LOOK_AT_ALL)


def last_look(session: Session) -> int:
    """The number of the last look that was asked for; 0 where none waits."""
    return session.scalar(select(func.max(AlertLook.id))) or 0


def claim_looks(session: Session, *, upto: int, at_most: int) -> list[Look]:
    """The oldest looks up to a number that no other transaction has claimed; they stay locked until this one ends."""
    return read_rows(session.execute(_CLAIM, {"size": at_most, "upto": upto}), Look)


def end_looks(session: Session, ids: Collection[int]) -> None:
    """Forget looks that are done."""
    session.execute(_LOOKED, {"ids": list(ids)})


def state_of(rule: AlertRule) -> FiringState:
    """How a firing of ``rule`` begins: with what will become of it."""
    return FiringState.OPEN if rule.resolve or rule.rearm == Rearm.ON_RESOLVE else FiringState.TOLD


def decimals(lines: Sequence[Decimal] | None) -> list[Decimal]:
    """The thresholds of a rule, ascending; none where it tells every multiple."""
    return [] if lines is None else sorted(lines)
