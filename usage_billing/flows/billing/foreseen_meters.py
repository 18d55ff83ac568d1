"""Meters in books in memory come to what they do by now and by the terms in memory, where values do not add up."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from usage_billing.db.session import once_while_agreed
from usage_billing.drawing.levels import Made
from usage_billing.flows.billing.books import Agreements
from usage_billing.flows.recording.context import new_summary
from usage_billing.invoicing.levels_now import levels_now
from usage_billing.invoicing.metered_periods import periods_again
from usage_billing.metering.counted import ids_of
from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.metering.split import beyond
from usage_billing.meters.queries import active_meters
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
    levels: list[SummaryKey] = []
    others: list[SummaryKey] = []
    for one in books.summaries.values():
        meter = meters.get(one.usage_type_id)
        if one.id in anew and meter is not None and not meter.adds_up:
            (others if meter.level is None else levels).append(SummaryKey(*one.key))
    _let_levels_go_on(books, agreements, levels, now=now)
    if not others:
        return
    again = periods_again(others, meters, agreements.timelines, agreements.quotas)
    known = _known(books)
    known |= ids_of(books.session, [place.key for place in again.places() if place.key not in known])
    for key, agreed, part in again.missing(known, as_of=now):
        known[key] = books.make(new_summary(key.subscription_id, key.usage_type_id, agreed, part)).id
    for id, value in again.values(books.session, known).items():
        _come_to(books, id, max(value, _NOTHING))


def _let_levels_go_on(
    books: "ForeseenBooks", agreements: Agreements, anew: Sequence[SummaryKey], *, now: datetime
) -> None:
    """Those of which summaries are looked at ``anew`` do so from the first of these."""
    known = _known(books)
    since: dict[tuple[str, str], datetime] = {}
    for key in anew:
        since[key[:2]] = min(key.period_start, since.get(key[:2], key.period_start))
    strays = {known[key] for key in anew}
    for one in levels_now(books.session, agreements.timelines, agreements.quotas, now=now, since=since):
        strays.discard(one.id)
        new = None if one.id else new_summary(one.subscription_id, one.usage_type, one.agreed, one.part)
        _come_to(books, one.id if new is None else books.make(new).id, one.total)
    for id in strays:
        _come_to(books, id, _NOTHING)


def _known(books: "ForeseenBooks") -> dict[SummaryKey, int]:
    return {SummaryKey(*one.key): one.id for one in books.summaries.values()}


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
