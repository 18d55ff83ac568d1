"""The link by which a customer turns one kind of mail off: what it says is signed, and kept nowhere. Pure."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import NamedTuple

import msgspec

PATH = "/mail/off/"
_PURPOSE = b"usage-billing: links that turn mail off"
_BYTES = 16
_MOST = 1024


class Refused(NamedTuple):
    """Who wants no mail about what."""

    customer_id: str
    what: str


def link_token(refused: Refused, *, secret: str) -> str:
    """What stands in the link: the customer and what it is about, with a signature. It holds for ever."""
    said = msgspec.json.encode(refused)
    return _text(_signature(said, secret) + said)


def read_token(token: str, *, secret: str) -> Refused | None:
    """What ``link_token`` wrote; None for any other text, and for one of another secret."""
    if len(token) > _MOST or not token.isascii():
        return None
    try:
        signed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mark, said = signed[:_BYTES], signed[_BYTES:]
        if not hmac.compare_digest(mark, _signature(said, secret)) or _text(signed) != token:
            return None
        return msgspec.json.decode(said, type=Refused)
    except ValueError:
        return None


def _signature(said: bytes, secret: str) -> bytes:
    key = hmac.digest(secret.encode(), _PURPOSE, sha256)
    return hmac.digest(key, said, sha256)[:_BYTES]


def _text(signed: bytes) -> str:
    return urlsafe_b64encode(signed).decode().rstrip("=")
