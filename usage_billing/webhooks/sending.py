"""Sends one delivery: the address that was judged is the address that is called."""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from usage_billing.core.errors import InvalidInput
from usage_billing.webhooks.addresses import Network, Target
from usage_billing.webhooks.judging import Resolve, judged, resolve

USER_AGENT = "usage-billing-webhooks/1"
CONNECT_SECONDS, WHOLE_SECONDS = 3, 15
"""How long a connection may take, and the whole exchange. The caller cuts an exchange that takes longer."""

_KEPT_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint answered, or in ``error`` why it did not. ``retry_after`` is that header."""

    status: int | None = None
    text: str | None = None
    retry_after: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Exchange:
    """One request that another thread may cut."""

    _connection: Any = field(default=None)
    is_cut: bool = field(default=False)

    def cut(self) -> None:
        """End it: whatever waits for the endpoint fails at once."""
        self.is_cut = True
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        allowed: Sequence[Network],
        resolve: Resolve = resolve,
    ) -> Answer:
        """Send ``body``; no redirect is followed, and nothing is asked of a proxy."""
        try:
            target, address = judged(url, allowed=allowed, resolve=resolve)
        except InvalidInput as error:
            return Answer(error=f"address_refused: {error.fields[0].message}")
        self._connection = connection = _connection(target, address)
        try:
            connection.connect()
            connection.timeout = WHOLE_SECONDS  # of what is read and written from now on
            if self.is_cut:
                return Answer(error=_TOO_LONG)
            sent = {"host": target.authority, "user-agent": USER_AGENT, "content-type": "application/json", **headers}
            connection.request("POST", target.path, body=body, headers=sent, preload_content=False)
            answer = connection.getresponse()
            return Answer(error=_TOO_LONG) if self.is_cut else self._read(answer)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            return Answer(error=_TOO_LONG if self.is_cut else _words(error))
        finally:
            connection.close()

    def _read(self, answer: Any) -> Answer:
        text, retry_after = b"", answer.headers.get("retry-after")
        with suppress(HTTPError, HTTPException, OSError):  # the status has come, and says whether it was taken
            text = answer.read(_KEPT_BYTES, decode_content=False)
        shown = text.decode("utf-8", "replace").replace("\x00", "")
        return Answer(status=answer.status, text=shown or None, retry_after=retry_after)


_TOO_LONG = f"the exchange took more than {WHOLE_SECONDS} s"


def _connection(target: Target, address: str) -> Any:
    """A connection to ``address``, which is not opened yet. For TLS the name stays that of the target."""
    if target.scheme == "http":
        return HTTPConnection(address, target.port, timeout=CONNECT_SECONDS)
    return HTTPSConnection(
        address,
        target.port,
        timeout=CONNECT_SECONDS,
        cert_reqs="CERT_REQUIRED",
        server_hostname=target.host,
        assert_hostname=target.host,
    )


def _words(error: Exception) -> str:
    """What went wrong, in one line without the names of Python's objects."""
    reason = getattr(error, "reason", None) or error
    words = f"{type(reason).__name__}: {str(reason).rpartition('>: ')[2] or reason}"
    return words.replace("\x00", "")[:256]  # an error may quote what the endpoint sent
