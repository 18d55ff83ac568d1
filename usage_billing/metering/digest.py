"""A fingerprint of a set of recordings that grows with it. Pure.

The sum of their hashes: whoever adds a recording adds its hash, whoever takes one back subtracts it, and an
auditor who reads the events behind an item comes to the same sum, in any order.
"""

from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from usage_billing.core.decimals import plain

EMPTY = bytes(32)
_MODULUS = 1 << 256


def hash_of(recording_id: UUID, quantity: Decimal) -> int:
    """What one recording adds."""
    return int.from_bytes(sha256(recording_id.bytes + plain(quantity).encode()).digest())


def to_bytes(total: int) -> bytes:
    """A sum of hashes as 32 bytes."""
    return (total % _MODULUS).to_bytes(32)


def from_bytes(stored: bytes) -> int:
    """The opposite."""
    return int.from_bytes(stored)
