"""Hands a mail over by SMTP, by TLS alone.

What a server says of the recipient or the mail is told from what it says of us: only the latter is the endpoint's
failure.
"""

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from usage_billing.setting_values import MailServer

CONNECT_SECONDS, WHOLE_SECONDS = 10, 30
"""How long each step of a connection may take, and the whole exchange. The caller cuts one that takes longer."""

_READY = 220
_WELL, _FOREVER = 2, 5
_REFUSES = 400
# The server goes away, wants a login, or refuses ours: that is no word on a recipient.
_OF_US = frozenset({421, 454, 530, 534, 535, 538})
_KEPT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What a server answered, or in ``error`` why it did not.

    ``of_endpoint`` says that a failure is not about this recipient; one that ``is_final`` is about it, for good.
    """

    status: int | None = None
    text: str | None = None
    error: str | None = None
    of_endpoint: bool = True
    is_final: bool = False


@dataclass(slots=True)
class Handover:
    """One exchange, which another thread may cut."""

    _client: smtplib.SMTP | None = field(default=None)
    is_cut: bool = field(default=False)

    def cut(self) -> None:
        """End it: whatever waits for the server fails at once."""
        self.is_cut = True
        sock = getattr(self._client, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def send(self, server: MailServer, *, recipient: str, message: bytes, trust: ssl.SSLContext) -> Handed:
        """Hand ``message`` over; ``trust`` is whose certificates are believed. No answer of a server raises."""
        self._client = client = _client(server, trust)
        try:
            status, text = client.connect(server.host, server.port)
            if status != _READY:
                raise smtplib.SMTPConnectError(status, text)
            _secure(client, server, trust)
            return self._hand_over(client, server, recipient=recipient, message=message)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return _failure("the exchange took too long" if self.is_cut else _words(error), error)
        finally:
            client.close()

    def _hand_over(self, client: smtplib.SMTP, server: MailServer, *, recipient: str, message: bytes) -> Handed:
        status, text = client.mail(server.sender.address)
        if status // 100 != _WELL:
            return _answered(status, text, of_endpoint=True)
        status, text = client.rcpt(recipient)
        if status // 100 == _WELL:
            try:
                status, text = client.data(message)
            except smtplib.SMTPDataError as error:
                if error.smtp_code < _REFUSES:
                    raise
                status, text = error.smtp_code, _bytes(error.smtp_error)
        answered = _answered(status, text, of_endpoint=False)
        with suppress(OSError, smtplib.SMTPException):  # what became of the mail is known
            client.putcmd("quit")
        return answered


def _client(server: MailServer, trust: ssl.SSLContext) -> smtplib.SMTP:
    """A client that is not connected yet: another thread can cut what it waits for."""
    named = server.sender.domain
    if server.tls_at_once:
        client: Any = smtplib.SMTP_SSL(local_hostname=named, timeout=CONNECT_SECONDS, context=trust)
    else:
        client = smtplib.SMTP(local_hostname=named, timeout=CONNECT_SECONDS)
    client._host = server.host  # the name in the certificate, which only its constructor sets
    return client  # type: ignore[no-any-return]


def _secure(client: smtplib.SMTP, server: MailServer, trust: ssl.SSLContext) -> None:
    client.ehlo_or_helo_if_needed()
    if not server.tls_at_once:
        client.starttls(context=trust)
        client.ehlo()
    if server.user:
        client.login(server.user, server.password)


def _answered(status: int, text: bytes, *, of_endpoint: bool) -> Handed:
    ours = of_endpoint or status in _OF_US
    shown = text.decode("utf-8", "replace").replace("\x00", "")[:_KEPT]
    is_final = not ours and status // 100 == _FOREVER
    return Handed(status=status, text=shown or None, of_endpoint=ours, is_final=is_final)


def _failure(words: str, error: Exception) -> Handed:
    """What went wrong before the mail was handed over, or after it without an answer.

    What a server says is well where something else had to come (250 to STARTTLS) is no status: nothing was sent.
    """
    if isinstance(error, smtplib.SMTPResponseException):
        return Handed(status=error.smtp_code if error.smtp_code >= _REFUSES else None, error=words)
    return Handed(error=words)


def _words(error: Exception) -> str:
    """What went wrong, in one line, without what was sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = _bytes(error.smtp_error).decode("utf-8", "replace")
        text = f"{type(error).__name__}: {error.smtp_code} {said}"
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.replace("\x00", "").split())[:256]


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")
