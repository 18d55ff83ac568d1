"""Single grants as they are shown: one of them, or a page of those of a wallet, the newest first."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from usage_billing.db.keyset import Page, page_of
from usage_billing.drawing.books import allocation_of
from usage_billing.wallets.models import OVERDRAFT, Grant, GrantStatus, Wallet
from usage_billing.wallets.occurrences import grants_due, wallet_of_grant
from usage_billing.wallets.queries import get_grant, get_wallet, owner_of_wallet
from usage_billing.wallets.views import GrantView, grant_view


def owner_of_grant(session: Session, grant_id: UUID, *, now: datetime) -> str:
    """In whose wallet a grant is: the customer's id; raises NotFound."""
    return owner_of_wallet(session, wallet_of_grant(session, grant_id, now=now))


def grant_shown(session: Session, grant_id: UUID, *, now: datetime) -> tuple[Wallet, GrantView]:
    """The wallet of a grant, and the grant as the clock says; raises NotFound."""
    wallet = get_wallet(session, wallet_of_grant(session, grant_id, now=now))
    book = allocation_of(session, wallet, now=now, past=False)
    grant = next((one for one in book.grants if one.id == grant_id), None)
    return wallet, grant_view(book, get_grant(session, grant_id) if grant is None else grant, now=now)


def grants_page(
    session: Session, wallet_id: str, *, status: str | None, now: datetime, after: tuple[UUID] | None, limit: int
) -> Page[GrantView]:
    """Up to ``limit`` grants of a wallet, the newest first, of a ``status`` as the clock says; raises NotFound.

    The grants of schedules that have come by ``now`` are among them, whether they are stored or not.
    """
    wallet = get_wallet(session, wallet_id)
    book = allocation_of(session, wallet, now=now, past=False)
    statement = select(Grant).where(Grant.wallet_id == wallet_id, Grant.category != OVERDRAFT)
    if status is not None:
        statement = statement.where(_is(GrantStatus(status), now))
    stored = page_of(session, statement, by=[Grant.id], after=after, limit=limit, newest_first=True)
    known = {grant.id for grant in stored.rows}
    last = stored.last
    due = [
        grant
        for grant in grants_due(session, [wallet], now=now)
        if grant.id not in known
        and (after is None or grant.id < after[0])
        and (last is None or grant.id > last[0])
        and (status is None or grant_view(book, grant, now=now).status == status)
    ]
    found = sorted((*stored.rows, *due), key=lambda one: one.id, reverse=True)
    here = found[:limit]
    if len(found) > limit:
        last = (here[-1].id,)
    shown = [view for view in (grant_view(book, one, now=now) for one in here) if not view.is_nothing]
    return Page(shown, last, [(view.grant.id,) for view in shown])


def _is(status: GrantStatus, now: datetime) -> ColumnElement[bool]:
    """Whether a stored grant has a status: one that is over by the clock is closed."""
    over = and_(Grant.status == GrantStatus.ACTIVE, Grant.closes_at <= now)
    if status == GrantStatus.CLOSED:
        return or_(Grant.status == status, over)
    if status == GrantStatus.ACTIVE:
        return and_(Grant.status == status, or_(Grant.closes_at.is_(None), Grant.closes_at > now))
    return Grant.status == status
