"""Usage over time as a table: a line for each series in each window, RFC 4180."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from usage_billing.reports.series import Series, UsageSeries

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def series_csv(found: UsageSeries, group_by: Sequence[str]) -> str:
    """``start,end,complete,other,dimensions.NAME...,value``, a line for each series in each window.

    Times are those of the answer's zone, with offset. ``other`` is true for what ``top`` left out. Null and the empty
    text are both an empty cell. A text of a dimension that a spreadsheet would take for a formula begins with ``'``.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(["start", "end", "complete", "other", *(f"dimensions.{name}" for name in group_by), "value"])
    zone = ZoneInfo(found.timezone)
    for series, is_other in _shown(found):
        cells = ["" if is_other else _cell(series.dimensions.get(name)) for name in group_by]
        for window, value in zip(found.windows, series.texts, strict=True):
            start, end = (one.astimezone(zone).isoformat() for one in (window.start, window.end))
            writer.writerow([start, end, _flag(window.complete), _flag(is_other), *cells, value])
    return table.getvalue()


def _shown(found: UsageSeries) -> Iterator[tuple[Series, bool]]:
    yield from ((one, False) for one in found.series)
    if not found.series or any(found.other.values):
        yield found.other, True


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = _flag(value) if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _flag(value: bool) -> str:
    return "true" if value else "false"
