"""Sealing what must be given once more and read by no other: encrypted and signed under the service's own secret."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken

_PURPOSE = b"usage-billing: answers of administrators' requests"


def seal(data: bytes, secret: str) -> bytes:
    """``data`` as only this service's secret opens it."""
    return _box(secret).encrypt(data)


def unseal(sealed: bytes, secret: str) -> bytes | None:
    """What was sealed; None when the service has another secret by now."""
    try:
        return _box(secret).decrypt(sealed)
    except InvalidToken:
        return None


def _box(secret: str) -> Fernet:
    return Fernet(urlsafe_b64encode(hmac.digest(secret.encode(), _PURPOSE, sha256)))
