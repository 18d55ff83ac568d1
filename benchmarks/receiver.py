"""What webhooks are sent to in benchmarks: a server of HTTP that answers at once, in a process of its own."""

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def receiver() -> Iterator[int]:
    """A process that answers every request at once; its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
    process = multiprocessing.get_context("spawn").Process(target=_answer, args=(port,), daemon=True)
    process.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    try:
        yield port
    finally:
        process.terminate()
        process.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def server_of(port: int, answer: Callable[[BaseHTTPRequestHandler], None]) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.close_connection = True
            answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return _Server(("127.0.0.1", port), Handler)


def well(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def _answer(port: int) -> None:
    server_of(port, well).serve_forever()
