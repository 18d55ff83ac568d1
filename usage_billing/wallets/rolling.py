"""What quotas of some customers carry over from a period to the next, and the periods that it is carried over from."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import period_at
from usage_billing.db.rows import read_rows
from usage_billing.subscriptions.agreement import AgreedPeriod, agreed_period
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import timelines_of

_RULES = text("""
    SELECT q.id, a.id AS subscription_id, a.customer_id, q.usage_type_id, q.asked_at, q.rollover_periods AS periods,
        q.rollover_max AS at_most, q.rollover_percent AS percent, q.rollover_grace_seconds AS grace_seconds
    FROM usage_quotas AS q
    JOIN subscription_terms AS t ON q.subscription_id IS NULL AND t.plan_id = q.plan_id
    JOIN subscriptions AS a ON a.id = t.subscription_id
    WHERE q.rollover_periods IS NOT NULL AND a.customer_id = ANY(CAST(:customers AS text[]))
    UNION
    SELECT q.id, a.id, a.customer_id, q.usage_type_id, q.asked_at, q.rollover_periods, q.rollover_max,
        q.rollover_percent, q.rollover_grace_seconds
    FROM usage_quotas AS q JOIN subscriptions AS a ON a.id = q.subscription_id
    WHERE q.rollover_periods IS NOT NULL AND a.customer_id = ANY(CAST(:customers AS text[]))
""")


class Place(NamedTuple):
    """A usage type of a subscription."""

    subscription_id: str
    usage_type_id: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a version of a quota carries over for a subscription."""

    id: int
    subscription_id: str
    customer_id: str
    usage_type_id: str
    asked_at: datetime
    periods: int
    at_most: Decimal | None
    percent: int | None
    grace_seconds: int


class Unused(NamedTuple):
    """What a period may leave: ``expires`` is until when it holds, from the period's end on."""

    place: Place
    begins: datetime
    expires: datetime
    rule: Rule


@dataclass(frozen=True, slots=True)
class Rolling:
    """The rules of some customers by usage type of a subscription and version of the quota, and what is agreed."""

    rules: Mapping[Place, Mapping[int, Rule]]
    timelines: Mapping[str, Timeline]
    quotas: QuotaBook

    @property
    def subscription_ids(self) -> set[str]:
        """The subscriptions that any of the rules is for."""
        return {place.subscription_id for place in self.rules}

    def ended(self, place: Place, since: datetime, now: datetime) -> Iterator[Unused]:
        """The periods that ended after ``since``, up to and with ``now``, and that a rule carries over from.

        A subscription that does not run when its period ends has no next one, and carries nothing over. Nor does a
        period that had ended when the quota was asked for: versions that were asked for since change how much it is,
        and not whether, or until when.
        """
        timeline = self.timelines[place.subscription_id]
        at: datetime | None = max(since, timeline.terms[0].starts_at)
        while at is not None and at <= now:
            segment = timeline.segment_at(at)
            if segment is None:
                later = (term.starts_at for term in timeline.terms if term.starts_at > at and not term.paused)
                at = next(later, None)
                continue
            at = segment.end
            if at != segment.period.end or at > now:
                continue
            following, (_, rule) = timeline.segment_at(at), self._as_known(place, at).period_before(place, at)
            if following is None or rule is None:
                continue
            expires = at
            for _ in range(rule.periods):
                expires = period_at(expires, zone=timeline.zone, cadence=following.terms.cadence).end
            yield Unused(place, at, expires, rule)

    def _as_known(self, place: Place, at: datetime) -> "Rolling":
        """This without versions that were asked for at ``at`` or later."""
        book, plans = self.quotas, {term.plan_id for term in self.timelines[place.subscription_id].terms}
        versions = [*book.own.get(place, ())]
        versions += [one for plan_id in plans for one in book.listed.get((plan_id, place.usage_type_id), ())]
        if all(one.asked_at < at for one in versions):
            return self
        return replace(self, quotas=book.changed(lambda one: one if one.asked_at < at else None))

    def next_end(self, now: datetime) -> datetime | None:
        """When the first of the periods that run ends; None where none runs."""
        running = (self.timelines[name].segment_at(now) for name in self.subscription_ids)
        return min((segment.end for segment in running if segment is not None), default=None)

    def period_before(self, place: Place, at: datetime) -> tuple[AgreedPeriod | None, Rule | None]:
        """The billing period that ends at ``at`` in a segment with an allowance, and what is carried over from it.

        Neither where the subscription does not run at ``at``: it may have been paused or cancelled for then since.
        """
        timeline = self.timelines[place.subscription_id]
        agreed = agreed_period(timeline, self.quotas, *place, at - INSTANT)
        if agreed is None or not agreed.parts or not agreed.parts[-1].end == agreed.period.end == at:
            return None, None
        if timeline.segment_at(at) is None:
            return None, None
        quota = agreed.parts[-1].quota
        return agreed, None if quota is None else self.rules.get(place, {}).get(quota.id)


def rolling_of(session: Session, customer_ids: Collection[str]) -> Rolling | None:
    """What quotas of these customers carry over; None where none does, as where no quota has such a rule."""
    found = read_rows(session.execute(_RULES, {"customers": sorted(customer_ids)}), Rule) if customer_ids else []
    if not found:
        return None
    rules: dict[Place, dict[int, Rule]] = {}
    for rule in found:
        rules.setdefault(Place(rule.subscription_id, rule.usage_type_id), {})[rule.id] = rule
    timelines = timelines_of(session, {rule.subscription_id for rule in found})
    plans = {term.plan_id for timeline in timelines.values() for term in timeline.terms}
    return Rolling(rules, timelines, quotas_of(session, plans, subscription_ids=timelines))
