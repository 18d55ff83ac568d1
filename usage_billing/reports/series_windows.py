"""The windows of usage over time: minutes to months of a time zone, or the billing periods. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NoReturn

from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import Period, period_at
from usage_billing.meters.stretches import minutes_within
from usage_billing.meters.windows import BY, windows_of
from usage_billing.subscriptions.lifecycle import Timeline

PERIOD = "period"
CHOICES = (*BY, PERIOD)
ANEW = {"minute": 1, "5m": 5}
"""Windows shorter than what is kept, with their minutes: they are counted from the recordings."""
MAX_NUMBERS = 10_000
# Most questions are about the same days, weeks or months: those of up to about a year are kept.
_KEPT = frozenset({"day", "week", "month"})
_LONGEST_KEPT = timedelta(days=400)


def windows_over(
    lines: Sequence[Timeline], *, start: datetime | None, end: datetime | None, by: str, zone: str, now: datetime
) -> list[Period]:
    """The windows that ``start`` to before ``end`` touches, else the present billing period; one at least.

    Raises InvalidInput for more than 10,000, for windows that cut the hours in which the usage of one of these
    subscriptions is kept, and for billing periods that are not those of all of them.
    """
    present = billing_period(lines[0], now)
    begins, ends = start or present.start, end or (max(now, present.end) if start else present.end)
    if ends <= begins:
        raise InvalidInput.field("/to", "must be after from", code="out_of_range")
    if by == PERIOD:
        found = _limited(_periods(lines[0], begins, ends), by)
        if any(_limited(_periods(line, begins, ends), by) != found for line in lines[1:]):
            message = "the user's subscriptions have different billing periods: ask for each subscription"
            raise InvalidInput.field("/by", message, code="contradiction")
        return found
    if by in _KEPT and ends - begins <= _LONGEST_KEPT:
        found = list(_calendar(begins.astimezone(UTC), ends.astimezone(UTC), by, zone))
    else:
        found = _limited(windows_of(begins, ends, by=by, zone=zone), by)
    for line in () if by in ANEW else lines:
        minutes = minutes_within(line.zone, found[0].start, found[-1].end)
        if any(int(edge.timestamp()) % (60 * minutes) for edge in (*(one.start for one in found), found[-1].end)):
            message = f"its windows cut the hours of {line.zone}, in which usage is kept"
            raise InvalidInput.field("/timezone", message, code="zone_not_aligned")
    return found


def billing_period(line: Timeline, instant: datetime) -> Period:
    """The billing period at ``instant``, on the calendar of the term in force, else of the first or the last one.

    It is cut where a plan that bills at other intervals begins.
    """
    begun = [term for term in line.terms if term.starts_at <= instant]
    cadence = (begun[-1] if begun else line.terms[0]).terms.cadence
    period = period_at(instant, zone=line.zone, cadence=cadence)
    cuts = [term.starts_at for last, term in pairwise(line.terms) if last.terms.cadence != term.terms.cadence]
    return Period(
        max([period.start, *(cut for cut in cuts if cut <= instant)]),
        min([period.end, *(cut for cut in cuts if cut > instant)]),
    )


def too_much(what: str, fits: str) -> NoReturn:
    """Raise InvalidInput: the answer would be too large."""
    message = f"{what}, and an answer has at most {MAX_NUMBERS} numbers: ask for {fits}"
    raise InvalidInput(message, code="too_much")


@lru_cache(maxsize=64)
def _calendar(start: datetime, end: datetime, by: str, zone: str) -> tuple[Period, ...]:
    return tuple(windows_of(start, end, by=by, zone=zone))


def _periods(line: Timeline, start: datetime, end: datetime) -> Iterator[Period]:
    while start < end:
        period = billing_period(line, start)
        yield period
        start = period.end


def _limited(windows: Iterator[Period], by: str) -> list[Period]:
    found: list[Period] = []
    for window in windows:
        found.append(window)
        if len(found) > MAX_NUMBERS:
            longer = "" if by == PERIOD or by == BY[-1] else f", or by={BY[BY.index(by) + 1]}"
            too_much(
                f"the span has more than {MAX_NUMBERS} windows",
                f"a span until {found[-1].start:%Y-%m-%dT%H:%MZ}{longer}",
            )
    return found
