"""A connection to the service, kept open between requests. It does not know what the requests mean."""

from __future__ import annotations

# Otherwise connecting imports it, and a fork at that moment leaves the child an import lock that no thread releases.
import encodings.idna  # noqa: F401
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from usage_billing_client._answer import Answer

MAX_ANSWER_BYTES = 8 * 1024 * 1024
IDLE_SECONDS = 20.0
"""Seconds of rest after which the other end has probably closed a connection, without saying so."""

_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, http.client.CannotSendRequest)


class Lost(Exception):
    """No whole answer came: not connected, timed out, cut. Whether the request was carried out is unknown."""


@dataclass(frozen=True)
class Target:
    """Where the service is: scheme, host, port and the path before ``/api``."""

    secure: bool
    host: str
    port: int
    prefix: str

    @classmethod
    def read(cls, url: str) -> Target:
        """``http://payment-service:5003``, or with a path when a gateway puts one before ``/api``; else ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"the service's address must look like http://host:5003, not {url!r}")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("the service's address must not hold a query, a fragment or a password")
        secure = parts.scheme == "https"
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/"))


class Transport:
    """Asks one service over one kept connection; for one thread, but for ``abort`` and ``headers``."""

    def __init__(self, target: Target, headers: Mapping[str, str], *, tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self.headers = headers
        self._tls = tls
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0
        self._aborted = threading.Event()

    def ask(self, path: str, body: bytes | None, *, timeout: float) -> Answer:
        """Post ``body``, or get where it is None, and read the whole answer. Raises Lost.

        ``timeout`` is in seconds, for each step, and for reading the body.
        """
        if self._aborted.is_set():
            raise Lost("closed")
        if self._connection is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
        kept = self._connection is not None
        try:
            try:
                return self._exchange(path, body, timeout)
            except _STALE:
                self.close()
                if not kept or self._aborted.is_set():
                    raise
                # The other end closed the kept connection while we wrote. Sending again is safe: the key is the same.
                return self._exchange(path, body, timeout)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error}") from error

    def _exchange(self, path: str, body: bytes | None, timeout: float) -> Answer:
        connection = self._connection = self._connection or self._connect(timeout)
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        method = "GET" if body is None else "POST"
        connection.request(method, self._target.prefix + path, body, dict(self.headers))
        response = connection.getresponse()
        data = _read(response, deadline=time.monotonic() + timeout)
        will_close = response.will_close
        response.close()  # read1 leaves the answer open at its end, and then the connection takes no further request
        self._used_at = time.monotonic()
        if will_close:
            self.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        target = self._target
        connection: http.client.HTTPConnection | http.client.HTTPSConnection
        if target.secure:
            self._tls = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(target.host, target.port, timeout=timeout, context=self._tls)
        else:
            connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def abort(self) -> None:
        """Cut the request under way, from another thread, for good: it ends in Lost."""
        self._aborted.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Drop the parent's connection, in a child after a fork, and send nothing on it, not even its end.

        Closing it would wait for ever for the lock of a reader that a thread of the parent was using.
        """
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                os.close(connection.sock.detach())

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _read(response: http.client.HTTPResponse, *, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := response.read1(64 * 1024):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise http.client.HTTPException("the answer is too long")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer trickles")
    if response.length:  # read1 ends quietly when a body of known length is cut
        raise http.client.IncompleteRead(b"".join(parts), response.length)
    return b"".join(parts)
