"""The founding document's own format: a request to one recording, or to a batch of them.

The rules stand in ``usage_billing.metering.spelling``, which the import uses too. ``api.schemas.recordings`` states
them in marshmallow for the OpenAPI document; a property test compares the two.
"""

from datetime import datetime

import msgspec
from flask import Request

from api.ingest.body import json_body_of
from api.ingest.strict_json import read_json
from api.ingest.text import check_text
from usage_billing.core.errors import FieldError, InvalidInput
from usage_billing.core.identifiers import KEY_RULE, kept_key, new_id
from usage_billing.metering.recording import NOTHING_BESIDE, Beside, Recording
from usage_billing.metering.spelling import IsMade, parse_recording, senders_give_it
from usage_billing.metering.usual import usual_batch, usual_recording

HEADER = "Idempotency-Key"
IN_ENVIRON = "HTTP_IDEMPOTENCY_KEY"
GIVEN_TWICE = "usage_billing.given_twice"
"""The name under which the environment has the name of a header that stood in the request more than once.

A server joins the values by commas, which a key may hold as well, so the server alone can tell.
"""

_one = msgspec.json.Decoder(dict[str, msgspec.Raw])
_batch = msgspec.json.Decoder(dict[str, list[dict[str, msgspec.Raw]]])


def recording_from(
    request: Request, *, now: datetime, beside: Beside = NOTHING_BESIDE, is_made: IsMade = senders_give_it
) -> Recording:
    """The one recording of a request; raises InvalidInput with every wrong field."""
    data = json_body_of(request)
    body = read_json(data)
    check_text(body, data)
    if not isinstance(body, dict):
        raise InvalidInput.field("", "must be an object", code="not_an_object")
    key = _header_key(request, body.get("idempotencyKey"))
    usual = usual_recording(data, now=now, default_key=key, beside=beside)
    return usual or parse_recording(
        _one.decode(data), id=new_id(), received_at=now, default_key=key, beside=beside, is_made=is_made
    )


def batch_from(
    request: Request,
    *,
    now: datetime,
    max_batch: int,
    beside: Beside = NOTHING_BESIDE,
    is_made: IsMade = senders_give_it,
) -> list[Recording]:
    """All recordings of a batch, or InvalidInput with every wrong field of every one."""
    if IN_ENVIRON in request.environ:
        # A header ignored in silence would look like a promise that a batch sent twice counts once.
        message = f"a batch takes an idempotencyKey in each event, not the header {HEADER}"
        raise InvalidInput.field("", message, code="contradiction")
    data = json_body_of(request, batch=True)
    body = read_json(data)
    check_text(body, data)
    _check_batch(body, max_batch)
    usual = usual_batch(data, now=now, beside=beside)
    return usual if usual is not None else _one_by_one(data, now, beside, is_made)


def _one_by_one(data: bytes, now: datetime, beside: Beside, is_made: IsMade) -> list[Recording]:
    recordings: list[Recording] = []
    errors: list[FieldError] = []
    for index, event in enumerate(_batch.decode(data)["events"]):
        try:
            where = f"/events/{index}"
            recordings.append(
                parse_recording(event, id=new_id(), received_at=now, pointer=where, beside=beside, is_made=is_made)
            )
        except InvalidInput as error:
            errors += error.fields
    if errors:
        raise InvalidInput("some events have wrong fields; none was accepted", fields=tuple(errors))
    return recordings


def key_of(request: Request) -> tuple[str, str]:
    """The key in the header, as it was sent and as it is kept, or empty texts without one; raises InvalidInput."""
    sent = request.environ.get(IN_ENVIRON)
    if sent is None:
        return "", ""
    try:
        text = sent.encode("latin-1").decode()  # HTTP's bytes, as WSGI hands them over
    except UnicodeDecodeError:
        text = ""
    kept = kept_key(text)
    if kept is None:
        raise InvalidInput.field("", f"the header {HEADER} {KEY_RULE}", code="not_a_key")
    return text, kept


def _header_key(request: Request, given: object) -> str:
    """The key in the header, as it is kept, or nothing; ``given`` is the key in the body, which must not be another."""
    text, kept = key_of(request)
    if kept and given is not None and given != text:
        message = f"differs from the header {HEADER}"
        raise InvalidInput.field("/idempotencyKey", message, code="contradiction")
    return kept


def _check_batch(body: object, max_batch: int) -> None:
    """Check the form of the batch itself; its events are checked one by one afterwards."""
    if not isinstance(body, dict):
        raise InvalidInput.field("", "must be an object", code="not_an_object")
    for name in body:
        if name != "events":
            raise InvalidInput.field(f"/{name[:64]}", "is not a field of a batch", code="unknown")
    events = body.get("events")
    if events is None:
        raise InvalidInput.field("/events", "is required", code="required")
    if not isinstance(events, list) or not 1 <= len(events) <= max_batch:
        raise InvalidInput.field("/events", f"must be a list of 1 to {max_batch} events", code="out_of_range")
    strays = [index for index, event in enumerate(events) if not isinstance(event, dict)]
    if strays:
        fields = tuple(FieldError(f"/events/{index}", "must be an object", "not_an_object") for index in strays)
        raise InvalidInput("some events are no objects; none was accepted", fields=fields)
