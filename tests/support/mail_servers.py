"""What mail is handed over to in tests: a real SMTP server by TLS, which answers as it is told."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HERE = "127.0.0.1"
USER, PASSWORD = "billing", "a p@ss:word/%"
Answer = Callable[[str], str]


@dataclass
class Got:
    """One mail as it came: the addresses of its envelope, and the message."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, read."""
        found = message_from_bytes(self.raw, policy=default)
        assert isinstance(found, EmailMessage)
        return found


@dataclass
class Postbox:
    """A server: its port, what it got, and how it answers from now on.

    ``rcpt`` and ``data`` answer for a recipient; nothing is kept unless that begins with 2. With ``dies`` it keeps what
    it got and goes away without an answer, once.
    """

    port: int = 0
    got: list[Got] = field(default_factory=list)
    rcpt: Answer = field(default_factory=lambda: lambda _: "250 OK")
    data: Answer = field(default_factory=lambda: lambda _: "250 OK")
    dies: bool = False

    def url(self, *, at_once: bool = False) -> str:
        """Where it is, for USAGE_BILLING_SMTP_URL."""
        return f"{'smtps' if at_once else 'smtp'}://{HERE}:{self.port}"

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, *_: Any) -> str:
        answer = self.rcpt(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        (recipient,) = envelope.rcpt_tos
        answer = self.data(recipient)
        if answer.startswith("2"):
            assert envelope.mail_from is not None
            assert isinstance(envelope.original_content, bytes)
            self.got.append(Got(envelope.mail_from, recipient, envelope.original_content))
        if self.dies:
            self.dies = False
            server.transport.abort()
        return answer


@contextmanager
def posting(certificate: tuple[Path, Path] | None, *, at_once: bool = False, login: bool = False) -> Iterator[Postbox]:
    """A server on a port of its own, by STARTTLS, or by TLS ``at_once``; without a certificate it has no TLS.

    With ``login`` it wants USER and PASSWORD.
    """
    postbox = Postbox(port=_free_port())
    options: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        options = {"ssl_context": context} if at_once else {"tls_context": context, "require_starttls": True}
    if login:
        options |= {"authenticator": _check, "auth_required": True}
    # Without its name the server asks for that of the machine, which takes seconds where no one knows it.
    controller = Controller(postbox, hostname=HERE, port=postbox.port, server_hostname="localhost", **options)
    controller.start()
    try:
        yield postbox
    finally:
        controller.stop(no_assert=True)


@contextmanager
def saying(*answers: str) -> Iterator[int]:
    """A server without TLS that greets by the first answer, and has the next one for each line; yields its port."""
    with socket.create_server((HERE, 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as caller, caller.makefile("rwb", buffering=0) as lines:
                for answer in answers:
                    lines.write(f"{answer}\r\n".encode())
                    if not lines.readline():
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def _check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HERE, 0))
        return int(found.getsockname()[1])
