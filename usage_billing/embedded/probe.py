"""Whether a server answers at a URL, found out by sockets alone; the domain knows no Redis client."""

import socket
from urllib.parse import urlsplit

from usage_billing.embedded.resp import SECONDS, open_redis

DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671, "pyamqp": 5672}


def ping_redis(url: str, *, seconds: float = SECONDS) -> None:
    """Log in and PING; raises OSError saying what went wrong (never with the password), or ValueError for no URL.

    ``url`` is ``redis://``, ``rediss://`` or ``unix://`` with user, password and options as in redis-py.
    """
    with open_redis(url, seconds=seconds) as redis:
        redis.ask("PING")


def knock(url: str, *, seconds: float = SECONDS) -> None:
    """Open and close a TCP connection to the host of ``url``; raises OSError when no server listens there."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    socket.create_connection((parts.hostname or "127.0.0.1", port), timeout=seconds).close()


def without_password(url: str) -> str:
    """``url`` fit for a message: what stands between ``:`` and ``@`` is left out, and so is the query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{parts.path}"
