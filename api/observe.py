"""Around every request: an id for it, its figures, one line of log."""

import logging
import re
import time

from flask import Flask, Response, g

from api.headers import REQUEST_ID
from api.ingest.routes import RECORDING_ROUTES
from api.state import state, this_request
from usage_billing import logs
from usage_billing.core.identifiers import new_text_id
from usage_billing.redaction import redact

_SANE_ID = re.compile(r"[A-Za-z0-9_.:-]{8,128}")
# Asked by machines every few seconds: their answers say nothing unless they are bad.
_CHECKS = frozenset({"/health/live", "/health/ready", "/metrics"})
_ERROR = 400
_BEGAN, _BOUND = "usage_billing.began", "usage_billing.bound"
_log = logging.getLogger("api.access")


def init_app(app: Flask) -> None:
    """Watch every request of ``app``."""
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(_end)


def request_id() -> str:
    """The id of this request: the caller's, when it is a sane one, or one of ours."""
    return str(this_request().environ.get(REQUEST_ID, ""))


def _begin() -> None:
    request = this_request()
    given, environ = request.environ.get("HTTP_X_REQUEST_ID", ""), request.environ
    # A caller that mistakes the header for another may send a secret, and the id is logged and sent back.
    sane = _SANE_ID.fullmatch(given) and redact(given) == given
    chosen = environ[REQUEST_ID] = given if sane else new_text_id()
    bound = environ[_BOUND] = logs.bind(request_id=chosen)
    bound.__enter__()
    environ[_BEGAN] = time.perf_counter()


def _finish(response: Response) -> Response:
    request = this_request()
    seconds = time.perf_counter() - request.environ[_BEGAN]
    rule = request.url_rule
    route, method = (rule.rule, request.method) if rule else ("unmatched", "unmatched")
    state().metrics.answered(method=method, route=route, status=response.status_code, seconds=seconds)
    _tell(method, route, response.status_code, milliseconds=round(seconds * 1000, 1))
    return response


def _tell(method: str, route: str, status: int, *, milliseconds: float) -> None:
    """One line for the request: the route and not the address, in which a caller may have written anything."""
    well = status < _ERROR
    level = logging.DEBUG if well and route in _CHECKS else logging.INFO
    if not _log.isEnabledFor(level):
        return
    principal = g.get("principal")
    fields = {
        "method": method,
        "route": route,
        "status": status,
        "milliseconds": milliseconds,
        "actor": principal.actor if principal else None,
    }
    recorded = route in RECORDING_ROUTES
    if well and route not in _CHECKS and (recorded or (principal is not None and principal.key_number)):
        # All of it is ours. Recordings, thousands a second, are told on the terminal only if something went wrong.
        message = f"{method} {route}" if recorded else f"{method} {route} {status}"
        logs.write_line(_log.name, message, fields, prints=not recorded)
    else:
        _log.log(level, "%s %s %s", method, route, status, extra=fields)


def _end(_: BaseException | None) -> None:
    bound = this_request().environ.pop(_BOUND, None)
    if bound is not None:
        bound.__exit__(None, None, None)
