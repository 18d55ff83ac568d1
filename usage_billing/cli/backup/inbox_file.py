"""What waits in the inbox on Redis, to a file and back: a line for each entry, in the order of each shard.

With the inbox on PostgreSQL it is in the dump of the database, as of the same moment.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usage_billing.core.errors import Conflict, Unavailable
from usage_billing.embedded.resp import Redis, open_redis
from usage_billing.inbox import redis_keys as keys
from usage_billing.metering.recording import SHARDS

_SECONDS = 30.0
_PAGE = "8"
"""Entries read at once: one may hold a whole batch."""

# One step: the entry under its own id, and the two counters. KEYS: stream, waiting, bytes. ARGV: id, data, count.
_APPEND = """
redis.call('XADD', KEYS[1], ARGV[1], 'd', ARGV[2], 'n', ARGV[3])
redis.call('INCRBY', KEYS[2], ARGV[3])
redis.call('INCRBY', KEYS[3], #ARGV[2])
"""
# A stream from which all was taken still refuses ids that are not above its last one.
_FORGET = "if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end"


def save_inbox(url: str, path: Path) -> int:
    """Write what waits to ``path``; returns how many recordings. Raises Unavailable.

    What is drained meanwhile may be in it or not; what was appended before the call and is not drained is in it.
    """
    waiting = 0
    with path.open("w", encoding="ascii") as file:
        for entry in _entries(url):
            waiting += entry["count"]
            file.write(json.dumps(entry) + "\n")
    return waiting


def load_inbox(url: str, path: Path) -> int:
    """Append what ``path`` holds to an inbox that is empty; returns how many recordings. Raises Unavailable."""
    waiting = 0
    try:
        with open_redis(url, seconds=_SECONDS) as redis, path.open(encoding="ascii") as file:
            for line in file:
                entry = json.loads(line)
                names = (keys.stream(entry["shard"]), keys.WAITING, keys.BYTES)
                redis.ask("EVAL", _APPEND, "3", *names, entry["id"], b64decode(entry["data"]), str(entry["count"]))
                waiting += entry["count"]
    except (OSError, ValueError) as error:
        raise _silent(error) from None
    return waiting


def require_empty(url: str, *, replace: bool) -> None:
    """Raises Conflict if something waits in the inbox; with ``replace`` it is thrown away. Raises Unavailable."""
    try:
        with open_redis(url, seconds=_SECONDS) as redis:
            if not replace and any(redis.ask("XLEN", keys.stream(shard)) for shard in range(SHARDS)):
                raise Conflict(
                    "recordings wait in the inbox at REDIS_URL: --replace throws them away", code="not_empty"
                )
            if replace:
                redis.ask("DEL", keys.WAITING, keys.BYTES, *map(keys.stream, range(SHARDS)))
            for shard in range(SHARDS):
                redis.ask("EVAL", _FORGET, "1", keys.stream(shard))
    except (OSError, ValueError) as error:
        raise _silent(error) from None


def _entries(url: str) -> Iterator[dict[str, Any]]:
    try:
        with open_redis(url, seconds=_SECONDS) as redis:
            for shard in range(SHARDS):
                yield from _entries_of(redis, shard)
    except (OSError, ValueError) as error:
        raise _silent(error) from None


def _entries_of(redis: Redis, shard: int) -> Iterator[dict[str, Any]]:
    start = "-"
    while True:
        entries: Any = redis.ask("XRANGE", keys.stream(shard), start, "+", "COUNT", _PAGE)
        if not entries:
            return
        for entry_id, (_, data, _, count) in entries:
            start = f"({entry_id.decode()}"
            yield {"shard": shard, "id": entry_id.decode(), "count": int(count), "data": b64encode(data).decode()}


def _silent(error: Exception) -> Unavailable:
    return Unavailable(f"the Redis of the inbox does not answer ({error})", code="inbox_unavailable")
