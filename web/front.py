"""The first page of all: what this is, where everything is, and the first recording as a command to copy."""

import json
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, make_response

from api.addresses import client_address
from api.auth import public
from api.state import state, this_request
from usage_billing import __version__
from usage_billing.cli.stack.first_steps import RECORDING
from usage_billing.core.errors import NotFound, Unavailable
from usage_billing.customers.models import Customer
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.first_start import EXAMPLE_CUSTOMER, EXAMPLE_NAME
from usage_billing.flows.administration.manage_operators import follow_link, make_link
from usage_billing.flows.administration.manage_portal import create_portal_session
from usage_billing.sessions.pages import OPENS
from usage_billing.sessions.service import NewPortalSession
from web.admin.entrance import enter
from web.cross_site import check_change, token_of
from web.numbers import Writer
from web.pages import page, see_other
from web.texts import locale_for

blp = Blueprint("front", __name__)

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
# The page has no cookie: its token keeps other origins out, together with the origin that the browser says.
_HELD = "front"
_ACTOR = "first page"


def init_app(app: Flask) -> None:
    """Show ``/`` as a page to callers that do not prefer JSON; to those that do, it stays the API's."""
    as_before = app.view_functions["root.root"]

    @public
    def root() -> Response:
        best = this_request().accept_mimetypes.best_match(["text/html", "application/json"], default="text/html")
        if best == "application/json":
            return make_response(as_before())
        return _show()

    app.view_functions["root.root"] = root
    app.register_blueprint(blp)


@blp.post("/example-admin")
@public
def open_admin() -> Response:
    """Open the admin pages, on a developer's own machine alone."""
    check_change(_HELD)
    if not _is_at_home():
        raise NotFound("there is nothing at this address")
    here = state()
    secret, now = here.settings.require_secret(), here.clock()
    with transaction(here.engine) as session:
        link = make_link(session, secret=secret, actor=_ACTOR, now=now)
        opened = follow_link(session, link.code, secret=secret, now=now)
    return enter(opened)


@blp.post("/example-portal")
@public
def open_example() -> Response:
    """Open the pages of the example's customer, on a developer's own machine alone."""
    check_change(_HELD)
    if not _has_example():
        raise NotFound("there is nothing at this address")
    here = state()
    with transaction(here.engine) as session:
        new = NewPortalSession(customer_id=EXAMPLE_CUSTOMER)
        secret = here.settings.require_secret()
        issued = create_portal_session(session, new, secret=secret, actor=_ACTOR, now=here.clock())
    return see_other(f"{OPENS}{issued.code}")


def _show() -> Response:
    accepted = [one for one, _ in this_request().accept_languages]
    writer = Writer(locale=locale_for(*accepted), zone="UTC")
    address = state().public_address or this_request().host_url.rstrip("/")
    context: dict[str, Any] = {
        "version": __version__,
        "address": address,
        "body": json.dumps(RECORDING),
        "at_home": _is_at_home(),
        "example": _has_example(),
        "token": token_of(_HELD),
    }
    response = page("front.html", writer, **context)
    response.headers["Vary"] = "Accept, Accept-Language"
    return response


def _is_at_home() -> bool:
    """Whether `up` made the secrets, and the browser is on the machine that it runs on."""
    here, asked = state(), this_request()
    at_home = client_address(asked, here.settings.trusted_networks) in _LOOPBACK
    named = urlsplit(f"//{asked.host}").hostname in _NAMES
    return here.settings.development and at_home and named


def _has_example() -> bool:
    """Whether the pages of the example may be opened from here."""
    if not _is_at_home():
        return False
    try:
        with read_only(state().engine) as session:
            customer = session.get(Customer, EXAMPLE_CUSTOMER)
            return customer is not None and customer.name == EXAMPLE_NAME
    except Unavailable:
        return False
