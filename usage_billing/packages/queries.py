"""Reads packages and purchases."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.db.filters import equal
from usage_billing.packages.models import Package, PackageVersion, Purchase


def get_package(session: Session, package_id: str) -> Package:
    """The package; raises NotFound."""
    found = session.get(Package, package_id)
    if found is None:
        raise NotFound(f"there is no package {package_id}")
    return found


def get_purchase(session: Session, purchase_id: UUID) -> Purchase:
    """The purchase; raises NotFound."""
    found = session.get(Purchase, purchase_id)
    if found is None:
        raise NotFound(f"there is no purchase {purchase_id}")
    return found


def packages_where() -> Select[Package]:
    """The statement that lists packages."""
    return select(Package)


def purchases_where(*, customer_id: str | None = None, package_id: str | None = None) -> Select[Purchase]:
    """The statement that lists purchases, of one customer or package if that is given."""
    return equal(select(Purchase), {Purchase.customer_id: customer_id, Purchase.package_id: package_id})


def versions_of(session: Session, package_ids: Collection[str]) -> Sequence[PackageVersion]:
    """The versions of these packages, the first first."""
    statement = select(PackageVersion).where(PackageVersion.package_id.in_(package_ids))
    return session.scalars(statement.order_by(PackageVersion.package_id, PackageVersion.version)).all()


def version_at(versions: Sequence[PackageVersion], instant: datetime) -> PackageVersion:
    """The version of one package that is sold at ``instant``; the first before it begins."""
    begun = [one for one in versions if one.effective_from <= instant]
    return max(begun, key=lambda one: one.effective_from) if begun else versions[0]


def purchase_of_key(session: Session, customer_id: str, key: str) -> Purchase | None:
    """What a key has bought for a customer."""
    return session.scalars(select(Purchase).where(Purchase.customer_id == customer_id, Purchase.key == key)).first()


def purchase_of_grant(session: Session, grant_id: UUID) -> Purchase | None:
    """The purchase that made a grant; None for another grant."""
    return session.scalars(select(Purchase).where(Purchase.grant_id == grant_id)).first()
