"""Stripe's adjustments of meter events: one that is cancelled is taken back."""

from typing import Any

from flask import Response

from api import enqueue
from api.auth import caller, requires
from api.errors import Unreadable
from api.foreign_events import recorded_under
from api.honoured import reads
from api.idempotency import asked_first, asks_first
from api.ingest.body import form_of, json_of
from api.json_provider import json_response
from api.state import state, this_request
from api.transactions import writing
from usage_billing.access.principal import ADMIN, USAGE_WRITE
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.identifiers import kept_key
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.by_key import Keyed

_IN_FORM = {"cancel[identifier]": "identifier"}
_FIELDS = frozenset({"event_name", "type", "cancel"})
_REASON = "cancelled by a meter event adjustment"


@requires(USAGE_WRITE)
@reads("json")
@asks_first(enqueue.backlog)
def cancel_meter_event() -> Response:
    """Cancel the meter event that a form names."""
    form = form_of(this_request())
    said: dict[str, Any] = {name: value for name, value in form.items() if name not in _IN_FORM}
    inner = {ours: form[theirs] for theirs, ours in _IN_FORM.items() if theirs in form}
    return _cancel(said | {"cancel": inner}, form="billing.meter_event_adjustment")


@requires(USAGE_WRITE)
@reads("json")
@asks_first(enqueue.backlog)
def cancel_meter_event_v2() -> Response:
    """Cancel the meter event that a JSON body names."""
    said = json_of(this_request())
    if not isinstance(said, dict):
        raise Unreadable("the body must be a JSON object", code="not_an_object")
    return _cancel(said, form="v2.billing.meter_event_adjustment")


def _cancel(said: dict[str, Any], *, form: str) -> Response:
    """Take the event back; one that was taken back before stays so. Raises InvalidInput, Conflict or Unreadable."""
    for name in said:
        if name not in _FIELDS:
            raise InvalidInput.field(f"/{name[:64]}", "is not a field of an adjustment", code="unknown")
    if said.get("type") != "cancel":
        raise InvalidInput.field("/type", "must be cancel", code="not_a_choice")
    identifier = said["cancel"].get("identifier") if isinstance(said.get("cancel"), dict) else None
    key = kept_key(identifier) if isinstance(identifier, str) else None
    if key is None:
        raise InvalidInput.field("/cancel[identifier]", "is required", code="required")
    waiting = asked_first() > 0
    with writing() as session:
        found = recorded_under(session, key, seeing_all=caller().may(ADMIN))
        one = _only(found, event_name=said.get("event_name"), key=key, waiting=waiting)
        try:
            void_usage(session, one.id, reason=_REASON, actor=caller().actor, now=state().clock())
        except Conflict as error:
            if error.code != "already_voided":
                raise
    answer = {"object": form, "event_name": one.usage_type, "type": "cancel", "cancel": {"identifier": identifier}}
    return json_response(answer | {"livemode": True, "status": "complete"})


def _only(found: list[Keyed], *, event_name: object, key: str, waiting: bool) -> Keyed:
    """The one recording that is meant; ``waiting`` says whether any recording waited before the books were read."""
    named = [one for one in found if one.usage_type == event_name]
    if len(named) == 1:
        return named[0]
    if named:
        raise Unreadable(f"several customers have a meter event {key}", code="resource_ambiguous")
    if waiting:
        raise Conflict("recordings wait to be counted, and it may be among them; ask again", code="still_waiting")
    raise Unreadable(f"there is no meter event {key}", code="resource_missing")
