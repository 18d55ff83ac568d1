"""Wallets as they are shown: what was granted, what is posted, and what the usage of this moment draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.wallets.coverage import Allocation, allocations, drawable, provisional_of
from usage_billing.wallets.models import Grant, GrantStatus, Wallet
from usage_billing.wallets.queries import get_wallet, scopes_of

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """A grant with what it pays for at this moment: ``provisional`` until that is posted. ``left`` is the rest."""

    grant: Grant
    status: str
    provisional: Decimal
    expired: Decimal
    left: Decimal

    @property
    def cost(self) -> Decimal | None:
        """What it cost; None for one that was given."""
        return self.grant.cost if self.grant.cost_currency else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletUnit:
    """What a wallet holds."""

    unit_name: str
    usage_types: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletView:
    """A wallet; ``available`` is what is left of grants that hold at ``as_of``."""

    wallet: Wallet
    unit: WalletUnit
    as_of: datetime
    granted: Decimal
    posted: Decimal
    provisional: Decimal
    expired: Decimal
    taken_back: Decimal
    left: Decimal
    available: Decimal
    grants: Sequence[GrantView]


def wallet_view(session: Session, wallet_id: str, *, now: datetime) -> WalletView:
    """A wallet as the books are, and as the clock says; raises NotFound."""
    wallet = get_wallet(session, wallet_id)
    (book,) = allocations(session, [wallet.customer_id], now=now, wallets=[wallet])
    return _view(book, now=now)


def wallets_in_hand(session: Session, customer_id: str, *, now: datetime) -> list[WalletView]:
    """All wallets of a customer, by id, each as ``wallet_view`` has it."""
    return [_view(book, now=now) for book in allocations(session, [customer_id], now=now)]


def open_grants(view: WalletView) -> list[GrantView]:
    """The grants of a wallet that may pay still, in the order in which they do."""
    found = [one for one in view.grants if one.status == GrantStatus.ACTIVE]
    return sorted(found, key=lambda one: drawable(one.grant).burn_order)


def next_to_expire(view: WalletView) -> GrantView | None:
    """The grant with something left that holds now and expires first; None where nothing expires."""
    holding = [one for one in view.grants if one.left > 0 and one.grant.expires_at and _holds(one.grant, view.as_of)]
    return min(holding, key=lambda one: (one.grant.expires_at, one.grant.id), default=None)


def _view(book: Allocation, *, now: datetime) -> WalletView:
    grants = [grant_view(book, grant, now=now) for grant in book.grants]
    return WalletView(
        wallet=book.wallet,
        unit=WalletUnit(unit_name=book.wallet.unit_name, usage_types=book.usage_types),
        as_of=now,
        granted=sum_of(one.grant.amount for one in grants),
        posted=sum_of(one.grant.posted for one in grants),
        provisional=sum_of(one.provisional for one in grants),
        expired=sum_of(one.expired for one in grants),
        taken_back=sum_of(one.grant.taken_back for one in grants),
        left=sum_of(one.left for one in grants),
        available=sum_of(one.left for one in grants if _holds(one.grant, now)),
        grants=grants,
    )


def grant_view(book: Allocation, grant: Grant, *, now: datetime) -> GrantView:
    """One grant of a wallet. Once its time to close has come its rest has expired, whether or not that is posted."""
    provisional = provisional_of(book, grant)
    left = EXACT.subtract(EXACT.subtract(grant.amount, grant.out), provisional)
    expired, status = grant.expired, grant.status
    if grant.status == GrantStatus.ACTIVE and grant.closes_at is not None and grant.closes_at <= now:
        left, expired, status = _NOTHING, EXACT.add(expired, left), GrantStatus.CLOSED
    return GrantView(grant=grant, status=status, provisional=provisional, expired=expired, left=left)


def units_of(session: Session, wallets: Sequence[Wallet]) -> list[dict[str, object]]:
    """These wallets without their balances, each with its usage types."""
    scopes = scopes_of(session, [wallet.id for wallet in wallets])
    return [
        {
            "wallet": wallet,
            "unit": WalletUnit(
                unit_name=wallet.unit_name,
                usage_types=[scope.usage_type_id for scope in scopes if scope.wallet_id == wallet.id],
            ),
        }
        for wallet in wallets
    ]


def _holds(grant: Grant, now: datetime) -> bool:
    return grant.effective_at <= now and (grant.expires_at is None or now < grant.expires_at)
