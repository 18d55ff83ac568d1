"""Coming in by a credential or a link, and leaving."""

from typing import Any

from flask import Response

from api.addresses import client_address
from api.auth import public
from api.state import state, this_request
from usage_billing.access.principal import Principal
from usage_billing.access.service import authenticate
from usage_billing.access.tokens import looks_like_token, verify_token
from usage_billing.core.errors import Forbidden, NotAuthenticated
from usage_billing.db.session import transaction
from usage_billing.flows.administration.manage_operators import follow_link, let_in, sign_out
from usage_billing.sessions.operators import OpenedSession
from web.admin.blueprint import HOME, blp
from web.admin.desk import WRITER, Operator
from web.admin.door import give_cookie, take_cookie
from web.admin.frame import query_of
from web.admin.gate import changing
from web.cross_site import check_change, token_of
from web.gates import gated
from web.pages import page, see_other

ATTEMPTS_A_MINUTE = 20
"""Of one address that signs in, whether it succeeds or not."""

# The page has no cookie: its token keeps other origins out, together with the origin that the browser says.
_HELD = "admin entrance"
_MOST_LETTERS = 8192
_LOGIN = f"{HOME}/login"


@blp.get("/login")
@public
@gated
def ask_for_credential() -> Response:
    """The page that asks for a key or a token; ``to`` is the page to go on to."""
    return _ask(query_of("to").get("to", ""))


@blp.post("/login")
@public
@gated
def log_in() -> Response:
    """Open a session for a credential that holds and has the scope ``admin``."""
    here, form = state(), this_request().form
    check_change(_HELD)
    _count()
    try:
        principal = _behind(form.get("credential", "").strip())
        with transaction(here.engine) as session:
            opened = let_in(session, principal, secret=here.settings.require_secret(), now=here.clock())
    except (NotAuthenticated, Forbidden) as error:
        if isinstance(error, NotAuthenticated):
            here.rates.count_failure(_address())
        return _ask(form.get("to", ""), wrong=f"{error.message[:1].upper()}{error.message[1:]}.")
    return enter(opened, to=form.get("to", ""))


@blp.get("/open")
@public
@gated
def ask_to_open() -> Response:
    """The page that a link leads to: its button uses the link up."""
    code = query_of("code").get("code", "")
    return page("admin/open.html", WRITER, home=HOME, token=token_of(_HELD), code=code)


@blp.post("/open")
@public
@gated
def open_by_link() -> Response:
    """Use a link up. Raises NotAuthenticated for one that was used already, or is too old."""
    here = state()
    check_change(_HELD)
    _count()
    code = this_request().form.get("code", "")
    try:
        with transaction(here.engine) as session:
            opened = follow_link(session, code, secret=here.settings.require_secret(), now=here.clock())
    except NotAuthenticated:
        here.rates.count_failure(_address())
        return _ask("", wrong="The link was used already, or is too old.")
    return enter(opened)


@blp.post("/leave")
@changing
def leave(operator: Operator) -> Response:
    """End the session of this browser."""
    with transaction(state().engine) as session:
        sign_out(session, operator.id, actor=operator.actor, now=operator.now)
    response = see_other(_LOGIN)
    take_cookie(response)
    return response


def enter(opened: OpenedSession, *, to: str = "") -> Response:
    """Give the browser a cookie that it had not before, and let it go on: to a page of ours, and to no other."""
    response = see_other(to if is_ours(to) else HOME)
    give_cookie(response, opened.cookie)
    return response


def is_ours(path: str) -> bool:
    """Whether a path is one of the admin pages, and leads no browser elsewhere."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return plain and (path == HOME or path.startswith((f"{HOME}/", f"{HOME}?")))


def _ask(to: str, *, wrong: str = "") -> Response:
    context: dict[str, Any] = {"home": HOME, "token": token_of(_HELD), "to": to if is_ours(to) else ""}
    return page("admin/login.html", WRITER, status=401 if wrong else 200, wrong=wrong, **context)


def _behind(credential: str) -> Principal:
    here = state()
    if not credential or len(credential) > _MOST_LETTERS:
        raise NotAuthenticated("give a key or a token")
    if looks_like_token(credential):
        return verify_token(credential, here.token_rules)
    with transaction(here.engine) as session:
        return authenticate(session, credential, secret=here.settings.require_secret(), now=here.clock())


def _count() -> None:
    state().rates.count_request(f"admin entrance:{_address()}", per_minute=ATTEMPTS_A_MINUTE)


def _address() -> str:
    return client_address(this_request(), state().settings.trusted_networks)
