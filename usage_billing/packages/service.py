"""Writes packages, their versions, and purchases."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.errors import Conflict
from usage_billing.packages.models import Package, PackageVersion, Purchase


def add_package(session: Session, package: Mapping[str, object]) -> Package:
    """Store a package; raises Conflict when the id is taken."""
    added = session.scalars(insert(Package).values(package).on_conflict_do_nothing().returning(Package)).first()
    if added is None:
        raise Conflict(f"there is a package {package['id']} already", code="already_exists")
    return added


def lock_package(session: Session, package_id: str) -> None:
    """Lock a package until the transaction ends, so that one version of it is made at a time."""
    session.execute(select(Package.id).where(Package.id == package_id).with_for_update(key_share=True))


def add_version(session: Session, version: PackageVersion) -> PackageVersion:
    """Store a version of a package."""
    session.add(version)
    session.flush()
    return version


def add_purchase(session: Session, purchase: Purchase) -> Purchase:
    """Store a purchase."""
    session.add(purchase)
    session.flush()
    return purchase
