"""The headers that every answer carries, errors included: they tell a browser to be careful with it."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from api import processes
from api.cross_origin import PREFLIGHT, allowed_headers, is_preflight

REQUEST_ID = "usage_billing.request_id"
"""The name under which the environment of a request has its id."""

RATE = "usage_billing.rate"
"""The name under which the environment of a request has how often its caller may ask.

It is a tuple: requests a minute, those that are left, and the seconds until the next minute.
"""

_YEAR = 31_536_000
_ALWAYS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]
# For answers whose view set no policy of its own.
_POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
_CACHE = ("Cache-Control", "no-store")
_HTTPS = ("Strict-Transport-Security", f"max-age={_YEAR}; includeSubDomains")

_Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def init_app(app: Flask, *, origins: frozenset[str]) -> None:
    """Add the headers to every answer of ``app``: below Flask, where that costs a tenth of the time.

    Pages of ``origins`` may ask from a browser.
    """
    # Flask documents this way to wrap an app; its types call it a method.
    app.wsgi_app = _with_headers(app.wsgi_app, origins)  # type: ignore[method-assign,assignment]


def _with_headers(app: _Wsgi, origins: frozenset[str]) -> _Wsgi:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        across = allowed_headers(environ, origins) if origins else []
        if len(across) > 1 and is_preflight(environ):
            start_response("204 No Content", [*across, *PREFLIGHT, *_ALWAYS, _CACHE])
            return []

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            given = {name for name, _ in headers}
            headers += [extra for extra in _ALWAYS if extra[0] not in given]
            headers += across
            if REQUEST_ID in environ:
                headers.append(("X-Request-Id", environ[REQUEST_ID]))
            if RATE in environ:
                headers += _rate_headers(*environ[RATE])
            headers += [extra for extra in (_POLICY, _CACHE) if extra[0] not in given]
            if environ["wsgi.url_scheme"] == "https":
                headers.append(_HTTPS)
            return start_response(status, headers, *error)

        return app(environ, start)

    return answer


def _rate_headers(limit: int, left: int, seconds: int) -> list[tuple[str, str]]:
    """How often the caller may ask, as the IETF's draft on RateLimit headers writes it; ``processes`` is ours."""
    return [
        ("RateLimit-Policy", f'"caller";q={limit};w=60;processes={processes.number}'),
        ("RateLimit", f'"caller";r={left};t={seconds}'),
    ]
