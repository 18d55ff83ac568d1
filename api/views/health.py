"""Health and metrics: for the operator who watches the service, without credentials and without secrets."""

from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path

from flask import Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import migrations
from api import enqueue, stopping
from api.arguments import Blueprint
from api.auth import public
from api.json_provider import json_response
from api.state import state, this_request
from usage_billing.core.errors import NotAuthenticated, Unavailable
from usage_billing.db.session import read_only
from usage_billing.wire.health import HEALTH

blp = Blueprint("health", __name__, description="For the operator who watches the service.")

_STATEMENT_TIMEOUT_MS = 1000
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@blp.route("/health/live", methods=["GET"])
@public
@blp.response(200, HEALTH)
def live() -> Response:
    """This process answers."""
    return json_response({"status": "ok"})


@blp.route("/health/ready", methods=["GET"])
@public
@blp.response(200, HEALTH)
@blp.alt_response(503, noun=HEALTH)
def ready() -> Response:
    """Everything that a request needs answers, and the schema is the one that this code expects."""
    parts = {"database": _state_of(_check_database), "inbox": _state_of(enqueue.ping)}
    if stopping.asked():
        parts["process"] = "stopping"
    well = all(part == "ok" for part in parts.values())
    body = {"status": "ok" if well else "unavailable", "parts": parts}
    return json_response(body, status=200 if well else 503)


@blp.route("/metrics", methods=["GET"])
@public
@blp.doc(responses={"200": {"description": "Figures", "content": {"text/plain": {"schema": {"type": "string"}}}}})
def metrics() -> Response:
    """Figures in Prometheus' text format; with a token where the operator asks for one."""
    _check_token(state().settings.metrics_token)
    try:
        oldest = enqueue.oldest_waiting()
        age = (state().clock() - oldest).total_seconds() if oldest else 0.0
        state().metrics.show_backlog(enqueue.backlog(), oldest_seconds=max(age, 0.0))
    except Unavailable:
        pass  # the gauge keeps its last value; whether the inbox answers is for /health/ready to say
    return Response(state().metrics.text(), content_type=_PROMETHEUS)


def _check_token(wanted: str) -> None:
    """Raises NotAuthenticated unless the request has the token, if one is wanted."""
    scheme, _, given = this_request().headers.get("Authorization", "").partition(" ")
    if not wanted or (scheme.lower() == "bearer" and compare_digest(given.strip().encode(), wanted.encode())):
        return
    raise NotAuthenticated("give Authorization: Bearer with the token of USAGE_BILLING_METRICS_TOKEN")


def _state_of(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable as error:
        return error.code
    return "ok"


def _check_database() -> None:
    with read_only(state().engine) as session:
        session.execute(text(f"SET LOCAL statement_timeout = {_STATEMENT_TIMEOUT_MS}"))
        try:
            present = session.scalar(text("SELECT version_num FROM alembic_version"))
        except SQLAlchemyError as error:
            if getattr(error, "connection_invalidated", False):
                raise
            present = None
    if present != EXPECTED_REVISION:
        raise Unavailable("the database is not at the schema that this version needs", code="migrations_pending")


def _newest_revision() -> str:
    """The number of the newest migration: files are named by their numbers, in order."""
    folder = Path(migrations.__file__).parent / "versions"
    return max(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py"))


EXPECTED_REVISION = _newest_revision()
