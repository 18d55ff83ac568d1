"""How answers are written as JSON: decimals as strings, times as RFC 3339 in UTC. ``api.ingest`` reads requests."""

from typing import Any

import msgspec
from flask import Response
from flask.json.provider import JSONProvider

_JSON = "application/json"
_encode = msgspec.json.Encoder(decimal_format="string").encode


class ExactJson(JSONProvider):
    """Flask's JSON by msgspec: exact, and four times as fast."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """JSON text of ``obj``."""
        return _encode(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """The value of JSON text, for tests; requests are read by ``api.ingest.strict_json``."""
        return msgspec.json.decode(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """An answer with ``args`` or ``kwargs`` as its body."""
        return Response(_encode(self._prepare_response_obj(args, kwargs)), content_type=_JSON)


def json_text(body: Any) -> bytes:
    """JSON text of ``body``, as answers have it."""
    return _encode(body)


def json_response(body: Any, *, status: int = 200) -> Response:
    """An answer with ``body`` as JSON, which no schema looks at."""
    return Response(_encode(body), status=status, content_type=_JSON)
