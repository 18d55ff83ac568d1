"""Recording usage: accepted here, counted by the workers."""

from typing import Any

from flask import Response

from api import enqueue
from api.arguments import Blueprint
from api.auth import caller, requires
from api.bound import bound_to_caller
from api.honoured import reads
from api.ingest.native import batch_from, recording_from
from api.json_provider import json_response
from api.schemas.recordings import BatchSchema, RecordingSchema
from api.state import state, this_request
from usage_billing import logs
from usage_billing.access.principal import USAGE_WRITE
from usage_billing.metering.recording import Beside
from usage_billing.wire.recording import ACCEPTED, ACCEPTED_BATCH

blp = Blueprint("recording", __name__, url_prefix="/api/usage", description="Record usage.")

_KEY_HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "The same as `idempotencyKey` in the body; what is not ASCII, as UTF-8.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}


def _body(schema: type[Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


@blp.route("/record", methods=["POST"])
@requires(USAGE_WRITE)
@reads("json")
@blp.doc(requestBody=_body(RecordingSchema), parameters=[_KEY_HEADER])
@blp.response(202, ACCEPTED)
def record_usage() -> Response:
    """Record a usage event. Accepted means durable: it is counted, or it is visible in quarantine.

    Sent again with the same `idempotencyKey` it is counted once. Without a key every request counts. The `quantity`
    may be left out where the usage type makes it (`quantityFrom`).
    """
    here = state()
    recording = recording_from(
        this_request(), now=here.clock(), beside=Beside(by=caller().key_number), is_made=here.making.asked()
    )
    with logs.bind(event_id=str(recording.id)):
        enqueue.accept(bound_to_caller([recording]))
    here.metrics.accepted(1)
    return json_response({"id": recording.id, "status": "accepted"}, status=202)


@blp.route("/record/batch", methods=["POST"])
@requires(USAGE_WRITE)
@reads("json")
@blp.doc(requestBody=_body(BatchSchema))
@blp.response(202, ACCEPTED_BATCH)
def record_batch() -> Response:
    """Record up to 1,000 usage events: all are accepted or, when one is wrong in shape, none."""
    here, beside = state(), Beside(by=caller().key_number)
    recordings = batch_from(
        this_request(),
        now=here.clock(),
        max_batch=here.settings.max_batch,
        beside=beside,
        is_made=here.making.asked(),
    )
    enqueue.accept(bound_to_caller(recordings))
    here.metrics.accepted(len(recordings))
    ids = [recording.id for recording in recordings]
    return json_response({"accepted": len(ids), "ids": ids}, status=202)
