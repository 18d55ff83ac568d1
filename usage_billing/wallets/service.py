"""Writes wallets: their grants, what is posted, and the transfers that say so. The caller has locked the wallet."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, MAX_QUANTITY
from usage_billing.core.errors import Conflict
from usage_billing.core.identifiers import new_id
from usage_billing.prepaid.burn_down import NeedKey
from usage_billing.prepaid.ledger import TransferKind, accounts_of, cost_moved
from usage_billing.rating.currency import minor_unit
from usage_billing.wallets.models import OVERDRAFT, CoveredSummary, Grant, Transfer, Wallet, WalletDraw

_NOTHING = Decimal(0)
_OUT = {
    TransferKind.USED: ("posted", EXACT.add),
    TransferKind.RETURNED: ("posted", EXACT.subtract),
    TransferKind.EXPIRED: ("expired", EXACT.add),
    TransferKind.TAKEN_BACK: ("taken_back", EXACT.add),
    TransferKind.REFUNDED: ("refunded", EXACT.add),
    TransferKind.ROLLED_OUT: ("rolled_over", EXACT.add),
    TransferKind.ROLLED_BACK: ("rolled_over", EXACT.subtract),
}
"""What of a grant each kind moves, and how."""
_COVER = text("""
    INSERT INTO covered_summaries (summary_id, covered)
    SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:covered AS numeric[]))
    ON CONFLICT (summary_id) DO UPDATE SET covered = excluded.covered
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFrom:
    """The window of a summary, or the fee, that a transfer is of; how many recordings and voids of it were known."""

    need: NeedKey
    events: int
    voids: int

    @property
    def columns(self) -> dict[str, object]:
        """What names it in a row."""
        return {
            "summary_id": self.need.summary_id or None,
            "fee_id": self.need.fee_id or None,
            "window_start": self.need.window_start,
        }


def add_wallet(session: Session, wallet: Mapping[str, object]) -> Wallet:
    """Store a wallet; raises Conflict when the id is taken."""
    row = insert(Wallet).values(wallet).on_conflict_do_nothing()
    added = session.scalars(row.returning(Wallet)).first()
    if added is None:
        raise Conflict(f"there is a wallet {wallet['id']} already", code="already_exists")
    return added


def add_grant(session: Session, grant: Mapping[str, object]) -> Grant:
    """Store a grant, whose key has made none of its wallet."""
    return session.scalars(insert(Grant).values(grant).returning(Grant)).one()


def open_overdraft(session: Session, wallet: Wallet, *, since: datetime) -> None:
    """Let a wallet owe what is used from ``since`` on. How much is the wallet's; its own row has room for any draw."""
    row = {
        "id": new_id(),
        "wallet_id": wallet.id,
        "category": OVERDRAFT,
        "status": OVERDRAFT,
        "priority": 100,
        "amount": MAX_QUANTITY,
        "effective_at": since,
        "activated_at": None,
    }
    session.execute(insert(Grant).values(row))


def lock_wallets(session: Session, customer_ids: Collection[str]) -> Sequence[Wallet]:
    """Lock the wallets of these customers until the transaction ends, by id; nothing where there are none."""
    statement = select(Wallet).where(Wallet.customer_id.in_(customer_ids)).order_by(Wallet.id)
    return session.scalars(_locking(statement)).all()


def lock_wallet(session: Session, wallet_id: str) -> Wallet | None:
    """Lock one wallet until the transaction ends; None where there is none."""
    return session.scalars(_locking(select(Wallet).where(Wallet.id == wallet_id))).first()


def _locking(statement: Select[Wallet]) -> Select[Wallet]:
    """As they are once they are locked. A row of another table that names a wallet does not wait for it."""
    return statement.with_for_update(key_share=True).execution_options(populate_existing=True)


def move(
    session: Session,
    grant: Grant,
    kind: TransferKind,
    amount: Decimal,
    *,
    drawn: DrawnFrom | None = None,
    invoice_id: UUID | None = None,
    key: str | None = None,
    cost: Decimal | None = None,
) -> Transfer:
    """Move ``amount`` of a grant between the accounts of ``kind``, with its part of the cost.

    What is carried over into a grant, or out of it again, has the ``cost`` with it that left the other.
    """
    debit, credit = accounts_of(kind, owed=grant.category == OVERDRAFT)
    cost = grant.cost if cost is None else cost
    if kind in (TransferKind.ROLLED_IN, TransferKind.ROLLED_OFF):
        take = EXACT.add if kind == TransferKind.ROLLED_IN else EXACT.subtract
        grant.amount, grant.cost = take(grant.amount, amount), take(grant.cost, cost)
    elif kind in _OUT:
        before = grant.out
        name, take = _OUT[kind]
        setattr(grant, name, take(getattr(grant, name), amount))
        places = minor_unit(grant.cost_currency) if grant.cost_currency else 0
        if cost:
            cost = cost_moved(cost, grant.amount, before=before, after=grant.out, places=places)
    transfer = Transfer(
        wallet_id=grant.wallet_id,
        grant_id=grant.id,
        kind=kind,
        debit=debit,
        credit=credit,
        amount=amount,
        cost=cost,
        invoice_id=invoice_id,
        key=key,
        **({} if drawn is None else drawn.columns | {"events": drawn.events, "voids": drawn.voids}),
    )
    session.add(transfer)
    return transfer


def set_draw(session: Session, grant: Grant, drawn: DrawnFrom, posted: Decimal) -> None:
    """Let ``posted`` be what a grant paid for of a window; 0 takes the row away."""
    key = drawn.columns | {"grant_id": grant.id}
    if posted:
        row = insert(WalletDraw).values(**key, wallet_id=grant.wallet_id, posted=posted)
        session.execute(
            row.on_conflict_do_update(constraint="uq_wallet_draws_need", set_={"posted": row.excluded.posted})
        )
    else:
        session.execute(delete(WalletDraw).filter_by(**key))


def save_covered(session: Session, covered: Mapping[int, Decimal]) -> None:
    """Store how many units of each of these summaries are paid for, as billing rated them."""
    paid = {id: quantity for id, quantity in covered.items() if quantity}
    none = [id for id in covered if id not in paid]
    if none:
        session.execute(delete(CoveredSummary).where(CoveredSummary.summary_id.in_(none)))
    if paid:
        session.execute(_COVER, {"ids": list(paid), "covered": list(paid.values())})
