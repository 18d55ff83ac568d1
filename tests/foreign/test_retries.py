"""What the unmodified clients do when an answer is lost, and when they ask too often: `make test-clients`."""

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.foreign.conftest import Send
from tests.support.callers import Keys

pytestmark = pytest.mark.clients


@pytest.fixture
def losing(service: str) -> Iterator[tuple[str, list[str]]]:
    """An address before the service at which the first answer is lost, and the keys that came there."""
    keys: list[str] = []
    host = urlsplit(service).netloc

    class Losing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Idempotency-Key"])
            behind = http.client.HTTPConnection(host, timeout=30)
            behind.request("POST", self.path, body, dict(self.headers))
            answer = behind.getresponse()
            data = answer.read()
            self.close_connection = True
            if len(keys) > 1:
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Losing)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", keys
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_event_whose_answer_was_lost_counts_once(
    send: Send, books: Callable[[], list[Any]], losing: tuple[str, list[str]]
) -> None:
    address, keys = losing
    assert send("retry_stripe", address=address) == ["calls 25"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert [(row.key, row.quantity) for row in books()] == [(keys[0], 25)]


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("throttle_stripe", "RateLimitError 2 429 true"),
        ("throttle_lago", "LagoRateLimitError 2 2 0 True"),
        ("throttle_openmeter", "HttpResponseError 2 429 Too many requests"),
    ],
)
def test_a_throttled_client_knows_it(send: Send, keys: Keys, program: str, told: str) -> None:
    """One that asked at the turn of a minute asks again."""
    key = keys.issue("usage:write", "usage:read", rate_limit=2)
    found = send(program, key)
    assert (found or send(program, key)) == [told]
