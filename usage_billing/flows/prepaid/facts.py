"""Facts about grants for the outbox, each with the thing as the API shows it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.outbox.service import tell
from usage_billing.wallets.coverage import allocations
from usage_billing.wallets.models import Grant, Transfer, Wallet
from usage_billing.wallets.views import RefundView, grant_view
from usage_billing.wire.noun import show
from usage_billing.wire.wallet import GRANT, REFUND

ACTIVATED, REFUNDED = "wallet.grant_activated", "wallet.grant_refunded"


def tell_activated(session: Session, wallet: Wallet, grant: Grant, *, now: datetime) -> None:
    """Tell that a grant pays from now on; once for each."""
    (book,) = allocations(session, [wallet.customer_id], now=now, wallets=[wallet])
    body = _body(wallet, {"grant": show(GRANT, grant_view(book, grant, now=now))})
    tell(session, [(ACTIVATED, f"{ACTIVATED}:{grant.id}", body)])


def tell_refunded(session: Session, wallet: Wallet, refund: Transfer, grant: Grant) -> None:
    """Tell that money goes back to the customer; once for each refund."""
    body = _body(wallet, {"refund": show(REFUND, RefundView(transfer=refund, currency=grant.cost_currency))})
    tell(session, [(REFUNDED, f"{REFUNDED}:{refund.id}", body)])


def _body(wallet: Wallet, body: dict[str, Any]) -> dict[str, Any]:
    return {"userId": wallet.customer_id, "walletId": wallet.id, **body}
