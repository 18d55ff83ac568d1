"""Watches wallets that have a rule: the transaction that lets one fall below it asks for more, once.

The rule's row is locked before the balance is read, so of two that let a wallet fall together the second sees what the
first did. It comes after summaries in the order of locks, and the wallet's own row is not waited for: what posts locks
wallets before summaries.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.core import crash
from usage_billing.core.decimals import EXACT
from usage_billing.core.identifiers import new_id
from usage_billing.db.apart import fault_of
from usage_billing.drawing.books import all_allocations, allocation_of
from usage_billing.flows.alerting.watch_balances import watch_balances
from usage_billing.flows.prepaid.facts import tell_depleted, tell_top_up
from usage_billing.packages.queries import version_at, versions_of
from usage_billing.prepaid.topping_up import ANSWER_WITHIN, may_ask_at, wait_after
from usage_billing.top_ups.models import TopUp, TopUpRule, TopUpState
from usage_billing.top_ups.queries import lock_rule, lock_rules
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.views import available_of
from usage_billing.wire.event_type import EventType

LOOK_AGAIN = timedelta(minutes=10)
"""How long the task leaves a rule alone, unless something ends sooner: then what the clock alone moved is found."""

_NOTHING = Decimal(0)

# Every drain asks, and most books watch nothing: one statement, without the names.
_WATCHED = text("""
    SELECT EXISTS (SELECT FROM top_up_rules WHERE ended_at IS NULL) AS asks,
        EXISTS (SELECT FROM alert_wallets) AS tells
""")

_log = logging.getLogger(__name__)


def watch(session: Session, customer_ids: Collection[str], *, now: datetime) -> int:
    """Compare what is available in the watched wallets of these customers with their rules; returns how many ask.

    Alerts on these wallets are judged too.
    """
    watched = session.execute(_WATCHED).one()
    rules = lock_rules(session, customer_ids) if watched.asks else []
    asked = look_or_leave(session, rules, now=now) if rules else 0
    if watched.tells:
        watch_balances(session, customer_ids, now=now)
    return asked


def look_or_leave(session: Session, rules: Sequence[TopUpRule], *, now: datetime) -> int:
    """Look at these locked rules, except those that cannot be: they keep nothing else out of the books.

    Such a one is logged, and looked at again by the task; returns how many wallets ask.
    """
    asked = 0

    def work() -> None:
        nonlocal asked
        asked = look(session, rules, now=now)

    fault = fault_of(session, work)
    if fault is None:
        return asked
    if len(rules) > 1:
        return sum(look_or_leave(session, [rule], now=now) for rule in rules)
    _log.error("a rule for top-ups could not be looked at", exc_info=fault, extra={"wallet": rules[0].wallet_id})
    return 0


def look(session: Session, rules: Sequence[TopUpRule], *, now: datetime) -> int:
    """Compare what is available with these locked rules; returns how many wallets ask for more."""
    books = all_allocations(session, {rule.customer_id for rule in rules}, now=now, past=False)
    by_wallet = {book.wallet.id: book for book in books}
    asked = 0
    for rule in rules:
        book = by_wallet[rule.wallet_id]
        available = available_of(book, now=now)
        _note_depleted(session, rule, book, available, now=now)
        if available < rule.below:
            asked += _ask(session, rule, book.wallet, available, now=now)
    session.flush()
    return asked


def note_filled(session: Session, wallet: Wallet, *, now: datetime) -> None:
    """Something may be available again in a locked wallet: then that it is used up is told again."""
    rule = lock_rule(session, wallet.id)
    if rule is not None and rule.is_depleted and rule.ended_at is None:
        rule.is_depleted = available_of(allocation_of(session, wallet, now=now, past=False), now=now) <= 0
        session.flush()


def expire(session: Session, rule: TopUpRule, top_up: TopUp, *, now: datetime) -> None:
    """A request that nothing answered in time is over; the wallet of the locked rule may ask again after a while."""
    top_up.state, top_up.answered_at = TopUpState.EXPIRED, max(now, top_up.expires_at)
    hold(rule, since=top_up.answered_at)
    session.flush()


def hold(rule: TopUpRule, *, since: datetime) -> None:
    """Let the wallet of a locked rule wait before it asks again: 1 h, doubling to 24 h."""
    rule.failures += 1
    rule.waits_until = since + wait_after(rule.failures)
    rule.look_at = min(rule.look_at, rule.waits_until)


def open_request(session: Session, wallet_id: str) -> TopUp | None:
    """What a wallet asked for that is not answered."""
    statement = select(TopUp).where(TopUp.wallet_id == wallet_id, TopUp.state == TopUpState.ASKED)
    return session.scalars(statement).first()


def _note_depleted(session: Session, rule: TopUpRule, book: Allocation, available: Decimal, *, now: datetime) -> None:
    is_depleted = available <= 0
    if is_depleted and (not rule.is_depleted or _held_since(book, rule.depleted_at, now=now)):
        rule.depletions += 1
        rule.depleted_at = now
        tell_depleted(session, book.wallet, times=rule.depletions)
    rule.is_depleted = is_depleted


def _held_since(book: Allocation, depleted_at: datetime | None, *, now: datetime) -> bool:
    """Whether a grant began since then: something was available, though it was used up before this look."""
    begun = (grant.effective_at for grant in book.grants if grant.counts and book.amount_of(grant) > 0)
    return depleted_at is not None and any(depleted_at < at <= now for at in begun)


def _ask(session: Session, rule: TopUpRule, wallet: Wallet, available: Decimal, *, now: datetime) -> bool:
    there = open_request(session, rule.wallet_id)
    if there is not None:
        if now < there.expires_at:
            return False
        expire(session, rule, there, now=now)
    waits_until = _waits_until(session, rule)
    if waits_until is not None and now < waits_until:
        rule.look_at = min(rule.look_at, waits_until)
        return False
    rule.cycle += 1
    top_up = TopUp(
        id=new_id(),
        wallet_id=rule.wallet_id,
        cycle=rule.cycle,
        state=TopUpState.ASKED,
        amount=_wanted(session, rule, available, now=now),
        package_id=rule.package_id,
        available=available,
        asked_at=now,
        expires_at=now + ANSWER_WITHIN,
    )
    session.add(top_up)
    rule.look_at = min(rule.look_at, top_up.expires_at)
    session.flush()
    tell_top_up(session, wallet, top_up, EventType.TOP_UP_REQUESTED)
    crash.point("prepaid.asked")
    return True


def _wanted(session: Session, rule: TopUpRule, available: Decimal, *, now: datetime) -> Decimal:
    if rule.package_id is not None:
        return version_at(versions_of(session, [rule.package_id]), now).amount
    if rule.up_to is not None:
        # What is owed is asked for too.
        return EXACT.subtract(rule.up_to, available)
    if rule.amount is None:
        raise LookupError(f"the rule of {rule.wallet_id} does not say what it asks for")
    return rule.amount


def _waits_until(session: Session, rule: TopUpRule) -> datetime | None:
    statement = select(TopUp.asked_at).where(
        TopUp.wallet_id == rule.wallet_id, TopUp.state.in_((TopUpState.ASKED, TopUpState.PAID))
    )
    asked = session.scalars(statement.order_by(TopUp.cycle.desc()).limit(rule.most_count or 1)).all()
    cooldown = timedelta(seconds=rule.cooldown_seconds)
    earliest = may_ask_at(asked, cooldown=cooldown, most_count=rule.most_count, most_per=rule.most_per)
    return max((at for at in (earliest, rule.waits_until) if at is not None), default=None)
