"""How what a group is charged for lies in the windows of a wallet in money."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.drawing.charges import ChargedGroup
from usage_billing.drawing.money_needs import Window
from usage_billing.invoicing.estimates import SegmentOfType
from usage_billing.prepaid.burn_down import windows_of
from usage_billing.rating.engine import rate
from usage_billing.rating.price import Price
from usage_billing.wallets.allocation import Allocation, cuts_of
from usage_billing.wallets.windows import Stretches, divided, marked, parts_until, stretches_of

_NOTHING = Decimal(0)

WindowsOfGroup = Sequence[Sequence[Window]]
"""The windows of each segment of a group, in its order."""


def windows_of_groups(
    session: Session,
    book: Allocation,
    groups: Sequence[ChargedGroup],
    units: Sequence[Allocation],
    *,
    until: datetime | None = None,
) -> list[WindowsOfGroup]:
    """The windows of each group in the wallet of ``book``; with ``until`` of what had arrived before that.

    What ``units`` pay for lowers the windows in which it was used. A meter, which has no recordings of its own, has one
    window a segment, and so has what is not charged as one quantity.
    """
    cuts = cuts_of(book)
    covered = _covered(units)
    meters = _meters(session, {group.usage_type for group in groups})
    whole = [group.price is None or group.usage_type in meters for group in groups]
    ids = [
        segment.counted.id
        for group, is_whole in zip(groups, whole, strict=True)
        for segment in group.segments
        if not is_whole and segment.counted.id > 0 and (until is not None or len(_starts(segment, cuts)) > 1)
    ]
    fine = sorted({*cuts, *(cut for one in units for cut in cuts_of(one))}) if covered else cuts
    found = stretches_of(session, ids, fine, until=until, moved=_moved(groups))
    looked = set(ids)
    return [
        [
            _divide(segment, cuts, fine, found.get(segment.counted.id, {}), covered, until=until)
            if segment.counted.id in looked
            else [Window(segment.part.start, segment.charged, segment.recordings)]
            for segment in group.segments
        ]
        for group in groups
    ]


def amounts_then(session: Session, groups: Sequence[ChargedGroup], *, until: datetime) -> list[Sequence[Decimal]]:
    """What each group came to with each segment, where it is charged by recording: by those from before ``until``.

    Of other groups it is what they come to now.
    """
    by_recording = [group for group in groups if group.each_price is not None]
    ids = [segment.counted.id for group in by_recording for segment in group.segments if segment.counted.id > 0]
    found = parts_until(session, ids, until, moved=_moved(by_recording)) if ids else {}
    return [group.amounts if group.each_price is None else _amounts(group, group.each_price, found) for group in groups]


def _amounts(group: ChargedGroup, price: Price, found: Mapping[int, Sequence[Decimal]]) -> list[Decimal]:
    amounts, each = list[Decimal](), list[Decimal]()
    for segment in group.segments:
        each += found.get(segment.counted.id, ())
        rated = rate(price, sum_of(each), recordings=len(each), currency=group.contract.currency, each=each)
        amounts.append(rated.amount)
    return amounts


def _moved(groups: Sequence[ChargedGroup]) -> dict[UUID, Decimal]:
    return {id: beyond for group in groups for segment in group.segments for id, beyond in segment.marks.items()}


def _starts(segment: SegmentOfType, cuts: Sequence[datetime]) -> list[datetime]:
    return windows_of(segment.part.start, segment.part.end, cuts)


def _covered(units: Sequence[Allocation]) -> dict[int, dict[datetime, Decimal]]:
    """The units that are paid for of each summary, by the window of the wallet in units."""
    found: dict[int, dict[datetime, Decimal]] = {}
    for book in units:
        for key, quantity in book.draws.items():
            windows = found.setdefault(key.need.summary_id, {})
            windows[key.need.window_start] = EXACT.add(windows.get(key.need.window_start, _NOTHING), quantity)
    return found


def _meters(session: Session, usage_types: set[str]) -> set[str]:
    if not usage_types:
        return set()
    return set(session.scalars(select(UsageType.id).where(UsageType.id.in_(usage_types), UsageType.of.is_not(None))))


def _divide(
    segment: SegmentOfType,
    cuts: Sequence[datetime],
    fine: Sequence[datetime],
    stretches: Stretches,
    covered: Mapping[int, Mapping[datetime, Decimal]],
    *,
    until: datetime | None,
) -> list[Window]:
    starts, pieces = _starts(segment, cuts), _starts(segment, fine)
    marks = marked(pieces, stretches)
    beyond = [one.beyond for one in marks]
    counts = [one.recordings for one in marks]
    if until is None:
        beyond = divided(segment.division.beyond, beyond)
        counts[-1] += segment.recordings - sum(counts)
    beyond = without_paid(beyond, pieces, covered.get(segment.counted.id, {}))
    windows: list[Window] = []
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else None
        within = [place for place, at in enumerate(pieces) if start <= at and (end is None or at < end)]
        windows.append(Window(start, sum_of(beyond[place] for place in within), sum(counts[p] for p in within)))
    return windows


def without_paid(
    beyond: Sequence[Decimal], pieces: Sequence[datetime], covered: Mapping[datetime, Decimal]
) -> list[Decimal]:
    """What is left of each piece once its window in units took what was paid for there, the earliest piece first."""
    left = list(beyond)
    for start, units in sorted(covered.items()):
        paid = units
        later = [at for at in covered if at > start]
        end = min(later) if later else None
        for place, at in enumerate(pieces):
            if paid and at >= start and (end is None or at < end):
                taken = min(left[place], paid)
                left[place] = EXACT.subtract(left[place], taken)
                paid = EXACT.subtract(paid, taken)
    return left
