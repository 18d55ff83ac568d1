"""What an operator is told when a page is not there, was not made, or a change was not done."""

from typing import Any

from flask import Response

from api.auth import public
from api.problems import from_error, from_unexpected
from api.state import this_request
from usage_billing.core.errors import Conflict, Forbidden, InvalidInput, NotFound, UsageBillingError
from web.admin.blueprint import HOME, address, blp
from web.admin.desk import WRITER
from web.admin.gate import SignedOut
from web.gates import gated
from web.pages import page, see_other

_SENTENCES = {
    404: ("There is nothing here", "There is no such page, or what it was about is not there."),
    405: ("There is nothing here", "There is no such page, or what it was about is not there."),
    429: ("Too many requests", "Wait a minute, then load the page again."),
    503: ("Not reachable at this moment", "What was used is recorded as always. Try again in a moment."),
}
_UNEXPECTED = ("This page could not be made", "Usage is recorded as always. The log has what went wrong.")
_NOT_DONE = "This was not done"


@blp.errorhandler(SignedOut)
def show_signed_out(_error: SignedOut) -> Response:
    """To the page that signs in, and from there back to the page that was asked for."""
    asked = this_request()
    if asked.method == "GET" and not asked.path.endswith("/live"):
        there = asked.full_path.rstrip("?")
        return see_other(address("login", to=there if there != HOME else None))
    way = {"url": f"{HOME}/login", "word": "Sign in"}
    return page("alone.html", WRITER, status=401, what="Signed out", means="The session is over.", way=way)


@blp.errorhandler(UsageBillingError)
def show_error(error: UsageBillingError) -> Response:
    """What went wrong, as a page; the status and the log are the API's."""
    problem = from_error(error)
    if isinstance(error, Forbidden | Conflict | InvalidInput):
        return _said(problem, _NOT_DONE, sentence_of(error))
    if isinstance(error, NotFound):
        return _said(problem, _SENTENCES[404][0], sentence_of(error))
    return _problem_page(problem)


@blp.errorhandler(Exception)
def show_unexpected(error: Exception) -> Response:
    """A mistake of ours, which the log has whole, or an address that is none."""
    return _problem_page(from_unexpected(error))


@blp.route("/<path:_address>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@public
@gated
def show_nothing(_address: str) -> Response:
    """Every other address below the admin pages'."""
    raise NotFound("there is nothing at this address")


def sentence_of(error: UsageBillingError) -> str:
    """The message of an error as a sentence, with the fields that are wrong."""
    said = [error.message] if not isinstance(error, InvalidInput) or not error.fields else []
    if isinstance(error, InvalidInput):
        said += [f"{one.pointer.lstrip('/?') or 'it'}: {one.message}" for one in error.fields]
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def _problem_page(problem: Response) -> Response:
    what, means = _SENTENCES.get(problem.status_code, _UNEXPECTED)
    return _said(problem, what, means)


def _said(problem: Response, what: str, means: str) -> Response:
    way: dict[str, Any] = {"url": HOME, "word": "To the page of today"}
    response = page("alone.html", WRITER, status=problem.status_code, what=what, means=means, way=way)
    for name in ("Retry-After", "Allow"):
        if name in problem.headers:
            response.headers[name] = problem.headers[name]
    return response
