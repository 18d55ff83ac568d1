"""What each unmodified client does when things go wrong, and what is counted then: `make test-clients`.

Each is put through the same: an event that is sent twice, an answer that is lost, a key that is not known, a key that
asks too often, an event that cannot be read, alone and among others. `docs/integrations.md` says what follows from it.
"""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text

from tests.conftest import Drain
from tests.foreign.conftest import Send
from tests.support.callers import Keys
from usage_billing.db.session import read_only

pytestmark = pytest.mark.clients

ONCE = {"repeat": 1, "lost": 1, "throttled": 1, "first": 1, "last": 1}
A_MINUTE = 60
ALONE = {name: ONCE[name] for name in ("repeat", "lost", "throttled")}


@dataclass(frozen=True)
class Client:
    """A client and what it does.

    ``lost``, ``wrong`` and ``throttled`` are the class and status of what its caller gets, None for nothing. Where
    the caller is told of a lost answer, it sends again. ``counted`` is what is in the books, by the case.
    """

    program: str
    variant: str = ""
    lost: list[Any] | None = None
    wrong: list[Any] | None = None
    throttled: list[Any] | None = None
    waits: int = 0
    counted: dict[str, int] = field(default_factory=lambda: ONCE)


CLIENTS = {
    "openmeter for Python": Client(
        "cases_openmeter",
        lost=["ServiceResponseError", None],
        wrong=["ClientAuthenticationError", 401],
        throttled=["HttpResponseError", 429],
        waits=3,
    ),
    "openmeter for Python, asynchronous": Client(
        "cases_openmeter",
        "aio",
        lost=["ServiceRequestError", None],
        wrong=["ClientAuthenticationError", 401],
        throttled=["HttpResponseError", 429],
        waits=3,
    ),
    "openmeter for Node": Client(
        "cases.mjs", "openmeter", lost=["TypeError", None], wrong=["HTTPError", 401], throttled=["HTTPError", 429]
    ),
    "lago for Python": Client(
        "cases_lago",
        lost=["RemoteProtocolError", None],
        wrong=["LagoApiError", 401],
        throttled=["LagoRateLimitError", 429],
        waits=3,
    ),
    "lago for Node": Client(
        "cases.mjs", "lago", lost=["TypeError", None], wrong=["Response", 401], throttled=["LagoRateLimitError", None]
    ),
    "stripe for Python": Client(
        "cases_stripe", wrong=["AuthenticationError", 401], throttled=["RateLimitError", 429], waits=2
    ),
    "stripe for Node": Client(
        "cases.mjs", "stripe", wrong=["StripeAuthenticationError", 401], throttled=["StripeRateLimitError", 429]
    ),
    "cloudevents 1 for Python": Client(
        "cases_cloudevents_1",
        lost=["RemoteDisconnected", None],
        wrong=["HTTPError", 401],
        throttled=["HTTPError", 429],
        counted=ALONE,
    ),
    "cloudevents 2 for Python": Client(
        "cases_cloudevents_2",
        lost=["RemoteDisconnected", None],
        wrong=["HTTPError", 401],
        throttled=["HTTPError", 429],
        counted=ALONE,
    ),
    "cloudevents for Node": Client(
        "cases.mjs",
        "cloudevents",
        lost=["TypeError", None],
        wrong=["Error", 401],
        throttled=["Error", 429],
        counted=ALONE,
    ),
    "litellm's openmeter": Client("cases_litellm", "openmeter", counted=ALONE),
    "litellm's lago": Client("cases_litellm", "lago", counted=ALONE | {"repeat": 2}),
}


@pytest.fixture
def losing(service: str) -> Iterator[tuple[str, list[bytes]]]:
    """An address before the service at which the first answer is lost, and the bodies that came there."""
    bodies: list[bytes] = []
    host = urlsplit(service).netloc

    class Losing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(body)
            behind = http.client.HTTPConnection(host, timeout=30)
            behind.request("POST", self.path, body, dict(self.headers))
            answer = behind.getresponse()
            data = answer.read()
            behind.close()
            self.close_connection = True
            if len(bodies) > 1:
                self.send_response(answer.status)
                for name in ("Content-Type", "Content-Length"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Losing)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_that_something_happens_to(
    name: str, send: Send, keys: Keys, engine: Engine, drain: Drain, losing: tuple[str, list[bytes]]
) -> None:
    client, (address, bodies) = CLIENTS[name], losing
    slow = keys.issue("usage:write", rate_limit=1)
    *_, line = send(client.program, address, keys.writer, slow, *([client.variant] if client.variant else []))
    told = json.loads(line)
    assert [told["lost"], told["wrong"], told["throttled"]] == [client.lost, client.wrong, client.throttled]
    assert [told["repeat"], told["bad"], told.get("batch")] == [None, None, None]
    waited = told.get("waited", [])
    assert len(waited) == client.waits
    assert all(0 < seconds <= A_MINUTE for seconds in waited)
    is_reporter = client.program == "cases_litellm"
    assert len(bodies) == (1 if is_reporter else 2), "the client or its caller sends again"
    drain()
    with read_only(engine) as session:
        rows = session.execute(text("SELECT metadata FROM usage")).all()
        refused = session.execute(text("SELECT reason, detail FROM quarantined_usage ORDER BY id")).all()
    counted = Counter(row.metadata["model" if is_reporter else "case"] for row in rows)
    if client.variant == "lago" and is_reporter:  # each of its reports has a key of its own: a minute may have turned
        counted["throttled"] = min(counted["throttled"], 1)
    assert counted == client.counted
    broken = [row.detail.partition(":")[0] for row in refused if row.reason == "broken_payload"]
    assert broken == ["event 0", "event 1"][: 1 + ("batch" in told)]
    others = {row.reason for row in refused} - {"broken_payload"}
    assert others <= ({"conflicting_duplicate"} if is_reporter else set()), "its reports have another time each"
