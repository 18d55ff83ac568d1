"""What a page loads: read once, and served under a hash of everything, so that a browser may keep it for ever."""

from functools import cache
from hashlib import blake2b
from importlib.resources import files

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from api.auth import public

blp = Blueprint("assets", __name__, url_prefix="/static")

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NAMES = (
    "style.css",
    "app.js",
    "charts.js",
    "mark.svg",
    "vendor/htmx-2.0.11.min.js",
    "vendor/uPlot-1.6.32.iife.min.js",
    "vendor/uPlot-1.6.32.min.css",
)
_FOR_EVER = "public, max-age=31536000, immutable"


@blp.get("/<digest>/<path:name>")
@public
def asset(digest: str, name: str) -> Response:
    """A file of this build; of any other build there is none."""
    content = _contents().get(name)
    if content is None or digest != _digest():
        raise NotFound
    response = Response(content, mimetype=_TYPES[name.rpartition(".")[2]])
    response.headers["Cache-Control"] = _FOR_EVER
    return response


def url_of(name: str) -> str:
    """Where a file is served. Raises KeyError for a name that there is not."""
    _contents()[name]
    return f"/static/{_digest()}/{name}"


@cache
def _contents() -> dict[str, bytes]:
    return {name: (files("web") / "static" / name).read_bytes() for name in _NAMES}


@cache
def _digest() -> str:
    made = blake2b(digest_size=8)
    for name, content in _contents().items():
        made.update(name.encode() + b"\0" + content)
    return made.hexdigest()
