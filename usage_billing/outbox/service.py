"""Writes messages to the outbox, and reads those that wait there.

Each message is relayed at least once, because the relay marks it afterwards. A listener recognises repeats by its id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from usage_billing.outbox.models import OutboxMessage

_TELL = text("""
    INSERT INTO outbox_messages (topic, dedupe_key, payload)
    SELECT fact ->> 0, fact ->> 1, CAST(fact -> 2 AS jsonb)
    FROM json_array_elements(CAST(:facts AS json)) AS fact
    ON CONFLICT DO NOTHING
""")


Fact = tuple[str, str, dict[str, Any]]
"""(topic, dedupe key, payload)."""


def tell(session: Session, facts: Sequence[Fact]) -> None:
    """Add facts to the outbox. A fact whose dedupe key is there already is left out."""
    if facts:
        session.execute(_TELL, {"facts": msgspec.json.encode(facts).decode()})


def waiting(session: Session, *, at_most: int = 500) -> list[OutboxMessage]:
    """The oldest messages that are not relayed yet, at most ``at_most``."""
    return list(
        session.scalars(
            select(OutboxMessage).where(OutboxMessage.relayed_at.is_(None)).order_by(OutboxMessage.id).limit(at_most)
        )
    )


def mark_relayed(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    """Note that these messages were relayed."""
    session.execute(update(OutboxMessage).where(OutboxMessage.id.in_(ids)).values(relayed_at=now))
