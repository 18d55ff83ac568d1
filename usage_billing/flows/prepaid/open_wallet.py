"""Locks the wallet that something is done to."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.core.errors import Conflict, NotFound
from usage_billing.flows.prepaid.open_occurrences import open_occurrences
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import get_wallet
from usage_billing.wallets.service import lock_wallet


def open_wallet(session: Session, wallet_id: str, *, now: datetime) -> Wallet:
    """The wallet, locked until the transaction ends, with the grants that have come by ``now``; raises NotFound."""
    get_wallet(session, wallet_id)
    wallet = lock_wallet(session, wallet_id)
    if wallet is None:
        raise NotFound(f"there is no wallet {wallet_id}")
    open_occurrences(session, [wallet], now=now)
    return wallet


def check_open(wallet: Wallet) -> None:
    """Raises Conflict with ``wallet_closed`` where nothing is put into a wallet any more."""
    if wallet.closed_at is not None:
        raise Conflict(f"wallet {wallet.id} is closed", code="wallet_closed")
