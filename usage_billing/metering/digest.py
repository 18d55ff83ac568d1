"""A fingerprint of a set of recordings that grows with it. Pure.

It is the sum of the recordings' hashes, modulo 2**256. Recording adds a hash, and voiding subtracts it. An auditor who
reads the events behind an item, in any order, comes to the same sum.
"""

from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from usage_billing.core.decimals import plain

EMPTY = bytes(32)
_MODULUS = 1 << 256


def hash_of(recording_id: UUID, quantity: Decimal) -> int:
    """The hash of one recording, which it adds to the sum: a number below 2**256."""
    return int.from_bytes(sha256(recording_id.bytes + plain(quantity).encode()).digest())


def to_bytes(total: int) -> bytes:
    """A sum of hashes, which may be negative, as 32 bytes modulo 2**256."""
    return (total % _MODULUS).to_bytes(32)


def from_bytes(stored: bytes) -> int:
    """The sum of hashes that ``to_bytes`` stored as 32 bytes."""
    return int.from_bytes(stored)
