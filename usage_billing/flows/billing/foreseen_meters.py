"""Meters in books in memory come to what they do by now and by the terms in memory, where values do not add up."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from usage_billing.db.session import once_while_agreed
from usage_billing.drawing.levels import Made
from usage_billing.flows.billing.books import Agreements
from usage_billing.flows.folding.claims import Terms
from usage_billing.flows.folding.value_levels import Key, foresee_level
from usage_billing.flows.folding.value_meters import levels_since
from usage_billing.flows.recording.context import new_summary
from usage_billing.invoicing.levels_now import levels_now
from usage_billing.invoicing.metered_periods import periods_again
from usage_billing.metering.counted import ids_of
from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.metering.split import beyond
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.meters.queries import ActiveMeter, active_meters
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment
from usage_billing.wallets.allocation import CoveredUsage

if TYPE_CHECKING:
    from usage_billing.flows.billing.foreseen_books import ForeseenBooks

_NOTHING = Decimal(0)


def let_meters_come_to(books: "ForeseenBooks", agreements: Agreements, anew: Collection[int], *, now: datetime) -> None:
    """Let meters come to what a run of ``now`` would find. Levels go on.

    The summaries ``anew``, by id, are looked at again by these agreements: their billing period may be longer or
    shorter, and cut elsewhere, and what is divided by time has its part of each segment that has begun.
    """
    meters = once_while_agreed(books.session, "meters", lambda: active_meters(books.session))
    levels: list[UnratedSummary] = []
    others: list[SummaryKey] = []
    for one in books.summaries.values():
        meter = meters.get(one.usage_type_id)
        if one.id not in anew or meter is None or meter.adds_up:
            continue
        if meter.level is not None:
            levels.append(one)
        else:
            others.append(SummaryKey(*one.key))
    _let_levels_go_on(books, agreements, levels, meters, now=now)
    if not others:
        return
    again = periods_again(others, meters, agreements.timelines, agreements.quotas)
    known = {SummaryKey(*one.key): one.id for one in books.summaries.values()}
    known |= ids_of(books.session, [place.key for place in again.places() if place.key not in known])
    for key, agreed, part in again.missing(known, as_of=now):
        known[key] = books.make(new_summary(key.subscription_id, key.usage_type_id, agreed, part)).id
    for id, value in again.values(books.session, known).items():
        _come_to(books, id, max(value, _NOTHING))


def _let_levels_go_on(
    books: "ForeseenBooks",
    agreements: Agreements,
    anew: Sequence[UnratedSummary],
    meters: Mapping[str, ActiveMeter],
    *,
    now: datetime,
) -> None:
    """Those of which summaries are looked at ``anew`` are reckoned as a fold would, by these agreements."""
    session, terms = books.session, Terms(agreements.timelines, agreements.quotas)
    since = levels_since([SummaryKey(*one.key) for one in anew], terms)
    for one in anew:  # what is no segment's comes to nothing
        _come_to(books, one.id, _NOTHING)
    for level in levels_now(session, agreements.timelines, agreements.quotas, now=now, but=since):
        _put(books, (level.subscription_id, level.usage_type), level.id, level.agreed, level.part, level.total)
    for key, begins in since.items():
        for foreseen in foresee_level(session, key, begins, meters[key[1]], terms, as_of=now):
            _put(books, key, foreseen.id or 0, foreseen.agreed, foreseen.part, max(foreseen.value, _NOTHING))


def _put(books: "ForeseenBooks", key: Key, id: int, agreed: AgreedPeriod, part: AgreedSegment, total: Decimal) -> None:
    new = None if id else new_summary(*key, agreed, part)
    _come_to(books, id if new is None else books.make(new).id, total)


def _come_to(books: "ForeseenBooks", id: int, total: Decimal) -> None:
    made = books.summaries.get(id)
    if made is not None:
        made.total, made.beyond_limit = total, beyond(total, made.allowance)


def usage_made(books: "ForeseenBooks") -> Made:
    """What comes, by subscription, to segments without a stored summary, as wallets see it."""
    found: dict[str, list[CoveredUsage]] = {name: [] for name in books.ends.customer_of}
    for one in books.summaries.values():
        if one.id >= 0:
            continue
        usage = CoveredUsage(
            id=one.id,
            customer_id=books.ends.customer_of[one.subscription_id],
            subscription_id=one.subscription_id,
            usage_type_id=one.usage_type_id,
            period_start=one.period_start,
            period_end=one.period_end,
            total=one.total,
            beyond_limit=one.beyond_limit,
            events=one.events,
            voids=one.voids,
            frozen=one.frozen,
            price=books.prices.get(one.id),
            ends_at=books.ends.of[one.subscription_id],
            is_metered=True,
            adds_up=False,
        )
        found[one.subscription_id].append(usage)
    return found
