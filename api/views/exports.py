"""Exports: the books as CSV, for finance."""

from collections.abc import Generator
from itertools import chain
from typing import Any

from flask import Response

from api.arguments import Blueprint
from api.auth import requires
from api.schemas.paging import SpanQuery
from api.state import state
from usage_billing.access.principal import ADMIN
from usage_billing.core.spans import Span
from usage_billing.db.session import read_only
from usage_billing.exports.columns import Export
from usage_billing.exports.stream import csv_of, zip_of

blp = Blueprint("exports", __name__, url_prefix="/api/exports", description="The books as CSV, for finance.")

_ENDS = "All of an answer is of one moment. One that breaks off was not ended: begin again."
_SAYS = {
    "invoices": f"Take out final invoices as CSV.\n\n`from` and `to` are of `finalizedAt`. {_ENDS}",
    "items": f"Take out the items of final invoices as CSV.\n\n`from` and `to` are of `finalizedAt`. {_ENDS}",
    "usage": f"Take out recordings as CSV.\n\n`from` and `to` are of `occurredAt`. {_ENDS}",
    "credits": f"Take out the changes of customers' credit as CSV.\n\n`from` and `to` are of `createdAt`. {_ENDS}",
    "payments": f"Take out payments of invoices as CSV.\n\n`from` and `to` are of `paidAt`. {_ENDS}",
    "all": f"Take out all exports in a zip file.\n\n`from` and `to` are what each export says. {_ENDS}",
}


def _serve(what: str) -> None:
    """Serve the export ``what``, or ``all`` of them in a zip file."""
    kind, ending = ("application/zip", "zip") if what == "all" else ("text/csv", "csv")

    def view(query: dict[str, Any]) -> Response:
        pieces = _pieces(what, Span(**query))
        first = next(pieces)  # what goes wrong before it is answered as a problem
        response = Response(chain((first,), pieces), mimetype=kind)
        response.call_on_close(pieces.close)
        response.headers["Content-Disposition"] = f'attachment; filename="{what}.{ending}"'
        return response

    view.__name__ = f"export_{what}"
    view.__doc__ = _SAYS[what]
    content = {kind: {"schema": {"type": "string"}}}
    view = blp.doc(responses={"200": {"description": "The lines.", "content": content}})(view)
    view = requires(ADMIN)(blp.arguments(SpanQuery, location="query")(view))
    blp.route(f"/{what}", methods=["GET"])(view)


def _pieces(what: str, span: Span) -> Generator[bytes]:
    with read_only(state().engine) as session:
        yield from zip_of(session, span) if what == "all" else csv_of(session, Export(what), span)


for _what in _SAYS:
    _serve(_what)
