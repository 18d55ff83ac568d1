"""Everything below ``/admin``; the modules that import it add their views."""

from urllib.parse import quote, urlencode

from flask import Blueprint

HOME = "/admin"

blp = Blueprint("operator", __name__, url_prefix=HOME)


def address(*parts: object, **query: object) -> str:
    """A path of the admin pages, each part quoted; what is None or empty is left out of the query."""
    path = "".join(f"/{quote(str(part), safe='')}" for part in parts)
    asked = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{HOME}{path}{'?' if asked else ''}{urlencode(asked)}"
