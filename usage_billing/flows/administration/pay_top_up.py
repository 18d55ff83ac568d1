"""What a wallet asked for was paid: a grant, or a purchase of the package that it asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core import crash
from usage_billing.core.errors import InvalidInput
from usage_billing.flows.administration.buy_package import NewPurchase, buy_package
from usage_billing.flows.prepaid.facts import tell_top_up
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_top_ups import get_top_up, locked_top_up
from usage_billing.flows.prepaid.watch_wallets import look
from usage_billing.packages.models import ChargedBy
from usage_billing.subscriptions.service import lock_subscription
from usage_billing.top_ups.models import TopUp, TopUpState
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import get_wallet
from usage_billing.wallets.service import lock_wallets
from usage_billing.wire.event_type import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """That a top-up was paid. ``cost`` is what was paid: of money its amount unless said; a package has its price."""

    cost: Decimal | None = None
    cost_currency: str | None = None
    reference: str | None = None
    expires_at: datetime | None = None


def pay_top_up(
    session: Session, top_up_id: UUID, paid: Payment, *, actor: str, now: datetime, grace: timedelta
) -> TopUp:
    """Put what a wallet asked for into it.

    Raises NotFound; InvalidInput; Conflict with ``top_up_answered`` and ``top_up_expired``.
    """
    asked = get_top_up(session, top_up_id)
    wallet = get_wallet(session, asked.wallet_id)
    # As a purchase locks: subscription, wallets, customer.
    if asked.package_id is not None and wallet.subscription_id is not None:
        lock_subscription(session, wallet.subscription_id)
    lock_wallets(session, [wallet.customer_id])
    wallet, rule, top_up = locked_top_up(session, top_up_id, now=now)
    key = f"top-up:{top_up_id}"
    if top_up.package_id is not None:
        bought = _purchase(wallet, paid, key)
        purchase, _ = buy_package(session, top_up.package_id, bought, actor=actor, now=now, grace=grace)
        grant_id = purchase.grant_id
    else:
        grant, _ = make_grant(session, wallet.id, _grant(wallet, top_up, paid, key), actor=actor, now=now, grace=grace)
        grant_id = grant.id
    top_up.state, top_up.answered_at = TopUpState.PAID, now
    top_up.grant_id, top_up.reference = grant_id, paid.reference
    rule.failures, rule.waits_until, rule.is_depleted = 0, None, False
    note(
        session,
        actor=actor,
        action="wallet.top_up_paid",
        subject=f"wallet:{wallet.id}",
        at=now,
        topUp=str(top_up_id),
        grant=str(grant_id),
    )
    session.flush()
    crash.point("prepaid.topped_up")
    tell_top_up(session, wallet, top_up, EventType.TOP_UP_PAID)
    if rule.ended_at is None:
        look(session, [rule], now=now)
    return top_up


def _purchase(wallet: Wallet, paid: Payment, key: str) -> NewPurchase:
    said = (("/cost", paid.cost), ("/costCurrency", paid.cost_currency), ("/expiresAt", paid.expires_at))
    for pointer, value in said:
        if value is not None:
            raise InvalidInput.field(pointer, "is that of the package", code="contradiction")
    return NewPurchase(
        customer_id=wallet.customer_id,
        charge=ChargedBy.PAID,
        idempotency_key=key,
        subscription_id=wallet.subscription_id,
        wallet_id=wallet.id,
        reference=paid.reference,
    )


def _grant(wallet: Wallet, top_up: TopUp, paid: Payment, key: str) -> NewGrant:
    cost = paid.cost
    if cost is None:
        if wallet.currency is None:
            raise InvalidInput.field("/cost", "is required: what was paid for the units", code="required")
        cost = top_up.amount
    return NewGrant(
        amount=top_up.amount,
        idempotency_key=key,
        cost=cost,
        cost_currency=paid.cost_currency,
        expires_at=paid.expires_at,
    )
