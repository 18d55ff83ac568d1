"""A recording as it travels from the API through the inbox to the books. Pure.

It is encoded as a JSON array, whose positions are wire format: fields are only ever added at the end.
"""

from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from uuid import UUID
from zlib import crc32

import msgspec

from usage_billing.core.decimals import plain

SHARDS = 8
"""In how many parts usage is written, one writer at a time in each. Changing it needs an empty inbox."""


class Recording(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """One accepted recording, checked in shape but not yet against the catalogue.

    ``metadata`` is canonical JSON text of an object. ``timed`` says that the sender gave ``occurred_at``; if not,
    it is when the API received it, and a retry of the same recording has another.
    """

    id: UUID
    customer_id: str
    subscription_id: str
    usage_type: str
    quantity: Decimal
    metadata: str
    occurred_at: datetime
    received_at: datetime
    timed: bool
    source: str = ""
    key: str = ""

    @property
    def idempotency_key(self) -> str:
        """The sender's key, or the recording's own id: then nothing can ever repeat it."""
        return self.key or str(self.id)

    @property
    def shard(self) -> int:
        """Which part of the inbox it waits in."""
        return shard_of(self.subscription_id)

    def fingerprint(self) -> bytes:
        """16 bytes that are equal for equal content, whatever spelling it came in and whenever it was sent."""
        content = (
            self.customer_id,
            self.usage_type,
            plain(self.quantity),
            self.metadata,
            self.occurred_at if self.timed else None,
        )
        return blake2b(msgspec.json.encode(content), digest_size=16).digest()


def shard_of(subscription_id: str) -> int:
    """The shard of a subscription: the same in every process and every release."""
    return crc32(subscription_id.encode()) % SHARDS


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Recording])


def encode_recordings(recordings: list[Recording]) -> bytes:
    """What the inbox keeps of one request."""
    return _encoder.encode(recordings)


def decode_recordings(data: bytes) -> list[Recording]:
    """The opposite; raises msgspec.ValidationError or msgspec.DecodeError for anything else."""
    return _decoder.decode(data)
