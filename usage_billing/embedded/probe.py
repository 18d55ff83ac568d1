"""Whether a server answers at a URL, found out by sockets alone; the domain knows no Redis client."""

import socket
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

SECONDS = 3.0
DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "pyamqp": 5672}


def ping_redis(url: str, *, seconds: float = SECONDS) -> None:
    """Log in and PING; raises OSError saying what went wrong (never with the password).

    ``url`` is ``redis://``, ``rediss://`` or ``unix://`` with user and password as in redis-py.
    """
    parts = urlsplit(url)
    with _connect(parts, seconds) as connection, connection.makefile("rb") as answers:
        if parts.password is not None:
            words = ["AUTH", *([unquote(parts.username)] if parts.username else []), unquote(parts.password)]
            _ask(connection, words)
            _expect(answers.readline(), b"+OK")
        _ask(connection, ["PING"])
        _expect(answers.readline(), b"+PONG")


def knock(url: str, *, seconds: float = SECONDS) -> None:
    """Open and close a TCP connection to the host of ``url``; raises OSError when no server listens there."""
    _connect(urlsplit(url), seconds).close()


def without_password(url: str) -> str:
    """``url`` fit for a message: what stands between ``:`` and ``@`` is left out, and so is the query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{parts.path}"


def _connect(parts: SplitResult, seconds: float) -> socket.socket:
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        connection.connect(parts.path)
        return connection
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    connection = socket.create_connection((parts.hostname or "127.0.0.1", port), timeout=seconds)
    if parts.scheme in {"rediss", "amqps"}:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
    return connection


def _ask(connection: socket.socket, words: list[str]) -> None:
    encoded = [word.encode() for word in words]
    parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)]
    connection.sendall(b"".join(parts))


def _expect(answer: bytes, wanted: bytes) -> None:
    if not answer.startswith(wanted):
        said = answer.decode("utf-8", "replace").strip().lstrip("-")
        raise OSError(said or "the connection was closed without an answer")
