"""The values of settings as the environment spells them: numbers in their bounds, flags, networks, origins, URLs.

Every error names the variable, in one line, and repeats no password.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from usage_billing.core.errors import ConfigurationError
from usage_billing.core.mailboxes import Mailbox, read_mailbox
from usage_billing.core.schedule import Schedule, parse_schedule

_MOST_DIGITS = 18
# The scheme and the host in small letters, as browsers send an origin.
_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
_PUBLIC = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/-]*)?")


_SMTP_PORTS = {"smtps": 465, "smtp": 587}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A server of SMTP: by TLS from the first byte, or by STARTTLS, without which nothing is sent.

    Without a ``user`` it is not logged in. Mail is from ``sender``.
    """

    host: str
    port: int
    tls_at_once: bool
    user: str
    password: str = field(repr=False)
    sender: Mailbox


def read_mail_server(url_name: str, url: str, from_name: str, sender: str) -> MailServer | None:
    """The server in ``smtps://user:password@host:465``, or None where neither is given; raises ConfigurationError."""
    if not url and not sender:
        return None
    if not url or not sender:
        raise ConfigurationError(f"set both {url_name} and {from_name}, or neither")
    check_address(url_name, url)
    parts = urlsplit(url)
    if parts.scheme not in _SMTP_PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{url_name} must be smtps://user:password@host, or smtp:// for a server with STARTTLS"
        )
    try:
        mailbox = read_mailbox(sender)
    except ValueError as error:
        raise ConfigurationError(f"{from_name} {error}") from None
    return MailServer(
        host=parts.hostname,
        port=parts.port or _SMTP_PORTS[parts.scheme],
        tls_at_once=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=mailbox,
    )


def read_value(name: str, text: str, default: object, of: tuple[int, int] | None) -> object:
    """The value that ``text`` spells, of the type of ``default``; a whole number is from ``of[0]`` to ``of[1]``.

    Raises ConfigurationError.
    """
    if isinstance(default, bool):
        if text.lower() not in {"0", "1", "true", "false"}:
            raise ConfigurationError(f"{name} must be 1 or 0, not {text!r}")
        return text.lower() in {"1", "true"}
    if of is not None:
        if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
            raise ConfigurationError(f"{name} must be a whole number, not {text!r}")
        if not of[0] <= int(text) <= of[1]:
            raise ConfigurationError(f"{name} must be {of[0]} to {of[1]}, not {text}")
        return int(text)
    if isinstance(default, Path):
        return Path(text)
    return text


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises ConfigurationError for what is none of the choices, of which one may be nothing."""
    if value not in choices:
        known = [one for one in choices if one]
        named = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
        raise ConfigurationError(f"{name} must be {named}{', or not set' if '' in choices else ''}, not {value!r}")


def read_networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks in a list with commas; raises ConfigurationError."""
    try:
        return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise ConfigurationError(f"{name} must be networks like 10.0.0.0/8: {error}") from error


def read_origins(name: str, text: str) -> frozenset[str]:
    """The origins in a list with commas, as browsers send them; raises ConfigurationError."""
    origins = frozenset(one.strip() for one in text.split(",") if one.strip())
    for origin in origins:
        if _ORIGIN.fullmatch(origin) is None or not _is_address(origin):
            raise ConfigurationError(
                f"{name} must be origins like https://app.example.com, separated by commas, not {origin[:100]!r}"
            )
    return origins


def read_public_address(name: str, text: str) -> str:
    """A URL without a slash at its end, or nothing; raises ConfigurationError."""
    if text and (_PUBLIC.fullmatch(text) is None or not _is_address(text)):
        raise ConfigurationError(f"{name} must be a URL like https://billing.example.com, not {text[:100]!r}")
    return text.rstrip("/")


def read_schedule(name: str, text: str) -> Schedule:
    """When a daily chain starts; raises ConfigurationError."""
    try:
        return parse_schedule(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{name} must be a crontab schedule such as '0 0 * * *': {text[:100]!r} {error}"
        ) from None


def check_address(name: str, url: str) -> None:
    """Raises ConfigurationError for a URL that cannot be read, in our words.

    A driver's own error would repeat parts of the URL, the password among them.
    """
    try:
        parts = urlsplit(url)
        clear = parts.netloc.count("@") <= 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        clear = False
    if not clear:
        raise ConfigurationError(
            f"{name} cannot be read: check host and port, and write @ : / in a password as %40 %3A %2F"
        )


def postgres_url(name: str, url: str) -> str:
    """``url`` as SQLAlchemy takes it; raises ConfigurationError, naming the variable ``name``, for any other kind."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ConfigurationError(f"{name} must start with postgresql://")
    check_address(name, url)
    return f"postgresql+psycopg://{rest}"


def _is_address(url: str) -> bool:
    """Whether a URL has a host, and a port that can be one if it names one."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
