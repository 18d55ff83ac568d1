"""The cookie of an operator's browser: no script reads it, and no page of another site sends it along."""

from flask import Request, Response

from api.state import state

# Without TLS a browser sends no cookie that is Secure, except to its own machine.
_SECURE, _PLAIN = "__Host-admin", "admin"
_LONGEST = 128


def cookie_of(asked: Request) -> str | None:
    """The cookie that this browser holds; None of one that cannot be ours."""
    found = asked.cookies.get(_name())
    return found if found and len(found) <= _LONGEST else None


def give_cookie(response: Response, value: str) -> None:
    """Let the browser hold ``value`` until it is closed; the session ends by itself before that, or after."""
    _set(response, value, None)


def take_cookie(response: Response) -> None:
    """Let the browser forget it."""
    _set(response, "", 0)


def _set(response: Response, value: str, seconds: int | None) -> None:
    response.set_cookie(
        _name(), value, max_age=seconds, path="/", httponly=True, secure=_is_secure(), samesite="Strict"
    )


def _name() -> str:
    return _SECURE if _is_secure() else _PLAIN


def _is_secure() -> bool:
    return not state().public_address.startswith("http://")
