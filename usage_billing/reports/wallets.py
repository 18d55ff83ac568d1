"""Wallets as they are shown: what was granted, what is posted, and what the usage of this moment draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.core.decimals import sum_of
from usage_billing.drawing.books import all_allocations, allocation_of
from usage_billing.top_ups.models import TopUp, TopUpState
from usage_billing.wallets.allocation import Allocation
from usage_billing.wallets.drawable import drawable
from usage_billing.wallets.models import GrantStatus, Wallet
from usage_billing.wallets.queries import get_wallet, scopes_of
from usage_billing.wallets.views import GrantView, available_of, grant_view, holds


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletUnit:
    """What a wallet holds: units of usage types, or money in a currency."""

    unit_name: str | None = None
    usage_types: Sequence[str] | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletView:
    """A wallet; ``available`` is what is left of grants that hold at ``as_of``. ``pending`` is in no other sum."""

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
    available: Decimal
    asked: Decimal
    grants: Sequence[GrantView]


def wallet_view(session: Session, wallet_id: str, *, now: datetime) -> WalletView:
    """A wallet as the books are, and as the clock says; raises NotFound."""
    wallet = get_wallet(session, wallet_id)
    return _view(allocation_of(session, wallet, now=now), _asked(session, [wallet_id], now=now), now=now)


def wallets_in_hand(session: Session, customer_id: str, *, now: datetime) -> list[WalletView]:
    """All wallets of a customer, by id, each as ``wallet_view`` has it."""
    books = all_allocations(session, [customer_id], now=now)
    asked = _asked(session, [book.wallet.id for book in books], now=now)
    return [_view(book, asked, now=now) for book in books]


def open_grants(view: WalletView) -> list[GrantView]:
    """The grants of a wallet that may pay still, in the order in which they do."""
    found = [one for one in view.grants if one.status == GrantStatus.ACTIVE]
    return sorted(found, key=lambda one: drawable(one.grant).burn_order)


def next_to_expire(view: WalletView) -> GrantView | None:
    """The grant with something left that holds now and expires first; None where nothing expires."""
    counted = [one for one in view.grants if one.grant.counts]
    holding = [one for one in counted if one.left > 0 and one.grant.ends_at and holds(one.grant, view.as_of)]
    return min(holding, key=lambda one: (one.grant.ends_at, one.grant.id), default=None)


def _asked(session: Session, wallet_ids: Sequence[str], *, now: datetime) -> dict[str, Decimal]:
    """What each of these wallets asked for and waits for, by id."""
    if not wallet_ids:
        return {}
    statement = select(TopUp.wallet_id, TopUp.amount).where(
        TopUp.wallet_id.in_(wallet_ids), TopUp.state == TopUpState.ASKED, TopUp.expires_at > now
    )
    return {row.wallet_id: row.amount for row in session.execute(statement)}


def _view(book: Allocation, asked: Mapping[str, Decimal], *, now: datetime) -> WalletView:
    grants = [grant_view(book, grant, now=now) for grant in book.grants]
    counted = [one for one in grants if one.grant.counts]
    return WalletView(
        wallet=book.wallet,
        unit=_unit(book.wallet, book.usage_types),
        as_of=now,
        granted=sum_of(one.amount for one in counted),
        pending=sum_of(one.left for one in grants if one.status == GrantStatus.PENDING),
        posted=sum_of(one.grant.posted for one in counted),
        provisional=sum_of(one.provisional for one in counted),
        expired=sum_of(one.expired for one in counted),
        taken_back=sum_of(one.grant.taken_back for one in counted),
        refunded=sum_of(one.grant.refunded for one in counted),
        rolled_over=sum_of(one.rolled_over for one in counted),
        left=sum_of(one.left for one in counted),
        available=available_of(book, now=now),
        asked=asked.get(book.wallet.id, Decimal(0)),
        grants=grants,
    )


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
