"""Meters that wallets in units pay for come to what they do by now, also where no summary is stored yet."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.core.decimals import sum_of
from usage_billing.core.periods import Period
from usage_billing.invoicing.levels_now import SegmentNow
from usage_billing.invoicing.segments_now import segments_now
from usage_billing.metering.budget import divide
from usage_billing.metering.queries import PeriodTotal
from usage_billing.subscriptions.queries import Contract, contracts_of_customers
from usage_billing.wallets.allocation import Allocation, CoveredUsage

_NOTHING = Decimal(0)
_UNSTORED = -(2**40)
"""Ids of segments without a summary go down from here: books in memory count down from -1."""
Made = Mapping[str, Sequence[CoveredUsage]]
"""By subscription: what segments without a summary come to."""


@dataclass(frozen=True, slots=True)
class PlacesOfUsage:
    """Which wallet pays for usage: a subscription's own comes before that for all of its customer's."""

    books: Mapping[tuple[str, str | None, str], Allocation]

    def put(self, usage: CoveredUsage) -> bool:
        """Let its wallet know usage; returns whether there is one."""
        own = (usage.customer_id, usage.subscription_id, usage.usage_type_id)
        book = self.books.get(own) or self.books.get((usage.customer_id, None, usage.usage_type_id))
        if book is None:
            return False
        book.usage[usage.id] = usage
        book.known[usage.id] = usage.events, usage.voids
        if usage.id < 0:
            book.unstored[usage.subscription_id, usage.usage_type_id, usage.period_start] = usage.id
        return True


def places_of_usage(books: Mapping[str, Allocation]) -> PlacesOfUsage:
    """Where the usage goes that these wallets pay for."""
    return PlacesOfUsage(
        {
            (book.wallet.customer_id, book.wallet.subscription_id, name): book
            for book in books.values()
            for name in book.usage_types
        }
    )


def let_time_go_on(
    session: Session,
    books: Mapping[str, Allocation],
    usage_types: Collection[str],
    *,
    beyond: Mapping[int, Decimal],
    ends: Mapping[str, datetime | None],
    made: Made,
    now: datetime,
) -> None:
    """Let these wallets know what these meters, whose values do not add up, come to by ``now``.

    What the caller says lies ``beyond`` of a summary stays so. Of the subscriptions in ``made`` the segments without a
    summary are those.
    """
    places = places_of_usage(books)
    for usage in (one for of in made.values() for one in of):
        places.put(usage)
    stored = {id: usage for book in books.values() for id, usage in book.usage.items()}
    begins = [begin for book in books.values() for begin in book.begins]
    id = _UNSTORED
    contracts = contracts_of_customers(session, {book.wallet.customer_id for book in books.values()}) if begins else []
    for contract, one, over in _by_now(session, contracts, usage_types, now=now):
        if one.id in stored and one.id not in beyond:
            usage = stored[one.id]
            usage.total, usage.beyond_limit = one.total, over
        elif not one.id and contract.id not in made and one.part.end > min(begins):
            id -= 1
            places.put(_unstored(id, contract, one, over, ends=ends))


def keep_posted(books: Mapping[str, Allocation], levels: Collection[str], *, now: datetime) -> None:
    """Let what is posted of ``levels`` by grants that are closed stay wanted while a segment runs.

    A run that goes by an earlier moment must not take back what the level came to when they closed.
    """
    for book in books.values():
        for id, usage in book.usage.items():
            if usage.usage_type_id in levels and usage.period_end > now:
                posted = sum_of(units for key, units in book.posted.items() if key.need.summary_id == id)
                usage.beyond_limit = max(usage.beyond_limit, posted)


def place_unstored(totals: Iterable[PeriodTotal], books: Iterable[Allocation]) -> None:
    """Give totals without a summary the ids by which wallets pay for them."""
    ids = {key: id for book in books for key, id in book.unstored.items()}
    for one in totals:
        one.id = one.id or ids.get((one.subscription_id, one.usage_type, one.period_start), 0)


def _by_now(
    session: Session, contracts: Sequence[Contract], usage_types: Collection[str], *, now: datetime
) -> Iterable[tuple[Contract, SegmentNow, Decimal]]:
    """What these meters come to in each segment, and what of it lies beyond the allowance."""
    by_id = {contract.id: contract for contract in contracts}
    plans = {term.plan_id for contract in contracts for term in contract.timeline.terms}
    quotas = quotas_of(session, plans, subscription_ids=list(by_id)) if usage_types and contracts else None
    if quotas is None:
        return
    periods: dict[tuple[str, str, Period], list[SegmentNow]] = {}
    for level in segments_now(session, {id: contract.timeline for id, contract in by_id.items()}, quotas, now=now):
        if level.usage_type in usage_types:
            periods.setdefault((level.subscription_id, level.usage_type, level.agreed.period), []).append(level)
    for (subscription_id, _, _), found in periods.items():
        agreed, by_start = found[0].agreed, {level.part.start: level for level in found}
        here = [by_start.get(part.start) for part in agreed.parts]
        divisions = divide(agreed, [_NOTHING if one is None else one.total for one in here])
        for one, division in zip(here, divisions, strict=True):
            if one is not None:
                yield by_id[subscription_id], one, division.beyond


def _unstored(
    id: int, contract: Contract, level: SegmentNow, over: Decimal, *, ends: Mapping[str, datetime | None]
) -> CoveredUsage:
    return CoveredUsage(
        id=id,
        customer_id=contract.customer_id,
        subscription_id=contract.id,
        usage_type_id=level.usage_type,
        period_start=level.part.start,
        period_end=level.part.end,
        total=level.total,
        beyond_limit=over,
        events=0,
        voids=0,
        frozen=False,
        price=level.part.price,
        ends_at=ends.get(contract.id, contract.timeline.terms[-1].ends_at),
        is_metered=True,
        adds_up=False,
    )
