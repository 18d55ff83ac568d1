"""Which summaries have to be proven again."""

import hmac
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.proofs.sums import COMMON, SEAL, SEALED, SUMS

_FETCH = 2_000
# Each time in which the proof learns to tell more, what was proven before has to be proven again.
_RULES = 1
_IS_SEALED = text(f"SELECT hashes = ({SEALED}) FROM proven_summaries WHERE summary_id = {SEAL}")  # noqa: S608
# What is read of meters and levels is counted by other rows; their summaries are proven every time.
_CHANGED = text(f"""
    WITH now AS MATERIALIZED ({SUMS}),
    differing AS (
        SELECT coalesce(now.id, kept.summary_id) AS id
        FROM now
        FULL JOIN (SELECT * FROM proven_summaries WHERE summary_id <> {SEAL}) AS kept ON kept.summary_id = now.id
        WHERE now.hashes IS DISTINCT FROM kept.hashes
    ),
    touched AS (
        SELECT s.subscription_id
        FROM usage_summaries AS s
        WHERE s.id IN (SELECT id FROM differing)
    )
    SELECT coalesce(now.id, gone.id) AS id, now.hashes
    FROM now
    FULL JOIN (SELECT id FROM differing EXCEPT SELECT id FROM now) AS gone ON gone.id = now.id
    LEFT JOIN usage_summaries AS s ON s.id = now.id
    LEFT JOIN usage_types AS y ON y.id = s.usage_type_id
    WHERE coalesce(now.id, gone.id) IN (SELECT id FROM differing)
        OR s.subscription_id IN (SELECT subscription_id FROM touched)
        OR y.of IS NOT NULL
        OR EXISTS (SELECT FROM meter_folds AS f WHERE f.source_summary_id = s.id)
    ORDER BY 1
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Changed:
    """The summaries that are to be proven again, by id, and what the sums of their rows are now.

    ``ids`` also has the numbers of summaries that are not there, of which there are recordings.
    """

    ids: list[int]
    hashes: list[Decimal]


def key_of(secret: str) -> int:
    """The key of the hashes, a number of 64 bits, from the secret of the installation."""
    digest = hmac.new(secret.encode(), f"usage-billing verify {_RULES}".encode(), sha256).digest()
    return int.from_bytes(digest[:8], signed=True)


def find_changed(session: Session, key: int, *, most: int) -> Changed | None:
    """What is not as it was when all was proven last, with everything of the same subscriptions.

    None where all has to be proven: nothing was proven yet, by this key; what was kept is not all as it was kept; what
    concerns all has changed; a summary is gone; or it is more than ``most``.
    """
    if not session.scalar(_IS_SEALED, {"key": key}):
        return None
    found = Changed([], [])
    rows = session.execute(_CHANGED, {"key": key}, execution_options={"yield_per": _FETCH})
    for row in rows:
        if row.id == COMMON or row.hashes is None or len(found.ids) == most:
            rows.close()
            return None
        found.ids.append(row.id)
        found.hashes.append(row.hashes)
    return found
