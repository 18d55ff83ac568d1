"""Finds the wallet that a purchase fills, or makes it."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput
from usage_billing.core.identifiers import new_id
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
from usage_billing.packages.models import Package
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import scopes_of, wallets_of

if TYPE_CHECKING:
    from usage_billing.flows.administration.buy_package import NewPurchase


def wallet_for(session: Session, package: Package, new: "NewPurchase", *, actor: str, now: datetime) -> Wallet:
    """The wallet that is named, or else the subscription's, the customer's, or a new one.

    Raises InvalidInput where the named one does not hold such units or is not the customer's, and Conflict
    ``overlapping_wallet`` where a new one would be for a usage type that another one pays for.
    """
    fitting = [wallet for wallet in wallets_of(session, [new.customer_id]) if _holds(session, wallet, package)]
    if new.wallet_id is not None:
        for wallet in fitting:
            if wallet.id == new.wallet_id and wallet.subscription_id in (None, new.subscription_id):
                return wallet
        message = "is no wallet of this customer and subscription for what the package has"
        raise InvalidInput.field("/walletId", message, code="unknown_wallet")
    for owner in (new.subscription_id, None) if new.subscription_id else (None,):
        for wallet in fitting:
            if wallet.subscription_id == owner:
                return wallet
    return create_wallet(
        session,
        NewWallet(
            id=str(new_id()),
            customer_id=new.customer_id,
            unit_name=package.unit_name,
            usage_types=package.usage_types,
            currency=package.currency if package.unit_name is None else None,
            subscription_id=new.subscription_id,
        ),
        actor=actor,
        now=now,
    )


def _holds(session: Session, wallet: Wallet, package: Package) -> bool:
    """Whether a wallet is for all usage types of a package, or holds its money."""
    if package.usage_types is None:
        return wallet.currency == package.currency
    types = {scope.usage_type_id for scope in scopes_of(session, [wallet.id])}
    return wallet.unit_name == package.unit_name and types >= set(package.usage_types)
