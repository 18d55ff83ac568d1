"""OpenMeter's calls, as its clients send them and read the answer: events, meters, and what customers may still use."""

from collections.abc import Sequence

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from api.auth import requires
from api.foreign_errors import openmeter_form, speak
from api.foreign_events import accept_events
from api.foreign_pages import Page, page_asked, paged
from api.honoured import reads
from api.ingest.body import json_of
from api.ingest.cloud_events import CLOUD_EVENTS, events_of
from api.json_provider import json_response
from api.openmeter_events import event_shown, events_asked
from api.openmeter_query import by_their_names, query_of_address, query_of_body
from api.openmeter_shown import entitlement_shown, meter_shown, query_csv, query_shown
from api.state import state, this_request
from usage_billing.access.principal import USAGE_READ, USAGE_WRITE
from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import usage_types_where
from usage_billing.core.errors import InvalidInput, NotFound, Unavailable
from usage_billing.customers.queries import get_customer
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.folding.drive_reads import counted
from usage_billing.flows.folding.keep_by_time import keep_usage_by_time
from usage_billing.reports.access import Access, access_of
from usage_billing.reports.ingested import ingested
from usage_billing.reports.meter_query import MeterAnswer, MeterQuery, query_meter
from usage_billing.reports.subjects import contracts_named
from usage_billing.reports.usage_types import usage_type_views
from usage_billing.subscriptions.queries import Contract, contracts_of

blp = Blueprint("openmeter", __name__, url_prefix="/openmeter")

_JSON, _CSV = "application/json", "text/csv"
_PAGE = Page(number="page", size="pageSize", usual=100, most=1000)


@blp.post("/api/v1/events")
@requires(USAGE_WRITE)
@reads("json")
def ingest() -> Response:
    """Take events as OpenMeter does: 204, and nothing else."""
    accept_events(events_of(this_request(), most=state().settings.max_batch), CLOUD_EVENTS)
    return Response(status=204)


@blp.get("/api/v1/events")
@requires(USAGE_READ)
@reads("lists")
def list_events() -> Response:
    """List events that came in, with what is wrong with those that are not counted."""
    with read_only(state().engine) as session:
        asked = events_asked(session, dict(this_request().args.lists()), now=state().clock())
        found = ingested(session, asked)
    return json_response([event_shown(one) for one in found])


@blp.get("/api/v1/meters")
@requires(USAGE_READ)
@reads("query")
def list_meters() -> Response:
    """List usage types, meters and others, by id."""
    asked = page_asked(this_request().args, _PAGE)
    with read_only(state().engine) as session:
        found = paged(session, usage_types_where(), by=[UsageType.id], asked=asked)
        return json_response([meter_shown(one) for one in usage_type_views(session, found.rows)])


@blp.get("/api/v1/meters/<identifier:slug>")
@requires(USAGE_READ)
def show_meter(slug: str) -> Response:
    """Show a usage type."""
    with read_only(state().engine) as session:
        found = session.get(UsageType, slug)
        if found is None:
            raise NotFound(f"there is no meter {slug}")
        (shown,) = usage_type_views(session, [found])
        return json_response(meter_shown(shown))


@blp.get("/api/v1/meters/<identifier:slug>/query")
@requires(USAGE_READ)
@reads("lists")
def query_by_address(slug: str) -> Response:
    """Say what a meter came to; as a table for a program that prefers one."""
    request = this_request()
    asked = query_of_address(dict(request.args.lists()))
    answer = _answered(slug, asked, mark="?")
    if request.accept_mimetypes.best_match([_JSON, _CSV], default=_JSON) == _JSON:
        return json_response(query_shown(answer, asked))
    return Response(query_csv(answer, asked), content_type=f"{_CSV}; charset=utf-8")


@blp.post("/api/v1/meters/<identifier:slug>/query")
@requires(USAGE_READ)
@reads("json")
def query_by_body(slug: str) -> Response:
    """Say what a meter came to, asked by a body."""
    asked = query_of_body(json_of(this_request()))
    return json_response(query_shown(_answered(slug, asked, mark="/"), asked))


@blp.get("/api/v1/customers/<identifier:customer_id>/access")
@requires(USAGE_READ)
def show_access(customer_id: str) -> Response:
    """Show what a customer may use, by usage type."""
    with counted(state().engine, customer_id=customer_id) as (session, behind):
        get_customer(session, customer_id)
        found = _access(session, contracts_of(session, customer_id), behind=behind)
    return json_response({"entitlements": {name: entitlement_shown(one) for name, one in found.items()}})


@blp.get("/api/v1/customers/<identifier:customer_id>/entitlements/<identifier:feature>/value")
@blp.get("/api/v2/customers/<identifier:customer_id>/entitlements/<identifier:feature>/value")
@requires(USAGE_READ)
def show_entitlement(customer_id: str, feature: str) -> Response:
    """Show what is left of one usage type for a customer."""
    with counted(state().engine, customer_id=customer_id) as (session, behind):
        get_customer(session, customer_id)
        return _value(session, contracts_of(session, customer_id), feature, behind=behind)


@blp.get("/api/v1/subjects/<identifier:subject>/entitlements/<identifier:feature>/value")
@requires(USAGE_READ)
def show_subjects_entitlement(subject: str, feature: str) -> Response:
    """Show what is left of one usage type for a subject: a subscription, or a customer."""
    with read_only(state().engine) as session:
        named = contracts_named(session, subject)
    if not named:
        raise NotFound(f"there is no subject {subject}")
    with counted(state().engine, customer_id=named[0].customer_id) as (session, behind):
        return _value(session, contracts_named(session, subject), feature, behind=behind)


def _access(session: Session, contracts: Sequence[Contract], *, behind: int) -> dict[str, Access]:
    _check_all_is_counted(behind)
    return access_of(session, contracts, now=state().clock())


def _value(session: Session, contracts: Sequence[Contract], feature: str, *, behind: int) -> Response:
    if session.get(UsageType, feature) is None:
        raise NotFound(f"there is no feature {feature}")
    found = _access(session, contracts, behind=behind).get(feature)
    return json_response({"hasAccess": False} if found is None else entitlement_shown(found))


def _answered(slug: str, asked: MeterQuery, *, mark: str) -> MeterAnswer:
    """The values; raises Unavailable while recordings are left out, for the form of the answer cannot say so."""
    with read_only(state().engine) as session:
        try:
            found = query_meter(session, slug, asked, now=state().clock())
        except InvalidInput as error:
            raise by_their_names(error, mark) from None
    if found.wants_keeping:
        with transaction(state().engine) as session:
            keep_usage_by_time(session, slug)
    _check_all_is_counted(found.behind)
    return found


def _check_all_is_counted(behind: int) -> None:
    if behind:
        raise Unavailable(f"{behind} recordings are not counted yet; ask again", code="still_counting")


speak(blp, openmeter_form, below=("",))
