"""What a request says and its view does not read is refused, never passed over.

``POST /api/invoices/ID/pay`` with ``{"amount": "0.01"}`` would otherwise pay the whole invoice. A view reads the
body or the query when it says so by ``Blueprint.arguments`` or ``reads_body``; every other one takes neither.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Request, current_app

from api.auth import rule_of
from api.ingest.body import hold_body, json_or_nothing_of
from api.ingest.native import GIVEN_TWICE
from api.state import this_request
from usage_billing.core.errors import FieldError, InvalidInput

View = TypeVar("View", bound=Callable[..., Any])
_READS = "reads_of_the_request"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_NAME = 64
_MOST_NAMES = 20


def reads(location: str) -> Callable[[View], View]:
    """Mark a view that reads ``location`` and refuses what is wrong there itself.

    It is ``"json"`` or ``"query"``, or ``"lists"``: a query in which a parameter may stand more than once.
    """

    def mark(view: View) -> View:
        setattr(view, _READS, getattr(view, _READS, frozenset()) | {location})
        return view

    return mark


def init_app(app: Flask) -> None:
    """Look at every request of ``app`` once it is known who asks."""
    app.before_request(_check)


def _check() -> None:
    """Raises InvalidInput that names each parameter and field that is not honoured."""
    asked = this_request()
    if asked.endpoint is None or rule_of(current_app, asked.endpoint).public:
        return
    if GIVEN_TWICE in asked.environ:
        raise InvalidInput.field("", f"the header {asked.environ[GIVEN_TWICE]} is given twice", code="repeated")
    read: frozenset[str] = getattr(current_app.view_functions[asked.endpoint], _READS, frozenset())
    if asked.query_string:
        _check_query(asked, read=read)
    if "json" not in read and asked.method not in _SAFE and _has_body(asked):
        _check_body(asked)


def _check_query(asked: Request, *, read: frozenset[str]) -> None:
    if "lists" in read:
        return
    strays = [] if "query" in read else list(asked.args)
    fields = [FieldError(f"?{_shown(name)}", "is not a parameter of this request", "unknown") for name in strays]
    fields += [
        FieldError(f"?{_shown(name)}", "is given twice", "repeated")
        for name, values in asked.args.lists()
        if len(values) > 1 and name not in strays
    ]
    _refuse(fields)


def _check_body(asked: Request) -> None:
    hold_body(asked)
    body = json_or_nothing_of(asked)
    if not isinstance(body, dict):
        raise InvalidInput.field("", "this request takes no body", code="unknown")
    _refuse([FieldError(f"/{_shown(name)}", "is not a field of this request", "unknown") for name in body])


def _refuse(fields: list[FieldError]) -> None:
    if fields:
        raise InvalidInput("the request has wrong fields; nothing was changed", fields=tuple(fields[:_MOST_NAMES]))


def _has_body(asked: Request) -> bool:
    return bool(asked.content_length) or "HTTP_TRANSFER_ENCODING" in asked.environ


def _shown(name: str) -> str:
    return name[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1")
