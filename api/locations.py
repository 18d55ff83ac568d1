"""``Location`` in answers that say that something was made: where it is, from now on.

It begins with USAGE_BILLING_PUBLIC_URL, or with a slash: never with the Host header, which a caller can choose.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from flask import Flask, Response, current_app

from api.state import state, this_request

View = TypeVar("View", bound=Callable[..., Any])
_PLACES = "places_of_what_it_makes"
_MADE = (201, 202)

Place = tuple[str, str | None]
"""Where a view puts what it makes, and the field of its answer that names it."""


def makes(place: str, *, named: str | None = "id", statuses: Sequence[int] = _MADE) -> Callable[[View], View]:
    """Mark a view that makes what is then at ``place``, followed by the value of the answer's field ``named``.

    With ``named`` None ``place`` itself is where it is listed; ``{name}`` in it is a part of the request's path. A view
    that makes one of two things is marked twice, each time with the ``statuses`` that say so.
    """

    def mark(view: View) -> View:
        places = dict.fromkeys(statuses, (place, named)) | getattr(view, _PLACES, {})
        setattr(view, _PLACES, places)
        return view

    return mark


def init_app(app: Flask) -> None:
    """Add the header to the answers of the marked views of ``app``, given for the first time or again."""
    app.after_request(_tell)


def place_of(app: Flask, endpoint: str, status: int) -> Place | None:
    """Where a view puts what it makes when it answers with ``status``; None when it is not marked for that."""
    places: Mapping[int, Place] = getattr(app.view_functions[endpoint], _PLACES, {})
    return places.get(status)


def _tell(response: Response) -> Response:
    endpoint = this_request().endpoint
    if endpoint is not None:
        place = place_of(current_app, endpoint, response.status_code)
        if place is not None:
            begins, named = place
            parts = {name: quote(str(part), safe="") for name, part in (this_request().view_args or {}).items()}
            name = "" if named is None else "/" + quote(str(msgspec.json.decode(response.get_data())[named]), safe="")
            response.headers["Location"] = f"{state().public_address}{begins.format(**parts)}{name}"
    return response
