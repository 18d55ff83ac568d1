"""``ETag``, ``If-Match`` and ``If-None-Match``: a thing is changed only if it is still as its caller saw it, and sent
only if it is not.

The tag is a digest of what the answer shows of the thing, so equal tags mean equal answers.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeVar

from flask import Flask, Response, current_app

from api.errors import PreconditionFailed
from api.json_provider import json_text
from api.state import this_request
from usage_billing.core.errors import InvalidInput
from usage_billing.wire.noun import Noun, show

View = TypeVar("View", bound=Callable[..., Any])
IN_ENVIRON = "HTTP_IF_MATCH"
UNLESS_IN_ENVIRON = "HTTP_IF_NONE_MATCH"
TAGS_PATTERN = r"[!-~]+([ \t]*,[ \t]*[!-~]+)*"
"""How ``If-Match`` and ``If-None-Match`` are written: a tag, several with commas, or an asterisk."""

_SHOWS, _TAKES = "shows_the_whole_thing", "takes_if_match"
_WELL = frozenset({200, 201})
_SAFE = frozenset({"GET", "HEAD"})
_NOT_MODIFIED = 304


def tagged(view: View) -> View:
    """Mark a view whose answer is the whole thing and nothing else: it has an ``ETag``."""
    setattr(view, _SHOWS, True)
    return view


def takes_if_match(view: View) -> View:
    """Mark a view that calls ``check_match``."""
    setattr(view, _TAKES, True)
    return view


def has(app: Flask, endpoint: str) -> tuple[bool, bool]:
    """Whether a view answers with an ``ETag``, and whether it takes ``If-Match``."""
    view = app.view_functions[endpoint]
    return getattr(view, _SHOWS, False), getattr(view, _TAKES, False)


def init_app(app: Flask) -> None:
    """Add tags to the answers of ``app``, and refuse a condition that a view would pass over."""
    app.before_request(_refuse_unheeded)
    app.after_request(_tag)


def check_match(noun: Noun, lock: Callable[[], Any]) -> None:
    """Raises PreconditionFailed (412) if the request has ``If-Match`` and no tag in it is that of the thing.

    ``lock`` locks the thing until the transaction ends, and returns it as its ``noun`` shows it.
    """
    wanted = this_request().environ.get(IN_ENVIRON)
    if wanted is None:
        return
    tag = _tag_of(json_text(show(noun, lock())))
    if wanted.strip() != "*" and tag not in (one.strip() for one in wanted.split(",")):
        raise PreconditionFailed(f"it has changed since: its ETag is {tag} now")


def _refuse_unheeded() -> None:
    asked = this_request()
    if asked.endpoint is None:
        return
    if IN_ENVIRON in asked.environ and not has(current_app, asked.endpoint)[1]:
        raise InvalidInput.field("", "the header If-Match is no condition of this request", code="unknown")
    if UNLESS_IN_ENVIRON in asked.environ and asked.method not in _SAFE:
        raise InvalidInput.field("", "the header If-None-Match is no condition of this request", code="unknown")
    for header, place in (("If-Match", IN_ENVIRON), ("If-None-Match", UNLESS_IN_ENVIRON)):
        if not re.fullmatch(TAGS_PATTERN, asked.environ.get(place, "*").strip()):
            raise InvalidInput.field("", f"the header {header} must be ETags with commas between, or *", code="invalid")


def _tag(response: Response) -> Response:
    asked = this_request()
    if asked.endpoint is None or response.status_code not in _WELL or not has(current_app, asked.endpoint)[0]:
        return response
    tag = response.headers["ETag"] = _tag_of(response.get_data())
    known = asked.environ.get(UNLESS_IN_ENVIRON)
    if known is not None and asked.method in _SAFE and _names(known, tag):
        response.status_code = _NOT_MODIFIED
        response.set_data(b"")
        del response.headers["Content-Type"]
    return response


def _names(known: str, tag: str) -> bool:
    """Whether a list of tags names ``tag``, as a weak one too: for reading it makes no difference."""
    return known.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in known.split(","))


def _tag_of(text: bytes) -> str:
    return f'"{blake2b(text, digest_size=16).hexdigest()}"'
