"""Posts what grants paid for: transfers that say so, and the sums of it on draws and grants. Wallets are locked."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.flows.prepaid.roll_over import book_rollovers
from usage_billing.metering.settling import reopen
from usage_billing.prepaid.burn_down import Cause, DrawKey
from usage_billing.prepaid.ledger import TransferKind
from usage_billing.wallets.allocation import Allocation, covered_by
from usage_billing.wallets.models import OVERDRAFT, Grant, GrantStatus
from usage_billing.wallets.queries import covered_before, posted_with
from usage_billing.wallets.service import move, set_draw

_NOTHING = Decimal(0)
_WITHOUT_DRAFT = text("""
    SELECT s.id
    FROM usage_summaries AS s
    WHERE s.id = ANY(CAST(:ids AS bigint[])) AND s.subscription_id = ANY(CAST(:subscriptions AS text[]))
        AND s.bills_at <= :ended_before AND NOT s.to_rate
        AND NOT EXISTS (
            SELECT
            FROM usage_invoice_items AS i
            JOIN invoices AS v ON v.id = i.invoice_id
            WHERE i.summary_id = s.id AND v.status = 'draft'
        )
""")


def drawn_without_draft(
    session: Session, found: Sequence[Allocation], subscription_ids: Collection[str], *, ended_before: datetime
) -> list[int]:
    """The summaries of these subscriptions that are over, have draws to be posted, and are on no draft.

    They are rated, and came to no other amount.
    """
    ids = {key.need.summary_id for book in found for key, _ in book.changes()}
    asked = {"ids": list(ids), "subscriptions": list(subscription_ids), "ended_before": ended_before}
    return list(session.scalars(_WITHOUT_DRAFT, asked)) if ids else []


def post_causes(session: Session, found: Sequence[Allocation], invoices: Mapping[Cause, UUID | None]) -> None:
    """Post every draw of these causes; ``invoices`` has the invoice of each that becomes final, or None.

    What any usage wants no more goes back with it, as a draw may rest on that; what a grant repays with what that pays
    of the same. Where grants pay for more or less by now than billing rated by, the next run rates it again.
    """
    for book in found:
        grants = book.payers
        for key, change in _returns_first(session, book):
            cause = key.need.cause
            if cause in invoices or (change < 0 and not book.is_overdraft(key.grant_id)):
                _post(session, book, grants[key.grant_id], key, change, invoice_id=invoices.get(cause))
    session.flush()
    covered, ids = covered_by(found), [cause.summary_id for cause in invoices]
    rated = covered_before(session, ids) if ids else {}
    reopen(session, [id for id in ids if covered.get(id, _NOTHING) != rated.get(id, _NOTHING)])


def post_said(
    session: Session,
    found: Sequence[Allocation],
    said: Mapping[tuple[Cause, UUID], Decimal],
    invoices: Mapping[Cause, UUID | None],
) -> None:
    """Post of grants in money what invoices say that they paid of these causes, the earliest windows first.

    What any usage wants no more goes back with it.
    """
    for book in found:
        grants = book.payers
        left = dict(said)
        for key, posted in book.posted.items():
            place = (key.need.cause, key.grant_id)
            left[place] = EXACT.subtract(left.get(place, _NOTHING), min(posted, book.draws.get(key, _NOTHING)))
        for key, change in _returns_first(session, book):
            cause = key.need.cause
            place = (cause, key.grant_id)
            goes = min(change, max(left.get(place, _NOTHING), _NOTHING))
            if change < 0 or (cause in invoices and goes > 0):
                _post(session, book, grants[key.grant_id], key, goes, invoice_id=invoices.get(cause))
            if goes > 0:
                left[place] = EXACT.subtract(left[place], goes)
    session.flush()


def post_grant(session: Session, book: Allocation, grant: Grant) -> None:
    """Post every draw of one grant, and what it repays; what comes back to grants that carry over goes first."""
    grants = book.payers
    paid = {key.need for key, change in book.changes() if key.grant_id == grant.id and change > 0}
    moving = {id for pair in book.parts for id in pair}
    for key, change in _returns_first(session, book):
        repaid = change < 0 and book.is_overdraft(key.grant_id) and key.need in paid
        if key.grant_id == grant.id or repaid or (change < 0 and key.grant_id in moving):
            _post(session, book, grants[key.grant_id], key, change, invoice_id=None)
    session.flush()


def return_unwanted(session: Session, book: Allocation, grant: Grant) -> None:
    """Let come back to one grant what of its posted draws no usage wants any more."""
    for key, change in list(book.changes()):
        if key.grant_id == grant.id and change < 0:
            _post(session, book, grant, key, change, invoice_id=None)
    session.flush()


def settle_rollovers(session: Session, book: Allocation) -> None:
    """Book what is carried over in a wallet by now, once what goes back for that is posted."""
    if book.carried:
        by_id = book.payers
        for key, change in list(book.changes()):
            if change < 0 and not book.is_overdraft(key.grant_id):
                _post(session, book, by_id[key.grant_id], key, change, invoice_id=None)
        book_rollovers(session, book)


def unpost_summaries(
    session: Session, found: Sequence[Allocation], summary_ids: Collection[int], *, invoice_id: UUID
) -> None:
    """Make what this invoice posted of these summaries provisional again, but for grants that are closed.

    What other invoices posted of them, which may be final still, stays.
    """
    by_invoice = posted_with(session, [book.wallet.id for book in found], invoice_id)
    for book in found:
        active = _active(book)
        for key, posted in list(book.posted.items()):
            grant = active.get(key.grant_id)
            need = key.need
            goes = min(posted, by_invoice.get((need.summary_id, need.window_start, key.grant_id), _NOTHING))
            if grant is not None and need.summary_id in summary_ids and goes > 0:
                _post(session, book, grant, key, -goes, invoice_id=invoice_id)
    session.flush()


def unpost_money(
    session: Session, found: Sequence[Allocation], paid: Mapping[tuple[Cause, UUID], Decimal], *, invoice_id: UUID
) -> None:
    """Make what grants in money paid of an invoice provisional again, the last windows first, but for closed grants."""
    for book in found:
        active, left = _active(book), dict(paid)
        for key in sorted(book.posted, reverse=True):
            grant, place = active.get(key.grant_id), (key.need.cause, key.grant_id)
            goes = min(book.posted[key], left.get(place, _NOTHING))
            if grant is not None and goes > 0:
                left[place] = EXACT.subtract(left[place], goes)
                _post(session, book, grant, key, -goes, invoice_id=invoice_id)
    session.flush()


def _active(book: Allocation) -> dict[UUID, Grant]:
    return {id: grant for id, grant in book.payers.items() if grant.status in (GrantStatus.ACTIVE, OVERDRAFT)}


def _returns_first(session: Session, book: Allocation) -> Iterator[tuple[DrawKey, Decimal]]:
    """The changes, in an order in which no grant ever pays for more than it has.

    Once what goes back is posted, what is carried over is booked.
    """
    changes = list(book.changes())
    yield from (one for one in changes if one[1] < 0)
    if book.carried:
        book_rollovers(session, book)
    yield from (one for one in changes if one[1] > 0)


def _post(
    session: Session, book: Allocation, grant: Grant, key: DrawKey, change: Decimal, *, invoice_id: UUID | None
) -> None:
    drawn = book.drawn(key.need)
    kind = TransferKind.USED if change > 0 else TransferKind.RETURNED
    move(session, grant, kind, abs(change), drawn=drawn, invoice_id=invoice_id)
    if change < 0 and grant.status == GrantStatus.CLOSED:
        # What comes back to a closed grant expires at once.
        move(session, grant, TransferKind.EXPIRED, -change)
    posted = EXACT.add(book.posted.get(key, _NOTHING), change)
    set_draw(session, grant, drawn, posted)
    book.posted[key] = posted
