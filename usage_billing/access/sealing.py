"""Sealing what must be given once more and read by no other: encrypted and signed under the service's own secret.

Cryptography is loaded with the first of it: it takes 6 MiB, and many a process seals nothing.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

ANSWERS = b"usage-billing: answers of administrators' requests"
WEBHOOKS = b"usage-billing: secrets of webhook endpoints"
"""What is sealed: for each purpose with a key of its own."""


def seal(data: bytes, secret: str, *, purpose: bytes = ANSWERS) -> bytes:
    """``data`` as only this service's secret opens it."""
    return _box(secret, purpose).encrypt(data)


def unseal(sealed: bytes, secret: str, *, purpose: bytes = ANSWERS) -> bytes | None:
    """What was sealed; None when the service has another secret by now."""
    from cryptography.fernet import InvalidToken

    try:
        return _box(secret, purpose).decrypt(sealed)
    except InvalidToken:
        return None


def _box(secret: str, purpose: bytes) -> "Fernet":
    from cryptography.fernet import Fernet

    return Fernet(urlsafe_b64encode(hmac.digest(secret.encode(), purpose, sha256)))
