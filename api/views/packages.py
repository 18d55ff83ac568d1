"""Packages: what is sold beforehand; and who bought it."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response

from api.arguments import Blueprint
from api.auth import caller, narrowed, requires
from api.json_provider import json_response
from api.locations import makes
from api.pagination import BY_ID, BY_NAME, filters_of, listed
from api.schemas.packages import NewPackageSchema, NewPackageVersionSchema, NewPurchaseSchema, PurchasesQuery
from api.schemas.paging import PageQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN, USAGE_READ, WALLETS_WRITE
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.administration import buy_package, manage_packages
from usage_billing.flows.administration.buy_package import NewPurchase
from usage_billing.flows.administration.manage_packages import NewPackage, NewPackageVersion
from usage_billing.packages.models import Package, Purchase
from usage_billing.packages.queries import get_package, get_purchase, packages_where, purchases_where
from usage_billing.reports.packages import PackageView, PurchaseView, VersionView, package_views, purchase_views
from usage_billing.reports.packages import version_views as versions_shown
from usage_billing.wire.noun import page_of, show
from usage_billing.wire.package import PACKAGE, PACKAGE_VERSION, PACKAGE_VERSIONS, PURCHASE

blp = Blueprint("packages", __name__, url_prefix="/api", description="What is sold beforehand.")


@blp.route("/packages", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewPackageSchema)
@blp.response(201, PACKAGE)
@makes("/api/packages")
def create_package(new: NewPackage) -> PackageView:
    """Make a package: units of usage types, for a price."""
    now = state().clock()
    with writing() as session:
        package = manage_packages.create_package(session, new, actor=caller().actor, now=now)
        return package_views(session, [package], now=now)[0]


@blp.route("/packages", methods=["GET"])
@requires(USAGE_READ, WALLETS_WRITE)
@blp.arguments(PageQuery, location="query")
@blp.response(200, page_of(PACKAGE))
def list_packages(query: dict[str, Any]) -> dict[str, Any]:
    """List packages by id, as they are sold now."""
    with read_only(state().engine) as session:
        viewed = partial(package_views, session, now=state().clock())
        return listed(session, packages_where(), query, noun=PACKAGE, by=[Package.id], kind=BY_NAME, viewed=viewed)


@blp.route("/packages/<identifier:package_id>", methods=["GET"])
@requires(USAGE_READ, WALLETS_WRITE)
@blp.response(200, PACKAGE)
def show_package(package_id: str) -> PackageView:
    """Show a package as it is sold now."""
    with read_only(state().engine) as session:
        return package_views(session, [get_package(session, package_id)], now=state().clock())[0]


@blp.route("/packages/<identifier:package_id>/versions", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewPackageVersionSchema)
@blp.response(201, PACKAGE_VERSION)
@makes("/api/packages/{package_id}/versions", named=None)
def define_package_version(new: NewPackageVersion, package_id: str) -> VersionView:
    """Define the next version of a package; what was bought before stays as it was."""
    with writing() as session:
        manage_packages.define_version(session, package_id, new, actor=caller().actor, now=state().clock())
        return versions_shown(session, package_id)[-1]


@blp.route("/packages/<identifier:package_id>/versions", methods=["GET"])
@requires(USAGE_READ, WALLETS_WRITE)
@blp.response(200, PACKAGE_VERSIONS)
def list_package_versions(package_id: str) -> dict[str, Any]:
    """List the versions of a package, the first first."""
    with read_only(state().engine) as session:
        return {"data": versions_shown(session, package_id)}


@blp.route("/packages/<identifier:package_id>/purchases", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(NewPurchaseSchema)
@blp.response(201, PURCHASE)
@blp.alt_response(200, noun=PURCHASE, description="The key has bought it before; nothing changed.", success=True)
@makes("/api/purchases")
def buy(new: NewPurchase, package_id: str) -> Response:
    """Buy a package for a customer: a grant in its wallet, and a charge on an invoice unless it was paid elsewhere."""
    now, grace = state().clock(), timedelta(seconds=state().settings.grace_seconds)
    with writing() as session:
        made, is_new = buy_package.buy_package(session, package_id, new, actor=caller().actor, now=now, grace=grace)
        shown = show(PURCHASE, purchase_views(session, [made])[0])
    return json_response(shown, status=201 if is_new else 200)


@blp.route("/purchases", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(PurchasesQuery, location="query")
@blp.response(200, page_of(PURCHASE))
def list_purchases(query: dict[str, Any]) -> dict[str, Any]:
    """List purchases, the newest first. A user sees its own."""
    if not narrowed(query):
        return {"data": [], "next_cursor": None}
    with read_only(state().engine) as session:
        return listed(
            session,
            purchases_where(**filters_of(query)),
            query,
            noun=PURCHASE,
            by=[Purchase.id],
            kind=BY_ID,
            newest_first=True,
            viewed=partial(purchase_views, session),
        )


@blp.route("/purchases/<uuid:purchase_id>", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.response(200, PURCHASE)
def show_purchase(purchase_id: UUID) -> PurchaseView:
    """Show a purchase. A user sees its own."""
    with read_only(state().engine) as session:
        purchase = get_purchase(session, purchase_id)
        if not caller().may_see(purchase.customer_id):
            raise NotFound(f"there is no purchase {purchase_id}")
        return purchase_views(session, [purchase])[0]
