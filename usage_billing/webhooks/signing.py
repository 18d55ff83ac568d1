"""Signs what is sent, as Standard Webhooks has it. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

PREFIX = "whsec_"
_MADE_BYTES = 32
LEAST_BYTES, MOST_BYTES = 24, 64
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def make_secret() -> str:
    """A new secret: ``whsec_`` and 32 random bytes in standard base64, which every library of the standard takes."""
    return PREFIX + b64encode(secrets.token_bytes(_MADE_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether ``text`` may be a secret: ``whsec_`` and 24 to 64 bytes in standard base64."""
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        return False
    return text.startswith(PREFIX) and LEAST_BYTES <= len(key) <= MOST_BYTES


def signature(secret: str, *, id: str, timestamp: int, body: bytes) -> str:
    """``v1,`` and the base64 of HMAC-SHA-256 over ``id.timestamp.body``."""
    signed = f"{id}.{timestamp}.".encode() + body
    key = b64decode(secret.removeprefix(PREFIX))
    return "v1," + b64encode(hmac.digest(key, signed, sha256)).decode()


def headers_of(secrets: Sequence[str], *, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of one try at ``at``: a signature for each secret, with one blank between them."""
    timestamp = int(at.timestamp())
    signatures = [signature(secret, id=id, timestamp=timestamp, body=body) for secret in secrets]
    return {ID: id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}
