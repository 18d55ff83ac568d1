"""What webhooks are sent to in tests: a real HTTP server that answers as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Got:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes
    at: float


Answer = Callable[[BaseHTTPRequestHandler, Got], None]


@dataclass
class Receiver:
    """A receiver: its URL, what it got, and how it answers from now on."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: status(204))

    @property
    def ids(self) -> list[str]:
        """The ids of what it got, in order."""
        return [one.headers["webhook-id"] for one in self.got]


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """Answers at once."""

    def answer(handler: BaseHTTPRequestHandler, _: Got) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang(seconds: float, then: Answer | None = None) -> Answer:
    """Says nothing for a while, then answers or closes."""

    def answer(handler: BaseHTTPRequestHandler, got: Got) -> None:
        time.sleep(seconds)
        if then is not None:
            then(handler, got)

    return answer


def hang_until(answered: threading.Event) -> Answer:
    """Says nothing until the test says so, then closes."""

    def answer(_: BaseHTTPRequestHandler, __: Got) -> None:
        answered.wait(60)

    return answer


def reset(handler: BaseHTTPRequestHandler, _: Got) -> None:
    """Cuts the connection without an answer."""
    handler.connection.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER 0: a reset
    handler.connection.close()


def drip(handler: BaseHTTPRequestHandler, _: Got) -> None:
    """Answers a byte every 0.2 s and never comes to an end."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.2)


def flood(handler: BaseHTTPRequestHandler, _: Got) -> None:
    """Answers 200 with a gigabyte."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(2**30))
    handler.end_headers()
    for _number in range(2**14):
        handler.wfile.write(b"x" * 2**16)


def raw(answer: bytes) -> Answer:
    """Answers with these bytes, whatever they are."""

    def send(handler: BaseHTTPRequestHandler, _: Got) -> None:
        handler.wfile.write(answer)

    return send


class _Server(ThreadingHTTPServer):
    """The kernel keeps as many connections for it as come at once: one that it drops tries again after a second."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


@contextmanager
def receiving(address: str = "127.0.0.1") -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got({name.lower(): value for name, value in self.headers.items()}, body, time.monotonic())
            receiver.got.append(got)
            self.close_connection = True
            try:
                receiver.answer(self, got)
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = _Server((address, 0), Handler)
    receiver.url = f"http://{address}:{server.server_port}/hooks"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()
