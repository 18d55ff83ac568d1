"""Quarantine: accepted recordings that could not be counted."""

from typing import Any
from uuid import UUID

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_ID, filters_of, listed
from api.schemas.quarantine import QuarantineQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.recording import quarantine
from usage_billing.metering.models import QuarantinedUsage
from usage_billing.metering.queries import quarantined_where
from usage_billing.wire.noun import page_of
from usage_billing.wire.quarantined import QUARANTINED, REPLAY

blp = Blueprint(
    "quarantine", __name__, url_prefix="/api/quarantine", description="Accepted recordings that could not be counted."
)


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(QuarantineQuery, location="query")
@blp.response(200, page_of(QUARANTINED))
def list_quarantine(query: dict[str, Any]) -> dict[str, Any]:
    """List quarantined recordings, newest first."""
    with read_only(state().engine) as session:
        statement = quarantined_where(**filters_of(query))
        return listed(
            session, statement, query, noun=QUARANTINED, by=[QuarantinedUsage.id], kind=BY_ID, newest_first=True
        )


@blp.route("/<uuid:record_id>", methods=["GET"])
@requires(ADMIN)
@blp.response(200, QUARANTINED)
def show_quarantined(record_id: UUID) -> QuarantinedUsage:
    """Show a quarantined recording: why, and all that it said."""
    with read_only(state().engine) as session:
        found = session.get(QuarantinedUsage, record_id)
    if found is None:
        raise NotFound(f"there is nothing quarantined as {record_id}")
    return found


@blp.route("/<uuid:record_id>/replay", methods=["POST"])
@requires(ADMIN)
@blp.response(200, REPLAY)
def replay_quarantined(record_id: UUID) -> dict[str, Any]:
    """Count a recording now that the reason is gone."""
    with writing() as session:
        replayed = quarantine.replay(session, record_id, actor=caller().actor, now=state().clock())
    return {"id": record_id, "outcome": replayed.outcome}


@blp.route("/<uuid:record_id>/discard", methods=["POST"])
@requires(ADMIN)
@blp.response(200, QUARANTINED)
def discard_quarantined(record_id: UUID) -> QuarantinedUsage:
    """Decide that a recording is never counted; it stays readable."""
    with writing() as session:
        return quarantine.discard(session, record_id, actor=caller().actor, now=state().clock())
