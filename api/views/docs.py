"""The documentation: the OpenAPI document, a page to read it, and what each problem means. No CDN."""

from importlib.resources import files
from string import Template

import msgspec
from flask import Blueprint, Response, current_app
from werkzeug.exceptions import NotFound

from api.auth import public
from api.event_schemas import schema_of
from api.json_provider import json_response
from api.openapi import unpacked
from api.problem_codes import CODES
from usage_billing.wire.event_type import EventType

blp = Blueprint("docs", __name__, url_prefix="/api")

# All parts of the page come from this server, and no script is inline: so the policy forbids everything else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DAY = "public, max-age=86400"
_SWAGGER = files("flask_swagger_ui") / "dist"
_OURS = files("api") / "static"
_ASSETS = {
    "swagger-ui.css": (_SWAGGER, "text/css"),
    "swagger-ui-bundle.js": (_SWAGGER, "text/javascript"),
    "favicon-32x32.png": (_SWAGGER, "image/png"),
    "docs.js": (_OURS, "text/javascript"),
    "problems.css": (_OURS, "text/css"),
}
_ROW = Template('<dt id="$code"><code>$code</code></dt><dd>$meaning</dd>\n')


@blp.get("/openapi.json")
@public
def openapi_json() -> Response:
    """The OpenAPI 3.1 document."""
    return Response(unpacked(current_app), content_type="application/json")


@blp.get("/docs")
@public
def docs() -> Response:
    """A page to read the document and to try requests."""
    return _page((_OURS / "docs.html").read_text())


@blp.get("/docs/problems")
@public
def problems() -> Response:
    """What each ``code`` of a problem means."""
    rows = "".join(_ROW.substitute(code=code, meaning=CODES[code]) for code in sorted(CODES))
    return _page(Template((_OURS / "problems.html").read_text()).substitute(rows=rows))


@blp.get("/docs/events/<name>")
@public
def event_schema(name: str) -> Response:
    """The JSON schema of a type of event."""
    if name not in set(EventType):
        raise NotFound
    components = msgspec.json.decode(unpacked(current_app))["components"]["schemas"]
    return json_response(schema_of(EventType(name), components))


@blp.get("/docs/assets/<name>")
@public
def asset(name: str) -> Response:
    """A part of the page."""
    if name not in _ASSETS:
        raise NotFound
    folder, mimetype = _ASSETS[name]
    response = Response((folder / name).read_bytes(), mimetype=mimetype)
    response.headers["Cache-Control"] = _DAY
    return response


def _page(html: str) -> Response:
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    return response
