"""What moved in a wallet, with the balance after each movement, and what is drawn and not posted yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.drawing.books import allocation_of
from usage_billing.prepaid.ledger import Account
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.models import Transfer, Wallet
from usage_billing.wallets.queries import wallets_by_id

# What is in the wallet now, less what moved later: so the first pages cost least.
_BALANCE = text("""
    SELECT coalesce((
        SELECT sum(CASE category WHEN 'overdraft' THEN 0 ELSE amount END - posted - expired - taken_back - refunded
            - rolled_over)
        FROM wallet_grants WHERE wallet_id = :wallet AND (activated_at IS NOT NULL OR category = 'overdraft')), 0)
    - coalesce((
        SELECT sum(CASE WHEN debit IN ('grant', 'owed') THEN amount ELSE -amount END) FROM wallet_transfers
        WHERE wallet_id = :wallet AND id > :last), 0)
""")
_OF = text("""
    SELECT id, subscription_id, usage_type_id FROM usage_summaries WHERE id = ANY(CAST(:summaries AS bigint[]))
""")
_OF_FEES = text("SELECT id, subscription_id FROM fee_charges WHERE id = ANY(CAST(:fees AS bigint[]))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transfer, and what is in its wallet after it. ``currency`` is that of the wallet; None: units."""

    transfer: Transfer
    currency: str | None
    balance: Decimal

    @property
    def grant_id(self) -> UUID | None:
        """The grant; None where it is owed."""
        return None if Account.OWED in (self.transfer.debit, self.transfer.credit) else self.transfer.grant_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionalEntry:
    """What a grant pays for of a window and is not posted; below 0: more is posted than usage wants by now.

    ``usage_type_id`` is None for a base fee, and ``grant_id`` of what is owed.
    """

    grant_id: UUID | None
    subscription_id: str
    usage_type_id: str | None
    window_start: datetime
    amount: Decimal
    currency: str | None


def entries_of(session: Session, transfers: Sequence[Transfer]) -> list[Entry]:
    """Neighbouring transfers of one wallet, the newest first, each with the balance after it."""
    if not transfers:
        return []
    (wallet,) = wallets_by_id(session, {transfers[0].wallet_id})
    asked = {"wallet": wallet.id, "last": transfers[0].id}
    balance: Decimal = session.execute(_BALANCE, asked).scalar_one()
    found: list[Entry] = []
    for one in transfers:
        found.append(Entry(transfer=one, currency=wallet.currency, balance=balance))
        comes = one.debit in (Account.GRANT, Account.OWED)
        balance = EXACT.subtract(balance, one.amount) if comes else EXACT.add(balance, one.amount)
    return found


def provisional_entries(session: Session, wallet: Wallet, *, now: datetime) -> list[ProvisionalEntry]:
    """What is not posted of a wallet at this moment, in the order of windows."""
    book = allocation_of(session, wallet, now=now, past=False)
    changes = list(book.changes())
    of = _named(session, book)
    found = []
    for key, amount in changes:
        subscription, usage_type = of[key.need.summary_id, key.need.fee_id]
        found.append(
            ProvisionalEntry(
                grant_id=book.grant_named(key.grant_id),
                subscription_id=subscription,
                usage_type_id=usage_type,
                window_start=key.need.window_start,
                amount=amount,
                currency=wallet.currency,
            )
        )
    return sorted(found, key=_in_order)


def _in_order(one: ProvisionalEntry) -> tuple[datetime, str, str, str]:
    return one.window_start, one.subscription_id, one.usage_type_id or "", str(one.grant_id)


def _named(session: Session, book: Allocation) -> Mapping[tuple[int, int], tuple[str, str | None]]:
    """The subscription and the usage type of each summary and fee that is drawn for."""
    causes = {key.need.cause for key, _ in book.changes()}
    asked = {"summaries": [cause.summary_id for cause in causes if cause.summary_id > 0]}
    found: dict[tuple[int, int], tuple[str, str | None]] = {
        (row.id, 0): (row.subscription_id, row.usage_type_id) for row in session.execute(_OF, asked)
    }
    found |= {(id, 0): (name, type) for (name, type, _), id in book.unstored.items()}
    for row in session.execute(_OF_FEES, {"fees": [cause.fee_id for cause in causes if cause.fee_id]}):
        found[0, row.id] = row.subscription_id, None
    return found
