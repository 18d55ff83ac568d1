"""Endpoints: other systems that are told of events, and what became of telling them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.idempotency import answers_with_a_secret
from api.locations import makes
from api.pagination import BY_NAME, listed
from api.schemas.endpoints import (
    ChangedEndpointSchema,
    EnablingSchema,
    EndpointsQuery,
    NewEndpointSchema,
    SecretRotationSchema,
)
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import WEBHOOKS_MANAGE
from usage_billing.db.session import read_only
from usage_billing.flows.delivering import manage_endpoints
from usage_billing.flows.delivering.mail_endpoints import check_mail_goes
from usage_billing.flows.delivering.manage_endpoints import IssuedSecret, NewEndpoint
from usage_billing.reports.deliveries import (
    EndpointView,
    endpoint_view,
    endpoint_views,
)
from usage_billing.webhooks.judging import judged
from usage_billing.webhooks.models import WebhookEndpoint
from usage_billing.webhooks.queries import endpoints_where
from usage_billing.webhooks.service import lock_endpoint
from usage_billing.webhooks.states import EndpointKind
from usage_billing.wire.endpoint import (
    ENDPOINT,
    ISSUED_ENDPOINT,
    SECRETS,
    TESTED,
)
from usage_billing.wire.noun import page_of

blp = Blueprint("webhooks", __name__, url_prefix="/api", description="Other systems that are told of events.")
_ONE = "/webhook-endpoints/<identifier:endpoint_id>"


@blp.route("/webhook-endpoints", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(NewEndpointSchema)
@blp.response(201, ISSUED_ENDPOINT)
@answers_with_a_secret
@makes("/api/webhook-endpoints")
def create_endpoint(new: NewEndpoint) -> EndpointView:
    """Tell a URL, or addresses by mail, of events from now on.

    The answer for a URL has the secret to verify them with, this once.
    """
    _judge(new.url, new.to, kind=new.kind)
    return _issued(lambda session, asked: manage_endpoints.create_endpoint(session, new, **asked))


@blp.route("/webhook-endpoints", methods=["GET"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(EndpointsQuery, location="query")
@blp.response(200, page_of(ENDPOINT))
def list_endpoints(query: dict[str, Any]) -> dict[str, Any]:
    """List endpoints by id."""
    with read_only(state().engine) as session:
        return listed(
            session,
            endpoints_where(status=query["status"]),
            query,
            noun=ENDPOINT,
            by=[WebhookEndpoint.id],
            kind=BY_NAME,
            viewed=lambda rows: endpoint_views(session, rows),
        )


@blp.route(_ONE, methods=["GET"])
@requires(WEBHOOKS_MANAGE)
@blp.response(200, ENDPOINT)
@tagged
def show_endpoint(endpoint_id: str) -> EndpointView:
    """Show an endpoint, without its secret."""
    with read_only(state().engine) as session:
        return endpoint_view(session, endpoint_id)


@blp.route(_ONE, methods=["PATCH"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(ChangedEndpointSchema)
@blp.response(200, ENDPOINT)
@tagged
@takes_if_match
def change_endpoint(changes: dict[str, Any], endpoint_id: str) -> EndpointView:
    """Change an endpoint; what is still to be sent goes where it is by then."""
    kind = EndpointKind.EMAIL if "to" in changes else EndpointKind.WEBHOOK
    _judge(changes.get("url"), changes.get("to"), kind=kind)

    def change(session: Session) -> object:
        check_match(ENDPOINT, lambda: endpoint_views(session, [lock_endpoint(session, endpoint_id)])[0])
        return manage_endpoints.change_endpoint(
            session, endpoint_id, changes, actor=caller().actor, now=state().clock()
        )

    return _changed(endpoint_id, change)


@blp.route(_ONE, methods=["DELETE"])
@requires(WEBHOOKS_MANAGE)
@blp.response(200, ENDPOINT)
def remove_endpoint(endpoint_id: str) -> EndpointView:
    """Forget an endpoint and all that was or is to be sent to it; the answer is what it was."""
    with writing() as session:
        view = endpoint_view(session, endpoint_id)
        manage_endpoints.remove_endpoint(session, endpoint_id, actor=caller().actor, now=state().clock())
    return view


@blp.route(f"{_ONE}/rotate", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(SecretRotationSchema)
@blp.response(200, ISSUED_ENDPOINT)
@answers_with_a_secret
def rotate_endpoint_secret(asked: dict[str, Any], endpoint_id: str) -> EndpointView:
    """Make a new secret. The one before it signs too for `overlapSeconds`: a day unless given."""
    overlap = timedelta(seconds=asked["overlap_seconds"])
    return _issued(lambda session, more: manage_endpoints.rotate_secret(session, endpoint_id, overlap=overlap, **more))


@blp.route(f"{_ONE}/reveal", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.response(200, SECRETS)
@answers_with_a_secret
def reveal_endpoint_secrets(endpoint_id: str) -> dict[str, Any]:
    """Show the secrets that hold. The audit log remembers who looked."""
    under = state().settings.require_secret()
    with writing() as session:
        found = manage_endpoints.reveal_secrets(
            session, endpoint_id, under=under, actor=caller().actor, now=state().clock()
        )
    return {"secrets": found}


@blp.route(f"{_ONE}/test", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.response(202, TESTED)
def test_endpoint(endpoint_id: str) -> dict[str, Any]:
    """Send the event `endpoint.test` to this endpoint alone, within seconds."""
    with writing() as session:
        manage_endpoints.test_endpoint(session, endpoint_id, actor=caller().actor, now=state().clock())
    return {"endpoint_id": endpoint_id}


@blp.route(f"{_ONE}/disable", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.response(200, ENDPOINT)
def disable_endpoint(endpoint_id: str) -> EndpointView:
    """Send nothing more; what happens meanwhile is held."""
    return _changed(
        endpoint_id,
        lambda session: manage_endpoints.disable_endpoint(
            session, endpoint_id, actor=caller().actor, now=state().clock()
        ),
    )


@blp.route(f"{_ONE}/enable", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(EnablingSchema)
@blp.response(200, ENDPOINT)
def enable_endpoint(asked: dict[str, Any], endpoint_id: str) -> EndpointView:
    """Send again: all that was held, what of it was tried and failed, or nothing of it."""
    return _changed(
        endpoint_id,
        lambda session: manage_endpoints.enable_endpoint(
            session, endpoint_id, resume=asked["resume"], actor=caller().actor, now=state().clock()
        ),
    )


def _judge(url: str | None, to: str | Sequence[str] | None, *, kind: str) -> None:
    """Refuse a URL that would not be called, which is judged anew at every try, and mail that would not be sent."""
    if url is not None:
        judged(url, allowed=state().settings.webhook_networks_allowed)
    if kind == EndpointKind.EMAIL:
        check_mail_goes(to, state().settings)


def _issued(make: Callable[[Session, dict[str, Any]], IssuedSecret]) -> EndpointView:
    asked = {"under": state().settings.require_secret(), "actor": caller().actor, "now": state().clock()}
    with writing() as session:
        issued = make(session, asked)
        (view,) = endpoint_views(session, [issued.endpoint])
    return EndpointView(endpoint=view.endpoint, waiting=view.waiting, held=view.held, secret=issued.secret)


def _changed(endpoint_id: str, change: Callable[[Session], object]) -> EndpointView:
    with writing() as session:
        change(session)
        session.flush()
        return endpoint_view(session, endpoint_id)
