"""The gate of the portal: a page is made for a session that holds, of what is its customer's, and for no other."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar

from flask import Response
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from api.addresses import client_address
from api.auth import public
from api.state import state, this_request
from usage_billing.core.errors import NotAuthenticated, NotFound
from usage_billing.customers.models import Customer
from usage_billing.db.session import at_once, once_while_agreed, read_only, share_agreed
from usage_billing.flows.folding.drive_reads import catch_up, has_none_to_count, left_to_count
from usage_billing.reports.moved import MOVED_BESIDE, MOVED_FROM, Moved, moved
from usage_billing.sessions.models import PortalSession
from usage_billing.sessions.pages import PAGES
from usage_billing.sessions.queries import Visitor, visitor_of_cookie
from usage_billing.subscriptions.queries import Contract, contracts_of
from web.cross_site import check_change, token_of
from web.freshness import behind_since
from web.gates import gated
from web.numbers import Writer
from web.portal import kept, shown
from web.portal.door import cookie_of
from web.portal.visit import Visit, live_tag
from web.texts import locale_for

View = TypeVar("View", bound=Callable[..., Any])

_CONTRACTS = "contracts"
# Which transactions a statement sees: with equal texts it sees the same rows.
_OF_NOW = "CAST(pg_current_snapshot() AS text)"
_SNAPSHOT, _BESIDE = text(f"SELECT {_OF_NOW}"), f"{MOVED_BESIDE}, {_OF_NOW}"
REQUESTS_A_MINUTE = 600
"""Of one session. A page that is open asks twenty times a minute."""


class SessionOver(NotAuthenticated):
    """There is no session, or it is over; ``row`` says where a new one is made, if anything is known of it."""

    def __init__(self, row: PortalSession | None) -> None:
        super().__init__("there is no session on these pages, or it is over", code="session_over")
        self.row = row


def visiting(
    name: str, *, moves: Collection[str] | None = None
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """A view of the page ``name``, one of PAGES: it is called with a Visit, and answers 404 where that may not see it.

    One of the part that ``moves``, by these parameters of its address, answers 304 while it does not. A form that
    changes something is a page of ours, or refused. Raises SessionOver (401) without a session that holds, NotFound,
    Forbidden, TooManyRequests.
    """

    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def entered(**arguments: Any) -> Response:
            if this_request().method == "POST":
                check_change(cookie_of(this_request()) or "")
            look = None if moves is None else _look({"subscription", *moves})
            same = None if look is None else _as_before(look, name)
            if same is not None:
                return same
            with read_only(state().engine) as session:
                visit = _enter(session, look)
                if name not in visit.pages:
                    raise NotFound("there is nothing at this address")
                behind = left_to_count(session, customer_id=visit.customer_id)
                if not behind:
                    response = view(visit, **arguments)
            if behind:
                catch_up(state().engine, behind)
                with read_only(state().engine) as session:
                    visit = _again(session, visit)
                    response = view(visit, **arguments)
            for do in visit.later:
                do()
            return response

        return ungated(entered)

    return decorate


def ungated(view: View) -> View:
    """Mark a view of the portal that is no page of a customer, or that looks at the session itself."""
    return public(gated(view))


def visitor_of_browser(connection: Connection, *, moved_at: datetime | None = None) -> Visitor:
    """Who this browser is, with what ``moved`` says of its customer at ``moved_at``, if that is given.

    Raises SessionOver where its session is over, and counts a cookie that never was ours.
    """
    here, asked = state(), this_request()
    cookie = cookie_of(asked)
    if cookie is None:
        raise SessionOver(None)
    secret = here.settings.require_secret()
    if moved_at is None:
        found = visitor_of_cookie(connection, cookie, secret=secret)
    else:
        found = visitor_of_cookie(
            connection, cookie, secret=secret, beside=MOVED_BESIDE, behind=MOVED_FROM, known={"now": moved_at}
        )
    if found is None:
        here.rates.count_failure(client_address(asked, here.settings.trusted_networks))
    if found is None or not found.row.holds(here.clock()):
        raise SessionOver(None if found is None else found.row)
    here.rates.count_request(f"portal:{found.row.id}", per_minute=REQUESTS_A_MINUTE)
    return found


def writer_of(row: PortalSession | None, language: str | None = None, zone: str = "UTC") -> Writer:
    """How pages are written: as the session says, else in the customer's ``language``, else in the browser's."""
    accepted = [one for one, _ in this_request().accept_languages]
    said = (row.locale, language) if row is not None else ()
    return Writer(locale=locale_for(*said, *accepted), zone=zone)


class _Look(NamedTuple):
    """Who this browser is and what was seen of its customer, by one statement, and of which ``snapshot``."""

    now: datetime
    row: PortalSession
    customer: Customer
    seen: Moved
    snapshot: str


def _enter(session: Session, look: _Look | None) -> Visit:
    """The visit of this browser. What a look saw holds where ``session`` sees the same snapshot."""
    if look is not None and session.scalar(_SNAPSHOT) == look.snapshot:
        now, row, customer, seen, _ = look
        state().rates.count_request(f"portal:{row.id}", per_minute=REQUESTS_A_MINUTE)
    else:
        now = state().clock()
        row, customer, beside = visitor_of_browser(session.connection(), moved_at=now)
        seen = Moved(*beside)
    keep = _share(session, customer.id, seen)
    contracts = once_while_agreed(session, _CONTRACTS, lambda: contracts_of(session, customer.id))
    chosen = _chosen(contracts, now)
    writer, clock = _writers(row, customer, chosen)
    return Visit(
        session=session,
        id=row.id,
        customer_id=customer.id,
        customer_name=customer.name,
        contracts=contracts,
        chosen=chosen,
        writer=writer,
        clock=clock,
        pages=_pages_of(row),
        token=token_of(cookie_of(this_request()) or ""),
        return_url=row.return_url,
        now=now,
        seen=seen,
        late=behind_since(),
        later=[keep],
    )


def _again(session: Session, visit: Visit) -> Visit:
    """``visit`` as ``session`` sees it; entered anew if anything but usage or wallets moved since it was entered."""
    seen = moved(session, visit.customer_id, now=visit.now)
    if seen.agreed != visit.seen.agreed:
        return _enter(session, None)
    return replace(visit, session=session, seen=seen, later=[*visit.later, _share(session, visit.customer_id, seen)])


def _share(session: Session, customer_id: str, seen: Moved) -> Callable[[], None]:
    """Answer ``session`` from what is kept of what is agreed with the customer; what is returned keeps the answers."""
    answers = kept.agreed_with(customer_id, seen.agreed)
    if answers is None:
        answers = {}
    share_agreed(session, answers)
    return partial(kept.keep_agreed, customer_id, seen.agreed, answers)


def _look(known: Collection[str]) -> _Look | None:
    """A look without a transaction; None where the address has more than ``known``, or more has to be looked at."""
    here, asked = state(), this_request()
    cookie = cookie_of(asked)
    plain = all(key in known and len(values) == 1 for key, values in asked.args.lists())
    if cookie is None or not plain or here.settings.pooled or not has_none_to_count(here.engine):
        return None
    now = here.clock()
    with at_once(here.engine) as connection:
        secret = here.settings.require_secret()
        found = visitor_of_cookie(
            connection, cookie, secret=secret, beside=_BESIDE, behind=MOVED_FROM, known={"now": now}
        )
    if found is None or not found.row.holds(now):
        return None
    *seen, snapshot = found.beside
    return _Look(now, found.row, found.customer, Moved(*seen), snapshot)


def _as_before(look: _Look, name: str) -> Response | None:
    """304 for a browser whose part is as it was; or the part, if it was made and is kept; None where it is neither."""
    answers = kept.agreed_with(look.customer.id, look.seen.agreed)
    if answers is None or _CONTRACTS not in answers or name not in _pages_of(look.row):
        return None
    chosen = _chosen(answers[_CONTRACTS], look.now)
    writer, clock = _writers(look.row, look.customer, chosen)
    tag = live_tag(
        customer_id=look.customer.id,
        seen=look.seen,
        now=look.now,
        late=behind_since(),
        writer=writer,
        clock=clock,
        chosen=chosen,
    )
    same = shown.as_before(tag, _pages_of(look.row))
    if same is not None:
        state().rates.count_request(f"portal:{look.row.id}", per_minute=REQUESTS_A_MINUTE)
    return same


def _pages_of(row: PortalSession) -> frozenset[str]:
    return frozenset(PAGES if row.pages is None else row.pages)


def _writers(row: PortalSession, customer: Customer, chosen: Contract | None) -> tuple[Writer, Writer]:
    """Who writes days, which are the subscription's, and who writes times, in the reader's zone."""
    zone = chosen.timeline.zone if chosen else "UTC"
    writer = writer_of(row, customer.language, zone)
    return writer, replace(writer, zone=row.timezone or zone)


def _chosen(contracts: Sequence[Contract], now: datetime) -> Contract | None:
    """The subscription that the address names; else the first one that runs, or the first. Raises NotFound."""
    wanted = this_request().args.get("subscription")
    if wanted is not None:
        found = next((one for one in contracts if one.id == wanted), None)
        if found is None:
            raise NotFound(f"there is no subscription {wanted}")
        return found
    running = (one for one in contracts if one.timeline.term_at(now) is not None)
    return next(running, contracts[0] if contracts else None)
