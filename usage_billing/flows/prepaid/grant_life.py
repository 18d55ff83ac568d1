"""What becomes of a grant by hand: it is paid, taken back where it was a mistake, or refunded."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core import crash
from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.drawing.books import allocation_of
from usage_billing.flows.prepaid.amounts import check_places
from usage_billing.flows.prepaid.facts import tell_grant, tell_refunded
from usage_billing.flows.prepaid.hours import hours_of
from usage_billing.flows.prepaid.manage_grants import check_cuts
from usage_billing.flows.prepaid.open_wallet import check_open, open_wallet
from usage_billing.flows.prepaid.paid_purchases import check_kept, check_money_paid, check_taken_back_whole
from usage_billing.flows.prepaid.post_draws import return_unwanted, settle_rollovers
from usage_billing.flows.prepaid.watch_wallets import note_filled, watch
from usage_billing.packages.charges import lower_charge
from usage_billing.packages.queries import purchase_of_grant
from usage_billing.prepaid.ledger import TransferKind
from usage_billing.wallets.allocation import Allocation, provisional_of
from usage_billing.wallets.models import Grant, GrantStatus, Transfer, Wallet
from usage_billing.wallets.occurrences import wallet_of_grant
from usage_billing.wallets.queries import get_grant
from usage_billing.wallets.service import move
from usage_billing.wire.event_type import EventType
from usage_billing.wire.kinds import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """What is to be refunded of a grant: ``amount`` units, or (None) all that is left.

    The ``idempotency_key`` refunds once. It is needed with an amount, of which twice would otherwise be twice as much.
    """

    amount: Decimal | None = None
    idempotency_key: str | None = None


def activate_grant(session: Session, grant_id: UUID, *, actor: str, now: datetime, grace: timedelta) -> Grant:
    """Let a pending grant pay, which was paid for. Without a start of its own it begins now.

    Raises NotFound; Conflict with ``already_void``, with ``not_pending``, and with ``cuts_posted`` where it would
    divide usage of which what was paid for is final.
    """
    wallet, grant = _locked(session, grant_id, now=now)
    _check_not_void(grant)
    if grant.status != GrantStatus.PENDING:
        raise Conflict("the grant is not pending: it was activated before", code="not_pending")
    check_open(wallet)
    if grant.starts_when_paid and (grant.expires_at is None or now < grant.expires_at):
        grant.effective_at = max(hours_of(session, wallet).start_of(now), grant.effective_at)
    if grant.expires_at is not None:
        grant.closes_at = max(grant.expires_at, now) + grace
    grant.status, grant.activated_at = GrantStatus.ACTIVE, now
    session.flush()
    check_cuts(session, grant)
    move(session, grant, TransferKind.SOLD, grant.amount)
    _note(session, wallet, grant, "wallet.grant_activated", grant.amount, actor=actor, now=now)
    session.flush()
    crash.point("prepaid.activated")
    tell_grant(session, wallet, grant, EventType.GRANT_ACTIVATED, now=now)
    note_filled(session, wallet, now=now)
    return grant


def void_grant(session: Session, grant_id: UUID, *, used: bool, actor: str, now: datetime) -> Grant:
    """Take back what is left of a grant; with ``used`` also what it pays for and is not posted.

    A purchase that a subscription's invoices charge costs less then by the part of the cost that was taken back.
    Another purchase goes back whole, or not at all.

    Raises NotFound; Conflict with ``already_void``, ``grant_closed``, ``grant_used`` when a part of it is posted, or
    ``purchase_stands`` where what was paid for it would be kept.
    """
    wallet, grant = _locked(session, grant_id, now=now)
    _check_not_void(grant)
    if _is_over(grant, now):
        raise Conflict("the grant is closed: what it did not pay for has expired", code="grant_closed")
    if grant.posted:
        raise Conflict("a part of the grant paid for what is final", code="grant_used")
    left = EXACT.subtract(grant.amount, grant.out)
    if grant.status == GrantStatus.PENDING:  # nothing of it is in the ledger
        grant.taken_back = left
    else:
        book = allocation_of(session, wallet, now=now)
        _check_settled(book, grant)
        if used:
            # What it carries over stays that, and no usage of before draws on it.
            settle_rollovers(session, book)
            left = EXACT.subtract(grant.amount, grant.out)
        else:
            left = EXACT.subtract(left, EXACT.subtract(book.carried_from(grant), grant.rolled_over))
            left = EXACT.subtract(left, provisional_of(book, grant))
        check_kept(session, grant)
        check_taken_back_whole(session, grant, left)
        if left:
            gone = move(session, grant, TransferKind.TAKEN_BACK, left)
            _charge_less(session, grant, gone)
    if grant.out == grant.amount:
        grant.status = GrantStatus.VOID
    _note(session, wallet, grant, "wallet.grant_voided", left, actor=actor, now=now)
    session.flush()
    tell_grant(session, wallet, grant, EventType.GRANT_VOIDED, now=now, part=plain(grant.taken_back))
    watch(session, [wallet.customer_id], now=now)
    return grant


def refund_grant(session: Session, grant_id: UUID, asked: Refund, *, actor: str, now: datetime) -> Transfer:
    """Take what is left of a bought grant out of it, and say how much money goes back: its part of the cost.

    Who pays the money out is told by ``wallet.grant_refunded``. A repeated key returns the refund that it made.

    Raises NotFound; InvalidInput; Conflict with ``already_void``, ``grant_pending``, ``grant_closed``, ``grant_given``,
    ``refund_too_large``, ``purchase_unpaid`` and ``purchase_taxed`` of a purchase, and ``conflicting_refund`` when the
    key has made another one.
    """
    if asked.amount is not None and asked.idempotency_key is None:
        raise InvalidInput.field("/idempotencyKey", "is required with an amount", code="required")
    if asked.amount is not None and asked.amount <= 0:
        raise InvalidInput.field("/amount", "must be more than 0", code="out_of_range")
    wallet, grant = _locked(session, grant_id, now=now)
    there = _made_before(session, grant, asked)
    if there is not None:
        return there
    _check_refundable(grant, now)
    book = allocation_of(session, wallet, now=now)
    _check_settled(book, grant)
    check_kept(session, grant)
    return_unwanted(session, book, grant)
    left = EXACT.subtract(EXACT.subtract(grant.amount, grant.out), provisional_of(book, grant))
    amount = left if asked.amount is None else asked.amount
    check_places(wallet, amount)
    if amount > left or not left:
        rest = Held().show(left, wallet.currency or "")
        raise Conflict(f"{rest} of the grant is left", code="refund_too_large")
    made = move(session, grant, TransferKind.REFUNDED, amount, key=asked.idempotency_key)
    check_money_paid(session, grant)
    if grant.out == grant.amount and not grant.posted:
        grant.status = GrantStatus.CLOSED
    _note(session, wallet, grant, "wallet.grant_refunded", amount, actor=actor, now=now)
    session.flush()
    crash.point("prepaid.refunded")
    tell_refunded(session, wallet, made, grant)
    watch(session, [wallet.customer_id], now=now)
    return made


def _locked(session: Session, grant_id: UUID, *, now: datetime) -> tuple[Wallet, Grant]:
    """The locked wallet of a grant, and the grant as it is then."""
    wallet = open_wallet(session, wallet_of_grant(session, grant_id, now=now), now=now)
    return wallet, get_grant(session, grant_id)


def _check_not_void(grant: Grant) -> None:
    if grant.status == GrantStatus.VOID:
        raise Conflict("the grant is void already", code="already_void")


def _check_settled(book: Allocation, grant: Grant) -> None:
    """What follows late usage is not settled, and neither is what a reset that keeps some of it ended."""
    if grant.id in book.carried or grant.kept_in is not None:
        raise Conflict("what is carried over still follows late usage", code="still_following")


def _charge_less(session: Session, grant: Grant, taken_back: Transfer) -> None:
    purchase = purchase_of_grant(session, grant.id)
    if purchase is not None and purchase.charge_id is not None:
        lower_charge(session, purchase.charge_id, by=taken_back.cost)


def _is_over(grant: Grant, now: datetime) -> bool:
    if grant.status == GrantStatus.PENDING:
        return False
    return grant.status == GrantStatus.CLOSED or (grant.closes_at is not None and grant.closes_at <= now)


def _check_refundable(grant: Grant, now: datetime) -> None:
    _check_not_void(grant)
    if grant.status == GrantStatus.PENDING:
        raise Conflict("the grant is not paid yet: void it", code="grant_pending")
    if grant.cost_currency is None:
        raise Conflict("the grant was given: there is no money to return", code="grant_given")
    if _is_over(grant, now):
        raise Conflict("the grant is closed: nothing of it is left", code="grant_closed")


def _made_before(session: Session, grant: Grant, asked: Refund) -> Transfer | None:
    """The refund that the key has made."""
    if asked.idempotency_key is None:
        return None
    statement = select(Transfer).where(Transfer.grant_id == grant.id, Transfer.key == asked.idempotency_key)
    there = session.scalars(statement).first()
    if there is not None and asked.amount is not None and asked.amount != there.amount:
        raise Conflict("the key has refunded another amount of this grant", code="conflicting_refund")
    return there


def _note(
    session: Session, wallet: Wallet, grant: Grant, action: str, amount: Decimal, *, actor: str, now: datetime
) -> None:
    subject = f"wallet:{wallet.id}"
    note(session, actor=actor, action=action, subject=subject, at=now, grant=str(grant.id), amount=plain(amount))
