"""A recording as it travels from the API through the inbox to the books. Pure.

It is encoded as a JSON array whose positions are the wire format: a new field is only ever added at the end.
"""

from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from uuid import UUID
from zlib import crc32

import msgspec

from usage_billing.core.decimals import plain

SHARDS = 8
"""The number of parts in which usage is written, each by one writer at a time. It may change only while the inbox is
empty."""


class Beside(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a recording has beside what was said of it, by name; a name that a version does not know is passed over.

    ``by`` is the number of the API key that it came with, 0 for none. ``made`` says that the quantity is not its
    sender's: the usage type makes it from metadata, and until then the quantity is ``TO_BE_MADE``.

    ``whose`` is the name by which a sender said whose usage it is: a subscription's, or a customer's whose subscription
    the drain shall find. It is empty where the sender named both. ``unread`` says why the event could not be read;
    such a recording holds the event in its metadata, is never counted, and goes to quarantine.
    """

    by: int = 0
    made: bool = False
    whose: str = ""
    unread: str = ""


NOTHING_BESIDE = Beside()

TO_BE_MADE = Decimal(-1)
"""The quantity of a recording whose sender left it out. A worker that does not know ``made`` cannot store it."""


class Recording(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """One accepted recording, checked in shape but not yet against the catalogue.

    ``metadata`` is the canonical JSON text of an object. ``timed`` says that the sender gave ``occurred_at``. If the
    sender did not, ``occurred_at`` is when the API received the recording, so a retry has another.
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
    beside: Beside = NOTHING_BESIDE

    @property
    def idempotency_key(self) -> str:
        """The sender's key, or else the recording's own id, which no other recording ever repeats."""
        return self.key or str(self.id)

    @property
    def shard(self) -> int:
        """The shard of the inbox that it waits in, from 0 to ``SHARDS`` - 1."""
        return shard_of(self.subscription_id)

    def fingerprint(self) -> bytes:
        """16 bytes that are equal for equal content, however it was spelled and whenever it was sent.

        A quantity that is made is no part of it: the metadata are.
        """
        content = (
            self.customer_id,
            self.usage_type,
            None if self.beside.made else plain(self.quantity),
            self.metadata,
            self.occurred_at if self.timed else None,
        )
        return blake2b(msgspec.json.encode(content), digest_size=16).digest()


def shard_of(subscription_id: str) -> int:
    """The shard of a subscription, from 0 to ``SHARDS`` - 1: the same in every process and every release."""
    return crc32(subscription_id.encode()) % SHARDS


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Recording])


def encode_recordings(recordings: list[Recording]) -> bytes:
    """The bytes that the inbox keeps of one request's recordings: a JSON array of arrays."""
    return _encoder.encode(recordings)


def decode_recordings(data: bytes) -> list[Recording]:
    """The recordings that ``encode_recordings`` encoded.

    Raises msgspec.ValidationError or msgspec.DecodeError for other bytes, UnicodeDecodeError for bytes that are no
    UTF-8; all are ValueErrors.
    """
    return _decoder.decode(data)
