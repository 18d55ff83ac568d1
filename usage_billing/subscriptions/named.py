"""Finds subscriptions by a name that is theirs or their customer's."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows

_NAMED = text("""
    SELECT id, customer_id
    FROM subscriptions
    WHERE id = ANY(CAST(:names AS text[]))
    UNION
    SELECT s.id, s.customer_id
    FROM unnest(CAST(:names AS text[])) AS name
    CROSS JOIN LATERAL (
        SELECT id, customer_id
        FROM subscriptions
        WHERE customer_id = name
        ORDER BY id
        LIMIT :most
    ) AS s
""")


class Owned(NamedTuple):
    """A subscription and whose it is."""

    id: str
    customer_id: str


def named_subscriptions(session: Session, names: Collection[str], *, most: int) -> list[Owned]:
    """The subscriptions that have one of ``names`` as their id or as their customer's, ``most`` of a customer."""
    return read_rows(session.execute(_NAMED, {"names": list(names), "most": most}), Owned)
