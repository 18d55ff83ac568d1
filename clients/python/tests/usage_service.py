"""A small real service: HTTP over a real port, which accepts, refuses, hangs, breaks off or answers nonsense."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

HANG_SECONDS = 20.0


class Service:
    """Answers each request as the next word of ``script`` says, then as ``mode`` says.

    ``ok`` accepts, as the real one does. ``503``, ``429`` (with ``retry_after``), ``401``, ``403``, ``404``, ``413``,
    ``500``; ``html``: a page with status 200; ``400``: a problem that names no event; ``proxy-413``: a page with that
    status; ``foreign-400``: JSON with a ``code`` that the service did not write. ``hang`` never answers. Accepting,
    but without a whole answer: ``drop`` closes at once, ``cut`` in the midst of it, ``accept-hang`` hangs before it,
    ``stall`` in the midst of it. Events of the type ``bad`` get 422 by index. A body over ``max_body`` gets
    ``proxy-413``; one of a single event once ``may_turn_away`` is set, and ``too_large_alone`` counts those.
    """

    def __init__(self, port: int = 0) -> None:
        self.mode = "ok"
        self.script: deque[str] = deque()
        self.retry_after = ""
        self.accepted: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.copies = 0
        self.requests: list[tuple[float, str, int]] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.max_events = 1000
        self.max_body = 10**9
        self.too_large_alone = 0
        self.may_turn_away = threading.Event()
        self.may_turn_away.set()
        self.largest = 0
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.service = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()

    def close_connections(self) -> None:
        """Close every kept connection, as a service does that is restarted."""
        self._server.close_connections()

    def wait_for(self, amount: int, *, seconds: float = 5.0) -> None:
        """Wait until so many different recordings were accepted."""
        deadline = time.monotonic() + seconds
        while len(self.accepted) < amount:
            assert time.monotonic() < deadline, f"{len(self.accepted)} of {amount} arrived: {self.requests[-5:]}"
            time.sleep(0.005)

    def wait_for_requests(self, amount: int, *, seconds: float = 5.0) -> None:
        """Wait until so many requests came in, answered or not."""
        deadline = time.monotonic() + seconds
        while len(self.requests) < amount:
            assert time.monotonic() < deadline, f"{len(self.requests)} of {amount} requests came"
            time.sleep(0.005)

    def quantities(self) -> list[str]:
        """The quantities accepted, in the order of their first arrival."""
        return [self.accepted[key]["quantity"] for key in self.order]

    def hang(self) -> None:
        """Until the end of the test."""
        self._released.wait(HANG_SECONDS)

    def note_request(self, path: str, headers: dict[str, str], count: int, size: int) -> str:
        """Remember a request; returns what to do with it."""
        with self._lock:
            self.requests.append((time.monotonic(), path, count))
            self.headers.append(headers)
            self.largest = max(self.largest, size)
            if size <= self.max_body:
                return self.script.popleft() if self.script else self.mode
            self.too_large_alone += count == 1
        if count == 1:
            self.may_turn_away.wait(HANG_SECONDS)
        return "proxy-413"

    def accept(self, events: Iterable[dict[str, Any]]) -> list[str]:
        """Take in events; each key counts once."""
        with self._lock:
            ids = []
            for event in events:
                key = event["idempotencyKey"]
                ids.append(f"id-{key}")
                if key in self.accepted:
                    assert self.accepted[key] == event, "the same key with other content"
                    self.copies += 1
                else:
                    self.accepted[key] = event
                    self.order.append(key)
            return ids


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    service: Service

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.service.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        word = self.server.service.note_request(self.path, headers, 0, 0)
        if word == "ok":
            self._send(200, json.dumps({"asked": self.path, "status": "quarantined"}).encode())
        else:
            self._answer(word)

    def do_POST(self) -> None:
        service = self.server.service
        length = int(self.headers["Content-Length"])
        data = self.rfile.read(length)
        if len(data) < length:  # the client died
            self.close_connection = True
            return
        body = json.loads(data)
        batch = self.path.endswith("/batch")
        events = body["events"] if batch else [body]
        headers = {name.lower(): value for name, value in self.headers.items()}
        word = service.note_request(self.path, headers, len(events), len(data))
        if word in {"ok", "drop", "cut", "accept-hang", "stall"}:
            self._take(events, word, batch=batch)
        else:
            self._answer(word)

    def _answer(self, word: str) -> None:
        """An answer that has nothing to do with what was sent."""
        if word == "hang":
            self.server.service.hang()
            self.close_connection = True
        elif word == "html":
            self._send(200, b"<html>Welcome</html>", "text/html")
        elif word.startswith("proxy-"):
            self._send(int(word[6:]), b"<html><h1>No</h1></html>", "text/html")
        elif word.startswith("foreign-"):
            foreign = {"status": int(word[8:]), "code": "INVALID", "detail": "no such route"}
            self._send(int(word[8:]), json.dumps(foreign).encode(), "application/json")
        elif word == "400":
            self._problem(400, "repeated_name", "a name is in one object twice")
        else:
            self._problem(int(word), "some_code", "some detail")

    def _take(self, events: list[dict[str, Any]], word: str, *, batch: bool) -> None:
        service = self.server.service
        if len(events) > service.max_events:
            self._problem(422, "too_many", f"at most {service.max_events}", [{"pointer": "/events", "detail": "many"}])
            return
        bad = [index for index, event in enumerate(events) if event["usageType"] == "bad"]
        if bad:
            places = [f"/events/{index}/usageType" if batch else "/usageType" for index in bad]
            errors = [{"pointer": place, "detail": "is bad", "code": "invalid"} for place in places]
            self._problem(422, "invalid_request", "some are bad", errors)
            return
        if any(event["usageType"] == "odd" for event in events):
            self._problem(400, "not_json", "something in it is odd")
            return
        ids = service.accept(events)
        answer = {"accepted": len(ids), "ids": ids} if batch else {"id": ids[0], "status": "accepted"}
        text = json.dumps(answer).encode()
        if word == "accept-hang":
            service.hang()
        if word in {"drop", "accept-hang"}:
            self.close_connection = True
        elif word in {"cut", "stall"}:
            self.send_response(202)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text[: len(text) // 2])
            if word == "stall":
                service.hang()
            self.close_connection = True
        else:
            self._send(202, text)

    def _problem(self, status: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None) -> None:
        body: dict[str, Any] = {"type": "about:blank", "title": "Problem", "status": status, "detail": detail}
        body.update(code=code, requestId="0123456789abcdef")
        if errors:
            body["errors"] = errors
        self._send(status, json.dumps(body).encode(), "application/problem+json")

    def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if status in {429, 503} and re.fullmatch(r".+", self.server.service.retry_after):
            self.send_header("Retry-After", self.server.service.retry_after)
        self.end_headers()
        self.wfile.write(data)
