"""Wallets as they are shown: what was granted, what is posted, and what the usage of this moment draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.drawing.books import all_allocations, allocation_of
from usage_billing.top_ups.models import TopUp, TopUpState
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.drawable import drawable
from usage_billing.wallets.models import GrantStatus, PastGrants, Wallet
from usage_billing.wallets.past import SUMS, past_grants_of
from usage_billing.wallets.queries import get_wallet, scopes_of
from usage_billing.wallets.views import GrantView, available_of, grant_view, holds

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletUnit:
    """What a wallet holds: units of usage types, or money in a currency."""

    unit_name: str | None = None
    usage_types: Sequence[str] | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedGrants:
    """How many grants of a wallet are closed or void, and what they come to; it is in the wallet's sums too."""

    grants: int
    granted: Decimal
    posted: Decimal
    expired: Decimal
    taken_back: Decimal
    refunded: Decimal
    rolled_over: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletView:
    """A wallet; ``available`` is what is left of grants that hold at ``as_of``, less what is ``owed``, which is in no
    other sum. ``pending`` is in none at all.

    ``grants`` are those that are open or wait to be paid, the first made first, and ``closed`` sums up the others.
    """

    wallet: Wallet
    unit: WalletUnit
    as_of: datetime
    granted: Decimal
    pending: Decimal
    posted: Decimal
    provisional: Decimal
    expired: Decimal
    taken_back: Decimal
    refunded: Decimal
    rolled_over: Decimal
    left: Decimal
    owed: Decimal
    available: Decimal
    asked: Decimal
    grants: Sequence[GrantView]
    closed: ClosedGrants

    @property
    def expiring(self) -> list[dict[str, object]]:
        """What is left of active grants that end, by when they do, the next first."""
        found: dict[datetime, Decimal] = {}
        for one in self.grants:
            at = one.grant.ends_at
            if at is not None and at > self.as_of and one.grant.counts and one.left > 0:
                found[at] = EXACT.add(found.get(at, _NOTHING), one.left)
        return [{"at": at, "left": found[at]} for at in sorted(found)]


def wallet_view(session: Session, wallet_id: str, *, now: datetime) -> WalletView:
    """A wallet as the books are, and as the clock says; raises NotFound."""
    wallet = get_wallet(session, wallet_id)
    book = allocation_of(session, wallet, now=now, past=False)
    return _view(book, _Beside(session, [wallet_id], now=now), now=now)


def wallets_in_hand(session: Session, customer_id: str, *, now: datetime) -> list[WalletView]:
    """All wallets of a customer, by id, each as ``wallet_view`` has it."""
    books = all_allocations(session, [customer_id], now=now, past=False)
    beside = _Beside(session, [book.wallet.id for book in books], now=now)
    return [_view(book, beside, now=now) for book in books]


def open_grants(view: WalletView) -> list[GrantView]:
    """The grants of a wallet that may pay still, in the order in which they do; those for late usage alone last."""
    found = [one for one in view.grants if one.status == GrantStatus.ACTIVE]
    return sorted(found, key=lambda one: (_is_over(one, view.as_of), drawable(one.grant).burn_order))


def next_to_expire(view: WalletView) -> GrantView | None:
    """The grant with something left that holds now and expires first; None where nothing expires."""
    counted = [one for one in view.grants if one.grant.counts]
    holding = [one for one in counted if one.left > 0 and one.grant.ends_at and holds(one.grant, view.as_of)]
    return min(holding, key=lambda one: (one.grant.ends_at, one.grant.id), default=None)


def _is_over(view: GrantView, now: datetime) -> bool:
    return view.grant.ends_at is not None and view.grant.ends_at <= now


class _Beside:
    """What is read beside the allocations of some wallets: what each asked for, and its closed grants in sum."""

    def __init__(self, session: Session, wallet_ids: Sequence[str], *, now: datetime) -> None:
        self.asked: dict[str, Decimal] = {}
        self.past: dict[str, PastGrants] = {}
        if wallet_ids:
            statement = select(TopUp.wallet_id, TopUp.amount).where(
                TopUp.wallet_id.in_(wallet_ids), TopUp.state == TopUpState.ASKED, TopUp.expires_at > now
            )
            self.asked = {row.wallet_id: row.amount for row in session.execute(statement)}
            self.past = past_grants_of(session, wallet_ids)


def _view(book: Allocation, beside: _Beside, *, now: datetime) -> WalletView:
    grants = [grant_view(book, grant, now=now) for grant in book.grants]
    counted = [one for one in grants if one.grant.counts]
    # Closed ones are in the sums that are kept, whether the book has them or not.
    going = [one for one in counted if one.grant.status == GrantStatus.ACTIVE]
    over = [one for one in going if one.status == GrantStatus.CLOSED]
    past = beside.past.get(book.wallet.id)
    stored, by_clock, rest = _sums(past), _sums_of(over), _sums_of([one for one in going if one not in over])
    closed = {name: EXACT.add(stored[name], by_clock[name]) for name in SUMS}
    return WalletView(
        wallet=book.wallet,
        unit=_unit(book.wallet, book.usage_types),
        as_of=now,
        pending=sum_of(one.left for one in grants if one.status == GrantStatus.PENDING),
        provisional=sum_of(one.provisional for one in counted),
        left=sum_of(one.left for one in counted),
        owed=book.owed,
        available=available_of(book, now=now),
        asked=beside.asked.get(book.wallet.id, _NOTHING),
        grants=[
            one for one in grants if one.status in (GrantStatus.PENDING, GrantStatus.ACTIVE) and not one.is_nothing
        ],
        closed=ClosedGrants(grants=(past.grants if past else 0) + len(over), **closed),
        **{name: EXACT.add(closed[name], rest[name]) for name in SUMS},
    )


def _sums(past: PastGrants | None) -> dict[str, Decimal]:
    return {name: _NOTHING if past is None else getattr(past, name) for name in SUMS}


def _sums_of(views: Sequence[GrantView]) -> dict[str, Decimal]:
    return {
        "granted": sum_of(one.amount for one in views),
        "posted": sum_of(one.grant.posted for one in views),
        "expired": sum_of(one.expired for one in views),
        "taken_back": sum_of(one.grant.taken_back for one in views),
        "refunded": sum_of(one.grant.refunded for one in views),
        "rolled_over": sum_of(one.rolled_over for one in views),
    }


def units_of(session: Session, wallets: Sequence[Wallet]) -> list[dict[str, object]]:
    """These wallets without their balances, each with its usage types."""
    scopes = scopes_of(session, [wallet.id for wallet in wallets])
    return [
        {
            "wallet": wallet,
            "unit": _unit(wallet, [scope.usage_type_id for scope in scopes if scope.wallet_id == wallet.id]),
        }
        for wallet in wallets
    ]


def _unit(wallet: Wallet, usage_types: Sequence[str]) -> WalletUnit:
    if wallet.currency is not None:
        return WalletUnit(currency=wallet.currency)
    return WalletUnit(unit_name=wallet.unit_name, usage_types=usage_types)
