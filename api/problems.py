"""Errors as RFC 9457 ``application/problem+json``, all of them made here."""

import logging
from collections.abc import Iterable, Mapping
from itertools import islice

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from api.errors import InProgress, PreconditionFailed, TooLarge, TooManyRequests, Unreadable, UnsupportedMediaType
from api.json_provider import json_response
from api.observe import request_id
from api.problem_codes import MEDIA_TYPE, members, printable
from usage_billing.core.errors import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    Unavailable,
    UsageBillingError,
)

_RETRY_SECONDS = 2
_MOST_ERRORS = 1000  # one for each event of a batch; more would make the answer ten times as long as the request
_NOT_FOUND, _SERVER_ERROR = 404, 500
# An id of another form leads to no view, as an address that there is not: in both cases nothing is there.
_NOTHING_HERE = ("Not found", "there is nothing at this address: no such path, or no such id in it")

# The status and title for each class of errors. The first class that fits counts.
_BRANCHES: tuple[tuple[type[UsageBillingError], int, str], ...] = (
    (Unreadable, 400, "Bad request"),
    (NotAuthenticated, 401, "Not authenticated"),
    (Forbidden, 403, "Forbidden"),
    (NotFound, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (PreconditionFailed, 412, "Precondition failed"),
    (TooLarge, 413, "Body too large"),
    (UnsupportedMediaType, 415, "Unsupported media type"),
    (InvalidInput, 422, "Invalid request"),
    (TooManyRequests, 429, "Too many requests"),
    (Unavailable, 503, "Unavailable"),
    (UsageBillingError, 500, "Internal error"),
)
_HTTP_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}

_log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Turn every error of ``app`` into a problem."""
    app.register_error_handler(UsageBillingError, from_error)
    app.register_error_handler(Exception, from_unexpected)


def from_error(error: UsageBillingError) -> Response:
    """The problem for an error of the domain; its class decides status and title."""
    status, title = next((status, title) for branch, status, title in _BRANCHES if isinstance(error, branch))
    if status == _SERVER_ERROR:
        return from_unexpected(error)
    headers: dict[str, str] = {}
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="usage-billing"'
    if isinstance(error, TooManyRequests | InProgress):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(_RETRY_SECONDS)
        _log.warning("unavailable: %s", error.message, extra={"code": error.code})
    fields = error.fields if isinstance(error, InvalidInput) else ()
    return problem(status, error.code, title=title, detail=error.message, errors=fields, headers=headers)


def from_http(error: HTTPException) -> Response:
    """The problem for an error of Flask or Werkzeug: no such route, a wrong method, a body cut short."""
    status = error.code or _SERVER_ERROR
    if status >= _SERVER_ERROR:
        return from_unexpected(error)
    # Redirects are no errors, and a header such as Allow belongs to the answer.
    headers = {name: value for name, value in error.get_headers() if name.lower() not in {"content-type"}}
    code = _HTTP_CODES.get(status, "bad_request")
    title, detail = _NOTHING_HERE if status == _NOT_FOUND else (error.name, error.description or error.name)
    return problem(status, code, title=title, detail=detail, headers=headers)


def from_unexpected(error: Exception) -> Response:
    """The problem for a mistake of ours: the log has it whole, the answer has no details."""
    if isinstance(error, HTTPException) and (error.code or 0) < _SERVER_ERROR:
        return from_http(error)
    _log.error("unexpected error", exc_info=error)
    detail = "something went wrong here; the log has it under this requestId"
    return problem(_SERVER_ERROR, "internal_error", title="Internal error", detail=detail)


def problem(
    status: int,
    code: str,
    *,
    title: str,
    detail: str,
    errors: Iterable[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that says what is wrong, to people by ``detail`` and to programs by ``code``."""
    body = members(status, code, title=title, detail=detail, request_id=request_id())
    listed = [_field(error) for error in islice(errors, _MOST_ERRORS)]
    if listed:
        body["errors"] = listed
    response = json_response(body, status=status)
    response.mimetype = MEDIA_TYPE
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def _field(error: FieldError) -> dict[str, str]:
    """How a problem names a wrong field: by its JSON pointer, or a query parameter (marked by ``?``) by its name."""
    where = {"parameter": error.pointer[1:]} if error.pointer.startswith("?") else {"pointer": error.pointer}
    return {name: printable(text) for name, text in where.items()} | {
        "detail": printable(error.message),
        "code": error.code,
    }
