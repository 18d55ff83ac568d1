"""Whether anything has come with a key."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows

# Ids are in the order of their making: what is older than the key is not looked at.
_FIRST = text("""
    (
        SELECT id, NULL AS reason
        FROM usage
        WHERE id > :since AND recorded_by = :number
        ORDER BY id
        LIMIT 1
    )
    UNION ALL
    (
        SELECT id, reason
        FROM quarantined_usage
        WHERE id > :since AND CAST(payload -> 'beside' ->> 'by' AS bigint) = :number
        ORDER BY id
        LIMIT 1
    )
    ORDER BY id
    LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A recording, and why it is in quarantine if it is."""

    id: UUID
    reason: str | None


def first_arrival(session: Session, number: int, *, since: UUID) -> Arrival | None:
    """The first recording that came with key ``number`` and was accepted after the id ``since`` was made."""
    found = read_rows(session.execute(_FIRST, {"number": number, "since": since}), Arrival)
    return found[0] if found else None
