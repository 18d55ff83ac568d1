"""The wallets of a customer with their grants, as if nothing was drawn yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.prepaid.burn_down import Drawable
from usage_billing.prepaid.owing import Overdraft
from usage_billing.prepaid.rollover import Rollover
from usage_billing.wallets.allocation import Allocation, cuts_of, overdraft_of, read_books
from usage_billing.wallets.carrying import kept_from, places_of
from usage_billing.wallets.drawable import drawable
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import scopes_of, wallets_of
from usage_billing.wallets.unused import unused_amounts

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Purse:
    """A wallet with its grants, as if nothing was drawn yet."""

    wallet: Wallet
    usage_types: frozenset[str]
    grants: Sequence[Drawable]
    rollovers: Sequence[Rollover]
    cuts: Sequence[datetime]
    overdraft: Overdraft | None = None


@dataclass(frozen=True, slots=True)
class InHand:
    """The wallets of a customer; ``since`` is when the first grant begins, None where there is none."""

    purses: Sequence[Purse] = ()
    since: datetime | None = None

    def for_units(self, subscription_id: str, usage_type: str) -> Purse | None:
        """The wallet in units that pays for a usage type of a subscription: its own, or the customer's."""
        found = [one for one in self.purses if usage_type in one.usage_types]
        return _own(found, subscription_id)

    def for_money(self, subscription_id: str, currency: str) -> Purse | None:
        """The wallet in money that pays what a subscription is charged."""
        return _own([one for one in self.purses if one.wallet.currency == currency], subscription_id)


def in_hand_of(session: Session, customer_id: str, *, now: datetime) -> InHand:
    """The wallets of a customer with their grants that were ever active."""
    wallets = wallets_of(session, [customer_id])
    if not wallets:
        return InHand()
    books = read_books(session, wallets, now=now, past=True)
    types: dict[str, set[str]] = {id: set() for id in books}
    for scope in scopes_of(session, list(books)):
        types[scope.wallet_id].add(scope.usage_type_id)
    begins = [begin for book in books.values() for begin in book.begins]
    unused = unused_amounts(session, [customer_id], (grant for book in books.values() for grant in book.grants))
    purses = [_purse(book, frozenset(types[id]), unused, now=now) for id, book in books.items()]
    return InHand(purses, min(begins, default=None))


def _own(found: Sequence[Purse], subscription_id: str) -> Purse | None:
    own = [one for one in found if one.wallet.subscription_id == subscription_id]
    return next(iter(own or [one for one in found if one.wallet.subscription_id is None]), None)


def _purse(book: Allocation, usage_types: frozenset[str], unused: Mapping[UUID, Decimal], *, now: datetime) -> Purse:
    by_id = {grant.id: grant for grant in book.grants}
    places = places_of(book.wallet)
    # What a reset kept nothing for may have something here.
    keeps = {grant.kept_in for grant in book.grants}
    counted = [grant for grant in book.grants if grant.counts or grant.id in keeps]
    grants = [
        replace(drawable(grant), amount=EXACT.subtract(grant.amount, grant.taken_back + grant.refunded), is_open=True)
        for grant in counted
    ]
    rollovers = []
    for grant in counted:
        if grant.unused_of is not None:
            left = unused.get(grant.id, grant.amount)
            rollovers.append(
                Rollover(
                    grant_id=grant.id,
                    source_id=None,
                    begins=grant.effective_at,
                    whole=left,
                    places=places,
                    settled=left,
                )
            )
        if grant.rolls_from is not None:
            source = by_id[grant.rolls_from]
            bounds = [grant.rollover_max, None if source.reset_at is None else _NOTHING]
            bounds.append(EXACT.subtract(grant.amount, grant.taken_back) if grant.taken_back else None)
            rollovers.append(
                Rollover(
                    grant_id=grant.id,
                    source_id=source.id,
                    begins=grant.effective_at,
                    whole=source.amount,
                    places=places,
                    at_most=min((one for one in bounds if one is not None), default=None),
                    percent=grant.rollover_percent,
                )
            )
    for id, sources in kept_from(counted).items():
        kept = by_id[id]
        gone = EXACT.add(kept.taken_back, kept.refunded)
        most = min(kept.rollover_max or _NOTHING, EXACT.subtract(kept.amount, gone)) if gone else kept.rollover_max
        rollovers += [
            Rollover(
                grant_id=id,
                source_id=source.id,
                begins=kept.effective_at,
                whole=source.amount,
                places=places,
                at_most=most,
            )
            for source in sources
        ]
    return Purse(book.wallet, usage_types, grants, rollovers, cuts_of(book), overdraft_of(book, now=now))
