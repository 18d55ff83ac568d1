"""``Idempotency-Key`` on requests that change something: a request that is sent twice is done once.

Around every view of a POST, PATCH, PUT or DELETE but those that record usage, where the key is the recording's and is
kept for ever. The answer is kept in the transaction of the effect, and given again for a day to the same credential.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g

from api.auth import caller, rule_of
from api.errors import InProgress
from api.ingest.body import hold_body
from api.ingest.native import HEADER, IN_ENVIRON
from api.ingest.routes import RECORDING_ROUTES
from api.state import state, this_request
from api.transactions import HeldTransaction, held_open
from usage_billing.access.admin_requests import AdminAnswer, KeyedRequest, answer_given, is_alone, keep_answer
from usage_billing.core.errors import InvalidInput
from usage_billing.db.session import transaction

View = TypeVar("View", bound=Callable[..., Any])
METHODS = frozenset({"POST", "PATCH", "PUT", "DELETE"})
REPLAYED = "Idempotent-Replayed"
LONGEST = 255
_SECRET = "answers_with_a_secret"  # noqa: S105  the name of an attribute
_ASKS = "asks_first"
_ERROR = 400


def answers_with_a_secret(view: View) -> View:
    """Mark a view whose answer is stored sealed and given again once."""
    setattr(view, _SECRET, True)
    return view


def asks_first(ask: Callable[[], Any]) -> Callable[[View], View]:
    """Mark a view that needs an answer of another server, which ``asked_first`` gives it.

    It is asked before the transaction of a request with a key begins: none is open while a server is waited for.
    """

    def mark(view: View) -> View:
        setattr(view, _ASKS, ask)
        return view

    return mark


def asked_first() -> Any:
    """What the other server answered, in a view that is marked by ``asks_first``."""
    return g.asked_first


def init_app(app: Flask) -> None:
    """Let every view that changes something take a key; call it when all are registered."""
    for endpoint in {rule.endpoint for rule in app.url_map.iter_rules() if is_keyed(rule.rule, rule.methods or ())}:
        if not rule_of(app, endpoint).public:
            app.view_functions[endpoint] = _keyed(app.view_functions[endpoint])


def is_keyed(rule: str, methods: Any) -> bool:
    """Whether a route takes the key of an administrator's request."""
    return bool(METHODS & set(methods)) and rule not in RECORDING_ROUTES


def _keyed(view: Callable[..., Any]) -> Callable[..., Any]:
    seals, ask = getattr(view, _SECRET, False), getattr(view, _ASKS, None)

    @wraps(view)
    def answered(*arguments: Any, **named: Any) -> Any:
        key = this_request().environ.get(IN_ENVIRON)
        if ask is not None:
            g.asked_first = ask()
        if key is None:
            return view(*arguments, **named)
        _check(key)
        return _once(partial(view, *arguments, **named), key, seals=seals)

    return answered


def _once(view: Callable[[], Any], key: str, *, seals: bool) -> Response:
    asked, here = this_request(), state()
    parts = (asked.method.encode(), asked.full_path.encode("utf-8", "surrogatepass"), hold_body(asked))
    request = KeyedRequest.of(credential=caller().actor, key=key, asked=b"\n".join(parts))
    secret, now = here.settings.require_secret(), here.clock()
    with transaction(here.engine) as session:
        if not is_alone(session, request):
            raise InProgress(f"the first request with this {HEADER} is still under way; send it again")
        known = answer_given(session, request, secret=secret, now=now)
        if known is not None:
            again = Response(known.body, status=known.status, content_type=known.content_type)
            again.headers[REPLAYED] = "true"
            return again
        held = HeldTransaction(session)
        with held_open(held):
            response = current_app.make_response(view())
        if response.status_code < _ERROR:
            answer = AdminAnswer(
                status=response.status_code, content_type=response.content_type or "", body=response.get_data()
            )
            keep_answer(session, request, answer, now=now, sealed_under=secret if seals else None)
    for do in held.later:
        do()
    return response


def _check(key: str) -> None:
    if not 1 <= len(key) <= LONGEST:
        raise InvalidInput.field("", f"the header {HEADER} must have 1 to {LONGEST} characters", code="out_of_range")
    if not key.isascii() or not key.isprintable():
        raise InvalidInput.field("", f"the header {HEADER} must be printable ASCII", code="bad_text")
