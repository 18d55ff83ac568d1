"""The API behind the real gunicorn, spoken to byte by byte: what no test client would send."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGABRT, SIGINT, SIGQUIT
from typing import NamedTuple

import jwt
import pytest
from flask import Flask

from tasks.inbox.protocol import Inbox
from tests.faults.processes import children, tree
from tests.support.callers import Keys
from tests.support.processes import wait_until
from usage_billing.settings import Settings

START_SECONDS = 30
JSON = {"Content-Type": "application/json"}
EVENT = b'{"userId":"user123","subscriptionId":"sub456","usageType":"report","quantity":1}'

Say = Callable[[bytes], tuple[int, bytes]]


class Server(NamedTuple):
    """Where it listens, its main process, and what it says."""

    port: int
    pid: int
    log: Path


@contextmanager
def serving(
    log: Path, *options: str, config: str = "python:api.gunicorn_config", logs: Path | None = None
) -> Iterator[Server]:
    """gunicorn on a port of its own, on the databases of these tests; its daily log in ``logs``, or beside ``log``."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{free}", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-c", config, "api:create_app()"],
            env={**os.environ, "USAGE_BILLING_LOGS": str(logs or log.parent / "daily")},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", free), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.1)
            yield Server(free, process.pid, log)
        finally:
            process.send_signal(SIGINT)
            process.wait(20)


@pytest.fixture(scope="module")
def server(settings: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("gunicorn") / "log", "--threads", "4") as found:
        yield found


@pytest.fixture(scope="module")
def port(server: Server) -> int:
    return server.port


@pytest.fixture
def say(port: int, app: Flask) -> Say:
    """Send bytes and nothing more; the status and all of the answer."""

    def send(data: bytes) -> tuple[int, bytes]:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return (int(answer.split(b" ", 2)[1]) if answer else 0), answer

    return send


@pytest.fixture
def head(keys: Keys) -> bytes:
    """The beginning of a recording over HTTP."""
    lines = ["POST /api/usage/record HTTP/1.1", "Host: x", f"x-api-key: {keys.writer}"]
    return "\r\n".join([*lines, "Content-Type: application/json", "Connection: close", ""]).encode()


def chunked(*parts: bytes) -> bytes:
    """A chunked body, with its header."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
    return b"Transfer-Encoding: chunked\r\n\r\n" + body


def test_a_recording_is_accepted_whole_or_in_chunks(say: Say, head: bytes, inbox: Inbox) -> None:
    status, answer = say(head + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT))
    assert status == 202
    assert b"gunicorn" not in answer.lower()
    assert say(head + chunked(EVENT[:20], EVENT[20:]))[0] == 202
    assert inbox.waiting() == 2


def test_a_key_in_two_headers_is_refused_and_one_with_a_comma_is_a_key(
    say: Say, head: bytes, keys: Keys, inbox: Inbox
) -> None:
    body = b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT)
    assert say(head + b"Idempotency-Key: a,b\r\n" + body)[0] == 202
    twice = b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n"
    plan = head.replace(b"/api/usage/record", b"/api/plans").replace(keys.writer.encode(), keys.admin.encode())
    for start in (head, plan):
        status, answer = say(start + twice + body)
        assert (status, b"the header Idempotency-Key is given twice" in answer) == (422, True)
    assert inbox.waiting() == 1


ATTACKS: dict[str, tuple[bytes, set[int]]] = {
    "cut short": (b"Content-Length: 500\r\n\r\n" + EVENT, {400}),
    "cut short in a chunk": (b"Transfer-Encoding: chunked\r\n\r\n50\r\n" + EVENT[:10], {400}),
    "a wrong chunk": (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + EVENT + b"\r\n0\r\n\r\n", {400}),
    "a chunk over the limit": (chunked(EVENT, b" " * 5_000_000), {413}),
    "a length over the limit": (b"Content-Length: 5000000\r\n\r\n" + EVENT, {413}),
    "a length that is none": (b"Content-Length: x\r\n\r\n" + EVENT, {400}),
    "two lengths": (b"Content-Length: 3\r\nContent-Length: 80\r\n\r\n" + EVENT, {400}),
    "a length and chunks": (b"Content-Length: 3\r\n" + chunked(EVENT), {400}),
    "a NUL in a header": (b"X-Request-Id: a\x00b\r\nContent-Length: 2\r\n\r\n{}", {400, 422}),
    "a header of 9,000": (b"X-Request-Id: " + b"a" * 9000 + b"\r\nContent-Length: 2\r\n\r\n{}", {400, 431}),
    "bytes that are no text": (b"Idempotency-Key: \xff\xfe\r\nContent-Length: 80\r\n\r\n" + EVENT.ljust(80), {422}),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_answered_and_leaves_no_trace(say: Say, head: bytes, inbox: Inbox, name: str) -> None:
    rest, statuses = ATTACKS[name]
    status, answer = say(head + rest)
    assert status in statuses, answer
    assert b"Traceback" not in answer
    assert b"application/problem+json" in answer
    assert b"x-request-id" in answer.lower()
    assert inbox.waiting() == 0


def test_the_next_request_on_a_connection_is_read_where_it_begins(port: int, head: bytes, inbox: Inbox) -> None:
    """A refused request's body is not taken for a request: no smuggling."""
    inner = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    refused = b"POST /api/usage/record HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(inner), inner)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(refused + head + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 401") + answer.count(b"HTTP/1.1 202")
    assert b"HTTP/1.1 200" not in answer


def test_senders_that_never_come_to_an_end_are_cut_off_when_all_threads_are_taken(
    server: Server, say: Say, head: bytes, inbox: Inbox
) -> None:
    beginnings = [head, head + b"Content-Length: 900\r\n\r\n{", head + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{"] * 4
    with ExitStack() as stack:
        for beginning in beginnings:
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            slow.sendall(beginning)
        time.sleep(0.3)
        assert say(head + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT))[0] == 202
    assert inbox.waiting() == 1
    assert "Traceback" not in server.log.read_text()


def test_heads_that_never_come_to_an_end_take_no_turn(server: Server, say: Say, head: bytes, inbox: Inbox) -> None:
    """Thirty times as many slow senders as there are threads: no other request waits for one of them to be cut off."""
    with ExitStack() as stack:
        for _ in range(120):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            slow.sendall(head[:-10])
        began = time.monotonic()
        for _ in range(10):
            assert say(head + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT))[0] == 202
        assert time.monotonic() - began < 5  # it was half a minute
    assert inbox.waiting() == 10


SMALL_BUFFERS = """
from api.gunicorn_config import *
from api.gunicorn_worker import Worker
import socket

def enqueue_req(self, conn, before=Worker.enqueue_req):
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    before(self, conn)

Worker.enqueue_req = enqueue_req
"""


def test_readers_that_take_nothing_hold_no_turn_and_are_given_up(
    settings: object, app: Flask, keys: Keys, tmp_path: Path
) -> None:
    """Ten times as many readers as there are turns; as over a network, the kernel holds little of an answer."""
    (tmp_path / "small.py").write_text(SMALL_BUFFERS)
    with serving(tmp_path / "log", "--threads", "2", config=str(tmp_path / "small.py")) as server, ExitStack() as stack:
        slow = []
        for _ in range(20):
            slow.append(stack.enter_context(socket.socket()))
            slow[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow[-1].connect(("127.0.0.1", server.port))
            slow[-1].sendall(b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        began = time.monotonic()
        for _ in range(10):
            connection.request("POST", "/api/usage/record", EVENT, {"x-api-key": keys.writer, **JSON})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202
        assert time.monotonic() - began < 4  # it was half a minute
        assert sockets_of(tree(server.pid)[-1]) > 20
        # They are many, so that each is given up after five seconds.
        wait_until(lambda: sockets_of(tree(server.pid)[-1]) < 20, seconds=15, why=server.log.read_text)
        assert "Traceback" not in server.log.read_text(), server.log.read_text()


LONG_EXPORT = """
import time
from api import gunicorn_worker
from api.views import exports

gunicorn_worker.TAKING_SECONDS = 1.0

def csv_of(*_):
    for _ in range(8):
        time.sleep(0.5)
        yield b"line\\n" * 20_000

exports.csv_of = csv_of
"""


def test_a_long_export_is_written_to_its_end_and_one_that_is_not_taken_is_not(
    settings: object, app: Flask, keys: Keys, tmp_path: Path
) -> None:
    """It takes four times as long as a reader may be behind."""
    (tmp_path / "long.py").write_text(SMALL_BUFFERS + LONG_EXPORT)
    ask = f"GET /api/exports/usage HTTP/1.1\r\nHost: x\r\nx-api-key: {keys.admin}\r\n\r\n".encode()
    with serving(tmp_path / "log", "--threads", "2", config=str(tmp_path / "long.py")) as server, ExitStack() as stack:
        slow = stack.enter_context(socket.socket())
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(ask)
        connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/api/exports/usage", headers={"x-api-key": keys.admin})
        assert connection.getresponse().read() == b"line\n" * 160_000
        slow.settimeout(10)
        begun = b"".join(iter(lambda: slow.recv(65536), b""))
        assert len(begun) < 200_000
        assert not begun.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("length", [5_000_000, 30_000_000])
@pytest.mark.parametrize("key", ["that holds", "that does not"])
def test_a_body_over_the_limit_is_answered_and_not_cut_off(port: int, keys: Keys, length: int, key: str) -> None:
    """Most clients listen only once they have sent everything."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    credential = keys.writer if key == "that holds" else "nobody"
    headers = {"x-api-key": credential, "Content-Type": "application/json"}
    connection.request("POST", "/api/usage/record", b" " * length, headers)
    answer = connection.getresponse()
    assert answer.status == (413 if key == "that holds" else 401)
    assert answer.headers["Content-Type"] == "application/problem+json"
    answer.read()
    connection.request("GET", "/health/live")
    assert connection.getresponse().status == 200
    connection.close()


def test_bodies_over_the_limit_take_little_of_the_processes_time(server: Server, port: int, head: bytes) -> None:
    wait_until(lambda: len(children(server.pid)) == 1)
    (child,) = children(server.pid)

    def seconds() -> float:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = seconds()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n%s" % (8 * 2**20, b"9" * 8 * 2**20))
            assert b" 413 " in connection.recv(65536)
    assert seconds() - before < 1.0  # of 40 MiB; read by the kilobyte they take two and a half


def test_a_request_whose_parts_come_one_by_one_is_whole_in_the_end(port: int, head: bytes, inbox: Inbox) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in (head[:30], head[30:], b"Content-Length: %d\r\n\r\n" % len(EVENT), EVENT[:9], EVENT[9:]):
            connection.sendall(part)
            time.sleep(0.4)
        assert connection.recv(20).startswith(b"HTTP/1.1 202")


def test_requests_share_one_thread_of_the_system(server: Server, say: Say, head: bytes) -> None:
    """They hand over to each other when they wait; threads of the system would fight for the interpreter."""
    request = head + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(say, [request] * 32))
    assert {status for status, _ in answers} == {202}
    threads = [len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in tree(server.pid)]
    assert max(threads) <= 2  # one may look up names for a while


def test_tokens_under_a_shared_secret_need_no_cryptography(server: Server, say: Say, settings: Settings) -> None:
    """It would take 10 MiB of each process."""
    claims = {"sub": "ann", "role": "admin", "aud": settings.jwt_audience, "iss": settings.jwt_issuer}
    token = jwt.encode({**claims, "exp": int(time.time()) + 60}, settings.jwt_secret, algorithm="HS256")
    lines = ["GET /api/plans HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", "Connection: close", "", ""]
    status, answer = say("\r\n".join(lines).encode())
    assert status == 200, answer
    for pid in tree(server.pid):
        assert "/cryptography/" not in Path(f"/proc/{pid}/maps").read_text()


def sockets_of(pid: int) -> int:
    """How many it holds."""
    amount = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we looked
            amount += os.readlink(link).startswith("socket:")
    return amount


def test_connections_that_come_together_are_divided_between_the_processes(settings: object, tmp_path: Path) -> None:
    """In gunicorn itself, the process that looks first takes nearly all of a burst, and works on it alone."""

    def sockets() -> list[int]:
        return [sockets_of(pid) for pid in children(server.pid)]

    with serving(tmp_path / "log", "--threads", "4", "--workers", "2") as server:
        wait_until(lambda: len(children(server.pid)) == 2)
        time.sleep(0.5)  # nothing tells from outside that both have begun to listen
        before = sockets()
        with ExitStack() as connections:
            for _ in range(32):
                connections.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5))
            wait_until(lambda: sum(sockets()) == sum(before) + 32)
            shares = [now - was for now, was in zip(sockets(), before, strict=True)]
    assert min(shares) >= 8, shares


def test_a_process_told_to_quit_says_yes_to_nothing_that_it_has_not_kept(
    server: Server, head: bytes, inbox: Inbox
) -> None:
    """A signal comes in the midst of whatever is computed, and with green threads that is a request."""
    request = head + b"Content-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT)
    accepted: list[bool] = []
    enough = threading.Event()

    def post() -> None:
        while not enough.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                connection.sendall(request)
                if connection.recv(65536).startswith(b"HTTP/1.1 202"):
                    accepted.append(True)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(post)
        try:
            for number in (SIGQUIT, SIGINT, SIGABRT, SIGQUIT, SIGABRT):
                time.sleep(0.6)
                os.kill(tree(server.pid)[-1], number)
            wait_until(lambda: len(accepted) > 100, 60)
        finally:
            enough.set()
    assert inbox.waiting() >= len(accepted)
    assert "Traceback" not in server.log.read_text()


BROKEN_VIEW = """
from api.views import plans

def broken(*_):
    raise RuntimeError("no luck with password=hunter2-and-more")

plans.read_only = broken
"""


@pytest.mark.parametrize("config", ["from api.gunicorn_config import *", "control_socket_disable = True"])
def test_every_request_is_logged_and_an_error_under_the_id_that_its_answer_names(
    settings: object, app: Flask, keys: Keys, tmp_path: Path, config: str
) -> None:
    """Under gunicorn as it comes, too."""
    (tmp_path / "broken.py").write_text(config + BROKEN_VIEW)
    logs = tmp_path / "logs"
    guess = "ub_guess12_" + "a" * 40
    asked = [
        ("POST", "/api/usage/record", keys.writer, EVENT),
        ("GET", "/api/usage/user/user123", keys.reader, None),
        ("GET", "/api/usage/user/user123", guess, None),
        ("GET", f"/nowhere/{guess}?key={guess}", keys.reader, None),
        ("GET", "/health/live", "", None),
        ("GET", "/api/plans", keys.admin, None),
    ]
    with serving(tmp_path / "log", config=str(tmp_path / "broken.py"), logs=logs) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        ids, body = [], b""
        for method, path, key, content in asked:
            connection.request(method, path, content, {"x-api-key": key, **JSON, "X-Request-Id": guess})
            answer = connection.getresponse()
            ids.append(answer.headers["X-Request-Id"])
            body = answer.read()
        (file,) = logs.glob("usage-billing-*.log")
        text, said = file.read_text(), server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    access = [line for line in lines if line["logger"] == "api.access"]
    told = [(line["method"], line["route"], line["status"], line["requestId"]) for line in access]
    assert told == [
        ("POST", "/api/usage/record", 202, ids[0]),
        ("GET", "/api/usage/user/<identifier:customer_id>", 404, ids[1]),
        ("GET", "/api/usage/user/<identifier:customer_id>", 401, ids[2]),
        ("unmatched", "unmatched", 404, ids[3]),
        ("GET", "/api/plans", 500, ids[5]),
    ]
    assert {line["process"] for line in lines} == {"api"}
    assert access[0]["actor"].startswith("key:ub_")
    assert all(line["milliseconds"] >= 0 for line in access)
    # The answer names the request, the log has the whole error under that name, and neither tells a secret.
    assert json.loads(body)["requestId"] == ids[5]
    (error,) = [line for line in lines if "exception" in line]
    assert error["requestId"] == ids[5]
    assert "RuntimeError: no luck with password=[hidden]" in error["exception"]
    for secret in (keys.writer, keys.reader, keys.admin, guess, "hunter2"):
        assert secret not in text + said + body.decode()
    # On the terminal stands what went wrong, and no line for each recording.
    assert "RuntimeError" in said
    assert "/api/usage/record" not in said
