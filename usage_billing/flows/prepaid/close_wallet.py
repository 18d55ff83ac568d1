"""Closes a wallet: nothing is put into it any more. What is in it goes back to the customer where it was bought."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import plain, sum_of
from usage_billing.core.errors import Conflict
from usage_billing.drawing.books import allocation_of
from usage_billing.flows.prepaid.grant_life import Refund, refund_grant, void_grant
from usage_billing.flows.prepaid.manage_grants import check_cut
from usage_billing.flows.prepaid.manage_schedules import end_schedule
from usage_billing.flows.prepaid.manage_top_ups import end_rule
from usage_billing.flows.prepaid.open_wallet import open_wallet
from usage_billing.flows.prepaid.post_draws import settle_rollovers
from usage_billing.flows.prepaid.reset_wallet import Reset, reset_wallet
from usage_billing.schedules.models import Schedule
from usage_billing.top_ups.models import TopUp, TopUpRule, TopUpState
from usage_billing.top_ups.queries import lock_rule
from usage_billing.wallets.models import Grant, GrantStatus, Wallet
from usage_billing.wallets.views import GrantView, grant_view
from usage_billing.wire.kinds import Held


def close_wallet(
    session: Session, wallet_id: str, *, settle: bool, actor: str, now: datetime, grace: timedelta
) -> Wallet:
    """Let a wallet take nothing in from now on; one that is closed stays so.

    With ``settle`` what is left of bought grants is refunded, what was given is taken back where it waits and expires
    otherwise, and what is owed is charged by its price. What occurred before is paid for still, however late it comes,
    by what was given, until the grace time from now is over.

    Raises NotFound; Conflict with ``wallet_not_empty`` unless ``settle``, with ``top_up_asked`` where a top-up waits
    for an answer, with ``cuts_posted``, and with what a refund may be refused for.
    """
    wallet = open_wallet(session, wallet_id, now=now)
    if wallet.closed_at is not None:
        return wallet
    _check_asked(session, wallet, now=now)
    going, owed = _going(session, wallet, now=now)
    left = sum_of(one.left for one in going)
    if not settle and (left or owed):
        rest, debt = (Held().show(one, wallet.currency or "") for one in (left, owed))
        what = f"{rest} of it may be used still or wait to be paid"
        message = f"{what}, and {debt} are owed: settle it, or empty it before"
        raise Conflict(message, code="wallet_not_empty")
    _end_what_fills(session, wallet, actor=actor, now=now)
    _hand_back(session, wallet, going, actor=actor, now=now)
    reset_wallet(session, wallet_id, Reset(), actor=actor, now=now, grace=grace)
    if wallet.overdraft is not None:
        check_cut(session, wallet_id, now)
    wallet.closed_at = now
    subject = f"wallet:{wallet_id}"
    note(session, actor=actor, action="wallet.closed", subject=subject, at=now, left=plain(left), owed=plain(owed))
    session.flush()
    return wallet


def open_again(session: Session, wallet_id: str, *, actor: str, now: datetime) -> Wallet:
    """Let a closed wallet take something in again; what was in it stays gone.

    Raises NotFound, and Conflict with ``wallet_closed`` for one that might owe: what it owed was charged.
    """
    wallet = open_wallet(session, wallet_id, now=now)
    if wallet.closed_at is None:
        return wallet
    if wallet.overdraft is not None:
        raise Conflict("a wallet that might owe stays closed: what it owed was charged", code="wallet_closed")
    wallet.closed_at = None
    note(session, actor=actor, action="wallet.opened", subject=f"wallet:{wallet_id}", at=now)
    session.flush()
    return wallet


def _check_asked(session: Session, wallet: Wallet, *, now: datetime) -> None:
    lock_rule(session, wallet.id)  # what asks for more holds the rule, and does not wait for the wallet
    asked = select(TopUp.id).where(
        TopUp.wallet_id == wallet.id, TopUp.state == TopUpState.ASKED, TopUp.expires_at > now
    )
    waits = session.scalars(asked.order_by(TopUp.id)).first()
    if waits is not None:
        raise Conflict(f"the top-up {waits} waits for an answer: it may have been paid", code="top_up_asked")


def _going(session: Session, wallet: Wallet, *, now: datetime) -> tuple[list[GrantView], Decimal]:
    """The grants that are open or wait to be paid and have something left, and what is owed."""
    book = allocation_of(session, wallet, now=now)
    views = (grant_view(book, grant, now=now) for grant in book.grants)
    going = [one for one in views if one.status in (GrantStatus.PENDING, GrantStatus.ACTIVE) and one.left > 0]
    # What a reset ended expires by itself.
    return [one for one in going if one.grant.ends_at is None or one.grant.ends_at > now], book.owed


def _end_what_fills(session: Session, wallet: Wallet, *, actor: str, now: datetime) -> None:
    """End the rule for top-ups and all schedules."""
    rule = session.scalars(select(TopUpRule).where(TopUpRule.wallet_id == wallet.id)).first()
    if rule is not None and rule.ended_at is None:
        end_rule(session, wallet.id, actor=actor, now=now)
    for schedule in session.scalars(
        select(Schedule).where(Schedule.wallet_id == wallet.id).order_by(Schedule.id)
    ).all():
        if schedule.ends_at is None or schedule.ends_at > now:
            end_schedule(session, schedule.id, at=now, actor=actor, now=now)


def _hand_back(session: Session, wallet: Wallet, going: Sequence[GrantView], *, actor: str, now: datetime) -> None:
    """Refund what is left and was paid for; take back what waits to be paid, or was given and has not begun.

    Of what a reset keeps from the next hour on nothing is kept.
    """
    for one in going:
        grant: Grant = one.grant
        if one.status == GrantStatus.ACTIVE and one.paid > 0:
            refund_grant(session, grant.id, Refund(), actor=actor, now=now)
        elif grant.is_kept and grant.effective_at > now:
            grant.rollover_max = Decimal(0)
            session.flush()
            settle_rollovers(session, allocation_of(session, wallet, now=now))
        elif one.status == GrantStatus.PENDING or grant.effective_at >= now:
            void_grant(session, grant.id, used=False, actor=actor, now=now)
