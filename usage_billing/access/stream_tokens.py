"""Tokens that stand for an API key on the stream of meter events, for 15 minutes. Pure.

A token is signed with the hash of its key, so it ends with the key, and nothing of it is stored.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

HOLDS = timedelta(minutes=15)

_TOKEN = re.compile(r"ubs-([0-9a-f]{1,12})-([0-9a-f]{32})-([0-9a-f]{64})-([a-z0-9_]{1,16})")


@dataclass(frozen=True, slots=True)
class StreamToken:
    """A token as it is spelled: until when it says that it holds, its random part, its signature, and its key."""

    expires_at: datetime
    nonce: str
    signature: str
    prefix: str

    @property
    def text(self) -> str:
        """How it is spelled."""
        return f"ubs-{int(self.expires_at.timestamp()):x}-{self.nonce}-{self.signature}-{self.prefix}"

    def is_signed(self, key_hash: bytes, secret: str) -> bool:
        """Whether it was made for the key with this hash, compared in constant time."""
        return hmac.compare_digest(
            self.signature, _signature(self.expires_at, self.nonce, self.prefix, key_hash, secret)
        )


def make_stream_token(prefix: str, key_hash: bytes, *, secret: str, now: datetime) -> StreamToken:
    """A token for the key with this prefix and hash, to the second."""
    expires_at, nonce = now.replace(microsecond=0) + HOLDS, secrets.token_hex(16)
    return StreamToken(expires_at, nonce, _signature(expires_at, nonce, prefix, key_hash, secret), prefix)


def read_stream_token(text: str) -> StreamToken | None:
    """The token that ``text`` spells; None where it spells none."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return None
    seconds, nonce, signature, prefix = found.groups()
    try:
        return StreamToken(datetime.fromtimestamp(int(seconds, 16), UTC), nonce, signature, prefix)
    except (OverflowError, ValueError):  # beyond the calendar
        return None


def _signature(expires_at: datetime, nonce: str, prefix: str, key_hash: bytes, secret: str) -> str:
    said = f"meter event stream {int(expires_at.timestamp())} {nonce} {prefix} {key_hash.hex()}"
    return hmac.digest(secret.encode(), said.encode(), sha256).hex()
