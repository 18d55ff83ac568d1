"""The rule by which a wallet asks for more: set, ended, looked at again; and requests that were not paid."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import MAX_QUANTITY, plain
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.core.limits import MAX_COUNT
from usage_billing.flows.prepaid.amounts import check_places
from usage_billing.flows.prepaid.facts import tell_top_up
from usage_billing.flows.prepaid.open_wallet import check_open, open_wallet
from usage_billing.flows.prepaid.watch_wallets import (
    LOOK_AGAIN,
    expire,
    hold,
    look,
    look_or_leave,
    open_request,
)
from usage_billing.packages.queries import get_package
from usage_billing.prepaid.topping_up import SPANS
from usage_billing.top_ups.models import TopUp, TopUpRule, TopUpState
from usage_billing.top_ups.queries import lock_rule
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import scopes_of
from usage_billing.wire.event_type import EventType

MAX_COOLDOWN = 31 * 24 * 3600
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """When a wallet asks for more, and for what: an ``amount``, what brings it ``up_to``, or a package of its units.

    It asks at most ``most_count`` times within the last ``most_per``, and not sooner than ``cooldown_seconds`` after it
    asked.
    """

    below: Decimal
    amount: Decimal | None = None
    up_to: Decimal | None = None
    package_id: str | None = None
    most_count: int | None = None
    most_per: str | None = None
    cooldown_seconds: int = 0


def set_rule(session: Session, wallet_id: str, new: NewRule, *, actor: str, now: datetime) -> TopUpRule:
    """Let a wallet ask for more by this rule from now on; it asks at once where it is below. Raises InvalidInput."""
    wallet = open_wallet(session, wallet_id, now=now)
    check_open(wallet)
    _check(session, wallet, new)
    rule = lock_rule(session, wallet_id)
    if rule is None:
        rule = TopUpRule(wallet_id=wallet_id, customer_id=wallet.customer_id, look_at=now + LOOK_AGAIN)
        rule.cycle = rule.failures = rule.depletions = 0
        rule.is_depleted = False
        session.add(rule)
    for name in ("below", "amount", "up_to", "package_id", "most_count", "most_per", "cooldown_seconds"):
        setattr(rule, name, getattr(new, name))
    rule.ended_at = rule.waits_until = None
    rule.failures = 0
    _note(session, wallet, "wallet.top_up_rule_set", actor=actor, now=now, below=plain(new.below))
    session.flush()
    look(session, [rule], now=now)
    return rule


def end_rule(session: Session, wallet_id: str, *, actor: str, now: datetime) -> TopUpRule:
    """Let a wallet ask for nothing more; what it asked for may still be paid. Raises NotFound."""
    wallet = open_wallet(session, wallet_id, now=now)
    rule = lock_rule(session, wallet_id)
    if rule is None or rule.ended_at is not None:
        raise NotFound(f"wallet {wallet_id} has no rule for top-ups")
    rule.ended_at = now
    _note(session, wallet, "wallet.top_up_rule_ended", actor=actor, now=now)
    session.flush()
    return rule


def fail_top_up(session: Session, top_up_id: UUID, *, reason: str | None, actor: str, now: datetime) -> TopUp:
    """What a wallet asked for was not paid: it asks again after 1 h, doubling to 24 h.

    Raises NotFound, and Conflict with ``top_up_answered`` and ``top_up_expired``.
    """
    wallet, rule, top_up = locked_top_up(session, top_up_id, now=now)
    top_up.state, top_up.answered_at, top_up.reason = TopUpState.FAILED, now, reason
    hold(rule, since=now)
    _note(session, wallet, "wallet.top_up_failed", actor=actor, now=now, topUp=str(top_up_id))
    session.flush()
    tell_top_up(session, wallet, top_up, EventType.TOP_UP_FAILED)
    return top_up


def locked_top_up(session: Session, top_up_id: UUID, *, now: datetime) -> tuple[Wallet, TopUpRule, TopUp]:
    """A request that may be answered, with its locked wallet and rule.

    Raises NotFound, and Conflict with ``top_up_answered`` and, by the clock's word, ``top_up_expired``.
    """
    wallet_id = get_top_up(session, top_up_id).wallet_id
    wallet = open_wallet(session, wallet_id, now=now)
    rule = lock_rule(session, wallet_id)
    top_up = get_top_up(session, top_up_id)
    if rule is None:
        raise NotFound(f"there is no top-up {top_up_id}")
    if top_up.state in (TopUpState.PAID, TopUpState.FAILED):
        raise Conflict(f"it was answered before: it is {top_up.state}", code="top_up_answered")
    if top_up.state == TopUpState.EXPIRED or top_up.expires_at <= now:
        raise Conflict("it was not answered within 24 hours: grant by hand what was paid", code="top_up_expired")
    return wallet, rule, top_up


def get_top_up(session: Session, top_up_id: UUID) -> TopUp:
    """The request; raises NotFound."""
    found = session.get(TopUp, top_up_id, populate_existing=True)
    if found is None:
        raise NotFound(f"there is no top-up {top_up_id}")
    return found


def rules_to_look_at(session: Session, *, now: datetime, limit: int = 2000) -> list[str]:
    """The wallets whose rule is to be looked at again by now, those that wait longest first.

    One that has ended is looked at while something that it asked for is to expire.
    """
    over = select(TopUp.wallet_id).where(TopUp.state == TopUpState.ASKED, TopUp.expires_at <= now)
    holding = and_(TopUpRule.ended_at.is_(None), TopUpRule.look_at <= now)
    statement = select(TopUpRule.wallet_id).where(or_(holding, TopUpRule.wallet_id.in_(over)))
    return list(session.scalars(statement.order_by(TopUpRule.look_at, TopUpRule.wallet_id).limit(limit)))


def look_again(session: Session, wallet_id: str, *, now: datetime) -> int:
    """Expire what was not answered in time, and ask where the wallet is low; returns how many wallets ask."""
    rule = lock_rule(session, wallet_id)
    if rule is None:
        return 0
    rule.look_at = now + LOOK_AGAIN
    there = open_request(session, wallet_id)
    if there is not None and there.expires_at <= now:
        expire(session, rule, there, now=now)
    return look_or_leave(session, [rule], now=now) if rule.ended_at is None else 0


def _check(session: Session, wallet: Wallet, new: NewRule) -> None:
    for pointer, value in (("/below", new.below), ("/amount", new.amount), ("/upTo", new.up_to)):
        if value is None:
            continue
        if not 0 < value <= MAX_QUANTITY:
            raise InvalidInput.field(pointer, f"must be more than 0 and at most {MAX_QUANTITY:f}", code="out_of_range")
        check_places(wallet, value, pointer=pointer)
    if sum(one is not None for one in (new.amount, new.up_to, new.package_id)) != 1:
        raise InvalidInput.field("/amount", "is given, or else upTo or packageId, and one alone", code="contradiction")
    if new.up_to is not None and new.up_to <= new.below:
        raise InvalidInput.field("/upTo", "must be more than below", code="out_of_range")
    if new.most_count is not None and not 1 <= new.most_count <= MAX_COUNT:
        raise InvalidInput.field("/atMost/count", f"must be from 1 to {MAX_COUNT}", code="out_of_range")
    if (new.most_count is None) != (new.most_per is None) or new.most_per not in (None, *SPANS):
        raise InvalidInput.field("/atMost/per", f"must be one of {', '.join(SPANS)}", code="not_a_choice")
    if not 0 <= new.cooldown_seconds <= MAX_COOLDOWN:
        message = f"must be from 0 to {MAX_COOLDOWN}"
        raise InvalidInput.field("/cooldownSeconds", message, code="out_of_range")
    if new.package_id is not None:
        _check_package(session, wallet, new.package_id)


def _check_package(session: Session, wallet: Wallet, package_id: str) -> None:
    try:
        package = get_package(session, package_id)
    except NotFound as error:
        message = f"there is no package {package_id}"
        raise InvalidInput.field("/packageId", message, code="unknown_package") from error
    if package.usage_types is None:
        if wallet.currency != package.currency:
            raise InvalidInput.field("/packageId", "is not of what the wallet holds", code="contradiction")
        return
    types = {scope.usage_type_id for scope in scopes_of(session, [wallet.id])}
    if wallet.unit_name != package.unit_name or not types >= set(package.usage_types):
        raise InvalidInput.field("/packageId", "is not of what the wallet holds", code="contradiction")


def _note(session: Session, wallet: Wallet, action: str, *, actor: str, now: datetime, **detail: str) -> None:
    note(session, actor=actor, action=action, subject=f"wallet:{wallet.id}", at=now, **detail)
