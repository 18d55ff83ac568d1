"""Which URLs may be an endpoint's, and which addresses may be called. Pure.

A service that calls what its callers name can be made to call what only it can reach (SSRF). ``is_global`` of Python
alone does not do: it lets through multicast, and private addresses of IPv4 inside some forms of IPv6.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from usage_billing.core.errors import InvalidInput
from usage_billing.core.limits import MAX_URL

Network = IPv4Network | IPv6Network
REFUSED = "address_refused"
_PORTS = {"https": 443, "http": 80}
_LEAST_OPEN_PORT = 1024
_URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII without blanks and backslashes
_HOST = re.compile(r"(?=.{1,253}\.?\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_-]{1,63}\.?")
# https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast.
_NOT_GLOBAL_4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
# Only this block of IPv6 is given to the public; within it, what is not: Teredo and other protocols, documentation.
_GLOBAL_6 = IPv6Network("2000::/3")
_NOT_GLOBAL_6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_TRANSLATED = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_LOOPBACK_6 = IPv6Address("::1")


@dataclass(frozen=True, slots=True)
class Target:
    """Where an endpoint is: ``host`` is a name or an address without brackets, ``path`` begins with a slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(text: str) -> Target:
    """The target of a URL; raises InvalidInput, code ``address_refused``, for one that is never called."""
    if len(text) > MAX_URL or _URL.fullmatch(text) is None:
        raise refused(f"must be a URL of at most {MAX_URL} printable ASCII characters; write other names as punycode")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise refused("must be a URL such as https://example.com/hooks") from None
    if parts.scheme not in _PORTS or not host:
        raise refused("must begin with https:// and a host")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc or "#" in text:
        raise refused("must have no user, no password and no fragment")
    port = _PORTS[parts.scheme] if port is None else port
    if port != _PORTS[parts.scheme] and port < _LEAST_OPEN_PORT:
        raise refused(f"must have port {_PORTS[parts.scheme]}, or one from {_LEAST_OPEN_PORT}")
    if ":" in host and (_address(host) is None or "%" in host):
        raise refused("must have an address of IPv6 in its brackets, without a zone")
    if ":" not in host and _HOST.fullmatch(host) is None:
        raise refused("must have the name of a host")
    path = parts.path or "/"
    return Target(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path)


def judge(target: Target, addresses: Sequence[str], *, allowed: Sequence[Network]) -> str:
    """The address to call among those that the host has; raises InvalidInput if any of them may not be called.

    ``allowed`` are networks that an operator opened, also for ``http``. An address that is global may be called by
    ``https``.
    """
    if not addresses:
        raise refused("its host has no address")
    for text in addresses:
        found = _address(text)
        opened = found is not None and any(found in network or _carried(found) in network for network in allowed)
        if found is None or not (opened or _is_global(found)):
            raise refused("leads to an address that is not public; USAGE_BILLING_WEBHOOK_NETWORKS opens others")
        if target.scheme == "http" and not opened:
            raise refused("must begin with https://; http is for networks of USAGE_BILLING_WEBHOOK_NETWORKS")
    return addresses[0]


def refused(why: str) -> InvalidInput:
    """The error about a URL."""
    return InvalidInput.field("/url", why, code=REFUSED)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address of IPv4 that one of IPv6 carries, else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _TRANSLATED or (address in _COMPATIBLE and address != _LOOPBACK_6):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    found = _carried(address)
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_GLOBAL_4)
    return found in _GLOBAL_6 and not any(found in network for network in _NOT_GLOBAL_6)
