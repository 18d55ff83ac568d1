"""Reading the body of a request: its type, its size, its JSON."""

from typing import Any
from urllib.parse import parse_qsl

from flask import Request, current_app, g
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.errors import TooLarge, Unreadable, UnsupportedMediaType
from api.ingest.strict_json import read_json
from api.ingest.text import check_text

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
MOST_OF_A_REQUEST = 64 * 1024
"""Bytes of any body but a batch's."""

MOST_OF_A_CUSTOMER = 16 * 1024
"""Bytes of a body that comes with a customer's token."""

_HELD = "usage_billing.body"


def hold_body(request: Request) -> bytes:
    """Read the body, which can be read only once, and keep its bytes for a later reader."""
    data = request.environ[_HELD] = body_of(request)
    return data


def json_of(request: Request) -> Any:
    """The decoded body; raises UnsupportedMediaType (415), TooLarge (413), Unreadable (400) or InvalidInput."""
    return _decoded(json_body_of(request))


def json_or_nothing_of(request: Request) -> Any:
    """The decoded body, or an empty object when there is no body; raises as ``json_of`` does."""
    data = body_of(request)
    if not data:
        return {}
    _check_type(request)
    return _decoded(data)


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form in the body; raises UnsupportedMediaType, TooLarge, or Unreadable (400)."""
    if request.mimetype != _FORM:
        raise UnsupportedMediaType(f"the body must be sent as Content-Type: {_FORM}")
    try:
        pairs = parse_qsl(body_of(request).decode(), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise Unreadable("the body is not a form in UTF-8") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a field is in the form twice", code="repeated_name")
    return found


def json_body_of(request: Request, *, batch: bool = False) -> bytes:
    """The bytes of a body that says that it is JSON; raises UnsupportedMediaType or TooLarge.

    A ``batch`` may be as large as USAGE_BILLING_MAX_BODY_BYTES says, which no other body needs.
    """
    _check_type(request)
    return body_of(request, batch=batch)


def _decoded(data: bytes) -> Any:
    value = read_json(data)
    check_text(value, data)
    return value


def _check_type(request: Request) -> None:
    if request.environ.get("CONTENT_TYPE") != _JSON:  # the usual spelling; any other has to be parsed
        charset = request.mimetype_params.get("charset", "utf-8").lower()
        if request.mimetype != _JSON or charset not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType("the body must be sent as Content-Type: application/json")
    if request.environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must be sent without Content-Encoding")


def body_of(request: Request, *, batch: bool = False) -> bytes:
    """The bytes of the body, all of them, once; raises TooLarge, or Unreadable when it was cut short."""
    held: bytes | None = request.environ.get(_HELD)
    if held is not None:
        return held
    limit = _most(batch=batch)
    # One byte more than the limit: Werkzeug cuts a chunked body at its own limit without an error.
    request.max_content_length = limit + 1
    too_large = f"the body must be at most {limit} bytes"
    announced = request.content_length
    if announced is not None and announced > limit:
        raise TooLarge(too_large)
    try:
        # A body with a length is read from the server's stream itself: the streams around it cost more than all of the
        # JSON.
        data = request.get_data(cache=False) if announced is None else request.environ["wsgi.input"].read(announced)
    except RequestEntityTooLarge as error:
        raise TooLarge(too_large) from error
    except HTTPException:
        raise
    except Exception as error:  # each WSGI server has errors of its own for a body that goes wrong
        raise Unreadable("the body was cut short, or its chunks are wrong") from error
    if len(data) > limit:
        raise TooLarge(too_large)
    if announced is not None and len(data) != announced:
        raise Unreadable("the body is not as long as its Content-Length says")
    return data


def _most(*, batch: bool) -> int:
    """Bytes that this body may have. Decoding megabytes of JSON holds up all other requests of the process."""
    most: int = current_app.config["MAX_CONTENT_LENGTH"]
    if batch:
        return most
    principal = g.get("principal")
    customers = principal is not None and principal.customer_id is not None
    return min(most, MOST_OF_A_CUSTOMER if customers else MOST_OF_A_REQUEST)
