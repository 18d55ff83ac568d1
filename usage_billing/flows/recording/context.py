"""What a batch needs from the catalogue and the subscriptions, read in few statements before it is counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.catalog.quantities import QuantityVersion
from usage_billing.catalog.quantity_versions import quantities_of
from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.core.versions import ALWAYS, always_since
from usage_billing.db.bulk import joined
from usage_billing.metering.new_summaries import NewSummary, SummaryKey
from usage_billing.metering.recording import Recording
from usage_billing.metering.service import RefusedRecording
from usage_billing.metering.states import QuarantineReason
from usage_billing.subscriptions.agreement import (
    AgreedPeriod,
    AgreedSegment,
    agreed_over,
    agreed_period,
    cuts_within,
    quota_course,
)
from usage_billing.subscriptions.kept_terms import ReadTerms
from usage_billing.subscriptions.lifecycle import Segment, Terms, Timeline
from usage_billing.subscriptions.queries import customers_and_timelines, timelines_of

_TYPES = text("""
    SELECT t.id, t.of, EXISTS (SELECT FROM quantity_definitions AS q WHERE q.usage_type_id = t.id) AS makes
    FROM usage_types AS t
    WHERE t.id = ANY(string_to_array(:ids, chr(31)))
""")
_SUMMARY = text(
    "SELECT subscription_id, usage_type_id, period_start, period_end, bills_at, quota_id, allowance"
    " FROM usage_summaries WHERE id = :id"
)


class _Usual(msgspec.Struct, frozen=True, gc=False):
    """A whole billing period of a plan, in a time zone, as most subscriptions have it: nothing changes in it.

    ``terms`` is what the plan says about time: one value, which all who have this period share. ``quota`` is the only
    one that the plan ever had for the usage type, None if it had none. It holds from the start for subscriptions that
    were made at ``made_since`` or later.
    """

    terms: Terms
    segment: Segment
    quota: QuotaVersion | None
    made_since: datetime

    def is_of(self, timeline: Timeline, instant: datetime) -> bool:
        """Whether a subscription without a quota of its own has this period around ``instant``."""
        term = timeline.terms[0]  # the only one, if it has no end
        return (
            self.segment.start <= instant < self.segment.end
            and term.terms is self.terms
            and term.starts_at <= self.segment.start
            and term.ends_at is None
            and not term.paused
            and self.made_since <= timeline.made_at
        )


@dataclass(slots=True)
class Context:
    """The subscriptions, usage types and quotas behind one batch.

    ``meters``: by id, the type that each counts. ``quantities``: of the types that make quantities, how, the latest
    version first.
    """

    customers: dict[str, str]
    timelines: dict[str, Timeline]
    usage_types: frozenset[str]
    meters: dict[str, str]
    quantities: dict[str, list[QuantityVersion]]
    quotas: QuotaBook
    _summaries: dict[tuple[str, str], NewSummary] = field(default_factory=dict)
    _usual: dict[tuple[str, str, str], _Usual] = field(default_factory=dict)
    _segments: dict[str, tuple[Segment, Sequence[Segment]]] = field(default_factory=dict)

    def place(self, recording: Recording) -> NewSummary | RefusedRecording:
        """The summary that ``recording`` belongs to, or why it cannot be counted."""
        name = (recording.subscription_id, recording.usage_type)
        last = self._summaries.get(name)
        if (
            last is not None
            and last.key.period_start <= recording.occurred_at < last.period_end
            and self.customers[recording.subscription_id] == recording.customer_id
        ):
            return last  # every other reason to refuse it was checked when this summary was found
        found = self._find_usual(recording)
        if found is None:
            refusal = self._refusal(recording)
            if refusal is not None:
                return refusal
            found = self._find(recording)
        self._summaries[name] = found
        return found

    def _find_usual(self, recording: Recording) -> NewSummary | None:
        """The summary of ``recording`` if an earlier one, of another subscription, was found to be in such a period."""
        subscription_id, usage_type = recording.subscription_id, recording.usage_type
        timeline = self.timelines.get(subscription_id)
        if timeline is None or self.customers[subscription_id] != recording.customer_id:
            return None
        usual = self._usual.get((timeline.terms[0].plan_id, timeline.zone, usage_type))
        if usual is None or not usual.is_of(timeline, recording.occurred_at):
            return None
        if self.quotas.own and (subscription_id, usage_type) in self.quotas.own:
            return None
        return _of_whole_period(subscription_id, usage_type, usual.segment, usual.quota)

    def _refusal(self, recording: Recording) -> RefusedRecording | None:
        timeline = self.timelines.get(recording.subscription_id)
        if timeline is None:
            return RefusedRecording(
                recording,
                QuarantineReason.UNKNOWN_SUBSCRIPTION,
                f"there is no subscription {recording.subscription_id}",
            )
        if recording.usage_type not in self.usage_types:
            detail = f"there is no usage type {recording.usage_type}"
            if recording.usage_type in self.meters:
                of = self.meters[recording.usage_type]
                detail = f"{recording.usage_type} is a meter, which counts what is recorded as {of}"
            return RefusedRecording(recording, QuarantineReason.UNKNOWN_USAGE_TYPE, detail)
        if recording.customer_id != self.customers[recording.subscription_id]:
            detail = f"subscription {recording.subscription_id} is not {recording.customer_id}'s"
            return RefusedRecording(recording, QuarantineReason.WRONG_CUSTOMER, detail)
        term = timeline.term_at(recording.occurred_at)
        if term is None:
            early = recording.occurred_at < timeline.terms[0].starts_at
            when = "before the subscription started" if early else "after the subscription ended"
            return RefusedRecording(recording, QuarantineReason.OUTSIDE_SUBSCRIPTION, f"it occurred {when}")
        if term.paused:
            return RefusedRecording(
                recording, QuarantineReason.SUBSCRIPTION_PAUSED, "it occurred while the subscription was paused"
            )
        return None

    def _find(self, recording: Recording) -> NewSummary:
        subscription_id, usage_type = recording.subscription_id, recording.usage_type
        timeline, (running, segments) = self.timelines[subscription_id], self._segments_around(recording)
        if len(segments) == 1 and running.is_whole:
            course = quota_course(timeline, self.quotas, subscription_id, usage_type, running.plan_id)
            if not cuts_within(course, running):
                quota = course.at(running.start)
                self._note_usual(running, quota, timeline, usage_type)
                return _of_whole_period(subscription_id, usage_type, running, quota)
        agreed = agreed_over(timeline, self.quotas, subscription_id, usage_type, running.period, segments)
        part = agreed.part_at(recording.occurred_at)
        if part is None:
            raise LookupError(f"no part of the billing period holds {recording.id}")
        return new_summary(subscription_id, usage_type, agreed, part)

    def _note_usual(self, segment: Segment, quota: QuotaVersion | None, timeline: Timeline, usage_type: str) -> None:
        """Let others on the plan be found by this period, if it is a usual one: see ``_Usual``."""
        listed = self.quotas.listed.get((segment.plan_id, usage_type), [])
        since = ALWAYS if quota is None else always_since(quota)
        if since and segment.start == segment.period.start and listed == ([] if quota is None else [quota]):
            usual = _Usual(timeline.terms[0].terms, segment, quota, since)
            self._usual[segment.plan_id, timeline.zone, usage_type] = usual

    def _segments_around(self, recording: Recording) -> tuple[Segment, Sequence[Segment]]:
        """The segment that a recording is in, and all of its period; they are the same for every usage type."""
        known = self._segments.get(recording.subscription_id)
        if known is not None and known[0].start <= recording.occurred_at < known[0].end:
            return known
        timeline = self.timelines[recording.subscription_id]
        running = timeline.segment_at(recording.occurred_at)
        if running is None:
            raise LookupError(f"no segment of the subscription holds {recording.id}")
        found = self._segments[recording.subscription_id] = (running, timeline.segments_beside(running))
        return found


def _of_whole_period(
    subscription_id: str, usage_type_id: str, segment: Segment, quota: QuotaVersion | None
) -> NewSummary:
    """The summary to be made where nothing changes in the period, as in most: the whole limit is its budget."""
    return NewSummary(
        key=SummaryKey(subscription_id, usage_type_id, segment.start),
        period_end=segment.end,
        bills_at=segment.bills_at,
        quota_id=None if quota is None else quota.id,
        limit=None if quota is None else quota.limit,
    )


def new_summary(subscription_id: str, usage_type_id: str, agreed: AgreedPeriod, part: AgreedSegment) -> NewSummary:
    """The summary to be made for a segment under the quota that holds in it now."""
    whole = _of_whole_period(subscription_id, usage_type_id, part.segment, part.quota)
    if agreed.is_whole and part.segment.is_whole:
        return whole
    return replace(whole, share=(agreed, agreed.parts.index(part)), cut=None if agreed.is_whole else agreed)


def summary_of(session: Session, summary_id: int) -> NewSummary:
    """A summary that is there, with the segments of its period as things stand.

    Where no segment begins there any more it stands alone, under no allowance.
    """
    row = session.execute(_SUMMARY, {"id": summary_id}).one()
    key = SummaryKey(row.subscription_id, row.usage_type_id, row.period_start)
    timelines = timelines_of(session, [key.subscription_id])
    timeline = timelines[key.subscription_id]
    quotas = quotas_of(session, {term.plan_id for term in timeline.terms}, subscription_ids=timelines)
    agreed = agreed_period(timeline, quotas, key.subscription_id, key.usage_type_id, key.period_start)
    part = None if agreed is None else agreed.part_at(key.period_start)
    if agreed is None or part is None or part.start != key.period_start:
        return NewSummary(key, row.period_end, row.bills_at, row.quota_id, row.allowance)
    return new_summary(key.subscription_id, key.usage_type_id, agreed, part)


def load_context(
    session: Session, recordings: Sequence[Recording], *, read_terms: ReadTerms = customers_and_timelines
) -> Context:
    """Read the subscriptions, usage types and quotas that these recordings name; those that do not exist are absent."""
    customers, timelines = read_terms(session, {recording.subscription_id for recording in recordings})
    found = session.execute(_TYPES, {"ids": joined({recording.usage_type for recording in recordings})}).all()
    types, making = {row.id: row.of for row in found}, [row.id for row in found if row.makes]
    plans = {term.plan_id for timeline in timelines.values() for term in timeline.terms}
    return Context(
        customers=customers,
        timelines=timelines,
        usage_types=frozenset(id for id, of in types.items() if of is None),
        meters={id: of for id, of in types.items() if of is not None},
        quantities=quantities_of(session, making) if making else {},
        quotas=quotas_of(session, plans, subscription_ids=timelines),
    )
