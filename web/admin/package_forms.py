"""What an operator does with packages: made, the next version of one, and sold to a customer."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.cli.frame.party_types import TAX_CATEGORY
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import (
    IDENTIFIER,
    NAME,
    NEW_IDENTIFIER,
    PRICE,
    QUANTITY,
    UNIT,
    VALIDITY,
)
from usage_billing.flows.administration.buy_package import NewPurchase, buy_package
from usage_billing.flows.administration.manage_packages import (
    NewPackage,
    NewPackageVersion,
    Validity,
    create_package,
    define_version,
)
from usage_billing.packages.queries import get_package, versions_of
from usage_billing.wire.package import CHARGES
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change, key_box
from web.admin.kinds import COUNT, DAYS, IDENTIFIERS, PRIORITY
from web.admin.plan_forms import tax_box

_CHARGES = tuple(zip(CHARGES, ("the next invoice", "an invoice of its own, now", "none: it was paid"), strict=True))


def _version_boxes(**known: str) -> list[Box]:
    return [
        Box(name="amount", label="How many units", kind=QUANTITY, value=known.get("amount", "")),
        Box(name="price", label="Price of all of them, before tax", kind=PRICE, value=known.get("price", "")),
        Box(
            name="validity",
            label="They hold for",
            kind=VALIDITY,
            value=known.get("validity", ""),
            required=False,
            help="Such as 1 year; for ever, if empty.",
        ),
        Box(
            name="priority",
            label="Priority",
            kind=PRIORITY,
            value=known.get("priority", "50"),
            help="0 to 100; lower ones pay first.",
        ),
        tax_box(value=known.get("tax", "S"), kind=TAX_CATEGORY),
        Box(
            name="paymentDays",
            label="An invoice of its own is to be paid within days",
            kind=DAYS,
            value=known.get("days", "30"),
        ),
    ]


def _version(values: dict[str, Any]) -> NewPackageVersion:
    validity = values["validity"]
    return NewPackageVersion(
        amount=values["amount"],
        price=values["price"],
        validity=None if validity is None else Validity(interval=validity[1], interval_count=validity[0]),
        priority=values["priority"],
        tax_category=values["taxCategory"],
        payment_days=values["paymentDays"],
        effective_from=values.get("effectiveFrom"),
    )


def _new(_: Session) -> Form:
    return Form(
        title="New package",
        says="An amount of units, or of money, that is sold for one price, and paid for before it is used.",
        verb="Make the package",
        current="packages",
        back=address("packages"),
        boxes=[
            Box(name="id", label="Id", kind=NEW_IDENTIFIER),
            Box(name="name", label="Name", kind=NAME, help="What invoices call it."),
            Box(
                name="unitName",
                label="Unit",
                kind=UNIT,
                required=False,
                help="That of its types; none: money.",
            ),
            Box(
                name="usageTypes",
                label="Usage types",
                kind=IDENTIFIERS,
                type="area",
                rows=3,
                required=False,
                help="One a line; none for money.",
            ),
            Box(name="currency", label="Currency", help="An ISO 4217 code such as USD; it never changes."),
            *_version_boxes(),
        ],
    )


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    new = NewPackage(
        id=values["id"],
        name=values["name"],
        unit_name=values["unitName"],
        usage_types=values["usageTypes"] or None,
        holds=None if values["unitName"] or values["usageTypes"] else values["currency"],
        currency=values["currency"],
        first=_version(values),
    )
    create_package(session, new, actor=operator.actor, now=operator.now)
    return Done(address("packages", new.id))


def _next(session: Session, package_id: str) -> Form:
    get_package(session, package_id)
    last = versions_of(session, [package_id])[-1]
    validity = "" if last.validity_interval is None else f"{last.validity_count} {last.validity_interval}"
    known = {
        "amount": f"{last.amount.normalize():f}",
        "price": f"{last.price.normalize():f}",
        "validity": validity,
        "priority": str(last.priority),
        "tax": last.tax_category,
        "days": str(last.payment_days),
    }
    return Form(
        title=f"Next version of {package_id}",
        says=f"It follows version {last.version}. What was bought stays as it was.",
        verb="Define it",
        current="packages",
        back=address("packages", package_id),
        boxes=[
            *_version_boxes(**known),
            Box(name="effectiveFrom", label="Sold from", kind=TIME, required=False, help="Now, if empty."),
        ],
    )


def _define(session: Session, operator: Operator, values: dict[str, Any], package_id: str) -> Done:
    define_version(session, package_id, _version(values), actor=operator.actor, now=operator.now)
    return Done(address("packages", package_id))


def _sold(session: Session, package_id: str) -> Form:
    package = get_package(session, package_id)
    return Form(
        title=f"Sell {package.name}",
        says="It fills a wallet of the customer at once.",
        verb="Sell it",
        current="packages",
        back=address("packages", package_id),
        boxes=[
            Box(name="userId", label="Customer", kind=IDENTIFIER),
            Box(name="count", label="How many times", kind=COUNT, value="1"),
            Box(name="charge", label="Charged on", type="choice", choices=_CHARGES, value=CHARGES[0]),
            Box(
                name="subscriptionId",
                label="For this subscription alone",
                kind=IDENTIFIER,
                required=False,
                help="Its next invoice charges it.",
            ),
            Box(
                name="walletId",
                label="Wallet",
                kind=IDENTIFIER,
                required=False,
                help="One that fits, if empty; it is made where there is none.",
            ),
            Box(name="reference", label="Order or payment", kind=NAME, required=False),
            key_box("Sells it once: an order's number."),
        ],
    )


def _sell(session: Session, operator: Operator, values: dict[str, Any], package_id: str) -> Done:
    new = NewPurchase(
        customer_id=values["userId"],
        charge=values["charge"],
        idempotency_key=values["idempotencyKey"],
        subscription_id=values["subscriptionId"],
        wallet_id=values["walletId"],
        count=values["count"],
        reference=values["reference"],
    )
    grace = timedelta(seconds=state().settings.grace_seconds)
    buy_package(session, package_id, new, actor=operator.actor, now=operator.now, grace=grace)
    return Done(address("packages", package_id))


change("/packages/new", "new_package", _new, _create)
change("/packages/<identifier:package_id>/version", "package_version", _next, _define)
change("/packages/<identifier:package_id>/sell", "sell_package", _sold, _sell)
