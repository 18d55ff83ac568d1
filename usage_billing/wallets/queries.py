"""Reads wallets, their grants, and what is posted."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, and_, or_, select, text
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.db.filters import equal
from usage_billing.db.session import once_while_agreed
from usage_billing.wallets.models import (
    OVERDRAFT,
    CoveredSummary,
    Grant,
    GrantStatus,
    Transfer,
    Wallet,
    WalletDraw,
    WalletScope,
)

_DRAWN_AT = text("""
    SELECT FROM usage_summaries AS s
    JOIN wallet_draws AS d ON d.summary_id = s.id
    WHERE s.subscription_id = :subscription AND s.usage_type_id = :type AND s.period_start = :since
    LIMIT 1
""")
_POSTED_BEYOND = text("""
    SELECT s.id
    FROM usage_summaries AS s
    JOIN wallet_draws AS d ON d.summary_id = s.id
    JOIN wallets AS w ON w.id = d.wallet_id AND w.currency IS NULL
    WHERE s.id = ANY(CAST(:ids AS bigint[]))
    GROUP BY s.id
    HAVING sum(d.posted) > s.beyond_limit
""")
_POSTED_WITH = text("""
    SELECT summary_id, window_start, grant_id, sum(CASE kind WHEN 'used' THEN amount ELSE -amount END) AS posted
    FROM wallet_transfers
    WHERE wallet_id = ANY(CAST(:wallets AS text[])) AND invoice_id = :invoice AND summary_id IS NOT NULL
    GROUP BY 1, 2, 3
""")


def get_wallet(session: Session, wallet_id: str) -> Wallet:
    """The wallet; raises NotFound."""
    found = session.get(Wallet, wallet_id)
    if found is None:
        raise NotFound(f"there is no wallet {wallet_id}")
    return found


def owner_of_wallet(session: Session, wallet_id: str) -> str:
    """Whose wallet it is: the customer's id; raises NotFound."""
    return get_wallet(session, wallet_id).customer_id


def get_grant(session: Session, grant_id: UUID) -> Grant:
    """The grant; raises NotFound."""
    found = session.get(Grant, grant_id, populate_existing=True)
    if found is None or found.category == OVERDRAFT:
        raise NotFound(f"there is no grant {grant_id}")
    return found


def wallets_where(*, customer_id: str | None = None) -> Select[Wallet]:
    """The statement that lists wallets, of one customer if that is given."""
    return equal(select(Wallet), {Wallet.customer_id: customer_id})


def wallets_of(session: Session, customer_ids: Collection[str]) -> Sequence[Wallet]:
    """The wallets of these customers, by id."""

    def read() -> Sequence[Wallet]:
        return session.scalars(wallets_where().where(Wallet.customer_id.in_(customer_ids)).order_by(Wallet.id)).all()

    return once_while_agreed(session, ("wallets", frozenset(customer_ids)), read)


def wallets_by_id(session: Session, wallet_ids: Collection[str]) -> Sequence[Wallet]:
    """These wallets, by id."""
    return session.scalars(select(Wallet).where(Wallet.id.in_(wallet_ids)).order_by(Wallet.id)).all()


def currencies_of(session: Session, wallet_ids: Collection[str]) -> dict[str, str | None]:
    """The currency of each of these wallets, by id; None of one that holds units."""
    if not wallet_ids:
        return {}
    rows = session.execute(select(Wallet.id, Wallet.currency).where(Wallet.id.in_(wallet_ids)))
    return {row.id: row.currency for row in rows}


def scopes_of(session: Session, wallet_ids: Collection[str]) -> Sequence[WalletScope]:
    """The usage types that these wallets pay for."""
    statement = select(WalletScope).where(WalletScope.wallet_id.in_(wallet_ids))
    return session.scalars(statement.order_by(WalletScope.wallet_id, WalletScope.usage_type_id)).all()


def grants_of(session: Session, wallet_ids: Collection[str]) -> Sequence[Grant]:
    """All grants and overdrafts of these wallets, the first made first, as they are stored now."""
    statement = select(Grant).where(Grant.wallet_id.in_(wallet_ids)).order_by(Grant.id)
    return session.scalars(statement, execution_options={"populate_existing": True}).all()


def open_grants_of(session: Session, wallet_ids: Collection[str], *, also: Collection[UUID]) -> Sequence[Grant]:
    """The grants of these wallets that are not closed or void, those of ``also``, and overdrafts, by id."""
    is_open = Grant.status.in_((GrantStatus.PENDING, GrantStatus.ACTIVE, OVERDRAFT))
    statement = select(Grant).where(or_(and_(Grant.wallet_id.in_(wallet_ids), is_open), Grant.id.in_(also)))
    return session.scalars(statement.order_by(Grant.id), execution_options={"populate_existing": True}).all()


def draws_of(session: Session, wallet_ids: Collection[str]) -> Sequence[WalletDraw]:
    """What is posted in these wallets."""
    statement = select(WalletDraw).where(WalletDraw.wallet_id.in_(wallet_ids))
    return session.scalars(statement, execution_options={"populate_existing": True}).all()


def is_drawn_at(session: Session, subscription_id: str, usage_type_id: str, *, since: datetime) -> bool:
    """Whether anything is posted of the summary that begins at ``since``."""
    names = {"subscription": subscription_id, "type": usage_type_id, "since": since}
    return session.execute(_DRAWN_AT, names).first() is not None


def covered_before(session: Session, summary_ids: Collection[int]) -> dict[int, Decimal]:
    """How many units of these summaries were paid for when billing rated them last, by id; none has no entry."""
    statement = select(CoveredSummary.summary_id, CoveredSummary.covered)
    found = session.execute(statement.where(CoveredSummary.summary_id.in_(summary_ids)))
    return {row.summary_id: row.covered for row in found}


def posted_beyond(session: Session, summary_ids: Collection[int]) -> Sequence[int]:
    """Those of these summaries of which more units are posted than lie beyond the allowance by now."""
    return session.scalars(_POSTED_BEYOND, {"ids": list(summary_ids)}).all()


def posted_with(
    session: Session, wallet_ids: Collection[str], invoice_id: UUID
) -> dict[tuple[int, datetime, UUID], Decimal]:
    """What was posted in these wallets with an invoice and has not gone back with it, by summary, window and grant."""
    found = session.execute(_POSTED_WITH, {"wallets": list(wallet_ids), "invoice": invoice_id})
    return {(row.summary_id, row.window_start, row.grant_id): row.posted for row in found}


def transfers_of(wallet_id: str) -> Select[Transfer]:
    """The statement that lists the transfers of a wallet."""
    return select(Transfer).where(Transfer.wallet_id == wallet_id)
