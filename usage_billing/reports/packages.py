"""Packages as they are sold at a moment, and purchases with the invoices that charge them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.packages.models import Package, PackageVersion, Purchase
from usage_billing.packages.queries import get_package, version_at, versions_of
from usage_billing.reports.wallets import WalletUnit

_INVOICES = text("""
    SELECT DISTINCT ON (t.purchase_id) t.purchase_id, t.invoice_id
    FROM usage_invoice_items AS t
    JOIN invoices AS i ON i.id = t.invoice_id
    WHERE t.purchase_id = ANY(CAST(:ids AS bigint[])) AND i.status <> 'void'
    ORDER BY t.purchase_id, i.number NULLS LAST, t.id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageView:
    """A package with the version that is sold."""

    package: Package
    version: PackageVersion

    @property
    def unit(self) -> WalletUnit:
        """What is sold."""
        if self.package.unit_name is None:
            return WalletUnit(currency=self.package.currency)
        return WalletUnit(unit_name=self.package.unit_name, usage_types=self.package.usage_types)

    @property
    def holds(self) -> str | None:
        """The currency of what is sold; None: units."""
        return self.unit.currency


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """A version, and the currency of its price."""

    version: PackageVersion
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseView:
    """A purchase: how many units it was, for how much, and the first invoice that charges it."""

    purchase: Purchase
    amount: Decimal
    price: Decimal
    currency: str
    invoice_id: UUID | None


def package_views(session: Session, packages: Sequence[Package], *, now: datetime) -> list[PackageView]:
    """These packages as they are sold at ``now``."""
    found: dict[str, list[PackageVersion]] = {}
    for version in versions_of(session, [package.id for package in packages]):
        found.setdefault(version.package_id, []).append(version)
    return [PackageView(package=one, version=version_at(found[one.id], now)) for one in packages]


def version_views(session: Session, package_id: str) -> list[VersionView]:
    """The versions of a package, the first first; raises NotFound."""
    package = get_package(session, package_id)
    return [VersionView(version=one, currency=package.currency) for one in versions_of(session, [package_id])]


def purchase_views(session: Session, purchases: Sequence[Purchase]) -> list[PurchaseView]:
    """These purchases, in their order."""
    names = {one.package_id for one in purchases}
    versions = {(one.package_id, one.version): one for one in versions_of(session, names)}
    currencies = {name: get_package(session, name).currency for name in names}
    asked = [one.charge_id for one in purchases if one.charge_id is not None]
    invoices = {row.purchase_id: row.invoice_id for row in session.execute(_INVOICES, {"ids": asked})}
    return [
        PurchaseView(
            purchase=one,
            amount=EXACT.multiply(versions[one.package_id, one.version].amount, Decimal(one.count)),
            price=EXACT.multiply(versions[one.package_id, one.version].price, Decimal(one.count)),
            currency=currencies[one.package_id],
            invoice_id=None if one.charge_id is None else invoices.get(one.charge_id),
        )
        for one in purchases
    ]
