"""Putting accepted recordings into the books: each once, split at the allowance, totals kept.

The order of locks is that of every writer: the shards, then the summaries by their key.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.db.bulk import find_by_index
from usage_billing.db.locks import lock_shards
from usage_billing.flows.recording_context import Context, load_context
from usage_billing.metering.digest import hash_of
from usage_billing.metering.queries import RecordingKey, known_ids, recorded_keys
from usage_billing.metering.recording import Recording
from usage_billing.metering.service import (
    Counted,
    Refused,
    Repeated,
    insert_duplicates,
    insert_usage,
    quarantine,
)
from usage_billing.metering.split import beyond_of_next
from usage_billing.metering.summaries import NewSummary, RunningTotal, SummaryKey, lock_totals, save_totals
from usage_billing.outbox.service import tell

_MAX_DETAIL = 2000


@dataclass(slots=True)
class Outcome:
    """What became of a batch. ``known`` were in the books already: the same acceptance, delivered again."""

    recorded: int = 0
    duplicates: list[Repeated] = field(default_factory=list)
    quarantined: list[Refused] = field(default_factory=list)
    known: int = 0


class _Fresh(msgspec.Struct, frozen=True, gc=False):
    """A recording that will be counted."""

    recording: Recording
    fingerprint: bytes
    key: SummaryKey


def record_batch(
    session: Session, recordings: Sequence[Recording], *, now: datetime, keys_are_new: bool = False
) -> Outcome:
    """Record a batch; every acceptance ends as recorded, duplicate or quarantined, whatever came before.

    With ``keys_are_new`` they are not looked up: one that is in the books fails the transaction with IntegrityError.
    """
    find_by_index(session)
    lock_shards(session, (recording.shard for recording in recordings))
    known = known_ids(session, (recording.id for recording in recordings))
    unknown = _first_of_each_id(recordings, known)
    outcome = count(session, unknown, now=now, keys_are_new=keys_are_new)
    outcome.known = len(recordings) - len(unknown)
    quarantine(session, outcome.quarantined)
    return outcome


def set_aside(session: Session, recording: Recording, *, detail: str) -> bool:
    """Put a recording that cannot be counted into quarantine, unless it is in the books; whether it was put there."""
    lock_shards(session, [recording.shard])
    if known_ids(session, [recording.id]):
        return False
    quarantine(session, [Refused(recording, "failed", detail[:_MAX_DETAIL])])
    return True


def count(session: Session, recordings: Sequence[Recording], *, now: datetime, keys_are_new: bool = False) -> Outcome:
    """Count recordings whose ids are new, under a lock on their shards; refusals are returned, not stored."""
    outcome = Outcome()
    if not recordings:
        return outcome
    context = load_context(session, recordings)
    keyed = () if keys_are_new else [(r.subscription_id, r.source, r.key) for r in recordings if r.key]
    fresh, wanted = _divide(recordings, context, recorded_keys(session, keyed), outcome)
    if fresh:
        totals = lock_totals(session, wanted.values())
        insert_usage(session, _mark(session, fresh, totals), now=now)
        save_totals(session, list(totals.values()))
    insert_duplicates(session, outcome.duplicates)
    outcome.recorded = len(fresh)
    return outcome


def _first_of_each_id(recordings: Iterable[Recording], known: set[UUID]) -> list[Recording]:
    return list({recording.id: recording for recording in recordings if recording.id not in known}.values())


def _divide(
    recordings: Sequence[Recording], context: Context, seen: dict[RecordingKey, tuple[UUID, bytes]], outcome: Outcome
) -> tuple[list[_Fresh], dict[SummaryKey, NewSummary]]:
    """Sort out what cannot be counted and what repeats; for the rest, the summaries they belong to.

    ``seen`` is what is recorded under each key, and gains those of this batch.
    """
    fresh: list[_Fresh] = []
    wanted: dict[SummaryKey, NewSummary] = {}
    for recording in recordings:
        summary = context.place(recording)
        if isinstance(summary, Refused):
            outcome.quarantined.append(summary)
            continue
        fingerprint = recording.fingerprint()
        name = (recording.subscription_id, recording.source, recording.idempotency_key)
        earlier = seen.setdefault(name, (recording.id, fingerprint))
        if earlier[0] == recording.id:
            wanted[summary.key] = summary
            fresh.append(_Fresh(recording, fingerprint, summary.key))
        elif earlier[1] == fingerprint:
            outcome.duplicates.append(Repeated(recording, earlier[0]))
        else:
            outcome.quarantined.append(
                Refused(recording, "conflicting_duplicate", f"the key was used with other content by {earlier[0]}")
            )
    return fresh, wanted


def _mark(session: Session, fresh: Sequence[_Fresh], totals: dict[SummaryKey, RunningTotal]) -> list[Counted]:
    """Advance the totals recording by recording, and tell when an allowance is used up for the first time."""
    counted: list[Counted] = []
    exceeded: list[tuple[str, str, dict[str, object]]] = []
    for item in fresh:
        recording, total = item.recording, totals[item.key]
        beyond = beyond_of_next(total.total, recording.quantity, total.allowance)
        if beyond and not total.beyond_limit:
            exceeded.append(_exceeded(item.key, total.id, recording))
        total.total = EXACT.add(total.total, recording.quantity)
        total.beyond_limit = EXACT.add(total.beyond_limit, beyond)
        total.events += 1
        total.beyond_events += bool(beyond)
        total.digest += hash_of(recording.id, recording.quantity)
        counted.append(Counted(recording, item.fingerprint, total.id, total.events, beyond))
    tell(session, exceeded)
    # Neighbours in the index one after the other: it leaves its pages full then, and is a third smaller.
    counted.sort(key=_place)
    return counted


def _place(row: Counted) -> tuple[int, int]:
    return row.summary_id, row.ordinal


def _exceeded(key: SummaryKey, summary_id: int, recording: Recording) -> tuple[str, str, dict[str, object]]:
    payload: dict[str, object] = {
        "userId": recording.customer_id,
        "subscriptionId": key.subscription_id,
        "usageType": key.usage_type_id,
        "periodStart": key.period_start.isoformat(),
        "recordId": str(recording.id),
    }
    return ("quota.exceeded", f"quota.exceeded:{summary_id}", payload)
