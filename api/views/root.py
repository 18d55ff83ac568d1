"""What stands at the address itself: which service this is, and where its documentation is."""

from importlib.resources import files

from flask import Blueprint, Response

from api.auth import public
from api.json_provider import json_response
from api.state import this_request
from usage_billing import __version__

blp = Blueprint("root", __name__)

_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_WHAT = {
    "name": "usage-billing",
    "version": __version__,
    "documentation": "/api/docs",
    "openapi": "/api/openapi.json",
    "problems": "/api/docs/problems",
    "health": "/health/ready",
}


@blp.get("/")
@public
def root() -> Response:
    """Say what this is: as JSON to a caller that prefers it, otherwise as a page."""
    best = this_request().accept_mimetypes.best_match(["text/html", "application/json"], default="text/html")
    if best == "application/json":
        response = json_response(_WHAT)
    else:
        response = Response((files("api") / "static" / "root.html").read_text(), mimetype="text/html")
        response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Vary"] = "Accept"
    return response
