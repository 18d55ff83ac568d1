"""The part of an HTTP client that ``simulate`` needs, on the standard library; an error is a sentence for people."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from usage_billing.core.errors import ConfigurationError, NotFound, Unavailable, UsageBillingError

_SECONDS = 10
_UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND, _FAILED = 401, 403, 404, 500


class Refusal(UsageBillingError):
    """The API refused a request: ``status`` is the HTTP status, ``code`` that of the problem."""

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message, code=code)
        self.status = status


class Client:
    """Calls one API with one credential, a key or a token."""

    def __init__(self, base: str, credential: str) -> None:
        if urlsplit(base).scheme not in {"http", "https"}:
            raise ConfigurationError("--url must start with http:// or https://")
        self.base = base.rstrip("/")
        self._credential = credential

    def get(self, path: str) -> Any:
        """The JSON at ``path``; raises Refusal, NotFound and Unavailable."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """The JSON answer to ``body``; raises Refusal, NotFound and Unavailable."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._credential}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  http(s), see above
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(f"{method} {path}", error.code, error.read()) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise Unavailable(
                f"{self.base} does not answer ({reason}): start it with `usage-billing up`, or give --url",
                code="api_unreachable",
            ) from None


def _refusal(call: str, status: int, data: bytes) -> UsageBillingError:
    try:
        problem = json.loads(data)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    said = str(problem.get("detail") or problem.get("title") or "no reason given")[:300]
    cure = ""
    if status == _UNAUTHENTICATED:
        cure = ": `usage-billing doctor` says why"
    elif status == _FORBIDDEN:
        cure = "; the simulation needs a key with the scope admin, or a token whose role is admin"
    message, code = f"{call} was answered {status}: {said}{cure}", str(problem.get("code", ""))
    if status >= _FAILED:
        return Unavailable(message, code=code)
    return NotFound(message, code=code) if status == _NOT_FOUND else Refusal(message, status=status, code=code)
