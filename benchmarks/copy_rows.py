"""The yardstick for recording: PostgreSQL copies the same rows to a temporary table and inserts those that are new.

One connection writes, in transactions of as many rows as a drain takes, to a table with the columns, checks and
indexes of ``usage``. The yardstick validates nothing, looks nothing up and adds nothing up.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psycopg

from benchmarks.events import bodies, spread
from tasks.draining.tuning import TUNING
from usage_billing.metering.recording import Recording
from usage_billing.metering.usual import usual_batch

_COPY = """
    COPY fresh (id, summary_id, ordinal, occurred_at, received_at, recorded_at, subscription_id, usage_type_id, source,
        idempotency_key, fingerprint, quantity, beyond_limit, metadata) FROM STDIN
"""


def copy_rows(url: str, number: int, *, subscriptions: int) -> float:
    """Seconds to write ``number`` rows. The table is kept between calls, so it grows as the books do."""
    return copy_bodies(url, bodies(number, batch=1000, subscriptions=subscriptions))


def copy_bodies(url: str, sent: Iterable[bytes]) -> float:
    """Seconds to write the rows of the batches ``sent``."""
    now = datetime.now(UTC)
    made = [usual_batch(body, now=now) or [] for body in sent]
    rows = [recording for batch in made for recording in batch]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS yardstick_usage (LIKE usage INCLUDING ALL)")
        connection.execute("CREATE TEMP TABLE fresh (LIKE usage) ON COMMIT DELETE ROWS")
        found = connection.execute("SELECT coalesce(max(ordinal), 0) FROM yardstick_usage").fetchone()
        ordinal = found[0] if found else 0
        started = time.perf_counter()
        for piece in spread(rows, TUNING.batch):
            _insert(connection, piece, now, ordinal)
            ordinal += len(piece)
        return time.perf_counter() - started


def _insert(connection: psycopg.Connection, rows: Sequence[Recording], now: datetime, ordinal: int) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for place, row in enumerate(rows, ordinal + 1):
                copy.write_row(
                    (
                        *(row.id, 1, place, row.occurred_at, row.received_at, now, row.subscription_id),
                        *(row.usage_type, row.source, row.idempotency_key, bytes(16), row.quantity, 0, row.metadata),
                    )
                )
        cursor.execute("INSERT INTO yardstick_usage SELECT * FROM fresh ON CONFLICT DO NOTHING")
