"""Sessions on a customer's pages: a link that your service sends its customer's browser to."""

from typing import Any
from uuid import UUID

from api.arguments import Blueprint
from api.auth import caller, requires
from api.idempotency import answers_with_a_secret
from api.locations import makes
from api.schemas.portal_sessions import NewPortalSessionSchema
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import PORTAL_OPEN
from usage_billing.flows.administration import manage_portal
from usage_billing.sessions.models import PortalSession
from usage_billing.sessions.pages import OPENS
from usage_billing.sessions.service import NewPortalSession
from usage_billing.wire.portal_session import ISSUED_PORTAL_SESSION, PORTAL_SESSION

blp = Blueprint(
    "portal sessions", __name__, url_prefix="/api/portal-sessions", description="Opens a customer's pages to a browser."
)


@blp.route("", methods=["POST"])
@requires(PORTAL_OPEN)
@blp.arguments(NewPortalSessionSchema)
@blp.response(201, ISSUED_PORTAL_SESSION)
@answers_with_a_secret
@makes("/api/portal-sessions")
def create_portal_session(new: NewPortalSession) -> dict[str, Any]:
    """Make a link to a customer's pages. It opens them once, within 60 seconds."""
    here = state()
    with writing() as session:
        secret = here.settings.require_secret()
        issued = manage_portal.create_portal_session(
            session, new, secret=secret, actor=caller().actor, now=here.clock()
        )
    return {"row": issued.row, "url": f"{here.public_address}{OPENS}{issued.code}"}


@blp.route("/<uuid:session_id>", methods=["DELETE"])
@requires(PORTAL_OPEN)
@blp.response(200, PORTAL_SESSION)
def end_portal_session(session_id: UUID) -> PortalSession:
    """End a session: its pages can be looked at no more. Ending it twice changes nothing."""
    with writing() as session:
        return manage_portal.end_portal_session(session, session_id, actor=caller().actor, now=state().clock())
