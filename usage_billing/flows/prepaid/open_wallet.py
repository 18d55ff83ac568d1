"""Locks the wallet that something is done to."""

from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import get_wallet
from usage_billing.wallets.service import lock_wallet


def open_wallet(session: Session, wallet_id: str) -> Wallet:
    """The wallet, locked until the transaction ends; raises NotFound."""
    get_wallet(session, wallet_id)
    wallet = lock_wallet(session, wallet_id)
    if wallet is None:
        raise NotFound(f"there is no wallet {wallet_id}")
    return wallet
