"""Ends every grant of a wallet at an instant: what was used before is paid for still, the rest expires or is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.alerts.service import look_at_customer
from usage_billing.audit.service import note
from usage_billing.core.clock import instant_text
from usage_billing.core.decimals import MAX_QUANTITY, plain
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.identifiers import new_id
from usage_billing.drawing.books import allocation_of
from usage_billing.flows.prepaid.amounts import check_places
from usage_billing.flows.prepaid.facts import tell_grant
from usage_billing.flows.prepaid.hours import hours_of
from usage_billing.flows.prepaid.manage_grants import check_cut
from usage_billing.flows.prepaid.open_wallet import check_open, open_wallet
from usage_billing.flows.prepaid.post_draws import settle_rollovers
from usage_billing.flows.prepaid.watch_wallets import watch
from usage_billing.prepaid.burn_down import USUAL_PRIORITY
from usage_billing.wallets.models import Grant, GrantCategory, GrantStatus, Wallet
from usage_billing.wallets.queries import grants_of
from usage_billing.wallets.service import add_grant
from usage_billing.wire.event_type import EventType

_POSTED_SINCE = text("""
    SELECT max(window_start) FROM wallet_draws WHERE grant_id = ANY(CAST(:grants AS uuid[])) AND window_start >= :at
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """When the grants of a wallet end (None: now), and how much of what is left is kept at most (None: nothing).

    Now is with the hour that runs, where a wallet pays for a meter. The ``idempotency_key`` keeps once; without one the
    instant does.
    """

    at: datetime | None = None
    keep: Decimal | None = None
    idempotency_key: str | None = None


def reset_wallet(
    session: Session, wallet_id: str, asked: Reset, *, actor: str, now: datetime, grace: timedelta
) -> list[Grant]:
    """End the grants that hold at the instant; returns them. Asked again for that, or with its key, there are none.

    What occurred before it is paid for still until the grace time from now is over. Grants that begin then or later,
    and those that wait to be paid, stay. With ``keep`` one new grant has what is left, at most so much, from then on.
    Its amount follows late usage until the others are closed.

    Raises NotFound; InvalidInput for an instant to come; Conflict with ``posted_since`` where one of them paid for what
    is final of a later time, with ``cuts_posted`` where the instant divides usage of which what was paid for is, with
    ``conflicting_reset`` where the key made another, with ``still_following`` before an instant at which some was kept,
    and with ``mixed_currencies`` of what the grants cost.
    """
    wallet = open_wallet(session, wallet_id, now=now)
    hours = hours_of(session, wallet)
    instant = hours.end_of(now) if asked.at is None else asked.at
    if asked.at is not None and asked.at > now:
        raise InvalidInput.field("/at", "must not be in the future", code="out_of_range")
    hours.check("/at", asked.at)
    key = _key_of(wallet, asked, instant)
    if key is not None:
        if _was_kept(session, wallet, asked, key=key):
            return []
        check_open(wallet)
    ending = [grant for grant in grants_of(session, [wallet.id]) if _holds_at(grant, instant)]
    since = session.execute(_POSTED_SINCE, {"grants": [grant.id for grant in ending], "at": instant}).scalar_one()
    if since is not None:
        raise Conflict(f"what was paid for of the time since {instant_text(since)} is final", code="posted_since")
    if any(grant.kept_in is not None for grant in ending):
        raise Conflict("what a reset at a later instant kept still follows late usage", code="still_following")
    if ending or key is not None:
        check_cut(session, wallet.id, instant)
    for grant in ending:
        grant.reset_at, grant.closes_at = instant, max(instant, now) + grace
    session.flush()
    kept = None
    if key is not None:
        kept = _keep(session, wallet, asked, ending, instant=instant, key=key, now=now, grace=grace)
    note(
        session,
        actor=actor,
        action="wallet.reset",
        subject=f"wallet:{wallet.id}",
        at=now,
        instant=instant_text(instant),
        grants=[str(grant.id) for grant in ending],
        **({} if kept is None else {"kept": str(kept.id), "keep": plain(asked.keep or Decimal(0))}),
    )
    session.flush()
    if kept is None or not kept.amount:
        look_at_customer(session, wallet.customer_id)
    else:
        tell_grant(session, wallet, kept, EventType.GRANT_ACTIVATED, now=now)
    watch(session, [wallet.customer_id], now=now)
    return ending


def _key_of(wallet: Wallet, asked: Reset, instant: datetime) -> str | None:
    """The key of the grant that is to keep what is left; None where nothing is kept."""
    if asked.keep is None:
        if asked.idempotency_key is not None:
            message = "is of what is kept: without keep, the instant ends grants once"
            raise InvalidInput.field("/idempotencyKey", message, code="contradiction")
        return None
    if not 0 <= asked.keep <= MAX_QUANTITY:
        raise InvalidInput.field("/keep/max", f"must be from 0 to {MAX_QUANTITY:f}", code="out_of_range")
    check_places(wallet, asked.keep, pointer="/keep/max")
    return asked.idempotency_key or f"reset {instant_text(instant)}"


def _was_kept(session: Session, wallet: Wallet, asked: Reset, *, key: str) -> bool:
    there = session.scalars(select(Grant).where(Grant.wallet_id == wallet.id, Grant.key == key)).first()
    if there is None:
        return False
    if not there.is_kept or there.rollover_max != asked.keep or asked.at not in (None, there.effective_at):
        raise Conflict("what is kept, or its key, is another: nothing was done", code="conflicting_reset")
    return True


def _keep(
    session: Session,
    wallet: Wallet,
    asked: Reset,
    ending: Sequence[Grant],
    *,
    instant: datetime,
    key: str,
    now: datetime,
    grace: timedelta,
) -> Grant | None:
    """One grant of what is left of others, which pays wherever one of them did, as long as any of them.

    Where nothing ends, or nothing may be kept, there is none: a row that never counts says that the key was used.
    """
    keeps = bool(ending) and bool(asked.keep)
    currencies = {grant.cost_currency for grant in ending if grant.cost_currency is not None}
    if len(currencies) > 1:
        raise Conflict("what the grants cost is in different currencies", code="mixed_currencies")
    priorities = {grant.priority for grant in ending}
    expires = [grant.expires_at for grant in ending if grant.expires_at is not None]
    expires_at = max(expires) if expires and len(expires) == len(ending) else None
    row = {
        "id": new_id(),
        "wallet_id": wallet.id,
        "key": key,
        "category": GrantCategory.ROLLOVER,
        "status": GrantStatus.ACTIVE if keeps else GrantStatus.VOID,
        "priority": next(iter(priorities)) if len(priorities) == 1 else USUAL_PRIORITY,
        "usage_types": _together([grant.usage_types for grant in ending]),
        "subscription_ids": _together([grant.subscription_ids for grant in ending]),
        "amount": Decimal(0),
        "effective_at": instant,
        "expires_at": expires_at,
        "closes_at": None if expires_at is None else max(expires_at, now) + grace,
        "cost_currency": next(iter(currencies), None),
        "activated_at": now if keeps else None,
        "rollover_max": asked.keep,
    }
    kept = add_grant(session, row)
    if not keeps:
        return None
    for grant in ending:
        grant.kept_in = kept.id
    session.flush()
    settle_rollovers(session, allocation_of(session, wallet, now=now))
    return kept


def _together(scopes: Sequence[Sequence[str] | None]) -> list[str] | None:
    """All that any of these names; None: all of the wallet."""
    if not scopes or None in scopes:
        return None
    return sorted({name for scope in scopes for name in scope or ()})


def _holds_at(grant: Grant, instant: datetime) -> bool:
    """Whether a grant pays for what occurs at an instant, and for what occurred before."""
    goes_on = grant.ends_at is None or instant < grant.ends_at
    return grant.status == GrantStatus.ACTIVE and grant.effective_at < instant and goes_on
