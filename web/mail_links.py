"""The page that a link of a mail leads to: it turns one kind of mail off for one customer, and on again.

A look at it changes nothing, because what guards mail boxes looks at every link. A mail program turns mail off by a
POST of its own (RFC 8058): it has no cookie, shows no page, and says what it wants in its body.
"""

from typing import Any

from flask import Blueprint, Response

from api.addresses import client_address
from api.auth import public
from api.state import state, this_request
from usage_billing.core.errors import NotFound
from usage_billing.customers.models import Customer
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.delivering.turn_mail import is_off, turn_off, turn_on
from usage_billing.mail.links import PATH, Refused, read_token
from web.numbers import Writer
from web.pages import page
from web.texts import locale_for

blp = Blueprint("mail", __name__, url_prefix=PATH.rstrip("/"))

_ONE_CLICK = "One-Click"
_KINDS = {"invoice.finalized": "invoices", "quota.exceeded": "used allowances", "alert": "an alert"}


@blp.get("/<token>")
@public
def show_link(token: str) -> Response:
    """Whether this mail is sent, and the button that turns it off or on."""
    return _shown(token, _refused(token))


@blp.post("/<token>")
@public
def follow_link(token: str) -> Response:
    """Turn it off, or on again; a mail program gets an answer without a page."""
    refused, now = _refused(token), state().clock()
    form = this_request().form
    on_again = form.get("turn") == "on"
    with transaction(state().engine) as session:
        (turn_on if on_again else turn_off)(session, refused, now=now)
    if form.get("List-Unsubscribe") == _ONE_CLICK:
        return Response(status=200, mimetype="text/plain")
    return _shown(token, refused)


@blp.errorhandler(NotFound)
def show_nothing(_error: NotFound) -> Response:
    """The page of a link that is not ours, or not whole."""
    writer = Writer(locale=locale_for(*(one for one, _ in this_request().accept_languages)), zone="UTC")
    what, means = writer.say("There is nothing here"), writer.say("The link is not whole. Copy all of it.")
    return page("alone.html", writer, status=404, what=what, means=means, way=None)


def _refused(token: str) -> Refused:
    """Raises NotFound for a link that is not ours; a caller that guesses is slowed down."""
    here = state()
    refused = read_token(token, secret=here.settings.require_secret())
    if refused is None:
        here.rates.count_failure(client_address(this_request(), here.settings.trusted_networks))
        raise NotFound("there is nothing at this address")
    return refused


def _shown(token: str, refused: Refused) -> Response:
    with read_only(state().engine) as session:
        customer = session.get(Customer, refused.customer_id)
        off = is_off(session, refused)
    wanted = [customer.language if customer else None, *(one for one, _ in this_request().accept_languages)]
    writer = Writer(locale=locale_for(*wanted), zone="UTC")
    kind = refused.what.partition(":")[0]
    what = writer.say(_KINDS.get(kind, "what happens"))
    context: dict[str, Any] = {"off": off, "what": what, "address": f"{PATH}{token}"}
    response = page("mail_off.html", writer, **context)
    response.headers["Cache-Control"] = "no-store"
    return response
