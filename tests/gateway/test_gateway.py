"""The gateway's configuration on a real nginx: what it lets through, what it answers itself."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text

from tests.conftest import Drain
from tests.factories import make_world
from tests.gateway.servers import Answer, api, call, nginx
from tests.support.callers import Keys
from usage_billing.db.session import read_only, transaction
from usage_billing.embedded.ports import free_port
from usage_billing.settings import Settings

pytestmark = pytest.mark.gateway

RECORDING = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": 53}
TOO_LARGE = 4 * 1024 * 1024 + 1


@pytest.fixture(scope="module")
def gateway(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway before the API; ``settings`` has put the addresses of database and Redis into the environment."""
    port = free_port()
    with api(port), nginx(tmp_path_factory.mktemp("nginx"), upstream=port) as address:
        yield address


@pytest.fixture(scope="module")
def gateway_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway before a service that is not there."""
    with nginx(tmp_path_factory.mktemp("nginx-alone"), upstream=free_port()) as address:
        yield address


def problem(answer: Answer, status: int, code: str) -> None:
    """The answer is this problem, told as the service tells its own."""
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = json.loads(answer.body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["requestId"] == answer.headers["X-Request-Id"]


def test_a_recording_goes_through_and_is_counted(gateway: str, engine: Engine, keys: Keys, drain: Drain) -> None:
    with transaction(engine) as session:
        make_world(session)
    answer = call(f"{gateway}/api/usage/record", json.dumps(RECORDING).encode(), x_api_key=keys.writer)
    assert (answer.status, json.loads(answer.body)["status"]) == (202, "accepted")
    assert drain() == 1
    with read_only(engine) as session:
        assert session.scalar(text("SELECT beyond_limit FROM usage_summaries")) == 3


@pytest.mark.parametrize(
    "path", ["/openmeter/api/v1/x", "/lago/api/v1/x", "/stripe/v1/billing/x", "/v1/billing/x", "/v2/billing/x"]
)
def test_what_other_programs_call_goes_through(gateway: str, path: str) -> None:
    answer = call(f"{gateway}{path}", b"{}")
    assert answer.status == 404
    assert b"docs/integrations.md" in answer.body


@pytest.mark.parametrize("path", ["/portal", "/portal/", "/portal/invoices", "/mail/off/x"])
def test_pages_of_customers_go_through(gateway: str, path: str) -> None:
    answer = call(gateway + path)
    assert answer.headers["Content-Type"].startswith("text/html")
    sheet = re.search(r"/static/[^\"]+\.css", answer.body.decode())
    assert sheet is not None
    assert call(gateway + sheet.group()).status == 200


def test_the_request_id_of_the_caller_is_kept(gateway: str) -> None:
    assert call(f"{gateway}/health/live", X_Request_Id="order-4711-a").headers["X-Request-Id"] == "order-4711-a"


def test_a_request_without_an_id_gets_one_and_a_strange_one_another(gateway: str) -> None:
    strange = "<script>alert(1)</script>"
    given = [
        call(f"{gateway}/health/live", **headers).headers["X-Request-Id"] for headers in ({}, {"X_Request_Id": strange})
    ]
    assert len(set(given)) == 2
    assert all(len(request_id) == 32 for request_id in given)


def test_the_services_own_errors_pass_as_they_are(gateway: str, engine: Engine) -> None:
    answer = call(f"{gateway}/api/usage/record", b"{}")
    problem(answer, 401, "not_authenticated")
    problem(call(f"{gateway}/api/no-such-thing"), 404, "not_found")


def test_the_services_headers_pass(gateway: str) -> None:
    headers = call(f"{gateway}/health/live").headers
    assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert headers.get_all("X-Request-Id") == [headers["X-Request-Id"]]
    assert "gunicorn" not in headers.get("Server", "")
    assert headers["Server"] == "nginx"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/admin",
        "/admin/",
        "/portals",
        "/metrics",
        "/api",
        "/health",
        "/etc/passwd",
        "/api/../metrics",
        "//metrics",
        "/problems/bad_request",
    ],
)
def test_nothing_else_has_a_way_through(gateway: str, path: str) -> None:
    answer = call(gateway + path)
    problem(answer, 404, "not_found")


def test_health_has_a_way_through(gateway: str) -> None:
    assert call(f"{gateway}/health/live").status == 200
    assert call(f"{gateway}/health/ready").status == 200


def test_a_body_over_the_limit_is_refused_before_it_is_sent_on(gateway_alone: str) -> None:
    """The service behind is not even there."""
    problem(_post_declared(gateway_alone, TOO_LARGE), 413, "body_too_large")


def test_a_body_within_the_limit_is_sent_on(gateway: str, keys: Keys) -> None:
    batch = json.dumps({"events": [RECORDING | {"metadata": {"note": "x" * 3000}}] * 1000}).encode()
    assert 3_000_000 < len(batch) < TOO_LARGE
    answer = call(f"{gateway}/api/usage/record/batch", batch, x_api_key=keys.writer)
    assert (answer.status, json.loads(answer.body)["accepted"]) == (202, 1000)


def test_a_service_that_is_down_is_said_so_at_once(gateway_alone: str) -> None:
    answer = call(f"{gateway_alone}/api/usage/record", json.dumps(RECORDING).encode())
    problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"


def test_what_is_no_http_is_a_problem_too(gateway: str) -> None:
    answer = _raw(gateway, b"GET /api/\x00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer


def test_the_caller_cannot_say_where_it_comes_from(tmp_path: Path) -> None:
    """Failed credentials are counted by address: a caller who could choose the address would never be stopped."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]
        seen = _one_request(service, tmp_path, port)
    assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in seen
    assert b"6.6.6.6" not in seen


def _one_request(service: socket.socket, folder: Path, port: int) -> bytes:
    """What reaches the service when a caller claims an address; nginx's own start makes no request."""
    service.settimeout(20)
    with nginx(folder, upstream=port, knock="/") as address:
        host, _, gateway_port = urlsplit(address).netloc.partition(":")
        with socket.create_connection((host, int(gateway_port)), timeout=10) as caller:
            caller.sendall(b"GET /api/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
            connection, _ = service.accept()
            with connection:
                connection.settimeout(10)
                return connection.recv(65536)


def _post_declared(address: str, length: int) -> Answer:
    """POST ``length`` bytes by saying so, without sending them: the refusal must not wait for them."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.putrequest("POST", "/api/usage/record")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(length))
    connection.endheaders()
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def _raw(address: str, request: bytes) -> bytes:
    host, _, port = urlsplit(address).netloc.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received
