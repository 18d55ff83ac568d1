"""A customer buys a package: a grant in a wallet, once for each key, and what charges for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core import crash
from usage_billing.core.decimals import EXACT, MAX_PRICE, MAX_QUANTITY
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_COUNT
from usage_billing.customers.queries import get_customer
from usage_billing.flows.administration.charge_purchase import charge_now, charge_on_next
from usage_billing.flows.administration.fill_wallet import wallet_for
from usage_billing.flows.billing.slots import running_slot
from usage_billing.flows.prepaid.hours import hours_of
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.packages.models import ChargedBy, Package, PackageVersion, Purchase
from usage_billing.packages.queries import get_package, purchase_of_key, version_at, versions_of
from usage_billing.packages.service import add_purchase
from usage_billing.subscriptions.queries import Contract, contracts_of, get_contract
from usage_billing.subscriptions.service import lock_subscription
from usage_billing.wallets.queries import scopes_of
from usage_billing.wallets.service import lock_wallets

_LOCK_CUSTOMER = text("SELECT FROM customers WHERE id = :id FOR NO KEY UPDATE")
_UTC = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPurchase:
    """A package that is bought ``count`` times for a customer; ``charge`` says what charges for it.

    With ``wallet_id`` it fills that wallet, and else one that fits, which is made where there is none: that of
    ``subscription_id`` if that is given. That subscription's invoices charge it, too. ``reference`` names the order.
    """

    customer_id: str
    charge: str
    idempotency_key: str
    subscription_id: str | None = None
    wallet_id: str | None = None
    count: int = 1
    reference: str | None = None


def buy_package(
    session: Session, package_id: str, new: NewPurchase, *, actor: str, now: datetime, grace: timedelta
) -> tuple[Purchase, bool]:
    """Store a purchase with its grant and its charge; returns it, and False when its key has bought it before.

    Raises NotFound; InvalidInput; Conflict with ``conflicting_purchase`` when the key has bought something else,
    ``no_invoice`` where no running subscription would charge it, ``overlapping_wallet`` where another wallet pays for
    some of the package's usage types, and ``tax_pending`` where an invoice now cannot be taxed.
    """
    package = get_package(session, package_id)
    get_customer(session, new.customer_id)
    if (there := _made_before(session, package_id, new)) is not None:
        return there, False
    contract = _contract(session, package, new, now=now)
    # Billing locks in this order: subscription, wallets, customer. One purchase of a customer is made at a time.
    if contract is not None:
        lock_subscription(session, contract.id)
    lock_wallets(session, [new.customer_id])
    session.execute(_LOCK_CUSTOMER, {"id": new.customer_id})
    if (there := _made_before(session, package_id, new)) is not None:
        return there, False
    if new.charge == ChargedBy.NEXT_INVOICE:
        contract = _charging(session, package, new, contract, now=now)
    version = version_at(versions_of(session, [package_id]), now)
    _check_count(version, new.count)
    purchase_id = new_id()
    wallet_id, grant_id = _fill(
        session, package, version, new, contract=contract, purchase_id=purchase_id, actor=actor, now=now, grace=grace
    )
    purchase = Purchase(
        id=purchase_id,
        subscription_id=None if contract is None else contract.id,
        package_id=package_id,
        version=version.version,
        wallet_id=wallet_id,
        grant_id=grant_id,
        at=now,
        **_said(new),
    )
    if new.charge == ChargedBy.NEXT_INVOICE:
        purchase.charge_id = charge_on_next(session, package, version, purchase)
    elif new.charge == ChargedBy.NOW:
        purchase.charge_id = charge_now(session, package, version, purchase, actor=actor, now=now)
    add_purchase(session, purchase)
    note(
        session,
        actor=actor,
        action="package.bought",
        subject=f"package:{package_id}",
        at=now,
        purchase=str(purchase_id),
        userId=new.customer_id,
        count=new.count,
        charge=new.charge,
    )
    crash.point("prepaid.bought")
    return purchase, True


def _said(new: NewPurchase) -> dict[str, object]:
    """What a purchase keeps of the request as it is."""
    return {
        "customer_id": new.customer_id,
        "key": new.idempotency_key,
        "count": new.count,
        "charge": new.charge,
        "reference": new.reference,
    }


def _fill(
    session: Session,
    package: Package,
    version: PackageVersion,
    new: NewPurchase,
    *,
    contract: Contract | None,
    purchase_id: UUID,
    actor: str,
    now: datetime,
    grace: timedelta,
) -> tuple[str, UUID]:
    """Put what is bought into a wallet; returns the wallet and the grant."""
    wallet = wallet_for(session, package, new, actor=actor, now=now)
    scope = {one.usage_type_id for one in scopes_of(session, [wallet.id])}
    narrow = new.subscription_id is not None and wallet.subscription_id is None
    hours = hours_of(session, wallet)
    zone = hours.zone or (_UTC if contract is None else contract.timeline.zone)
    made, _ = make_grant(
        session,
        wallet.id,
        NewGrant(
            amount=EXACT.multiply(version.amount, Decimal(new.count)),
            idempotency_key=f"purchase:{purchase_id}",
            cost=EXACT.multiply(version.price, Decimal(new.count)),
            cost_currency=package.currency,
            priority=version.priority,
            usage_types=package.usage_types if scope != set(package.usage_types or ()) else None,
            subscription_ids=[new.subscription_id] if narrow and new.subscription_id else None,
            expires_at=version.expiry_from(hours.start_of(now), zone=zone),
        ),
        actor=actor,
        now=now,
        grace=grace,
    )
    return wallet.id, made.id


def _contract(session: Session, package: Package, new: NewPurchase, *, now: datetime) -> Contract | None:
    """The subscription that is named, or else the only one whose next invoice can charge it."""
    if new.subscription_id is not None:
        found = get_contract(session, new.subscription_id)
        if found.customer_id != new.customer_id:
            raise InvalidInput.field("/subscriptionId", "is another customer's", code="unknown_subscription")
        return found
    if new.charge != ChargedBy.NEXT_INVOICE:
        return None
    charging = [one for one in contracts_of(session, new.customer_id) if _can_charge(one, package, now)]
    if len(charging) > 1:
        message = "is required where several of the customer's subscriptions could charge it"
        raise InvalidInput.field("/subscriptionId", message, code="required")
    return charging[0] if charging else None


def _charging(
    session: Session, package: Package, new: NewPurchase, contract: Contract | None, *, now: datetime
) -> Contract:
    """The locked subscription as it is now; raises Conflict ``no_invoice`` if it charges nothing in that currency."""
    found = None if contract is None else get_contract(session, contract.id)
    if found is None or not _can_charge(found, package, now):
        what = f"subscription {new.subscription_id}" if new.subscription_id else f"no subscription of {new.customer_id}"
        verb = "has no next invoice" if new.subscription_id else "has a next invoice"
        raise Conflict(f"{what} {verb} in {package.currency}: charge it now", code="no_invoice")
    return found


def _can_charge(contract: Contract, package: Package, now: datetime) -> bool:
    begun = contract.timeline.terms[0].starts_at <= now
    return begun and contract.currency == package.currency and running_slot(contract.timeline, now) is not None


def _check_count(version: PackageVersion, count: int) -> None:
    fits = EXACT.multiply(version.amount, Decimal(count)) <= MAX_QUANTITY and version.price * count <= MAX_PRICE
    if not 1 <= count <= MAX_COUNT or not fits:
        raise InvalidInput.field("/count", "is more than one purchase can hold", code="out_of_range")


def _made_before(session: Session, package_id: str, new: NewPurchase) -> Purchase | None:
    """What the key has bought; raises Conflict where that is something else."""
    there = purchase_of_key(session, new.customer_id, new.idempotency_key)
    if there is not None and not _is_same(there, package_id, new):
        raise Conflict("the key has bought something else for this customer", code="conflicting_purchase")
    return there


def _is_same(there: Purchase, package_id: str, new: NewPurchase) -> bool:
    """Whether a key asks for what it bought; a wallet or subscription that is not said is the one that was found."""
    said = (package_id, new.count, new.charge, new.reference)
    return (
        (there.package_id, there.count, there.charge, there.reference) == said
        and new.wallet_id in (None, there.wallet_id)
        and new.subscription_id in (None, there.subscription_id)
    )
