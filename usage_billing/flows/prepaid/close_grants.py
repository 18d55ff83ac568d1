"""Closes grants that are over: what they paid for is posted, and the rest of them expires."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.core import crash
from usage_billing.core.decimals import EXACT
from usage_billing.drawing.applied import applied_before, settled_causes
from usage_billing.drawing.books import allocation_of
from usage_billing.drawing.planning import drawn_by_cause, in_money
from usage_billing.flows.prepaid.facts import tell_grant
from usage_billing.flows.prepaid.open_occurrences import open_occurrences
from usage_billing.flows.prepaid.post_draws import post_grant
from usage_billing.prepaid.ledger import TransferKind
from usage_billing.subscriptions.queries import contracts_of_customers
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.models import Grant, GrantStatus
from usage_billing.wallets.service import lock_wallet, move
from usage_billing.wire.event_type import EventType

_NOTHING = Decimal(0)


def wallets_to_close(session: Session, *, now: datetime, limit: int = 1000) -> list[str]:
    """The wallets that have a grant to be closed, by id."""
    statement = select(Grant.wallet_id).where(Grant.status == GrantStatus.ACTIVE, Grant.closes_at <= now)
    return list(session.scalars(statement.distinct().order_by(Grant.wallet_id).limit(limit)))


def close_grants(session: Session, wallet_id: str, *, now: datetime) -> int:
    """Close the grants of one wallet that are over; returns how many. The ledger has each movement.

    One that pays a minimum of a period for which no run has made a summary yet is closed after that run. One in money
    that pays more or less by now than final invoices say is closed after the invoice that says so.
    """
    wallet = lock_wallet(session, wallet_id)
    if wallet is None:
        return 0
    open_occurrences(session, [wallet], now=now)
    book = allocation_of(session, wallet, now=now)
    waiting = {key.grant_id for key in book.draws if key.need.summary_id < 0} | _unsaid(session, book, now=now)
    over = [
        grant
        for grant in book.grants
        if grant.status == GrantStatus.ACTIVE
        and grant.closes_at is not None
        and grant.closes_at <= now
        and grant.id not in waiting
    ]
    going = {grant.id for grant in over}
    open_ids = {grant.id for grant in book.grants if grant.status == GrantStatus.ACTIVE} - going
    # What a reset kept is settled at once: what it is from closes together.
    waits = {grant.kept_in for grant in book.grants if grant.id in open_ids and grant.kept_in is not None}
    over = [grant for grant in over if grant.rolls_from not in open_ids and not waits & {grant.id, grant.kept_in}]
    # What carries over is closed after that from which it does.
    over.sort(key=lambda grant: (grant.closes_at, grant.rolls_from is not None or grant.is_kept, grant.effective_at))
    for grant in over:
        if grant.is_kept and not grant.amount:  # what it is from is closed, and left nothing
            grant.status, grant.activated_at = GrantStatus.VOID, None
            session.flush()
            continue
        post_grant(session, book, grant)
        crash.point("prepaid.closing")
        rest = EXACT.subtract(grant.amount, grant.out)
        if rest:
            move(session, grant, TransferKind.EXPIRED, rest)
        grant.status = GrantStatus.CLOSED
        session.flush()
        tell_grant(session, wallet, grant, EventType.GRANT_EXPIRED, now=now)
    return len(over)


def _unsaid(session: Session, book: Allocation, *, now: datetime) -> set[UUID]:
    """The grants in money that pay more of what is final, or less of anything, than invoices say: the next one does."""
    changes = list(book.changes()) if in_money([book]) else []
    if not changes:
        return set()
    names = [contract.id for contract in contracts_of_customers(session, {book.wallet.customer_id})]
    more = [key for key, change in changes if change > 0]
    settled = settled_causes(session, {key.need.cause for key in more}, names, ended_before=now)
    final = {one.cause for one in settled}
    by_now = drawn_by_cause([book])
    said = applied_before(session, {key.need.cause for key, change in changes if change < 0})
    less = {place[1] for place, amount in said.items() if by_now.get(place, _NOTHING) < amount}
    return less | {key.grant_id for key in more if key.need.cause in final}
