"""Judges the balances of wallets by the rules that watch them, in the transaction that lets one fall.

Rows of watched wallets are locked before a balance is read, so of two that let a wallet fall together the second sees
what the first did. They come after the rules of top-ups in the order of locks, and those after summaries.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.queries import rules_over_wallets, told_of_wallets
from usage_billing.alerts.service import lock_watched, look_next, resolve, unwatch
from usage_billing.alerts.states import Basis, Rearm
from usage_billing.alerts.thresholds import Balance, Past, judge
from usage_billing.core import crash
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.db.apart import fault_of
from usage_billing.drawing.books import all_allocations
from usage_billing.flows.alerting.telling import Crossing, Subject, store_crossing, tell_resolved
from usage_billing.top_ups.queries import lock_rules
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.views import available_of, holds

LOOK_AGAIN = timedelta(hours=1)
"""After so long a watched wallet is looked at again, unless a grant begins or ends sooner."""

_log = logging.getLogger(__name__)


def watch_balances(session: Session, customer_ids: Collection[str], *, now: datetime) -> None:
    """Judge the watched wallets of these customers as the books are, and what the clock says at ``now``.

    What cannot be judged keeps nothing out of the books: that is logged, and tried again within the hour.
    """
    lock_rules(session, customer_ids)
    names = lock_watched(session, customer_ids)
    if not names:
        return
    rules = rules_over_wallets(session, names)
    unwatch(session, [name for name in names if name not in rules])
    if rules:
        _judge_or_leave(session, rules, customer_ids, now=now)


def _judge_or_leave(
    session: Session, rules: Mapping[str, Sequence[AlertRule]], customer_ids: Collection[str], *, now: datetime
) -> None:
    fault = fault_of(session, partial(_judge_all, session, rules, customer_ids, now=now))
    if fault is None:
        return
    if len(rules) == 1:
        (name,) = rules
        _log.error("alerts could not be judged", exc_info=fault, extra={"wallet": name})
        look_next(session, {name: now + LOOK_AGAIN})
        return
    for name, over in rules.items():
        _judge_or_leave(session, {name: over}, customer_ids, now=now)


def _judge_all(
    session: Session, rules: Mapping[str, Sequence[AlertRule]], customer_ids: Collection[str], *, now: datetime
) -> None:
    ids = {rule.id for listed in rules.values() for rule in listed}
    past = told_of_wallets(session, ids, list(rules))
    found = _Found()
    following: dict[str, datetime] = {}
    for book in all_allocations(session, customer_ids, now=now):
        for rule in rules.get(book.wallet.id, ()):
            found.judge(rule, book, past.get((rule.id, book.wallet.id), {}), now=now)
        if book.wallet.id in rules:
            following[book.wallet.id] = _moves_at(book, now=now)
    crash.point("alerts.balanced")
    for crossing in found.crossings:
        store_crossing(session, crossing, now)
    tell_resolved(session, resolve(session, found.resolved, now=now))
    look_next(session, following)


@dataclass(slots=True)
class _Found:
    """What is to be told of balances."""

    crossings: list[Crossing] = field(default_factory=list)
    resolved: list[UUID] = field(default_factory=list)

    def judge(self, rule: AlertRule, book: Allocation, past: Mapping[Decimal, Past], *, now: datetime) -> None:
        """Judge a wallet by one rule. One that nothing was ever granted into has no percentage."""
        wallet = book.wallet
        granted: Decimal | None = None
        if rule.basis == Basis.GRANTED:
            if not any(grant.counts for grant in book.grants):
                return
            granted = granted_of(book, now=now)
        balance = Balance(available_of(book, now=now), granted)
        found = judge(
            rule.thresholds or [],
            reached=balance.is_down_to,
            past=past,
            rearms=rule.rearm == Rearm.ON_RESOLVE,
            is_back=partial(balance.is_back_above, rearm_above=rule.rearm_above),
        )
        self.resolved += found.resolves
        if not found.fires:
            return
        subject = Subject(
            name=f"wallet:{wallet.id}",
            customer_id=wallet.customer_id,
            starts=wallet.created_at,
            ends=None,
            subscription_id=wallet.subscription_id,
            wallet_id=wallet.id,
            currency=wallet.currency,
        )
        self.crossings.append(Crossing(rule, subject, balance.available, granted, late=False, lines=found.fires))


def granted_of(book: Allocation, *, now: datetime) -> Decimal:
    """The amounts of the grants of a wallet that hold now, without what was taken back or refunded of them."""
    holding = [grant for grant in book.grants if grant.counts and holds(grant, now)]
    return sum_of(EXACT.subtract(book.amount_of(one), EXACT.add(one.taken_back, one.refunded)) for one in holding)


def _moves_at(book: Allocation, *, now: datetime) -> datetime:
    """When the clock alone may move the balance: a grant begins or ends; at the latest in an hour."""
    edges = [edge for grant in book.grants if grant.counts for edge in (grant.effective_at, grant.ends_at)]
    return min([now + LOOK_AGAIN, *(edge for edge in edges if edge is not None and now < edge)])
