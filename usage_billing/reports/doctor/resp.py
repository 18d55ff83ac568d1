"""The part of Redis' protocol that the doctor needs: the domain does not import a Redis client."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

SECONDS = 3
_DEFAULT_PORT = 6379

Answer = bytes | int | list["Answer"] | None


class ErrorReply(OSError):
    """The server answered with an error; the message is the server's."""


class Redis:
    """A connection to a Redis that asks a question at a time."""

    def __init__(self, connection: socket.socket, answers: BinaryIO) -> None:
        self._connection = connection
        self._answers = answers

    def ask(self, *words: str) -> Answer:
        """Send a command and return what it says; raises ErrorReply for an error, OSError for silence."""
        encoded = [word.encode() for word in words]
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
def open_redis(url: str) -> Iterator[Redis]:
    """Connect, log in and choose the database of ``url``; raises ErrorReply, OSError or ValueError (no such URL)."""
    parts = urlsplit(url)
    with _connect(url) as connection, connection.makefile("rb") as answers:
        redis = Redis(connection, answers)
        if parts.password is not None:
            redis.ask("AUTH", *([unquote(parts.username)] if parts.username else []), unquote(parts.password))
        number = parts.path.strip("/") if parts.scheme != "unix" else ""
        if number:
            redis.ask("SELECT", number)
        yield redis


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(SECONDS)
        connection.connect(parts.path)
        return connection
    host = parts.hostname or "127.0.0.1"
    connection = socket.create_connection((host, parts.port or _DEFAULT_PORT), timeout=SECONDS)
    if parts.scheme == "rediss":
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    return connection
