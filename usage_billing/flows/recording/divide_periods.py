"""Keeping the marks of a billing period that is cut: what comes to one segment may move the boundary of others."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.metering.boundary import move_boundaries
from usage_billing.metering.budget import divide
from usage_billing.metering.new_summaries import NewSummary, SummaryKey
from usage_billing.metering.recording import Recording
from usage_billing.metering.summaries import RunningTotal

_NOTHING = Decimal(0)


def added_to_cut(
    fresh: Mapping[SummaryKey, Sequence[Recording]], wanted: Mapping[SummaryKey, NewSummary]
) -> dict[SummaryKey, Decimal]:
    """How much of the recordings ``fresh`` comes to each segment of a period that is cut."""
    cut = (key for key, summary in wanted.items() if summary.cut is not None)
    return {key: sum_of(recording.quantity for recording in fresh[key]) for key in cut}


def divide_cut_periods(
    session: Session,
    summaries: Iterable[NewSummary],
    totals: Mapping[SummaryKey, RunningTotal],
    *,
    added: Mapping[SummaryKey, Decimal],
) -> set[SummaryKey]:
    """Bring locked summaries to the allowances that hold once ``added`` has come to them (less than 0: gone).

    Returns the keys of those that billing has to look at again: whose allowance has changed, and all after a segment
    that something came to, for they may be charged by what their group used before. A period that is not cut costs
    nothing here.
    """
    seen: set[SummaryKey] = set()
    moved: set[SummaryKey] = set()
    allowances: list[tuple[RunningTotal, Decimal | None]] = []
    for summary in summaries:
        keys = summary.neighbours
        if summary.cut is None or keys[0] in seen:
            continue
        seen.add(keys[0])
        here = [totals.get(key) for key in keys]
        counted = [_counts(total, added.get(key, _NOTHING)) for key, total in zip(keys, here, strict=True)]
        came = False
        for key, total, division in zip(keys, here, divide(summary.cut, counted), strict=True):
            if total is not None and not total.frozen and total.allowance != division.allowance:
                allowances.append((total, division.allowance))
                moved.add(key)
            if total is not None and came:
                moved.add(key)
            came = came or key in added
    move_boundaries(session, allowances)
    return moved


def _counts(total: RunningTotal | None, added: Decimal) -> Decimal:
    """What a segment has of the period's usage; one whose allowance is frozen has none of it."""
    if total is None:
        return _NOTHING
    return _NOTHING if total.frozen else EXACT.add(total.total, added)
