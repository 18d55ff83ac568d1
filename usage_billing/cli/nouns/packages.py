"""``usage-billing packages``: what is sold beforehand, and its purchases."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from usage_billing.cli.frame.database import actor, connected, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, wide_option
from usage_billing.cli.frame.party_types import TAX_CATEGORY
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NAME, NEW_IDENTIFIER, PRICE, QUANTITY, SOURCE, UNIT, VALIDITY
from usage_billing.core.clock import utc_now
from usage_billing.core.limits import MAX_COUNT
from usage_billing.wire import noun as wire
from usage_billing.wire.package import CHARGES, PACKAGE, PACKAGE_VERSION, PURCHASE

_LISTED = ("id", "name", "amount", "unitName", "price", "currency", "validity", "usageTypes", "priority", "version")
_WIDE_ONLY = {"usageTypes", "priority", "version", "taxCategory", "paymentDays", "createdAt", "reference"}
_EXAMPLE = "packages create pages-1000 --name '1,000 pages' --unit pages --usage-type page --amount 1000 --price 80"
_BUY = "packages buy pages-1000 --customer acme --charge next_invoice --key order-4711"


def _version_options(command: Any) -> Any:
    """What a version of a package says."""
    options = (
        click.option("--amount", type=QUANTITY, required=True, help="How many units are sold."),
        click.option("--price", type=PRICE, required=True, help="What they cost together, before tax."),
        click.option("--validity", type=VALIDITY, help="How long they hold: '1 year'; for ever unless given."),
        click.option("--priority", type=click.IntRange(0, 100), default=50, show_default=True, help="Lower pay first."),
        click.option("--tax-category", type=TAX_CATEGORY, default="S", show_default=True, help="How it is taxed."),
        click.option("--payment-days", type=click.IntRange(0, MAX_COUNT), default=30, show_default=True),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(epilog=example(_EXAMPLE, _BUY))
def command() -> None:
    """Make packages and their versions, sell them to customers, and list what was sold."""


@command.command(epilog=example(_EXAMPLE))
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--name", type=NAME, required=True, help="What invoices call it.")
@click.option("--unit", "unit_name", type=UNIT, help="The unit that is sold; without one it is money.")
@click.option("--usage-type", "usage_types", type=IDENTIFIER, multiple=True, help="Counted in the unit; repeatable.")
@click.option("--currency", required=True, help="An ISO 4217 code; it never changes.")
@_version_options
@json_option
def create(
    *,
    id: str,
    name: str,
    unit_name: str | None,
    usage_types: tuple[str, ...],
    currency: str,
    as_json: bool,
    **said: Any,
) -> None:
    """Make the package ID, of units of usage types, or of money in its currency."""
    from usage_billing.flows.administration.manage_packages import NewPackage, create_package
    from usage_billing.reports.packages import package_views

    now = utc_now()
    new = NewPackage(
        id=id,
        name=name,
        unit_name=unit_name,
        usage_types=usage_types or None,
        holds=None if unit_name or usage_types else currency,
        currency=currency,
        first=_version(said),
    )
    with writing() as session:
        made = create_package(session, new, actor=actor(), now=now)
        shape = wire.show(PACKAGE, package_views(session, [made], now=now)[0])
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("packages version pages-1000 --amount 1000 --price 90.00 --validity '1 year'"))
@click.argument("id", type=IDENTIFIER)
@_version_options
@click.option("--effective", "effective_from", type=TIME, help="From when on it is sold; now unless given.")
@json_option
def version(*, id: str, effective_from: datetime | None, as_json: bool, **said: Any) -> None:
    """Define the next version of the package ID; what was bought stays as it was."""
    from usage_billing.flows.administration.manage_packages import define_version
    from usage_billing.reports.packages import version_views

    new = _version(said, effective_from=effective_from)
    with writing() as session:
        define_version(session, id, new, actor=actor(), now=utc_now())
        shape = wire.show(PACKAGE_VERSION, version_views(session, id)[-1])
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("packages list"))
@limit_option
@wide_option
@json_option
def list_packages(*, limit: int, as_json: bool) -> None:
    """List packages by id, as they are sold now."""
    from usage_billing.packages.models import Package
    from usage_billing.packages.queries import packages_where
    from usage_billing.reports.packages import package_views

    with reading() as session:
        rows = first_rows(session, packages_where().order_by(Package.id), limit=limit)
        shapes = [wire.show(PACKAGE, one) for one in package_views(session, rows, now=utc_now())]
    shown = shapes if as_json else [pick(_flat(one), *_LISTED) for one in shapes]
    hint = "usage-billing packages create --help"
    print_rows(shown, as_json=as_json, empty=none_of("packages", hint=hint), wide_only=_WIDE_ONLY)


@command.command(epilog=example("packages show pages-1000"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the package ID as it is sold now."""
    from usage_billing.packages.queries import get_package
    from usage_billing.reports.packages import package_views

    with reading() as session:
        shape = wire.show(PACKAGE, package_views(session, [get_package(session, id)], now=utc_now())[0])
    print_thing(shape, as_json=as_json)


@command.command(epilog=example(_BUY))
@click.argument("id", type=IDENTIFIER)
@click.option("--customer", "customer_id", type=IDENTIFIER, required=True, help="Who buys it.")
@click.option("--charge", type=click.Choice(CHARGES), required=True, help="Which invoice charges it; paid: none.")
@click.option("--key", "idempotency_key", type=SOURCE, required=True, help="Buys it once: an order's number.")
@click.option("--count", type=click.IntRange(1, MAX_COUNT), default=1, show_default=True, help="How many times.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="For it alone, and on its next invoice.")
@click.option("--wallet", "wallet_id", type=IDENTIFIER, help="The wallet to fill; one that fits unless given.")
@click.option("--reference", type=NAME, help="What names the order or the payment.")
@json_option
def buy(*, id: str, as_json: bool, **said: Any) -> None:
    """Sell the package ID to a customer: a grant in its wallet, and what charges for it."""
    from datetime import timedelta

    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.buy_package import NewPurchase, buy_package
    from usage_billing.reports.packages import purchase_views

    now = utc_now()
    with connected() as (settings, engine), transaction(engine) as session:
        grace = timedelta(seconds=settings.grace_seconds)
        made, _ = buy_package(session, id, NewPurchase(**said), actor=actor(), now=now, grace=grace)
        shape = wire.show(PURCHASE, purchase_views(session, [made])[0])
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("packages purchases --customer acme"))
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only those of this customer.")
@click.option("--package", "package_id", type=IDENTIFIER, help="Only those of this package.")
@limit_option
@wide_option
@json_option
def purchases(*, limit: int, as_json: bool, **asked: Any) -> None:
    """List what was sold, the newest first."""
    from usage_billing.packages.models import Purchase
    from usage_billing.packages.queries import purchases_where
    from usage_billing.reports.packages import purchase_views

    with reading() as session:
        rows = first_rows(session, purchases_where(**asked).order_by(Purchase.id.desc()), limit=limit)
        shapes = [wire.show(PURCHASE, one) for one in purchase_views(session, rows)]
    columns = ("id", "userId", "packageId", "count", "price", "currency", "charge", "at")
    shown = shapes if as_json else [pick(one, *columns) for one in shapes]
    print_rows(shown, as_json=as_json, empty="Nothing was sold yet.", wide_only={"at"})


def _version(said: dict[str, Any], *, effective_from: datetime | None = None) -> Any:
    from usage_billing.flows.administration.manage_packages import NewPackageVersion, Validity
    from usage_billing.rating.tax.categories import TaxCategory

    validity: tuple[int, str] | None = said.pop("validity")
    category: str = said.pop("tax_category")
    figures: dict[str, Decimal | int] = said
    return NewPackageVersion(
        **figures,  # type: ignore[arg-type]
        validity=None if validity is None else Validity(interval=validity[1], interval_count=validity[0]),
        tax_category=TaxCategory(category),
        effective_from=effective_from,
    )


def _flat(shape: dict[str, Any]) -> dict[str, Any]:
    """A package with its unit and validity in columns of their own."""
    validity = shape["validity"]
    words = None if validity is None else f"{validity['intervalCount']} {validity['interval']}"
    unit = {"unitName": None, "usageTypes": None, **shape["unit"]}
    return {**shape, **unit, "validity": words}
