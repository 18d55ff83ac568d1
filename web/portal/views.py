"""The addresses of the portal. A view asks for what its page shows, and shows it."""

from flask import Response

from web.portal import overview, shown
from web.portal.blueprint import blp
from web.portal.gate import visiting
from web.portal.visit import Visit


@blp.get("/")
@blp.get("")
@visiting("overview")
def show_overview(visit: Visit) -> Response:
    """Allowances, charges, the next invoice and the last ones."""
    shown.query_of()
    return shown.framed(visit, "overview", "overview", **overview.overview(visit))


@blp.get("/overview/live")
@visiting("overview")
def show_living_overview(visit: Visit) -> Response:
    """The part of the overview that moves; 304 while it does not."""
    return shown.as_before(visit) or shown.part(visit, "overview_live", **overview.overview(visit))
