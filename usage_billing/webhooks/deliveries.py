"""Which deliveries are to be made, who makes them, and what became of each try.

A worker that claims a delivery has 60 s. If it dies, another claims the delivery then: the event goes twice, under one
id.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows

LEASE = timedelta(seconds=60)
_WELL = 2
MOST_OF_ENDPOINT = 32
"""How many deliveries of one endpoint are claimed at a time; of one that fails just one."""

_FAN_OUT = text("""
    INSERT INTO webhook_deliveries (id, event_id, endpoint_id, customer_id, position, state, next_at)
    SELECT gen_random_uuid(), o.id, e.id, o.customer_id, o.position,
        CASE WHEN e.status = 'active' THEN 'waiting' ELSE 'held' END, :now
    FROM outbox_messages AS o
    JOIN webhook_endpoints AS e ON CASE o.topic
        WHEN 'endpoint.test' THEN o.payload ->> 'endpointId' = e.id
        ELSE CASE WHEN o.topic LIKE 'alert.%' AND jsonb_typeof(o.payload -> 'endpointIds') = 'array'
                THEN jsonb_exists(o.payload -> 'endpointIds', e.id)
                ELSE e.types IS NULL OR o.topic = ANY (e.types)
            END
            AND (e.customer_id IS NULL OR e.customer_id = o.customer_id)
            AND (o.topic <> 'endpoint.disabled' OR o.payload ->> 'endpointId' <> e.id)
    END
    WHERE o.id = ANY (CAST(:ids AS bigint[]))
    ON CONFLICT (event_id, endpoint_id) DO NOTHING
""")
# Endpoints that are not changed meanwhile: one that is enabled would leave behind what is held for it just now.
_STAY = text("SELECT id FROM webhook_endpoints ORDER BY id FOR SHARE")
_LEG = """SELECT w.id, w.replay_id IS NOT NULL AS replayed, w.next_at, w.position
            FROM webhook_deliveries AS w
            WHERE w.endpoint_id = r.id AND w.state = 'waiting' AND w.next_at <= :now
                AND (w.leased_until IS NULL OR w.leased_until < :now)
                AND (NOT r.ordered OR w.customer_id IS NULL OR NOT EXISTS (
                    SELECT
                    FROM webhook_deliveries AS b
                    WHERE b.endpoint_id = w.endpoint_id AND b.customer_id = w.customer_id AND b.position < w.position
                        AND b.state IN ('waiting', 'held')
                ))"""
# One worker claims of an endpoint at a time, and others pass it over. What another worker claimed since this statement
# began is left out by the conditions of the UPDATE, which PostgreSQL looks at anew. An ordered endpoint gets an event
# when no earlier one of the customer waits for it.
_CLAIM = text(
    """
    WITH open AS MATERIALIZED (
        SELECT id, ordered, rate_per_second, failing_since
        FROM webhook_endpoints
        WHERE status = 'active' AND (paused_until IS NULL OR paused_until <= :now)
            AND id <> ALL (CAST(:passed_over AS text[]))
        ORDER BY id
        FOR UPDATE SKIP LOCKED
    ), room AS (
        SELECT o.id, o.ordered, least(
            CASE WHEN o.failing_since IS NULL THEN :most ELSE 1 END, coalesce(o.rate_per_second, :most)
        ) - (
            SELECT count(*)
            FROM webhook_deliveries AS d
            WHERE d.endpoint_id = o.id AND d.state = 'waiting' AND d.leased_until >= :now
        ) AS places
        FROM open AS o
    ), due AS (
        SELECT d.id
        FROM room AS r
        CROSS JOIN LATERAL (
            ({leg} AND w.replay_id IS NULL ORDER BY w.next_at, w.position LIMIT greatest(r.places, 0))
            UNION ALL
            ({leg} AND w.replay_id IS NOT NULL ORDER BY w.next_at, w.position LIMIT greatest(r.places, 0))
            ORDER BY replayed, next_at, position
            LIMIT greatest(r.places, 0)
        ) AS d
        ORDER BY d.replayed, d.next_at, d.position
        LIMIT :size
    )
    UPDATE webhook_deliveries AS d
    SET leased_until = :until
    FROM due
    WHERE d.id = due.id AND d.state = 'waiting' AND (d.leased_until IS NULL OR d.leased_until < :now)
    RETURNING d.id, d.endpoint_id
""".replace("{leg}", _LEG)
)
_SPACE_OUT = text("""
    UPDATE webhook_endpoints
    SET paused_until = :now + interval '1 second' * (CAST(:count AS numeric) / rate_per_second)
    WHERE id = :id AND rate_per_second IS NOT NULL
""")
_READ = text("""
    SELECT d.id, d.endpoint_id, d.tries, o.public_id, b.body, e.url, d.leased_until
    FROM webhook_deliveries AS d
    JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
    JOIN outbox_messages AS o ON o.id = d.event_id
    JOIN event_bodies AS b ON b.event_id = d.event_id AND b.version = e.version
    WHERE d.id = ANY (CAST(:ids AS uuid[]))
    ORDER BY d.replay_id IS NOT NULL, d.next_at, d.position
""")
_DROP = text(
    "UPDATE webhook_deliveries SET state = 'dropped', leased_until = NULL WHERE id = ANY (CAST(:ids AS uuid[]))"
)
_RELEASE = text("""
    UPDATE webhook_deliveries SET leased_until = NULL
    WHERE id = ANY (CAST(:ids AS uuid[])) AND state = 'waiting'
""")
_ATTEMPT = text("""
    INSERT INTO webhook_attempts (delivery_id, at, status, milliseconds, error, answer)
    SELECT d.id, :at, :status, :milliseconds, :error, :answer
    FROM webhook_deliveries AS d
    WHERE d.id = :id
""")
_SENT = text("""
    UPDATE webhook_deliveries
    SET state = 'sent', tries = tries + 1, leased_until = NULL
    WHERE id = ANY (CAST(:ids AS uuid[])) AND state IN ('waiting', 'held', 'failed')
""")
_FAILED = text("""
    UPDATE webhook_deliveries
    SET tries = tries + 1, leased_until = NULL, next_at = coalesce(:next_at, next_at),
        state = CASE WHEN state = 'waiting' AND CAST(:next_at AS timestamptz) IS NULL THEN 'failed' ELSE state END
    WHERE id = :id AND state IN ('waiting', 'held')
""")
_FORGET = text("""
    DELETE FROM webhook_deliveries
    WHERE id IN (SELECT id FROM webhook_deliveries WHERE created_at < :before ORDER BY created_at LIMIT :size)
""")
_FORGET_ATTEMPTS = text("""
    DELETE FROM webhook_attempts
    WHERE id IN (SELECT id FROM webhook_attempts WHERE at < :before ORDER BY at LIMIT :size)
""")


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that this worker has until ``leased_until``, with all that is sent; ``tries`` were made before."""

    id: UUID
    endpoint_id: str
    tries: int
    public_id: UUID
    body: bytes
    url: str
    leased_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a delivery: the status of the answer and its beginning, or what went wrong. ``wait`` was asked for."""

    delivery: ClaimedDelivery
    at: datetime
    milliseconds: int
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    wait: timedelta | None = None

    @property
    def ended(self) -> datetime:
        """When it was over: what comes next is reckoned from then."""
        return self.at + timedelta(milliseconds=self.milliseconds)

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took it."""
        return self.status is not None and self.status // 100 == _WELL


def fan_out(session: Session, event_ids: Collection[int], *, now: datetime) -> None:
    """Make a delivery of each of these new events for each endpoint that wants it."""
    session.execute(_STAY)
    session.execute(_FAN_OUT, {"ids": list(event_ids), "now": now})


def claim(session: Session, *, at_most: int, now: datetime, passed_over: Collection[str] = ()) -> list[ClaimedDelivery]:
    """Take deliveries that are due and that no other worker has, for 60 s: what is new before what is replayed.

    Endpoints that are ``passed_over`` get none. A delivery whose body is forgotten is dropped.
    """
    room = {"size": at_most, "most": MOST_OF_ENDPOINT, "passed_over": list(passed_over)}
    taken = session.execute(_CLAIM, {"now": now, "until": now + LEASE} | room).all()
    if not taken:
        return []
    counts: dict[str, int] = {}
    for row in taken:
        counts[row.endpoint_id] = counts.get(row.endpoint_id, 0) + 1
    for id in sorted(counts):
        session.execute(_SPACE_OUT, {"id": id, "count": counts[id], "now": now})
    ids = {row.id for row in taken}
    claimed = read_rows(session.execute(_READ, {"ids": list(ids)}), ClaimedDelivery)
    if bodiless := ids - {one.id for one in claimed}:
        session.execute(_DROP, {"ids": list(bodiless)})
    return claimed


def release(session: Session, deliveries: Iterable[ClaimedDelivery]) -> None:
    """Give back what was claimed and not tried."""
    session.execute(_RELEASE, {"ids": [one.id for one in deliveries]})


def note_sent(session: Session, attempts: Sequence[Attempt]) -> None:
    """Note deliveries that were taken."""
    if attempts:
        session.execute(_SENT, {"ids": [one.delivery.id for one in attempts]})


def note_failed(session: Session, attempt: Attempt, *, next_at: datetime | None) -> None:
    """Note a delivery that was not taken; with ``next_at`` None it is tried no more."""
    session.execute(_FAILED, {"id": attempt.delivery.id, "next_at": next_at})


def log_attempts(session: Session, attempts: Sequence[Attempt]) -> None:
    """Keep what became of each try."""
    rows: list[dict[str, Any]] = [
        {
            "id": one.delivery.id,
            "at": one.at,
            "status": one.status,
            "milliseconds": one.milliseconds,
            "error": None if one.error is None else one.error[:256],
            "answer": one.answer,
        }
        for one in attempts
    ]
    if rows:
        session.execute(_ATTEMPT, rows)


def forget_deliveries(session: Session, *, before: datetime, at_most: int) -> int:
    """Delete deliveries that were made before then, with their attempts; returns how many."""
    return _deleted(session, _FORGET, before, at_most)


def forget_attempts(session: Session, *, before: datetime, at_most: int) -> int:
    """Delete attempts of before then; returns how many."""
    return _deleted(session, _FORGET_ATTEMPTS, before, at_most)


def _deleted(session: Session, statement: Any, before: datetime, at_most: int) -> int:
    done = session.execute(statement, {"before": before, "size": at_most})
    return int(done.rowcount)  # type: ignore[attr-defined]
