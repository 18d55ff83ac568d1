"""The answer to a request that is not well-formed HTTP, as a problem; gunicorn's own is a page for people."""

import socket

import msgspec
from gunicorn.util import write_nonblock  # type: ignore[import-untyped]

from api.problem_codes import MEDIA_TYPE, members
from usage_billing.core.identifiers import new_text_id

_SERVER_ERROR = 500


def write_problem(sock: socket.socket, status: int, reason: str, message: str) -> None:
    """Send ``application/problem+json`` and say that the connection ends; in place of gunicorn's ``write_error``."""
    code = "internal_error" if status == _SERVER_ERROR else "bad_request"
    request_id = new_text_id()
    detail = message or "something went wrong here"
    body = msgspec.json.encode(members(status, code, title=reason, detail=detail, request_id=request_id))
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nX-Request-Id: {request_id}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    write_nonblock(sock, head.encode("latin-1") + body)
