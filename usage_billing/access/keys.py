"""Makes and recognises API keys: 32 random bytes, of which only a keyed hash is stored. Pure."""

import hmac
import re
import secrets
import string
from hashlib import sha256

_ALPHABET = string.ascii_lowercase + string.digits
_OURS = re.compile(r"(ub_[a-z0-9]{8})_[A-Za-z0-9_-]{43}")


def make_key() -> str:
    """A new key ``ub_<8 characters that name it>_<32 random bytes, base64url>``."""
    name = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return f"ub_{name}_{secrets.token_urlsafe(32)}"


def hash_key(key: str, secret: str) -> bytes:
    """The HMAC-SHA-256 of a key under the service's secret, 32 bytes. A stolen table of hashes opens nothing."""
    return hmac.digest(secret.encode(), key.encode("utf-8", "surrogatepass"), sha256)


def prefix_of(key: str, secret: str) -> str:
    """The prefix by which a key is found and listed: its own name, or part of its hash when an operator chose it."""
    ours = _OURS.fullmatch(key)
    return ours[1] if ours else "own_" + hash_key(key, secret).hex()[:8]


def same_key(key: str, stored: bytes, secret: str) -> bool:
    """Whether ``stored`` is the hash of ``key``, compared in constant time."""
    return hmac.compare_digest(hash_key(key, secret), stored)
