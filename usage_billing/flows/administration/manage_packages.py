"""Packages: what is sold beforehand, and the versions of how much of it for how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import MAX_PRICE, MAX_QUANTITY, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.core.money import round_to_minor_unit
from usage_billing.flows.prepaid.counted import check_types
from usage_billing.packages.models import Package, PackageVersion
from usage_billing.packages.queries import get_package, versions_of
from usage_billing.packages.service import add_package, add_version, lock_package
from usage_billing.prepaid.burn_down import MAX_PRIORITY, USUAL_PRIORITY
from usage_billing.rating.currency import is_currency, minor_unit
from usage_billing.rating.tax.categories import TaxCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How long what is bought holds, from the purchase on."""

    interval: str
    interval_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPackageVersion:
    """What is sold from ``effective_from`` on (None: at once): ``amount`` units, or as much money, for ``price``.

    ``validity`` None is for ever. ``payment_days`` is of an invoice that charges for a purchase at once.
    """

    amount: Decimal
    price: Decimal
    validity: Validity | None = None
    priority: int = USUAL_PRIORITY
    tax_category: TaxCategory = TaxCategory.STANDARD
    payment_days: int = 30
    effective_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPackage:
    """A package to be made, with its first version: of units of ``usage_types``, or of money in ``holds``.

    Money is sold in the currency of the price.
    """

    id: str
    name: str
    currency: str
    first: NewPackageVersion
    unit_name: str | None = None
    usage_types: Sequence[str] | None = None
    holds: str | None = None


def create_package(session: Session, new: NewPackage, *, actor: str, now: datetime) -> Package:
    """Store ``new``; raises InvalidInput, and Conflict when the id is taken."""
    if not is_currency(new.currency):
        message = "must be an ISO 4217 currency code such as USD"
        raise InvalidInput.field("/currency", message, code="unknown_currency")
    _check_unit(session, new)
    _check_version(new.first, currency=new.currency, is_money=new.holds is not None)
    package = add_package(
        session,
        {
            "id": new.id,
            "name": new.name,
            "unit_name": new.unit_name,
            "usage_types": None if new.usage_types is None else sorted(new.usage_types),
            "currency": new.currency,
        },
    )
    add_version(session, _version_of(package, new.first, version=1, now=now))
    note(
        session,
        actor=actor,
        action="package.created",
        subject=f"package:{new.id}",
        at=now,
        price=plain(new.first.price),
    )
    return package


def define_version(
    session: Session, package_id: str, new: NewPackageVersion, *, actor: str, now: datetime
) -> PackageVersion:
    """Store the next version of a package; what was bought before stays as it was.

    Raises NotFound, and InvalidInput, also where it would begin before an earlier version, or in the past.
    """
    package = get_package(session, package_id)
    lock_package(session, package_id)
    _check_version(new, currency=package.currency, is_money=package.unit_name is None)
    last = versions_of(session, [package_id])[-1]
    version = _version_of(package, new, version=last.version + 1, now=now)
    if version.effective_from < now:
        raise InvalidInput.field("/effectiveFrom", "must not be in the past", code="out_of_range")
    if version.effective_from <= last.effective_from:
        message = f"must be after version {last.version} begins"
        raise InvalidInput.field("/effectiveFrom", message, code="out_of_range")
    add_version(session, version)
    subject = f"package:{package_id}"
    note(session, actor=actor, action="package.version_defined", subject=subject, at=now, version=version.version)
    return version


def _version_of(package: Package, new: NewPackageVersion, *, version: int, now: datetime) -> PackageVersion:
    return PackageVersion(
        package_id=package.id,
        version=version,
        amount=new.amount,
        price=new.price,
        priority=new.priority,
        validity_interval=None if new.validity is None else new.validity.interval,
        validity_count=None if new.validity is None else new.validity.interval_count,
        tax_category=new.tax_category,
        payment_days=new.payment_days,
        effective_from=new.effective_from or now,
    )


def _check_unit(session: Session, new: NewPackage) -> None:
    if new.holds is None:
        for name, given in (("unitName", new.unit_name), ("usageTypes", new.usage_types)):
            if given is None:
                raise InvalidInput.field(f"/unit/{name}", "is required unless money is sold", code="required")
        check_types(session, new.usage_types or (), unit_name=new.unit_name or "")
    elif new.unit_name is not None or new.usage_types is not None:
        raise InvalidInput.field("/unit", "is either units of usage types or a currency", code="contradiction")
    elif new.holds != new.currency:
        raise InvalidInput.field("/unit/currency", "must be that of the price", code="contradiction")


def _check_version(new: NewPackageVersion, *, currency: str, is_money: bool) -> None:
    if not 0 < new.amount <= MAX_QUANTITY:
        raise InvalidInput.field("/amount", f"must be more than 0 and at most {MAX_QUANTITY:f}", code="out_of_range")
    if is_money and round_to_minor_unit(new.amount, minor_unit(currency)) != new.amount:
        message = f"must have at most {minor_unit(currency)} decimal places in {currency}"
        raise InvalidInput.field("/amount", message, code="not_a_decimal")
    if not 0 < new.price <= MAX_PRICE:
        raise InvalidInput.field("/price", f"must be more than 0 and at most {MAX_PRICE:f}", code="out_of_range")
    if round_to_minor_unit(new.price, minor_unit(currency)) != new.price:
        message = f"must have at most {minor_unit(currency)} decimal places in {currency}"
        raise InvalidInput.field("/price", message, code="not_a_decimal")
    if not 0 <= new.priority <= MAX_PRIORITY:
        raise InvalidInput.field("/priority", f"must be from 0 to {MAX_PRIORITY}", code="out_of_range")
