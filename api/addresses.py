"""The address that a request comes from, also when gateways stand between."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from flask import Request

Networks = Sequence[IPv4Network | IPv6Network]
_MOST_HOPS = 20


def client_address(request: Request, trusted: Networks) -> str:
    """The address of the client: the last hop that is no gateway of the ``trusted`` networks.

    Each gateway appends to ``X-Forwarded-For`` the address that it was called from, so the list is read from its end
    for as long as the caller is trusted. An entry that is no address ends the search, and the hop before it counts.
    """
    address = request.remote_addr or ""
    hops = request.headers.get("X-Forwarded-For", "").split(",")[-_MOST_HOPS:]
    while hops and _within(address, trusted):
        before = hops.pop().strip()
        if _parsed(before) is None:
            break
        address = before
    return address


def _within(address: str, networks: Networks) -> bool:
    found = _parsed(address)
    return found is not None and any(found in network for network in networks)


def _parsed(address: str) -> object:
    """The parsed address; one of IPv4 written as IPv6 becomes an IPv4 one. None when ``address`` is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
