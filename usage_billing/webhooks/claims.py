"""Which deliveries are due, and who makes them.

A worker that claims a delivery has 60 s. If it dies, another claims the delivery then: the event goes twice, under one
id.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.webhooks.states import EndpointKind

LEASE = timedelta(seconds=60)
_MOST_OF_DIGEST = 1000
MOST_OF_ENDPOINT = 32
"""How many deliveries of one endpoint a worker has in hand; of one that fails all workers together have just one."""

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
        WHERE kind = :kind AND status = 'active' AND (paused_until IS NULL OR paused_until <= :now)
            AND id <> ALL (CAST(:passed_over AS text[]))
        ORDER BY id
        FOR UPDATE SKIP LOCKED
    ), room AS (
        SELECT o.id, o.ordered, o.rate_per_second, CASE
            WHEN o.failing_since IS NULL AND o.rate_per_second IS NULL THEN :most - coalesce(h.number, 0)
            ELSE least(
                CASE WHEN o.failing_since IS NULL THEN :most ELSE 1 END, coalesce(o.rate_per_second, :most)
            ) - (
                SELECT count(*)
                FROM webhook_deliveries AS d
                WHERE d.endpoint_id = o.id AND d.state = 'waiting' AND d.leased_until >= :now
            )
        END AS places
        FROM open AS o
        LEFT JOIN unnest(CAST(:holders AS text[]), CAST(:numbers AS int[])) AS h (id, number) ON h.id = o.id
    ), due AS (
        SELECT d.id, r.rate_per_second
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
    RETURNING d.id, d.endpoint_id, due.rate_per_second
""".replace("{leg}", _LEG)
)
_SPACE_OUT = text("""
    UPDATE webhook_endpoints
    SET paused_until = :now + interval '1 second' * (CAST(:count AS numeric) / rate_per_second)
    WHERE id = :id
""")
_READ = text("""
    SELECT d.id, d.endpoint_id, d.tries, o.public_id, b.body, coalesce(e.url, '') AS url, d.leased_until, d.event_id,
        d.customer_id, d.recipient, d.digest, e.language, e.ordered
    FROM webhook_deliveries AS d
    JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
    JOIN outbox_messages AS o ON o.id = d.event_id
    JOIN event_bodies AS b ON b.event_id = d.event_id AND b.version = e.version
    WHERE d.id = ANY (CAST(:ids AS uuid[]))
    ORDER BY d.replay_id IS NOT NULL, d.next_at, d.position
""")
_CLAIM_DIGEST = text("""
    UPDATE webhook_deliveries AS d
    SET leased_until = :until
    FROM (
        SELECT w.id
        FROM webhook_deliveries AS w
        JOIN webhook_deliveries AS l ON l.id = :lead
        WHERE w.endpoint_id = l.endpoint_id AND w.recipient = l.recipient AND w.state = 'waiting' AND w.digest
            AND (w.recipient <> '' OR w.customer_id = l.customer_id)
            AND (w.leased_until IS NULL OR w.leased_until < :now)
            AND w.id <> ALL (CAST(:ids AS uuid[]))
        ORDER BY w.position
        LIMIT :size
        FOR UPDATE SKIP LOCKED
    ) AS free
    WHERE d.id = free.id
    RETURNING d.id
""")
_POSTPONE = text("""
    UPDATE webhook_deliveries
    SET leased_until = NULL, next_at = :until, digest = digest OR :digest
    WHERE id = ANY (CAST(:ids AS uuid[])) AND state = 'waiting'
""")
_DROP = text(
    "UPDATE webhook_deliveries SET state = 'dropped', leased_until = NULL WHERE id = ANY (CAST(:ids AS uuid[]))"
)
_RELEASE = text("""
    UPDATE webhook_deliveries SET leased_until = NULL
    WHERE id = ANY (CAST(:ids AS uuid[])) AND state = 'waiting'
""")


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that this worker has until ``leased_until``, with all that is sent; ``tries`` were made before.

    A webhook has a ``url``. A mail has a ``recipient``, which is empty for the customer's own address, and the
    endpoint's ``language``; ``digest`` says that it goes out together with others.
    """

    id: UUID
    endpoint_id: str
    tries: int
    public_id: UUID
    body: bytes
    url: str
    leased_until: datetime
    event_id: int
    customer_id: str | None
    recipient: str
    digest: bool
    language: str | None
    ordered: bool


def claim(
    session: Session,
    kind: EndpointKind,
    *,
    at_most: int,
    now: datetime,
    held: Mapping[str, int],
    passed_over: Collection[str] = (),
) -> list[ClaimedDelivery]:
    """Take deliveries to endpoints of a kind that are due and that no other worker has, for 60 s.

    ``held`` is how many of each endpoint this worker has in hand. What is new comes before what is replayed. Endpoints
    that are ``passed_over`` get none. A delivery whose body is forgotten is dropped.
    """
    room = {"kind": str(kind), "size": at_most, "most": MOST_OF_ENDPOINT, "passed_over": list(passed_over)}
    own = {"holders": list(held), "numbers": list(held.values())}
    taken = session.execute(_CLAIM, {"now": now, "until": now + LEASE} | room | own).all()
    if not taken:
        return []
    counts = Counter(row.endpoint_id for row in taken if row.rate_per_second is not None)
    for id in sorted(counts):
        session.execute(_SPACE_OUT, {"id": id, "count": counts[id], "now": now})
    ids = {row.id for row in taken}
    claimed = read_rows(session.execute(_READ, {"ids": list(ids)}), ClaimedDelivery)
    if bodiless := ids - {one.id for one in claimed}:
        session.execute(_DROP, {"ids": list(bodiless)})
    return claimed


def claim_digest(session: Session, together: Sequence[ClaimedDelivery], *, now: datetime) -> list[ClaimedDelivery]:
    """Take what else waits to go out in one mail with these claimed deliveries, whether or not it is due."""
    ids = [one.id for one in together]
    asked = {"lead": ids[0], "ids": ids, "now": now, "until": now + LEASE, "size": _MOST_OF_DIGEST}
    taken = list(session.scalars(_CLAIM_DIGEST, asked))
    return read_rows(session.execute(_READ, {"ids": taken}), ClaimedDelivery) if taken else []


def postpone(session: Session, deliveries: Iterable[ClaimedDelivery], *, until: datetime, digest: bool = False) -> None:
    """Give claimed deliveries back until then, with no try made; with ``digest`` they go out as one."""
    if ids := [one.id for one in deliveries]:
        session.execute(_POSTPONE, {"ids": ids, "until": until, "digest": digest})


def drop(session: Session, deliveries: Iterable[ClaimedDelivery]) -> None:
    """Never send these claimed deliveries."""
    if ids := [one.id for one in deliveries]:
        session.execute(_DROP, {"ids": ids})


def release(session: Session, deliveries: Iterable[ClaimedDelivery]) -> None:
    """Give back what was claimed and not tried."""
    session.execute(_RELEASE, {"ids": [one.id for one in deliveries]})
