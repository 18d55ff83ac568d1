"""Addresses of e-mail, as mail can be sent to them. Pure."""

import re
from dataclasses import dataclass

MAX_MAILBOX = 254
"""Characters of an address that SMTP carries."""

# What RFC 5321 lets through without quotes; no server gives an address with quotes.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_MOST_LOCAL = 64
# What ends lines, or turns the direction of all that follows.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_LONE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An ``address`` of ASCII, and the ``name`` that stands before it, which may be empty."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.address.rpartition("@")[2]


def mail_address(text: str) -> str:
    """The address as SMTP carries it, its domain in ASCII; raises ValueError with what it must be."""
    local, at, domain = text.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        ascii_domain = ""
    right = at and len(local) <= _MOST_LOCAL and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(ascii_domain)
    if not right or len(local) + 1 + len(ascii_domain) > MAX_MAILBOX:
        raise ValueError(f"must be an address such as ann@example.com, of at most {MAX_MAILBOX} characters")
    return f"{local}@{ascii_domain}"


def read_mailbox(text: str) -> Mailbox:
    """``ann@example.com``, or with a name: ``Ann <ann@example.com>``; raises ValueError."""
    name, bracket, rest = text.rpartition("<")
    if not bracket:
        return Mailbox(mail_address(text.strip()))
    if not rest.endswith(">") or _CONTROLS.search(name):
        raise ValueError("must be ann@example.com or Ann <ann@example.com>")
    return Mailbox(mail_address(rest[:-1]), name.strip().strip('"'))


def one_line(text: str) -> str:
    """``text`` as it may stand in a header: what ends a line, hides or turns text is a blank."""
    return " ".join(_LONE.sub("\ufffd", _CONTROLS.sub(" ", text)).split())
