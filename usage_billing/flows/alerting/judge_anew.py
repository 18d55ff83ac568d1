"""Judges subscriptions and wallets whose lines may have moved, and resolves what the end of a period brings back."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.alerts.queries import owners_due, owners_of, subscriptions_of
from usage_billing.alerts.service import claim_looks, end_looks, end_periods, watch_wallets_of
from usage_billing.db.locks import lock_shards
from usage_billing.flows.alerting.telling import tell_back
from usage_billing.flows.alerting.watch_balances import watch_balances
from usage_billing.flows.alerting.watch_totals import watch_totals
from usage_billing.metering.recording import shard_of
from usage_billing.metering.summaries import keys_to_watch

AT_ONCE = 20
"""Looks of one transaction: it keeps drains of as many shards waiting."""
_PERIODS = 500


def judge_anew(session: Session, *, now: datetime, upto: int, at_most: int = AT_ONCE) -> int:
    """Judge what waits longest for it, of the looks up to a number; returns how many looks are done.

    It locks the shards as a drain does, so no usage comes meanwhile. What billing holds is asked for once more. With a
    subscription its customer's wallets are judged, for its terms say what it draws.
    """
    looks = claim_looks(session, upto=upto, at_most=at_most)
    if not looks:
        return 0
    names = {look.subscription_id for look in looks if look.subscription_id is not None}
    customers = {look.customer_id for look in looks if look.customer_id is not None}
    lock_shards(session, {shard_of(name) for name in names.union(subscriptions_of(session, customers))})
    if names:
        watch_totals(session, keys_to_watch(session, names, now=now))
    watch_wallets_of(session, customers)
    watch_balances(session, customers.union(owners_of(session, names)), now=now)
    end_looks(session, [look.id for look in looks])
    return len(looks)


def judge_due(session: Session, *, now: datetime, at_most: int = AT_ONCE) -> int:
    """Judge the watched wallets that the clock may have moved by now; returns of how many customers."""
    customers = owners_due(session, now=now, at_most=at_most)
    if customers:
        watch_balances(session, customers, now=now)
    return len(customers)


def resolve_over(session: Session, *, now: datetime, at_most: int = _PERIODS) -> int:
    """Resolve firings whose period is over, for the new one begins at nothing; returns how many."""
    over = end_periods(session, now=now, at_most=at_most)
    tell_back(session, over)
    return len(over)
