"""The gate of the admin pages: a page is made for an operator whose session holds, a change for one of our forms."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, wraps
from typing import Any, TypeVar

from flask import Response
from sqlalchemy.orm import Session

from api.addresses import client_address
from api.auth import public
from api.state import state, this_request
from usage_billing.core.errors import NotAuthenticated
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.folding.drive_reads import catch_up, left_to_count
from usage_billing.meters.progress import Behind
from usage_billing.sessions.operators import is_worth_noting, note_use, operator_of_cookie
from usage_billing.wallets.queries import owner_of_wallet
from web.admin.desk import Desk, Operator
from web.admin.door import cookie_of
from web.cross_site import check_change, token_of
from web.gates import gated

View = TypeVar("View", bound=Callable[..., Any])

REQUESTS_A_MINUTE = 600
"""Of one session. A page that is open asks twenty times a minute."""


class SignedOut(NotAuthenticated):
    """There is no session of an operator, or it is over."""

    def __init__(self) -> None:
        super().__init__("there is no session on these pages, or it is over", code="session_over")


def looking(view: Callable[..., Response]) -> Callable[..., Response]:
    """A page: the view is called with a Desk. Raises SignedOut, TooManyRequests."""
    return _looking(view, counts=True)


def looking_at_usage(view: Callable[..., Response]) -> Callable[..., Response]:
    """A page of a subscription's usage, or of a wallet: what meters have left is counted before the view is called."""
    return _looking(view, counts=True, folds=True)


def polling(view: Callable[..., Response]) -> Callable[..., Response]:
    """The part of a page that asks again by itself: that keeps no session from becoming idle."""
    return _looking(view, counts=False)


def changing(view: Callable[..., Response]) -> Callable[..., Response]:
    """A change: the view is called with an Operator.

    Raises SignedOut, Forbidden unless a form of ours asks, TooManyRequests.
    """

    @wraps(view)
    def entered(**arguments: Any) -> Response:
        with read_only(state().engine) as session:
            operator, stale = _enter(session)
        check_change(cookie_of(this_request()) or "")
        _note(operator, stale=stale)
        return view(operator, **arguments)

    return public(gated(entered))


def look_again(operator: Operator, show: Callable[[Desk], Response]) -> Response:
    """A page that is shown as the answer to a change, by what the database has after it."""
    with read_only(state().engine) as session:
        desk = Desk(operator=operator, session=session)
        response = show(desk)
    for do in desk.later:
        do()
    return response


def _looking(view: Callable[..., Response], *, counts: bool, folds: bool = False) -> Callable[..., Response]:
    @wraps(view)
    def entered(**arguments: Any) -> Response:
        with read_only(state().engine) as session:
            operator, stale = _enter(session)
            behind = _left_to_count(session, arguments) if folds else {}
            desk = Desk(operator=operator, session=session)
            if not behind:
                response = view(desk, **arguments)
        if behind:
            catch_up(state().engine, behind)
            with read_only(state().engine) as session:
                desk = replace(desk, session=session)
                response = view(desk, **arguments)
        for do in desk.later:
            do()
        _note(operator, stale=counts and stale)
        return response

    return public(gated(entered))


def _left_to_count(session: Session, arguments: Mapping[str, Any]) -> Mapping[str, Behind]:
    """What meters have not counted of what a page is of: a wallet, a customer or a subscription."""
    if "wallet_id" in arguments:
        return left_to_count(session, customer_of=partial(owner_of_wallet, wallet_id=arguments["wallet_id"]))
    if "customer_id" in arguments:
        return left_to_count(session, customer_id=arguments["customer_id"])
    return left_to_count(session, subscription_id=arguments["subscription_id"])


def _enter(session: Session) -> tuple[Operator, bool]:
    """Who asks, and whether its use is worth storing."""
    here, asked = state(), this_request()
    cookie, now = cookie_of(asked), here.clock()
    if cookie is None:
        raise SignedOut
    row = operator_of_cookie(session, cookie, secret=here.settings.require_secret(), now=now)
    if row is None:
        here.rates.count_failure(client_address(asked, here.settings.trusted_networks))
    # A session of a token goes as soon as tokens make no administrators any more.
    if row is None or (row.key_id is None and row.actor.startswith("user:") and not here.token_rules.admins):
        raise SignedOut
    here.rates.count_request(f"admin:{row.id}", per_minute=REQUESTS_A_MINUTE)
    return Operator(id=row.id, actor=row.actor, token=token_of(cookie), now=now), is_worth_noting(row, now=now)


def _note(operator: Operator, *, stale: bool) -> None:
    if stale:
        with transaction(state().engine) as session:
            note_use(session, operator.id, now=operator.now)
