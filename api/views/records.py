"""Records: what became of a recording, and what was recorded under a subscription."""

from typing import Any
from uuid import UUID

from api.arguments import Blueprint
from api.auth import caller, requires
from api.finding import find_record
from api.fitted import fitted
from api.pagination import BY_PLACE, read_cursor
from api.schemas.recordings import VoidSchema
from api.schemas.usage import RecordsQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN, USAGE_READ
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.record_status import RecordStatus, recorded_status
from usage_billing.reports.records import records_of
from usage_billing.subscriptions.queries import owner_of
from usage_billing.wire.noun import page_of
from usage_billing.wire.recording import RECORD, RECORD_STATUS

blp = Blueprint("records", __name__, url_prefix="/api/usage", description="What became of recordings.")


@blp.route("/records/<uuid:record_id>", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.response(200, RECORD_STATUS)
def show_record(record_id: UUID) -> RecordStatus:
    """Show what became of a recording: accepted, recorded, duplicate, quarantined or voided."""
    found = find_record(record_id)
    if found is None or (caller().customer_id is not None and caller().customer_id != found.customer_id):
        raise NotFound(f"there is no recording {record_id}")
    return found


@blp.route("/records/<uuid:record_id>/void", methods=["POST"])
@requires(ADMIN)
@blp.arguments(VoidSchema)
@blp.response(200, RECORD_STATUS)
def void_record(reason: str, record_id: UUID) -> RecordStatus:
    """Take a recording back: it counts no more, and what was invoiced of it becomes a credit item."""
    with writing() as session:
        void_usage(session, record_id, reason=reason, actor=caller().actor, now=state().clock())
        found = recorded_status(session, record_id)
    if found is None:
        raise NotFound(f"there is no recording {record_id}")
    return found


@blp.route("/subscription/<identifier:subscription_id>/records", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(RecordsQuery, location="query")
@blp.response(200, page_of(RECORD))
def list_records(query: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """List what was recorded under a subscription, by when it occurred, newest first."""
    after = read_cursor(query.pop("cursor"), BY_PLACE)
    with read_only(state().engine) as session:
        if not caller().may_see(owner_of(session, subscription_id)):
            raise NotFound(f"there is no subscription {subscription_id}")
        page = records_of(session, subscription_id, after=after, **query)
    data, last = fitted(RECORD, page.rows, positions=page.keys, last=page.last)
    return {"data": data, "next_cursor": last}
