"""Pages of the portal in their frame, and the part of a page that is asked for again and again."""

from typing import Any
from urllib.parse import urlencode

from flask import Response

from api.state import state, this_request
from usage_billing.core.errors import FieldError, InvalidInput
from usage_billing.sessions.pages import PAGES
from web.numbers import Writer
from web.pages import answer, page, render, unchanged
from web.portal import kept
from web.portal.blueprint import HOME
from web.portal.visit import Visit, part_key

_WORDS = {
    "overview": "Overview",
    "usage": "Usage",
    "records": "Records",
    "invoices": "Invoices",
    "upcoming": "Upcoming",
    "wallets": "In hand",
    "prices": "Prices",
    "alerts": "Alerts",
}


def framed(visit: Visit, name: str, template: str, *, status: int = 200, **context: Any) -> Response:
    """The page ``name`` of ``template``, with its tabs, and what its foot says of time zones."""
    zone, reader = visit.writer.zone, visit.clock.zone
    context |= _known(visit) | {
        "tabs": _tabs(visit, name),
        "customer_name": visit.customer_name,
        "return_url": visit.return_url,
        "token": visit.token,
        "zone": reader,
        "other_zone": zone if zone != reader else "",
        "now_time": visit.clock.time(visit.now),
        "subscriptions": [(one.id, one.id) for one in visit.contracts],
        "chosen": visit.chosen.id if visit.chosen else "",
        "live_tag": visit.tag,
    }
    origins = state().settings.framing_origins
    return page(f"portal/{template}.html", visit.writer, status=status, framed_by=origins, **context)


def part(visit: Visit, template: str, **context: Any) -> Response:
    """The living part of a page, with its tag."""
    tag = visit.tag
    html = render(f"portal/{template}.html", visit.writer, **context, **_known(visit))
    kept.keep_part(part_key(tag, visit.pages), html)
    return _living(html, tag)


def _known(visit: Visit) -> dict[str, Any]:
    """What every template may ask: which pages there are, their addresses, and whether the figures are behind."""
    return {
        "pages": visit.pages,
        "link": lambda path, **named: address(visit, path, **named),
        "clock": visit.clock,
    } | behind(visit)


def as_before(tag: str, pages: frozenset[str]) -> Response | None:
    """304 for a browser whose living part is as it was; the part, if it is kept; None where it is to be made."""
    same = unchanged(tag)
    if same is not None:
        return same
    html = kept.part_of(part_key(tag, pages))
    return None if html is None else _living(html, tag)


def _living(html: str, tag: str) -> Response:
    response = answer(html, framed_by=state().settings.framing_origins)
    response.headers["ETag"] = tag
    return response


def behind(visit: Visit) -> dict[str, Any]:
    """What a page says of figures that are behind: since when, in words; nothing where they are fresh."""
    since = visit.late
    if since is None:
        return {"behind": None}
    clock: Writer = visit.clock
    span = clock.left(visit.now - since)
    return {"behind": clock.say("As of %(time)s, %(span)s behind", time=clock.time(since), span=span)}


def address(visit: Visit, path: str, **named: object) -> str:
    """A path of the portal that keeps the chosen subscription, where there are several; None is left out."""
    chosen = {"subscription": visit.chosen.id} if visit.chosen and len(visit.contracts) > 1 else {}
    query = {name: value for name, value in (chosen | named).items() if value not in (None, "")}
    return f"{HOME}{'/' if path else ''}{path}{'?' if query else ''}{urlencode(query)}"


def query_of(*names: str) -> dict[str, str]:
    """The parameters of the address, empty ones left out; raises InvalidInput for one that the page does not know."""
    given = this_request().args
    strays = [name for name in given if name not in {*names, "subscription"}]
    twice = [name for name, values in given.lists() if len(values) > 1]
    if strays or twice:
        fields = [FieldError(f"?{name[:64]}", "is not a parameter of this page", "unknown") for name in strays]
        fields += [FieldError(f"?{name[:64]}", "is given twice", "repeated") for name in twice]
        raise InvalidInput("the address has wrong parameters", fields=tuple(fields))
    return {name: given[name].strip() for name in names if given.get(name, "").strip()}


def _tabs(visit: Visit, current: str) -> list[dict[str, Any]]:
    return [
        {
            "url": address(visit, "" if name == "overview" else name),
            "word": visit.writer.say(_WORDS[name]),
            "current": name == current,
        }
        for name in PAGES
        if name in visit.pages
    ]
