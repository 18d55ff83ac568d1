"""Makes wallets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog.models import UsageType
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.customers.queries import get_customer
from usage_billing.flows.prepaid.facts import tell_wallet
from usage_billing.meters.models import Meter
from usage_billing.subscriptions.queries import get_subscription
from usage_billing.wallets.models import Wallet, WalletScope
from usage_billing.wallets.service import add_wallet, lock_wallets

_LOCK_CUSTOMER = text("SELECT FROM customers WHERE id = :id FOR NO KEY UPDATE")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWallet:
    """A wallet to be made, for units of ``usage_types``; without a subscription it is for all of the customer's."""

    id: str
    customer_id: str
    unit_name: str
    usage_types: Sequence[str]
    subscription_id: str | None = None


def create_wallet(session: Session, new: NewWallet, *, actor: str, now: datetime) -> Wallet:
    """Store ``new``.

    Raises InvalidInput for a customer, subscription or usage type that there is not, or whose unit is another one, and
    for a meter; Conflict for an id that is taken, and with the code ``overlapping_wallet`` where another wallet pays.
    """
    get_customer(session, new.customer_id)
    if new.subscription_id is not None:
        owner = get_subscription(session, new.subscription_id).customer_id
        if owner != new.customer_id:
            raise InvalidInput.field("/subscriptionId", "is another customer's", code="unknown_subscription")
    _check_types(session, new)
    # One wallet of a customer is made at a time. Finalizing locks wallets first, and their customer for its taxes then.
    lock_wallets(session, [new.customer_id])
    session.execute(_LOCK_CUSTOMER, {"id": new.customer_id})
    _check_overlap(session, new)
    added = add_wallet(
        session,
        {
            "id": new.id,
            "customer_id": new.customer_id,
            "subscription_id": new.subscription_id,
            "unit_name": new.unit_name,
        },
    )
    session.add_all(
        WalletScope(
            wallet_id=new.id,
            usage_type_id=name,
            customer_id=new.customer_id,
            subscription_id=new.subscription_id or "",
        )
        for name in new.usage_types
    )
    session.flush()
    tell_wallet(session, added, list(new.usage_types))
    note(session, actor=actor, action="wallet.created", subject=f"wallet:{new.id}", at=now, userId=new.customer_id)
    return added


def _check_types(session: Session, new: NewWallet) -> None:
    if not new.usage_types:
        raise InvalidInput.field("/unit/usageTypes", "must name at least one usage type", code="out_of_range")
    for index, name in enumerate(new.usage_types):
        pointer = f"/unit/usageTypes/{index}"
        found = session.get(UsageType, name)
        if found is None:
            raise InvalidInput.field(pointer, f"there is no usage type {name}", code="unknown_usage_type")
        if found.unit_name != new.unit_name:
            raise InvalidInput.field(pointer, f"is counted in {found.unit_name}", code="contradiction")
        if session.get(Meter, name) is not None:
            raise InvalidInput.field(pointer, "is a meter, which no wallet pays for yet", code="not_supported")
        if name in new.usage_types[:index]:
            raise InvalidInput.field(pointer, "is named twice", code="repeated")


def _check_overlap(session: Session, new: NewWallet) -> None:
    """A subscription's own wallet comes before that for all, so what that paid for it would lose its wallet."""
    statement = select(WalletScope).where(
        WalletScope.customer_id == new.customer_id,
        WalletScope.usage_type_id.in_(new.usage_types),
        WalletScope.subscription_id.in_({"", new.subscription_id or ""}),
    )
    found = session.scalars(statement.order_by(WalletScope.wallet_id)).first()
    if found is not None:
        raise Conflict(f"wallet {found.wallet_id} pays for {found.usage_type_id} already", code="overlapping_wallet")
