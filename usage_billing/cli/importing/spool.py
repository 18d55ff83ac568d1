"""What was read of a file, kept on disk until it is recorded, gathered by subscription.

A batch of recordings in the order of a file touches as many subscriptions as it has lines, and each costs more than
the line. So the file is read once, its recordings are put away in groups of subscriptions, and come back group by
group: within a group, and so for each subscription, in the order of the file.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO
from zlib import crc32

import msgspec

from usage_billing.metering.recording import SHARDS, Recording, shard_of

_GROUPS_IN_A_SHARD = 32
_BLOCK = 64
_BLOCK_CHARACTERS = 1 << 15


class Spooled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A good line: its recording, its ``number`` in the file, and its ``digest`` where one finds equal lines."""

    recording: Recording
    number: int
    digest: bytes | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Spooled])


@lru_cache(maxsize=1 << 16)
def _place(subscription_id: str) -> tuple[int, int]:
    """The shard of a subscription, and its group in it."""
    return shard_of(subscription_id), crc32(subscription_id.encode()) // SHARDS % _GROUPS_IN_A_SHARD


@dataclass(slots=True)
class _Group:
    waiting: list[Spooled] = field(default_factory=list)
    characters: int = 0  # of the metadata in ``waiting``
    blocks: list[tuple[int, int]] = field(default_factory=list)


class Spool:
    """Takes lines in the order of the file, and gives them by shard.

    It keeps 16,384 lines in memory at most, with 8 million characters of metadata. Of the others it keeps two integers
    for each block: of 64 lines, or of 32,768 characters of metadata.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - it has no name and ends with this object
        self._end = 0
        self._groups = [[_Group() for _ in range(_GROUPS_IN_A_SHARD)] for _ in range(SHARDS)]

    def add(self, line: Spooled) -> None:
        """Put a line away. Raises OSError where no room is left."""
        self.lines += 1
        shard, place = _place(line.recording.subscription_id)
        group = self._groups[shard][place]
        group.waiting.append(line)
        group.characters += len(line.recording.metadata)
        if len(group.waiting) == _BLOCK or group.characters >= _BLOCK_CHARACTERS:
            self._write(group)

    def shards(self) -> list[Iterator[Spooled]]:
        """The lines of each shard that has any, after the last ``add``. Forked processes may go through one each."""
        self._file.flush()
        return [self._of(groups) for groups in self._groups if any(one.blocks or one.waiting for one in groups)]

    def _of(self, groups: list[_Group]) -> Iterator[Spooled]:
        for group in groups:
            for start, size in group.blocks:
                yield from _decoder.decode(os.pread(self._file.fileno(), size, start))
            yield from group.waiting

    def _write(self, group: _Group) -> None:
        block = _encoder.encode(group.waiting)
        self._file.write(block)
        group.blocks.append((self._end, len(block)))
        self._end += len(block)
        group.waiting.clear()
        group.characters = 0
