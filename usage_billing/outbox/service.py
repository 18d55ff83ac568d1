"""Writes facts to the outbox, and makes events of them: their numbers and their bodies."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.outbox.rendering import NumberedEvent, render

KEPT = timedelta(days=90)
"""How long bodies are kept."""

_TELL = text("""
    INSERT INTO outbox_messages (topic, dedupe_key, payload, customer_id)
    SELECT fact ->> 0, fact ->> 1, CAST(fact -> 2 AS jsonb), fact ->> 3
    FROM json_array_elements(CAST(:facts AS json)) AS fact
    ON CONFLICT DO NOTHING
""")
# The numbers go on from the largest that there are. They are without a gap because one relay at a time gives them, and
# because its transaction gives all of them or none.
_NUMBER = text("""
    WITH waiting AS (
        SELECT id, customer_id
        FROM outbox_messages
        WHERE relayed_at IS NULL
        ORDER BY id
        LIMIT :size
    ), counted AS (
        SELECT id, row_number() OVER (ORDER BY id) AS place,
            row_number() OVER (PARTITION BY customer_id ORDER BY id) AS place_of_customer
        FROM waiting
    ), last AS (
        SELECT customer_id,
            (SELECT max(sequence) FROM outbox_messages AS m WHERE m.customer_id = own.customer_id) AS sequence
        FROM (SELECT DISTINCT customer_id FROM waiting WHERE customer_id IS NOT NULL) AS own
    ), numbered AS (
        UPDATE outbox_messages AS o
        SET position = (SELECT coalesce(max(position), 0) FROM outbox_messages) + c.place,
            sequence = CASE WHEN o.customer_id IS NOT NULL THEN coalesce(
                (SELECT l.sequence FROM last AS l WHERE l.customer_id = o.customer_id), 0
            ) + c.place_of_customer END,
            public_id = coalesce(o.public_id, gen_random_uuid()),
            relayed_at = :now
        FROM counted AS c
        WHERE o.id = c.id
        RETURNING o.id, o.public_id, o.topic, o.customer_id, o.position, o.sequence, o.created_at, o.payload
    )
    SELECT * FROM numbered ORDER BY position
""")
_KEEP = text("""
    INSERT INTO event_bodies (event_id, version, body)
    SELECT *
    FROM unnest(CAST(:ids AS bigint[]), CAST(:versions AS text[]), CAST(:bodies AS bytea[]))
""")
_FORGET = text("""
    DELETE FROM event_bodies
    WHERE event_id IN (
        SELECT b.event_id
        FROM event_bodies AS b
        JOIN outbox_messages AS o ON o.id = b.event_id
        WHERE o.created_at < :before
        ORDER BY b.event_id
        LIMIT :size
    )
""")


class Fact(NamedTuple):
    """What is told: of which type, once for which key, what, and about which customer."""

    topic: str
    dedupe_key: str
    payload: dict[str, Any]
    customer_id: str | None = None


def tell(session: Session, facts: Sequence[Fact]) -> None:
    """Add facts to the outbox. A fact whose dedupe key is there already is left out."""
    if facts:
        session.execute(_TELL, {"facts": msgspec.json.encode(facts).decode()})


def number(session: Session, *, now: datetime, at_most: int) -> list[NumberedEvent]:
    """Make events of the oldest facts that wait. The caller holds the lock of the relay."""
    return read_rows(session.execute(_NUMBER, {"now": now, "size": at_most}), NumberedEvent)


def keep_bodies(session: Session, events: Sequence[NumberedEvent], versions: Collection[str]) -> None:
    """Render and keep the bodies of new events by each of ``versions``."""
    made = [(event.id, version, render(event, version)) for event in events for version in sorted(versions)]
    if made:
        ids, names, bodies = zip(*made, strict=True)
        session.execute(_KEEP, {"ids": list(ids), "versions": list(names), "bodies": list(bodies)})


def forget_bodies(session: Session, *, now: datetime, at_most: int) -> int:
    """Delete bodies of events that are older than 90 days; returns how many."""
    done = session.execute(_FORGET, {"before": now - KEPT, "size": at_most})
    return int(done.rowcount)  # type: ignore[attr-defined]
