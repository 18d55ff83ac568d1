"""Everything below ``/portal``; the modules that import it add their views."""

from flask import Blueprint

HOME = "/portal"

blp = Blueprint("portal", __name__, url_prefix=HOME)
