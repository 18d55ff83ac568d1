"""A client that uses little CPU: one process sends requests that were made beforehand, over several connections.

``python -m benchmarks.load PORT REQUESTS --connections 16 [--rate 500]``. REQUESTS is a file of requests as they go
over the wire, each behind its length. The client sends each of them once. A connection takes the next request when it
has the answer to the one before; with ``--rate``, which is requests a second, not before that request is due. It prints
a line of JSON: the seconds in all, how many answers had each status, and the milliseconds that each answer took.
With ``--rate`` those count from the moment at which the request was due.
"""

import argparse
import json
import re
import selectors
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_WITHOUT_BODY = frozenset({204, 304})
_SIZE = struct.Struct("<I")


def request(path: str, body: bytes, *, key: str) -> bytes:
    """A POST of JSON as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str, *, key: str) -> bytes:
    """A GET as it goes over the wire."""
    return look(path, {"X-API-Key": key})


def look(path: str, headers: Mapping[str, str]) -> bytes:
    """A GET with these headers as it goes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode()


def save(file: Path, requests: Iterable[bytes]) -> None:
    """Write the file REQUESTS: each request behind its length."""
    with file.open("wb") as output:
        for one in requests:
            output.write(_SIZE.pack(len(one)) + one)


def _load(file: Path) -> Iterator[bytes]:
    data = memoryview(file.read_bytes())
    start = 0
    while start < len(data):
        (size,) = _SIZE.unpack_from(data, start)
        yield bytes(data[start + 4 : start + 4 + size])
        start += 4 + size


@dataclass
class _Connection:
    socket: socket.socket
    since: float = 0.0
    answer: bytearray = field(default_factory=bytearray)

    def status(self) -> int | None:
        """The status of a complete answer."""
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return None
        status = int(self.answer[9:12])
        if status in _WITHOUT_BODY:
            return status
        length = _LENGTH.search(self.answer, 0, end + 2)
        if length is None or len(self.answer) < end + 4 + int(length[1]):
            return None
        return status


@dataclass
class _Run:
    requests: list[bytes]
    rate: float
    statuses: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    sent: int = 0

    def go(self, port: int, connections: int) -> float:
        """Send everything; returns the seconds it took."""
        selector = selectors.DefaultSelector()
        # Connections are used in turns: the server closes one that has been idle for long.
        idle = deque(_Connection(socket.create_connection(("127.0.0.1", port))) for _ in range(connections))
        for one in idle:
            one.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(one.socket, selectors.EVENT_READ, one)
        started = time.perf_counter()
        while len(self.times) < len(self.requests):
            while idle and self.sent < len(self.requests) and self._due(started) <= time.perf_counter():
                self._send(idle.popleft(), started)
            pause = None if not idle or self.sent == len(self.requests) else self._due(started) - time.perf_counter()
            for key, _ in selector.select(pause if pause is None else max(pause, 0)):
                if self._receive(key.data):
                    idle.append(key.data)
        return time.perf_counter() - started

    def _due(self, started: float) -> float:
        return started + self.sent / self.rate if self.rate else started

    def _send(self, connection: _Connection, started: float) -> None:
        connection.since = self._due(started) if self.rate else time.perf_counter()
        connection.answer.clear()
        connection.socket.sendall(self.requests[self.sent])
        self.sent += 1

    def _receive(self, connection: _Connection) -> bool:
        data = connection.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection")
        connection.answer += data
        status = connection.status()
        if status is None:
            return False
        self.times.append(time.perf_counter() - connection.since)
        self.statuses[status] += 1
        return True


def main() -> None:
    """Send the requests that the command line names, and print the line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("requests", type=Path)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0)
    chosen = parser.parse_args()
    run = _Run(list(_load(chosen.requests)), chosen.rate)
    seconds = run.go(chosen.port, chosen.connections)
    times = [round(one * 1000, 2) for one in run.times]
    print(json.dumps({"seconds": seconds, "statuses": run.statuses, "times": times}))


if __name__ == "__main__":
    main()
