"""The answer to what is not well-formed HTTP: gunicorn's own is a page for people."""

import socket

import msgspec

from usage_billing.core.identifiers import new_text_id

_SERVER_ERROR = 500


def write_problem(sock: socket.socket, status: int, reason: str, message: str) -> None:
    """Send ``application/problem+json`` and say that the connection ends; in place of gunicorn's ``write_error``."""
    code = "internal_error" if status == _SERVER_ERROR else "bad_request"
    request_id = new_text_id()
    problem = {
        "type": f"/api/docs/problems#{code}",
        "title": reason,
        "status": status,
        "detail": message.encode("ascii", "backslashreplace").decode() or "something went wrong here",
        "code": code,
        "requestId": request_id,
    }
    body = msgspec.json.encode(problem)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nX-Request-Id: {request_id}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    sock.setblocking(True)
    sock.sendall(head.encode("latin-1") + body)
