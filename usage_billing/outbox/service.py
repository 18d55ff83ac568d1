"""Writing to the outbox, and reading what waits there.

Relaying is at least once: a message is marked after it was told. Whoever listens tells repeats by its id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.outbox.models import OutboxMessage


def tell(session: Session, facts: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Add facts ``(topic, dedupe_key, payload)``; one whose key is known was told already and is left alone."""
    if not facts:
        return
    rows = [{"topic": topic, "dedupe_key": key, "payload": payload} for topic, key, payload in facts]
    session.execute(insert(OutboxMessage).on_conflict_do_nothing(), rows)


def waiting(session: Session, *, at_most: int = 500) -> list[OutboxMessage]:
    """The oldest messages that nobody has relayed."""
    return list(
        session.scalars(
            select(OutboxMessage).where(OutboxMessage.relayed_at.is_(None)).order_by(OutboxMessage.id).limit(at_most)
        )
    )


def mark_relayed(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    """Remember that these messages were told."""
    session.execute(update(OutboxMessage).where(OutboxMessage.id.in_(ids)).values(relayed_at=now))
