"""Puts accepted recordings into the books: each once, split at the allowance, with the running totals kept.

Every writer of usage locks in the same order: first the shards, then the summaries ordered by their key.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.db.locks import lock_shards
from usage_billing.flows.alerting.watch_totals import reaching, watch_totals
from usage_billing.flows.prepaid.watch_wallets import watch
from usage_billing.flows.recording.context import Context, load_context
from usage_billing.flows.recording.divide_periods import added_to_cut, divide_cut_periods
from usage_billing.flows.recording.exceeded import exceeded
from usage_billing.flows.recording.quantified import quantified, repeats
from usage_billing.flows.recording.whose import find_subscriptions, shards_of
from usage_billing.metering.digest import hash_of
from usage_billing.metering.new_summaries import NewSummary, SummaryKey
from usage_billing.metering.queries import KnownRecording, RecordingKey, known_ids, recorded_keys
from usage_billing.metering.recording import Recording
from usage_billing.metering.service import (
    CountedRecording,
    RefusedRecording,
    RepeatedRecording,
    insert_duplicates,
    insert_usage,
    quarantine,
)
from usage_billing.metering.split import beyond_of_next
from usage_billing.metering.states import QuarantineReason
from usage_billing.metering.summaries import RunningTotal, lock_totals, save_totals
from usage_billing.outbox.service import Fact, tell
from usage_billing.subscriptions.kept_terms import ReadTerms
from usage_billing.subscriptions.queries import customers_and_timelines

# What a recording's own content can cause. Anything else may be the system's trouble.
ITS_OWN_FAULT = (DataError, IntegrityError, ValueError, ArithmeticError, TypeError, KeyError)

_MAX_DETAIL = 2000
_WITHOUT_QUANTITY = {
    QuarantineReason.NO_VALUE,
    QuarantineReason.NEGATIVE_QUANTITY,
    QuarantineReason.QUANTITY_DIFFERS,
}


@dataclass(slots=True)
class Outcome:
    """What became of a batch. ``known`` counts recordings whose ids were in the books: the inbox gave them again."""

    recorded: int = 0
    duplicates: list[RepeatedRecording] = field(default_factory=list)
    quarantined: list[RefusedRecording] = field(default_factory=list)
    known: int = 0


Excess = tuple[SummaryKey, Recording]
"""The first recording of a summary that lies beyond its allowance."""


def record_batch(
    session: Session,
    recordings: Sequence[Recording],
    *,
    keys_are_new: bool = False,
    read_terms: ReadTerms = customers_and_timelines,
) -> Outcome:
    """Record a batch. Each acceptance ends as recorded, duplicate or quarantined, also when it is delivered again.

    With ``keys_are_new`` the idempotency keys are not looked up: then a key that is in the books raises IntegrityError
    and fails the transaction. ``read_terms`` is asked once the locks are had.
    """
    if not recordings:
        return Outcome()
    placed = find_subscriptions(session, recordings)
    shards = shards_of([*placed.recordings, *(row.recording for row in placed.refused)])
    now = lock_shards(session, shards, by_index=True)
    known = known_ids(session, (recording.id for recording in recordings))
    unknown = _first_of_each_id(placed.recordings, known)
    outcome = count(session, unknown, now=now, keys_are_new=keys_are_new, beside=placed.beside, read_terms=read_terms)
    outcome.quarantined += [row for row in placed.refused if row.recording.id not in known]
    outcome.known = len(recordings) - len(unknown) - len(placed.refused)
    quarantine(session, outcome.quarantined)
    return outcome


def set_aside(session: Session, recording: Recording, *, detail: str) -> bool:
    """Put a recording into quarantine unless it is in the books; returns whether it was put there."""
    lock_shards(session, shards_of([recording]))
    if known_ids(session, [recording.id]):
        return False
    quarantine(session, [RefusedRecording(recording, QuarantineReason.FAILED, detail[:_MAX_DETAIL])])
    return True


def count(
    session: Session,
    recordings: Sequence[Recording],
    *,
    now: datetime,
    keys_are_new: bool = False,
    beside: Mapping[UUID, Sequence[str]] = MappingProxyType({}),
    read_terms: ReadTerms = customers_and_timelines,
) -> Outcome:
    """Count recordings whose ids are new. The caller holds the locks of their shards, and stores the refusals.

    ``beside`` has, by recording, other subscriptions in which its key counts as used; they are always looked up.
    """
    outcome = Outcome()
    if not recordings:
        return outcome
    context = load_context(session, recordings, read_terms=read_terms)
    keyed = [] if keys_are_new else [(r.subscription_id, r.source, r.key) for r in recordings if r.key]
    if beside:
        keyed += [(other, r.source, r.key) for r in recordings if r.key for other in beside.get(r.id, ())]
    fresh, wanted = _divide(recordings, context, recorded_keys(session, keyed), outcome, beside=beside)
    if keys_are_new:
        _look_again(session, outcome)
    if fresh:
        totals, passed = lock_totals(session, wanted.values()), list[Excess]()
        moved = divide_cut_periods(session, wanted.values(), totals, added=added_to_cut(fresh, wanted))
        # insert_usage takes the recordings one by one from the generator, while PostgreSQL writes the earlier ones.
        outcome.recorded = insert_usage(
            session, _mark(fresh, totals, passed), now=now, any_made=bool(context.quantities)
        )
        save_totals(session, [total for key, total in totals.items() if key in fresh or key in moved])
        tell(session, [_fact(key, recording, context) for key, recording in passed])
        watch_totals(session, reaching(wanted, totals))
        watch(session, {recording.customer_id for recording in recordings}, now=now)
    insert_duplicates(session, outcome.duplicates)
    return outcome


def _first_of_each_id(recordings: Iterable[Recording], known: set[UUID]) -> list[Recording]:
    return list({recording.id: recording for recording in recordings if recording.id not in known}.values())


def _divide(
    recordings: Sequence[Recording],
    context: Context,
    recorded: Mapping[RecordingKey, KnownRecording],
    outcome: Outcome,
    *,
    beside: Mapping[UUID, Sequence[str]],
) -> tuple[dict[SummaryKey, list[Recording]], dict[SummaryKey, NewSummary]]:
    """Note refusals and repeats in ``outcome``; return the fresh recordings by summary, and those summaries.

    ``recorded`` is what is in the books under each key.
    """
    fresh: dict[SummaryKey, list[Recording]] = defaultdict(list)
    wanted: dict[SummaryKey, NewSummary] = {}
    seen: dict[RecordingKey, KnownRecording | Recording] = {**recorded}
    for sent in recordings:
        summary, recording = context.place(sent), sent
        if isinstance(summary, RefusedRecording):
            outcome.quarantined.append(summary)
            continue
        name = (sent.subscription_id, sent.source, sent.idempotency_key)
        if beside and sent.id in beside:
            name = _used_name(sent, beside[sent.id], seen)
        if context.quantities or sent.beside.made:
            made = quantified(sent, context.quantities)
            if (known := seen.get(name)) is not None and repeats(sent, made, known):
                outcome.duplicates.append(RepeatedRecording(sent, known.id))
                continue
            if isinstance(made, RefusedRecording):
                outcome.quarantined.append(made)
                continue
            recording = made
        earlier = seen.setdefault(name, recording)
        if earlier is recording:
            wanted[summary.key] = summary
            fresh[summary.key].append(recording)
        elif earlier.fingerprint() == recording.fingerprint():
            outcome.duplicates.append(RepeatedRecording(recording, earlier.id))
        else:
            outcome.quarantined.append(
                RefusedRecording(
                    sent,
                    QuarantineReason.CONFLICTING_DUPLICATE,
                    f"the key was used with other content by {earlier.id}",
                )
            )
    return fresh, wanted


def _look_again(session: Session, outcome: Outcome) -> None:
    """Find those of the refused that are recorded already: when they were, their usage type made a quantity of them."""
    doubtful = [one for one in outcome.quarantined if one.reason in _WITHOUT_QUANTITY and one.recording.key]
    if not doubtful:
        return
    names = {
        one.recording.id: (one.recording.subscription_id, one.recording.source, one.recording.key) for one in doubtful
    }
    recorded = recorded_keys(session, list(names.values()))
    repeated: dict[UUID, RepeatedRecording] = {}
    for one in doubtful:
        known = recorded.get(names[one.recording.id])
        if known is not None and repeats(one.recording, one, known):
            repeated[one.recording.id] = RepeatedRecording(one.recording, known.id)
    outcome.quarantined = [one for one in outcome.quarantined if one.recording.id not in repeated]
    outcome.duplicates += repeated.values()


def _used_name(
    recording: Recording, others: Sequence[str], seen: Mapping[RecordingKey, KnownRecording | Recording]
) -> RecordingKey:
    """The name under which the key of ``recording`` was used, in its own subscription or another; else its own."""
    names = [(id, recording.source, recording.idempotency_key) for id in (recording.subscription_id, *others)]
    return next((name for name in names if name in seen), names[0])


def _mark(
    fresh: Mapping[SummaryKey, Sequence[Recording]], totals: Mapping[SummaryKey, RunningTotal], passed: list[Excess]
) -> Iterator[CountedRecording]:
    """Yield each fresh recording with its place, advancing ``totals``.

    A recording that is the first beyond an allowance is added to ``passed``. The recordings come in the order of
    their summaries, so that neighbours in the index are written one after the other. The index then leaves its pages
    full, and is a third smaller.
    """
    for key in sorted(fresh, key=lambda key: totals[key].id):
        total = totals[key]
        for recording in fresh[key]:
            beyond = beyond_of_next(total.total, recording.quantity, total.allowance)
            if beyond and not total.beyond_limit:
                passed.append((key, recording))
                total.boundary = total.events + 1
            total.total = EXACT.add(total.total, recording.quantity)
            total.beyond_limit = EXACT.add(total.beyond_limit, beyond)
            total.events += 1
            total.beyond_events += bool(beyond)
            total.digest += hash_of(recording.id, recording.quantity)
            yield CountedRecording(recording, total.id, total.events, beyond)


def _fact(key: SummaryKey, recording: Recording, context: Context) -> Fact:
    timeline = context.timelines[key.subscription_id]
    return exceeded(key, timeline, customer_id=recording.customer_id, record_id=recording.id)
