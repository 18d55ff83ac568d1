"""Pages of other origins that may ask the API from a browser (CORS): those of USAGE_BILLING_CORS_ORIGINS.

Credentials come in headers alone, never in cookies, so a page can send no credential but one that it was given.
"""

from typing import Any

_METHODS = "GET, POST, PATCH, PUT, DELETE"
_REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
_ANSWER_HEADERS = "ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_SECONDS = "600"


def allowed_headers(asked: dict[str, Any], origins: frozenset[str]) -> list[tuple[str, str]]:
    """The headers that let the page that asks read the answer; none if its origin is not one of ``origins``."""
    origin = asked.get("HTTP_ORIGIN")
    if not origins or not asked["PATH_INFO"].startswith("/api/"):
        return []
    vary = [("Vary", "Origin")]
    if origin not in origins:
        return vary
    return [*vary, ("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", _ANSWER_HEADERS)]


def is_preflight(asked: dict[str, Any]) -> bool:
    """Whether a browser asks beforehand what a page may ask."""
    return asked["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in asked


PREFLIGHT = [
    ("Access-Control-Allow-Methods", _METHODS),
    ("Access-Control-Allow-Headers", _REQUEST_HEADERS),
    ("Access-Control-Max-Age", _SECONDS),
    ("Content-Length", "0"),
]
"""The headers of the answer to that, for an origin that is allowed."""
