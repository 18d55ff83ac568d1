"""``Location`` in answers that say that something was made: where it is, from now on.

It begins with USAGE_BILLING_PUBLIC_URL, or with a slash: never with the Host header, which a caller can choose.
"""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from flask import Flask, Response, current_app

from api.state import state, this_request

View = TypeVar("View", bound=Callable[..., Any])
_PLACE = "place_of_what_it_makes"
_MADE = frozenset({201, 202})


def makes(place: str, *, named: str | None = "id") -> Callable[[View], View]:
    """Mark a view that makes what is then at ``place``, followed by the value of the answer's field ``named``.

    With ``named`` None ``place`` itself is where it is listed; ``{name}`` in it is a part of the request's path.
    """

    def mark(view: View) -> View:
        setattr(view, _PLACE, (place, named))
        return view

    return mark


def init_app(app: Flask) -> None:
    """Add the header to the answers of the marked views of ``app``, given for the first time or again."""
    app.after_request(_tell)


def place_of(app: Flask, endpoint: str) -> tuple[str, str | None] | None:
    """Where a view puts what it makes, and the field that names it; None when it is not marked."""
    place: tuple[str, str | None] | None = getattr(app.view_functions[endpoint], _PLACE, None)
    return place


def _tell(response: Response) -> Response:
    endpoint = this_request().endpoint
    if response.status_code in _MADE and endpoint is not None:
        place = place_of(current_app, endpoint)
        if place is not None:
            begins, named = place
            parts = {name: quote(str(part), safe="") for name, part in (this_request().view_args or {}).items()}
            name = "" if named is None else "/" + quote(str(msgspec.json.decode(response.get_data())[named]), safe="")
            response.headers["Location"] = f"{state().public_address}{begins.format(**parts)}{name}"
    return response
