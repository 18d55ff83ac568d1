"""The part of Redis' protocol that the doctor and backups need: the domain does not import a Redis client."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from usage_billing.embedded.redis_url import RedisUrl, read_redis_url

SECONDS = 3.0

Answer = bytes | int | list["Answer"] | None


class ErrorReply(OSError):
    """The server answered with an error; the message is the server's."""


class Redis:
    """A connection to a Redis that asks a question at a time."""

    def __init__(self, connection: socket.socket, answers: BinaryIO) -> None:
        self._connection = connection
        self._answers = answers

    def ask(self, *words: str | bytes) -> Answer:
        """Send a command and return what it says; raises ErrorReply for an error, OSError for silence."""
        encoded = [word.encode() if isinstance(word, str) else word for word in words]
        parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)]
        self._connection.sendall(b"".join(parts))
        return self._read()

    def _read(self) -> Answer:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the connection was closed without an answer")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ErrorReply(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._answers.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self._read() for _ in range(int(rest))]
        return rest


@contextmanager
def open_redis(url: str, *, seconds: float = SECONDS) -> Iterator[Redis]:
    """Connect, log in and choose the database of ``url``; raises ErrorReply, OSError or ValueError (no such URL).

    Each answer may take ``seconds``.
    """
    where = read_redis_url(url)
    with _connect(where, seconds) as connection, connection.makefile("rb") as answers:
        redis = Redis(connection, answers)
        if where.password is not None:
            redis.ask("AUTH", *([where.username] if where.username else []), where.password)
        if where.database:
            redis.ask("SELECT", str(where.database))
        yield redis


def _connect(where: RedisUrl, seconds: float) -> socket.socket:
    if where.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        connection.connect(where.socket)
        return connection
    context = where.context() if where.tls else None
    connection = socket.create_connection((where.host, where.port), timeout=seconds)
    return connection if context is None else context.wrap_socket(connection, server_hostname=where.host)
