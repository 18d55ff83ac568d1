"""How a browser gets in: a link that works once, then a cookie that no script reads."""

from flask import Request, Response

from api.state import state

# Without TLS a browser sends no cookie that is Secure, except to its own machine.
_SECURE, _PLAIN = "__Host-portal", "portal"
_LONGEST = 128


def cookie_of(asked: Request) -> str | None:
    """The cookie that this browser holds; None of one that cannot be ours."""
    found = asked.cookies.get(_name())
    return found if found and len(found) <= _LONGEST else None


def give_cookie(response: Response, value: str, *, seconds: int) -> None:
    """Let the browser hold ``value``: also in a frame of another site, and for each site that frames it apart."""
    _set(response, value, seconds)


def take_cookie(response: Response) -> None:
    """Let the browser forget it."""
    _set(response, "", 0)


def _set(response: Response, value: str, seconds: int) -> None:
    secure = _is_secure()
    response.set_cookie(
        _name(),
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=secure,
        samesite="None" if secure else "Lax",
        partitioned=secure,
    )


def _name() -> str:
    return _SECURE if _is_secure() else _PLAIN


def _is_secure() -> bool:
    """Whether the pages are reached over TLS, as they are unless the operator's own address says otherwise."""
    return not state().public_address.startswith("http://")
