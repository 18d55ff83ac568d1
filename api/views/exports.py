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


@blp.route("/<any(invoices,items,usage,credits,payments,all):what>", methods=["GET"])
@requires(ADMIN)
@blp.arguments(SpanQuery, location="query")
@blp.doc(
    responses={
        "200": {
            "description": "The lines, or all exports in a zip file.",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    }
)
def take_out(query: dict[str, Any], what: str) -> Response:
    """Take out final invoices, their items, recordings, credit or payments as CSV, or `all` of them as a zip file.

    All of an answer is of one moment. `from` and `to` are of `finalizedAt`, of recordings' `occurredAt`, of credit's
    `createdAt`, of payments' `paidAt`. An answer that breaks off was not ended: begin again.
    """
    pieces = _pieces(what, Span(**query))
    first = next(pieces)  # what goes wrong before it is a problem
    kind, ending = ("application/zip", "zip") if what == "all" else ("text/csv", "csv")
    response = Response(chain((first,), pieces), mimetype=kind)
    response.call_on_close(pieces.close)
    response.headers["Content-Disposition"] = f'attachment; filename="{what}.{ending}"'
    return response


def _pieces(what: str, span: Span) -> Generator[bytes]:
    with read_only(state().engine) as session:
        yield from zip_of(session, span) if what == "all" else csv_of(session, Export(what), span)
