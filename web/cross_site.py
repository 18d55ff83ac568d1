"""Changes that a browser asks for: only a page of ours may, and it says so twice, by its origin and by a token."""

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from flask import Request

from api.state import state, this_request
from usage_billing.core.errors import Forbidden

FIELD = "token"
"""The field of each form that changes something."""


def token_of(held: str) -> str:
    """The token of the pages of a browser that holds the cookie ``held``; of another cookie it is another."""
    secret = state().settings.require_secret()
    return hmac.digest(secret.encode(), b"form:" + held.encode("utf-8", "surrogatepass"), sha256).hex()


def check_change(held: str) -> None:
    """Raises Forbidden unless this request is a form of a page of ours, in the browser that holds ``held``."""
    asked = this_request()
    if not _is_ours(asked):
        raise Forbidden("the request comes from a page of another origin", code="other_origin")
    given = asked.form.get(FIELD, "")
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token_of(held).encode()):
        raise Forbidden("the page is too old, or not ours: load it again", code="wrong_token")


def _is_ours(asked: Request) -> bool:
    """Whether the browser says that the page of this host asks. One that does not say so is not believed."""
    origin = asked.headers.get("Origin", "")
    public = urlsplit(state().public_address)
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return False
    return parts.netloc in {asked.host, public.netloc}
