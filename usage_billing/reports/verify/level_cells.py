"""What the series of a level came to, stepped through from one recording to the next. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from usage_billing.reports.verify.cell_totals import Counted
from usage_billing.reports.verify.functions import Span
from usage_billing.reports.verify.level_steps import MICROSECONDS, Course, Step, in_span

_INSTANT = timedelta(microseconds=1)
Told = tuple[Step, Mapping[str, Any]]
"""A recording that counts, and the values of its series by dimension; none of one that is lumped."""


def counted_by_series(
    told: Sequence[Told], per: str, spans: Sequence[Span], *, is_set: bool, upto: datetime
) -> list[Counted]:
    """What each series, and all of them, came to in each segment of a billing period, as of ``upto``."""
    steps: dict[str, list[Step]] = defaultdict(list)
    named: dict[str, Mapping[str, Any]] = {}
    for step, values in told:
        name = step.series if values else ""
        steps[name].append(step if values else step._replace(series=""))
        named[name] = values
    whole = Course([step for step, _ in told], is_set=is_set)
    begun = [(start, max(start, min(end, upto))) for start, end in spans]
    times = [(end - start) // _INSTANT for start, end in begun]
    found: list[list[tuple[Mapping[str, Any], Fraction]]] = [[] for _ in spans]
    for name, values in named.items():
        course = Course(steps[name], is_set=is_set)
        areas = [course.area(*span) for span in begun]
        for place, time in enumerate(times):
            if per == "period":
                mean = sum(areas, Fraction(0)) / (sum(times) or 1)
                amount = mean * Fraction(time, sum(times) or 1)
            else:
                amount = areas[place] / MICROSECONDS[per]
            found[place].append((values, amount))
    return [Counted(here, Fraction(in_span(whole, per, spans, place, upto=upto))) for place, here in enumerate(found)]
