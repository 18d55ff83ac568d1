"""Whether an endpoint may be called at this moment: its URL, and the addresses that its host has now.

The API judges URLs too, and sends nothing: no library that sends is loaded here.
"""

import socket
from collections.abc import Callable, Sequence

from usage_billing.webhooks.addresses import Network, Target, judge, read_url, refused

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system knows them, also of one spelled as a number. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def judged(url: str, *, allowed: Sequence[Network], resolve: Resolve = resolve) -> tuple[Target, str]:
    """The target of a URL and the address to call; raises InvalidInput, code ``address_refused``."""
    target = read_url(url)
    try:
        addresses = resolve(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise refused("has a host of which no address is known") from error
    return target, judge(target, addresses, allowed=allowed)
