"""Which deliveries are to be made, and what became of each try."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.webhooks.claims import ClaimedDelivery

_WELL = 2

_FAN_OUT = text("""
    INSERT INTO webhook_deliveries (id, event_id, endpoint_id, customer_id, position, state, next_at, recipient)
    SELECT gen_random_uuid(), o.id, e.id, o.customer_id, o.position,
        CASE WHEN e.status = 'active' THEN 'waiting' ELSE 'held' END, :now, r.recipient
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
    CROSS JOIN LATERAL unnest(coalesce(e.recipients, CAST(ARRAY[''] AS varchar[]))) AS r (recipient)
    WHERE o.id = ANY (CAST(:ids AS bigint[]))
        AND (e.kind = 'webhook' OR e.recipients IS NOT NULL OR o.customer_id IS NOT NULL)
    ON CONFLICT (event_id, endpoint_id, recipient) DO NOTHING
""")
# Endpoints that are not changed meanwhile: one that is enabled would leave behind what is held for it just now.
_STAY = text("SELECT id FROM webhook_endpoints ORDER BY id FOR SHARE")
_ATTEMPT = text("""
    INSERT INTO webhook_attempts (delivery_id, at, status, milliseconds, error, answer)
    SELECT d.id, t.at, t.status, t.milliseconds, t.error, t.answer
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[]), CAST(:statuses AS int[]), CAST(:milliseconds AS bigint[]),
        CAST(:errors AS text[]), CAST(:answers AS text[])
    ) AS t (id, at, status, milliseconds, error, answer)
    JOIN webhook_deliveries AS d ON d.id = t.id
""")
# In one order for all workers, two of which may note the same deliveries.
_LOCK = text("""
    SELECT FROM webhook_deliveries WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
""")
_SENT = text("""
    UPDATE webhook_deliveries
    SET state = 'sent', tries = tries + 1, leased_until = NULL
    WHERE id = ANY (CAST(:ids AS uuid[])) AND state IN ('waiting', 'held', 'failed')
""")
# A try that ended after its lease may meet the lease of another worker, which is sending it at this moment.
_FAILED = text("""
    UPDATE webhook_deliveries
    SET tries = tries + 1, leased_until = CASE WHEN leased_until <> :leased_until THEN leased_until END,
        next_at = coalesce(:next_at, next_at),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a delivery: the status of the answer and its beginning, or what went wrong. ``wait`` was asked for.

    ``of_endpoint`` says that a failure is the endpoint's, and not that of one recipient alone. One that ``is_final`` is
    not tried again.
    """

    delivery: ClaimedDelivery
    at: datetime
    milliseconds: int
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    wait: timedelta | None = None
    of_endpoint: bool = True
    is_final: bool = False

    @property
    def ended(self) -> datetime:
        """When it was over: what comes next is reckoned from then."""
        return self.at + timedelta(milliseconds=self.milliseconds)

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took it."""
        return self.status is not None and self.status // 100 == _WELL

    @property
    def is_endpoints_failure(self) -> bool:
        """Whether the endpoint did not take it, and not one recipient alone."""
        return not self.is_success and self.of_endpoint


def fan_out(session: Session, event_ids: Collection[int], *, now: datetime) -> None:
    """Make a delivery of each of these new events for each endpoint that wants it."""
    session.execute(_STAY)
    session.execute(_FAN_OUT, {"ids": list(event_ids), "now": now})


def lock_deliveries(session: Session, attempts: Sequence[Attempt]) -> None:
    """Lock what these tries were of until the transaction ends."""
    session.execute(_LOCK, {"ids": [one.delivery.id for one in attempts]})


def note_sent(session: Session, attempts: Sequence[Attempt]) -> None:
    """Note deliveries that were taken."""
    if attempts:
        session.execute(_SENT, {"ids": [one.delivery.id for one in attempts]})


def note_failed(session: Session, attempt: Attempt, *, next_at: datetime | None) -> None:
    """Note a delivery that was not taken; with ``next_at`` None it is tried no more."""
    of = {"id": attempt.delivery.id, "leased_until": attempt.delivery.leased_until}
    session.execute(_FAILED, of | {"next_at": next_at})


def log_attempts(session: Session, attempts: Sequence[Attempt]) -> None:
    """Keep what became of each try."""
    if attempts:
        rows = {
            "ids": [one.delivery.id for one in attempts],
            "ats": [one.at for one in attempts],
            "statuses": [one.status for one in attempts],
            "milliseconds": [one.milliseconds for one in attempts],
            "errors": [None if one.error is None else one.error[:256] for one in attempts],
            "answers": [one.answer for one in attempts],
        }
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
