"""Usage over time."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from flask import Response
from sqlalchemy.orm import Session

from api.arguments import Blueprint
from api.auth import caller, requires
from api.schemas.series import SeriesQuery
from api.state import state, this_request
from usage_billing.access.principal import USAGE_READ
from usage_billing.core.errors import FieldError, InvalidInput, NotFound
from usage_billing.db.session import Reader, at_once, read_only, transaction
from usage_billing.flows.folding.drive_reads import counted
from usage_billing.flows.folding.keep_by_time import keep_usage_by_time
from usage_billing.reports.series import SeriesRequest, UsageSeries, series_at_once, series_of
from usage_billing.reports.series_agreed import Agreed, agreed_on
from usage_billing.reports.series_csv import series_csv
from usage_billing.wire.series import USAGE_SERIES

blp = Blueprint("usage over time", __name__, url_prefix="/api/usage", description="What was used, by windows of time.")

Answer = TypeVar("Answer")
_JSON, _CSV = "application/json", "text/csv"
_CSV_TYPE = f"{_CSV}; charset=utf-8; header=present"
_VARY = {"Vary": "Accept"}


@blp.route("/subscription/<identifier:subscription_id>/series", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(SeriesQuery, location="query")
@blp.response(200, USAGE_SERIES)
@blp.also_as(_CSV)
def show_subscription_series(
    asked: SeriesRequest, subscription_id: str
) -> Response | tuple[UsageSeries, int, dict[str, str]]:
    """Show what was used under a subscription over time: by windows, and of a meter by dimensions.

    With `Accept: text/csv` it is a table, a line for each series in each window.
    """

    def agreed(reader: Reader) -> Agreed:
        found = agreed_on(reader, asked.usage_type, subscription_id=subscription_id)
        if not caller().may_see(found.contracts[0].customer_id):
            raise NotFound(f"there is no subscription {subscription_id}")
        return found

    def read(session: Session) -> UsageSeries:
        found = agreed(session)
        return _told(lambda now: series_of(session, found.contracts, found.usage_type, asked, now=now))

    if not state().settings.pooled:
        # Mostly that is enough, and takes no transaction, whose beginning and end are two more round trips.
        with at_once(state().engine) as connection:
            one = agreed(connection)
            found = _told(lambda now: series_at_once(connection, one, asked, now=now))
        if found is not None:
            return _shown(found, asked)
    return _shown(_counted(read, subscription_id=subscription_id), asked)


@blp.route("/user/<identifier:customer_id>/series", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(SeriesQuery, location="query")
@blp.response(200, USAGE_SERIES)
@blp.also_as(_CSV)
def show_user_series(asked: SeriesRequest, customer_id: str) -> Response | tuple[UsageSeries, int, dict[str, str]]:
    """Show what was used under all subscriptions of a user over time; the zone is the first one's unless given.

    With `Accept: text/csv` it is a table, a line for each series in each window.
    """
    if not caller().may_see(customer_id):
        raise NotFound(f"there is no customer {customer_id}")

    def read(session: Session) -> UsageSeries:
        found = agreed_on(session, asked.usage_type, customer_id=customer_id)
        return _told(lambda now: series_of(session, found.contracts, found.usage_type, asked, now=now))

    return _shown(_counted(read, customer_id=customer_id), asked)


def _counted(
    read: Callable[[Session], UsageSeries], *, customer_id: str | None = None, subscription_id: str | None = None
) -> UsageSeries:
    """What is read of one moment. It adds what no fold has counted; where only a fold can, that is done before."""
    with read_only(state().engine) as session:
        found = read(session)
    if not found.behind:
        return found
    with counted(state().engine, customer_id=customer_id, subscription_id=subscription_id) as (session, _):
        return read(session)


def _shown(found: UsageSeries, asked: SeriesRequest) -> Response | tuple[UsageSeries, int, dict[str, str]]:
    """The answer in the form that the caller prefers; what is too much to be counted each time is kept from now on."""
    if found.wants_keeping:
        with transaction(state().engine) as session:
            keep_usage_by_time(session, found.usage_type)
    if this_request().accept_mimetypes.best_match([_JSON, _CSV], default=_JSON) == _JSON:
        return found, 200, _VARY
    return Response(series_csv(found, asked.group_by), content_type=_CSV_TYPE, headers=_VARY)


def _told(count: Callable[[datetime], Answer]) -> Answer:
    """What is counted as of now; what is wrong is told by the names of parameters."""
    try:
        return count(state().clock())
    except InvalidInput as error:
        fields = tuple(FieldError(f"?{one.pointer[1:]}", one.message, one.code) for one in error.fields)
        raise InvalidInput(error.message, code=error.code, fields=fields) from error
