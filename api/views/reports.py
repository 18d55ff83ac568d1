"""Reports for finance."""

from typing import Any

from flask import Response

from api.arguments import Blueprint
from api.auth import requires
from api.schemas.reports import PrepaidReportQuery, RevenueQuery
from api.state import state, this_request
from usage_billing.access.principal import ADMIN
from usage_billing.core.errors import FieldError, InvalidInput
from usage_billing.core.spans import Span
from usage_billing.db.session import read_only
from usage_billing.reports import revenue
from usage_billing.reports.prepaid import MOST_LINES, By, PrepaidReport, prepaid_report
from usage_billing.reports.prepaid_csv import prepaid_csv
from usage_billing.reports.revenue import RevenueReport, revenue_report
from usage_billing.reports.revenue_csv import revenue_csv
from usage_billing.wire.prepaid import PREPAID_REPORT
from usage_billing.wire.revenue import REVENUE_REPORT

blp = Blueprint("reports", __name__, url_prefix="/api/reports", description="What finance books.")

_JSON, _CSV = "application/json", "text/csv"
_VARY = {"Vary": "Accept"}


@blp.route("/prepaid", methods=["GET"])
@requires(ADMIN)
@blp.arguments(PrepaidReportQuery, location="query")
@blp.response(200, PREPAID_REPORT)
@blp.also_as(_CSV)
def show_prepaid(query: dict[str, Any]) -> Response | tuple[PrepaidReport, int, dict[str, str]]:
    """Show what of prepaid sales was deferred, sold, recognised, breakage and refunded, for any span.

    With `Accept: text/csv` it is a table of the same lines, however many there are.
    """
    span = Span(start=query["start"], end=query["end"])
    with read_only(state().engine) as session:
        currency, by = query["currency"], By(query["by"])
        found = prepaid_report(session, span, by=by, currency=currency, now=state().clock())
    if _wants_csv():
        return _csv(prepaid_csv(found))
    _check_length(len(found.lines), MOST_LINES, "a currency by day")
    return found, 200, _VARY


@blp.route("/revenue", methods=["GET"])
@requires(ADMIN)
@blp.arguments(RevenueQuery, location="query")
@blp.response(200, REVENUE_REPORT)
@blp.also_as(_CSV)
def show_revenue(query: dict[str, Any]) -> Response | tuple[RevenueReport, int, dict[str, str]]:
    """Show what final invoices billed, by month, plan, usage type and customer, for any span.

    An invoice counts at the moment when it became final, and is taken back at the moment when it became void. With
    `Accept: text/csv` it is a table of the same lines, however many there are.
    """
    span = Span(start=query["start"], end=query["end"])
    with read_only(state().engine) as session:
        found = revenue_report(session, span, by=query["by"], currency=query["currency"])
    if _wants_csv():
        return _csv(revenue_csv(found))
    _check_length(len(found.lines), revenue.MOST_LINES, "fewer keys")
    return found, 200, _VARY


def _wants_csv() -> bool:
    return this_request().accept_mimetypes.best_match([_JSON, _CSV], default=_JSON) == _CSV


def _csv(table: str) -> Response:
    return Response(table, content_type=f"{_CSV}; charset=utf-8; header=present", headers=_VARY)


def _check_length(lines: int, most: int, shorter: str) -> None:
    if lines > most:
        message = f"makes {lines} lines, more than {most}: take text/csv, or {shorter}"
        raise InvalidInput("the report is too long", fields=(FieldError("?by", message, "out_of_range"),))
