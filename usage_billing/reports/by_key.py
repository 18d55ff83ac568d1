"""Finds recordings by the idempotency key alone, as programs of others name them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows

# The index is by subscription and key: each subscription is looked into by itself, some microseconds each.
_BY_KEY = text("""
    SELECT u.*, s.customer_id
    FROM subscriptions AS s
    CROSS JOIN LATERAL (
        SELECT id, subscription_id, usage_type_id AS usage_type, metadata, occurred_at, received_at,
            recorded_by
        FROM usage
        WHERE subscription_id = s.id
            AND source = :source
            AND idempotency_key = :key
            AND usage_key_digest(subscription_id, source, idempotency_key) = usage_key_digest(s.id, :source, :key)
        LIMIT 1
    ) AS u
    ORDER BY u.id
    LIMIT 100
""")


@dataclass(frozen=True, slots=True)
class Keyed:
    """A recording that has the key."""

    id: UUID
    subscription_id: str
    customer_id: str
    usage_type: str
    metadata: dict[str, object]
    occurred_at: datetime
    received_at: datetime
    recorded_by: int | None


def recordings_with_key(session: Session, key: str, *, source: str = "") -> list[Keyed]:
    """The recordings under ``key``, of at most 100 subscriptions. The time grows with the number of subscriptions."""
    return read_rows(session.execute(_BY_KEY, {"key": key, "source": source}), Keyed)
