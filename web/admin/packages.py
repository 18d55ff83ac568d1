"""Packages at the desk: what is sold beforehand, the versions of it, and who bought it."""

from functools import partial

from flask import Response

from api.pagination import BY_ID, BY_NAME
from usage_billing.packages.models import Package, Purchase
from usage_billing.packages.queries import get_package, packages_where, purchases_where
from usage_billing.reports.packages import package_views, purchase_views, version_views
from usage_billing.wire.noun import show
from usage_billing.wire.package import PACKAGE, PACKAGE_VERSION, PURCHASE
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import listed


@blp.get("/packages")
@looking
def list_packages(desk: Desk) -> Response:
    """Packages by id, as they are sold now."""
    found = listed(
        desk,
        packages_where(),
        query_of("after"),
        noun=PACKAGE,
        by=[Package.id],
        kind=BY_NAME,
        path=["packages"],
        viewed=partial(package_views, desk.session, now=desk.now),
    )
    return framed(desk, "packages", "packages", packages=found.rows, following=found.following)


@blp.get("/packages/<identifier:package_id>")
@looking
def show_package(desk: Desk, package_id: str) -> Response:
    """One package: its versions, and its purchases, the newest first; ``customer`` chooses."""
    query = query_of("customer", "after")
    (view,) = package_views(desk.session, [get_package(desk.session, package_id)], now=desk.now)
    bought = listed(
        desk,
        purchases_where(package_id=package_id, customer_id=query.get("customer")),
        query,
        noun=PURCHASE,
        by=[Purchase.id],
        kind=BY_ID,
        path=["packages", package_id],
        newest_first=True,
        viewed=partial(purchase_views, desk.session),
    )
    return framed(
        desk,
        "packages",
        "package",
        package=show(PACKAGE, view),
        versions=[show(PACKAGE_VERSION, one) for one in version_views(desk.session, package_id)][::-1],
        purchases=bought.rows,
        following=bought.following,
        query=query,
        history=last_of(desk, [f"package:{package_id}"]),
    )
