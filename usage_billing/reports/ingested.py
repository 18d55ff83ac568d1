"""What came in lately and what became of it: recordings in the books, and events that wait in quarantine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput
from usage_billing.db.rows import read_rows
from usage_billing.metering.models import first_place
from usage_billing.metering.recording import Recording
from usage_billing.metering.service import from_payload
from usage_billing.metering.spelling import EARLIEST, MAX_AHEAD

MOST_LOOKED_AT = 10_000
"""Recordings, and events in quarantine, that one question looks at."""

# An id is made a moment after its recording was received, by the same clock.
_SLACK = timedelta(minutes=1)
_EPOCH_BITS = 80
_FOUND = """
    SELECT l.id, l.idempotency_key AS key, l.source, l.usage_type_id AS usage_type, l.subscription_id AS subject,
        s.customer_id, l.occurred_at, l.received_at, l.recorded_at AS stored_at, CAST(l.metadata AS text) AS data
    FROM ({looked}) AS l
    JOIN subscriptions AS s ON s.id = l.subscription_id
    WHERE l.occurred_at >= :start AND (CAST(:end AS timestamptz) IS NULL OR l.occurred_at < :end)
        AND l.received_at >= :since AND (CAST(:until AS timestamptz) IS NULL OR l.received_at < :until)
        AND strpos(l.idempotency_key, :key) > 0
    ORDER BY l.{order} DESC, l.id DESC
    LIMIT :limit
"""
_OF_ALL = "SELECT * FROM usage WHERE id >= :low AND id < :high ORDER BY id DESC LIMIT :most"
# ``Usage.of`` says why the condition on the subscription has this form.
_OF_THESE = """
    SELECT u.*
    FROM unnest(CAST(:subscriptions AS text[])) AS name
    CROSS JOIN LATERAL (
        SELECT *
        FROM usage
        WHERE hashtextextended(subscription_id, 0) = hashtextextended(name, 0)
            AND coalesce(subscription_id = name, false)
            AND usage_place(occurred_at, ordinal) >= :first AND usage_place(occurred_at, ordinal) < :last
        ORDER BY hashtextextended(subscription_id, 0) DESC, usage_place(occurred_at, ordinal) DESC
        LIMIT :most
    ) AS u
"""
_ALL = text(_FOUND.format(looked=_OF_ALL, order="id"))
_THESE = text(_FOUND.format(looked=_OF_THESE, order="occurred_at"))
_MORE = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM ({looked}) AS l GROUP BY {by}) AS counted"
_MORE_OF_ALL = text(_MORE.format(looked=_OF_ALL, by="()"))
_MORE_OF_THESE = text(_MORE.format(looked=_OF_THESE, by="subscription_id"))
_QUARANTINED = text("""
    SELECT id, reason, detail, payload, received_at, quarantined_at
    FROM quarantined_usage
    WHERE status = 'open' AND id >= :low AND id < :high
    ORDER BY id DESC
    LIMIT :most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedQuery:
    """What is asked for. ``start`` to ``end`` is when it occurred, ``since`` to ``until`` when it was received.

    The ends are exclusive. ``key`` is a part of the idempotency key. ``names`` are subjects as events name them, and
    ``subscriptions`` those that they stand for; both are None for all.
    """

    start: datetime
    end: datetime | None
    since: datetime
    until: datetime | None
    key: str
    names: frozenset[str] | None
    subscriptions: Sequence[str] | None
    limit: int

    @property
    def is_narrow(self) -> bool:
        """Whether it passes over recordings of named subscriptions: those of one may hide those of another then."""
        return self.subscriptions is not None and bool(self.key or self.until or self.since > EARLIEST)


@dataclass(frozen=True, slots=True)
class Ingested:
    """An event. ``data`` is JSON text. ``error`` says why it is not counted, empty where it is.

    One that could not be read has no more than its text, in ``unread``.
    """

    id: UUID
    key: str
    source: str
    usage_type: str
    subject: str
    customer_id: str | None
    occurred_at: datetime
    received_at: datetime
    stored_at: datetime
    data: str
    error: str = ""
    unread: str = ""


def ingested(session: Session, asked: IngestedQuery) -> list[Ingested]:
    """Up to ``limit`` events, the latest received first; of named subjects, those that occurred last.

    Raises InvalidInput, code ``too_much``, where more than MOST_LOOKED_AT would have to be looked at to find them.
    """
    given = _parameters(asked)
    statement, more = (_ALL, _MORE_OF_ALL) if asked.subscriptions is None else (_THESE, _MORE_OF_THESE)
    found = read_rows(session.execute(statement, given), Ingested)
    if (len(found) < asked.limit or asked.is_narrow) and (session.scalar(more, given) or 0) >= MOST_LOOKED_AT:
        raise _too_much()
    found += _in_quarantine(session, asked, given)
    if asked.subscriptions is None:
        return sorted(found, key=lambda one: one.id, reverse=True)[: asked.limit]
    return sorted(found, key=lambda one: (one.occurred_at, one.id), reverse=True)[: asked.limit]


def _parameters(asked: IngestedQuery) -> dict[str, Any]:
    # What occurred at ``start`` was received at most MAX_AHEAD before.
    earliest = max(asked.since, asked.start - MAX_AHEAD) - _SLACK
    latest = None if asked.until is None else asked.until + _SLACK
    return {
        "start": asked.start,
        "end": asked.end,
        "since": asked.since,
        "until": asked.until,
        "key": asked.key,
        "limit": asked.limit,
        "low": _first_id(earliest),
        "high": UUID(int=2**128 - 1) if latest is None else _first_id(latest),
        "subscriptions": list(asked.subscriptions or ()),
        "first": first_place(asked.start),
        "last": first_place(asked.end or datetime.max.replace(tzinfo=asked.start.tzinfo)),
        "most": MOST_LOOKED_AT,
    }


def _first_id(instant: datetime) -> UUID:
    """Not above the ids that are made at ``instant`` or later."""
    return UUID(int=max(int(instant.timestamp() * 1000), 0) << _EPOCH_BITS)


def _in_quarantine(session: Session, asked: IngestedQuery, given: dict[str, Any]) -> list[Ingested]:
    rows = session.execute(_QUARANTINED, given).all()
    found = [one for row in rows for one in _event_of(row) if _is_asked(one, asked)]
    if len(rows) >= MOST_LOOKED_AT and (asked.names is not None or len(found) < asked.limit):
        raise _too_much()
    return found


def _event_of(row: Any) -> Iterator[Ingested]:
    """The event in a row of quarantine; none where a whole entry of the inbox could not be read."""
    try:
        kept = from_payload(row.payload)
    except msgspec.ValidationError:
        return
    yield Ingested(
        id=row.id,
        key=kept.idempotency_key,
        source=kept.source,
        usage_type=kept.usage_type,
        subject=kept.beside.whose or kept.subscription_id,
        customer_id=kept.customer_id or None,
        occurred_at=kept.occurred_at,
        received_at=row.received_at,
        stored_at=row.quarantined_at,
        data=kept.metadata,
        error=f"{row.reason}: {row.detail}",
        unread=_text_of(kept) if kept.beside.unread else "",
    )


def _text_of(kept: Recording) -> str:
    found = msgspec.json.decode(kept.metadata, type=dict[str, Any]).get("event", "")
    return found if isinstance(found, str) else ""


def _is_asked(one: Ingested, asked: IngestedQuery) -> bool:
    if asked.names is not None and one.subject not in asked.names and one.customer_id not in asked.names:
        return False
    return (
        asked.start <= one.occurred_at
        and (asked.end is None or one.occurred_at < asked.end)
        and asked.since <= one.received_at
        and (asked.until is None or one.received_at < asked.until)
        and asked.key in one.key
    )


def _too_much() -> InvalidInput:
    message = f"more than {MOST_LOOKED_AT} events would have to be looked at: ask for a subject, or a shorter time"
    return InvalidInput(message, code="too_much")
