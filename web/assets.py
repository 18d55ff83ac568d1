"""What a page loads: read once, and served under a hash of everything, so that a browser may keep it for ever."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files

from flask import Blueprint, Flask, Response, current_app
from werkzeug.exceptions import NotFound

from api.auth import public

blp = Blueprint("assets", __name__, url_prefix="/static")

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "png": "image/png"}
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
# A drawing may have styles of its own, and is never a page: opened by itself, it runs nothing and loads nothing.
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
_EXTENSION = "usage_billing.assets"


@dataclass(frozen=True, slots=True)
class Assets:
    """The files that pages of an application load, by name, and the hash under which they are served."""

    contents: Mapping[str, bytes]
    digest: str


def init_app(app: Flask, more: Mapping[str, bytes]) -> None:
    """Serve our files and ``more``."""
    contents = {**_ours(), **more}
    made = blake2b(digest_size=8)
    for name, content in contents.items():
        made.update(name.encode() + b"\0" + content)
    app.extensions[_EXTENSION] = Assets(contents, made.hexdigest())
    app.register_blueprint(blp)


@blp.get("/<digest>/<path:name>")
@public
def asset(digest: str, name: str) -> Response:
    """A file of this build; of any other build there is none."""
    here = _assets()
    content = here.contents.get(name)
    if content is None or digest != here.digest:
        raise NotFound
    kind = name.rpartition(".")[2]
    response = Response(content, mimetype=_TYPES[kind])
    response.headers["Cache-Control"] = _FOR_EVER
    if kind == "svg":
        response.headers["Content-Security-Policy"] = _DRAWING_POLICY
    return response


def url_of(name: str) -> str:
    """Where a file is served. Raises KeyError for a name that there is not."""
    here = _assets()
    here.contents[name]
    return f"/static/{here.digest}/{name}"


def _assets() -> Assets:
    found = current_app.extensions[_EXTENSION]
    assert isinstance(found, Assets)  # noqa: S101  narrows the type of Flask's untyped dict
    return found


@cache
def _ours() -> dict[str, bytes]:
    return {name: (files("web") / "static" / name).read_bytes() for name in _NAMES}
