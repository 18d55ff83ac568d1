"""Usage over time as a table: a line for each series in each window, RFC 4180."""

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from usage_billing.core.csv_text import csv_line, text_cell
from usage_billing.reports.series import Series, UsageSeries


def series_csv(found: UsageSeries, group_by: Sequence[str]) -> str:
    """``start,end,complete,other,dimensions.NAME...,value``, a line for each series in each window.

    Times are those of the answer's zone, with offset. ``other`` is true for what ``top`` left out. Null and the empty
    text are both an empty cell. A text of a dimension that a spreadsheet would take for a formula begins with ``'``.
    """
    named = ["start", "end", "complete", "other", *(f"dimensions.{name}" for name in group_by), "value"]
    return "".join([csv_line(named), *_lines(found, group_by)])


def _lines(found: UsageSeries, group_by: Sequence[str]) -> Iterator[str]:
    zone = ZoneInfo(found.timezone)
    for series, is_other in _shown(found):
        cells = [None if is_other else _cell(series.dimensions.get(name)) for name in group_by]
        for window, value in zip(found.windows, series.texts, strict=True):
            start, end = (one.astimezone(zone).isoformat() for one in (window.start, window.end))
            yield csv_line([start, end, _flag(window.complete), _flag(is_other), *cells, value])


def _shown(found: UsageSeries) -> Iterator[tuple[Series, bool]]:
    yield from ((one, False) for one in found.series)
    if not found.series or any(found.other.values):
        yield found.other, True


def _cell(value: Any) -> str | None:
    if isinstance(value, bool):
        return _flag(value)
    return text_cell(value) if value is None or isinstance(value, str) else str(value)


def _flag(value: bool) -> str:
    return "true" if value else "false"
