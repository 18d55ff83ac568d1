"""Callers that mean no good: malformed, huge and slow requests at the real server, on sockets of their own."""

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

from tests.api.test_real_server import ATTACKS
from tests.faults.system import SERVICE_KEY

HEAD = f"POST {{path}} HTTP/1.1\r\nHost: x\r\nx-api-key: {SERVICE_KEY}\r\nContent-Type: application/json\r\n"
ONE, BATCH = "/api/usage/record", "/api/usage/record/batch"
GOOD: dict[str, Any] = {"userId": "user1", "subscriptionId": "sub1", "usageType": "report", "quantity": 1}
MEBIBYTE = 2**20
# None of these is a quantity.
NUMBERS = (
    "NaN",
    "1e400",
    "-1",
    "true",
    "[]",
    "{}",
    '"\u0661"',
    '"1_000"',
    "9" * 5000,
    "0.0000000000001",
    "1E+300000",
    "",
)
TEXTS = ("\\u0000", "\\ud800", "a" * 100_000, "\\u202e\\u0000", "")
TIMES = ("20261122", "2026-11-22T00:00:00", "9999-12-31T23:59:59-23:59", "now", "\\u0000", "0000-00-00T00:00:00Z")


def refused(dice: random.Random) -> tuple[str, bytes]:
    """Path and body of a request that is wrong in one way or another, and can never be accepted."""
    good = json.dumps(GOOD).encode()
    place = dice.randrange(1, len(good))
    bodies: list[Callable[[], bytes]] = [
        lambda: good[:place],
        lambda: good[:place] + b"\xff" + good[place:],
        lambda: good.decode().encode("utf-16"),
        lambda: dice.randbytes(dice.randrange(1, 3000)),
        lambda: good.replace(b": 1", b": " + dice.choice(NUMBERS).encode()),
        lambda: good.replace(b"user1", dice.choice(TEXTS).encode()),
        lambda: good[:-1] + b', "timestamp": "%s"}' % dice.choice(TIMES).encode(),
        lambda: good[:-1] + b', "metadata": ' + b"[" * 990 + b"]" * 990 + b"}",
        lambda: good[:-1] + b', "idempotencyKey": "a\\tb"}',
        lambda: b"[" * dice.choice((990, 100_000)),
        lambda: b'{"a":' * 50_000,
    ]
    if dice.random() < 0.2:
        events = [GOOD] * dice.choice((3, 999)) + [GOOD | {"quantity": -1}]
        return BATCH, json.dumps({"events": dice.choice((events, [GOOD] * 1001, {}, 7))}).encode()
    return ONE, dice.choice(bodies)()


def huge(dice: random.Random) -> tuple[str, bytes]:
    """As many bytes as may be sent at all, or more."""
    size = dice.choice((4 * MEBIBYTE - 300, 4 * MEBIBYTE + 1, 6 * MEBIBYTE))
    filling = dice.choice((b"[", b"9", b"\\u0000", b'{"a":', b" "))
    body = b'{"events": [{"userId": "' + filling * (size // len(filling))
    return dice.choice((ONE, BATCH)), body[:size]


class Attackers:
    """``with Attackers(port, seed=...) as them:`` so many threads send what is wrong, so many what is huge, and so
    many ask with bad credentials; so many connections send a byte now and then, and so many take one of a large
    answer. ``them.answers`` counts statuses; 0 is a connection that was closed."""

    def __init__(
        self,
        port: int,
        *,
        seed: int,
        wrong: int = 0,
        large: int = 0,
        slow: int = 0,
        strangers: int = 0,
        readers: int = 0,
    ) -> None:
        self._port, self._seed = port, seed
        self.answers: Counter[int] = Counter()
        self.surprising: list[bytes] = []
        self._enough = threading.Event()
        duties = [self._wrong] * wrong + [self._large] * large + [self._slow] * slow
        duties += [self._strange] * strangers + [self._read] * readers
        self._threads = [threading.Thread(target=duty, args=(n,)) for n, duty in enumerate(duties)]

    def __enter__(self) -> "Attackers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _wrong(self, number: int) -> None:
        dice = random.Random(f"{self._seed}/{number}")
        raw = [rest for rest, _ in ATTACKS.values()]
        while not self._enough.wait(0.01):
            if dice.random() < 0.3:
                self._send((HEAD.format(path=ONE) + "Connection: close\r\n").encode() + dice.choice(raw))
            else:
                self._post(*refused(dice))

    def _large(self, number: int) -> None:
        dice = random.Random(f"{self._seed}/{number}")
        while not self._enough.wait(0.2):
            self._post(*huge(dice))

    def _slow(self, number: int) -> None:
        """Hold a connection as long as it is let, with a byte each half second; then the next."""
        while not self._enough.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=0.5) as connection:
                for part in drip(number):
                    connection.sendall(part)
                    with suppress(TimeoutError):
                        if not connection.recv(1000):
                            break
                    if self._enough.is_set():
                        return

    def _strange(self, number: int) -> None:
        """Keys and tokens that never held, some of them again and again."""
        dice = random.Random(f"{self._seed}/{number}")
        body = json.dumps(GOOD)
        while not self._enough.wait(0.02):
            key = dice.choice(
                (f"ub_{dice.getrandbits(32):08x}_{'x' * 40}", "ub_aaaaaaaa_" + "x" * 40, "eyJhbGciOiJub25lIn0.e30.")
            )
            head = HEAD.format(path=ONE).replace(SERVICE_KEY, key)
            self._send(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    def _read(self, number: int) -> None:
        """Ask for a large page with a tiny window, and take a byte of it each half second."""
        head = HEAD.replace("POST", "GET").format(path=f"/api/usage/subscription/sub{number % 4}/records?limit=1000")
        while not self._enough.is_set():
            with suppress(OSError), socket.socket() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                connection.settimeout(20)
                connection.connect(("127.0.0.1", self._port))
                connection.sendall(f"{head}\r\n".encode())
                while connection.recv(1) and not self._enough.wait(0.5):
                    pass

    def _post(self, path: str, body: bytes) -> None:
        head = HEAD.format(path=path) + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        self._send(head.encode() + body)

    def _send(self, data: bytes) -> None:
        answer = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=20) as connection:
            with suppress(OSError):  # refused before all of it was sent
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0
        self.answers[status] += 1
        if status in {202, 500} or status > 503:
            self.surprising.append(data[:200] + b" ... " + answer[:500])


def drip(number: int) -> Iterator[bytes]:
    """A request that never ends: in its head, in its body, in a chunk, or before it has begun."""
    head = HEAD.format(path=ONE).encode()
    kinds = (head, head + b"Content-Length: 900\r\n\r\n", head + b"Transfer-Encoding: chunked\r\n\r\n384\r\n", b"")
    yield kinds[number % len(kinds)]
    while True:
        time.sleep(0)
        yield b"x" if number % len(kinds) < 3 else b""
