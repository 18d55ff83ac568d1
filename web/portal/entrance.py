"""Coming in by a link, leaving, and the pages of those who cannot come in."""

from flask import Response

from api.addresses import client_address
from api.problems import from_error, from_unexpected
from api.state import state, this_request
from usage_billing.core.errors import NotAuthenticated, UsageBillingError
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.manage_portal import end_portal_session
from usage_billing.sessions.queries import session_of_code
from usage_billing.sessions.service import open_session
from web.cross_site import check_change
from web.pages import page, see_other
from web.portal.blueprint import HOME, blp
from web.portal.door import cookie_of, give_cookie, take_cookie
from web.portal.gate import SessionOver, ungated, visitor_of_browser, writer_of
from web.portal.shown import query_of
from web.portal.ways import way_back

_SENTENCES = {
    403: ("This was not done", "The request does not come from a page of ours, or the page is too old."),
    404: ("There is nothing here", "There is no such page, or it is not one of yours."),
    405: ("There is nothing here", "There is no such page, or it is not one of yours."),
    422: ("This address is not right", "A part of it is not what this page knows."),
    429: ("Too many requests", "Wait a minute, then load the page again."),
    503: ("Not reachable at this moment", "What was used is recorded as always. Try again in a moment."),
}
_UNEXPECTED = ("This page could not be made", "What was used is recorded as always, and your figures are not affected.")


@blp.get("/open")
@ungated
def open_pages() -> Response:
    """Use up a link: the browser gets a cookie, and goes on to an address without the code."""
    here, asked = state(), this_request()
    code = query_of("code").get("code", "")
    if asked.method != "GET":  # a look at the head of the answer uses nothing up
        return Response(status=204)
    secret, now = here.settings.require_secret(), here.clock()
    try:
        with transaction(here.engine) as session:
            cookie = open_session(session, code, secret=secret, now=now)
            row = session_of_code(session, code, secret=secret)
    except NotAuthenticated:
        here.rates.count_failure(client_address(asked, here.settings.trusted_networks))
        with read_only(here.engine) as session:
            raise SessionOver(session_of_code(session, code, secret=secret)) from None
    response = see_other(HOME, framed_by=here.settings.framing_origins)
    if row is not None:
        give_cookie(response, cookie, seconds=int((row.expires_at - now).total_seconds()))
    return response


@blp.post("/leave")
@ungated
def leave() -> Response:
    """End the session of this browser."""
    here = state()
    check_change(cookie_of(this_request()) or "")
    with transaction(here.engine) as session:
        row = visitor_of_browser(session.connection()).row
        end_portal_session(session, row.id, actor=f"portal:{row.customer_id}", now=here.clock())
    response = see_other(HOME, framed_by=here.settings.framing_origins)
    take_cookie(response)
    return response


@blp.errorhandler(SessionOver)
def show_expired(error: SessionOver) -> Response:
    """The page of a session that is over, with the one way on."""
    writer = writer_of(error.row)
    context = {
        "what": writer.say("This page has expired"),
        "means": writer.say("For your safety these pages can be looked at for a limited time only."),
        "way": way_back(error.row, writer),
    }
    return page("alone.html", writer, status=401, framed_by=state().settings.framing_origins, **context)


@blp.errorhandler(UsageBillingError)
def show_error(error: UsageBillingError) -> Response:
    """What went wrong, as a page; the status and the log are the API's."""
    return _problem_page(from_error(error))


@blp.errorhandler(Exception)
def show_unexpected(error: Exception) -> Response:
    """A mistake of ours, which the log has whole, or an address that is none."""
    return _problem_page(from_unexpected(error))


@blp.route("/<path:_address>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@ungated
def show_nothing(_address: str) -> Response:
    """Every other address below the portal's."""
    return _said(404)


def _problem_page(problem: Response) -> Response:
    response = _said(problem.status_code)
    for name in ("Retry-After", "Allow"):
        if name in problem.headers:
            response.headers[name] = problem.headers[name]
    return response


def _said(status: int) -> Response:
    what, means = _SENTENCES.get(status, _UNEXPECTED)
    writer = writer_of(None)
    way = {"url": HOME, "word": writer.say("To the overview")}
    said = {"what": writer.say(what), "means": writer.say(means), "way": way}
    return page("alone.html", writer, status=status, framed_by=state().settings.framing_origins, **said)
