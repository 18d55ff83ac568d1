"""Reads what prices by dimension need: what each series of a meter came to, and which values prices name."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput
from usage_billing.meters.definition import Definition
from usage_billing.meters.level_cells import MeteredSegments, level_series, levels_among, values_by_name
from usage_billing.rating.engine import stored_price
from usage_billing.rating.pricing.by_dimension import ByDimension
from usage_billing.rating.pricing.cell_totals import SegmentSeries, SeriesTotal

_SERIES = text("""
    SELECT w.id, CAST(x.dimensions AS text) AS series, t.total, CAST(d.dimensions AS text) AS dimensions
    FROM unnest(CAST(:ids AS bigint[]), CAST(:starts AS timestamptz[])) AS w (id, period_start)
    JOIN usage_summaries AS s ON s.id = w.id
    JOIN meter_totals AS t ON t.summary_id = w.id
    JOIN meter_series AS x
        ON x.subscription_id = s.subscription_id AND x.usage_type_id = s.usage_type_id AND x.series = t.series
    CROSS JOIN LATERAL (
        SELECT dimensions
        FROM meter_definitions
        WHERE usage_type_id = s.usage_type_id AND effective_from <= w.period_start
        ORDER BY version DESC
        LIMIT 1
    ) AS d
""")
_PRICES = text("""
    SELECT q.usage_type_id, q.price
    FROM meters AS m
    JOIN usage_quotas AS q ON q.usage_type_id = m.usage_type_id
    WHERE q.price ->> 'model' = 'by_dimension'
    ORDER BY q.id
""")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def named_values(session: Session) -> dict[str, list[Mapping[str, Sequence[Any]]]]:
    """By meter: of each cell of its prices, the values that it names, by dimension."""
    found: dict[str, list[Mapping[str, Sequence[Any]]]] = {}
    for row in session.execute(_PRICES):
        model = stored_price(row.price).model
        if isinstance(model, ByDimension):
            found.setdefault(row.usage_type_id, []).extend(cell.wanted for cell in model.cells)
    return found


def series_of(
    session: Session, periods: Sequence[MeteredSegments], *, now: datetime | None = None
) -> list[list[SegmentSeries]]:
    """For each of these billing periods of meters: what each series came to in each of its segments.

    Levels are as of when they were reckoned; with ``now``, by then if they go on.
    """
    levels = levels_among(session, {one.usage_type_id for one in periods}) if periods else {}
    summed = _sums(session, [one for one in periods if one.usage_type_id not in levels])
    return [
        level_series(session, one, levels[one.usage_type_id], now=now)
        if one.usage_type_id in levels
        else [SegmentSeries.in_units(summed.get(id, ())) for id in one.ids]
        for one in periods
    ]


def _sums(session: Session, periods: Sequence[MeteredSegments]) -> dict[int, list[SeriesTotal]]:
    """By summary: its series."""
    starts = {id: one.start for one in periods for id in one.ids if id > 0}
    found: dict[int, list[SeriesTotal]] = {id: [] for id in starts}
    names: dict[str, list[str]] = {}
    asked = {"ids": list(starts), "starts": list(starts.values())}
    for row in session.execute(_SERIES, asked) if starts else ():
        if row.dimensions not in names:
            names[row.dimensions] = [one["as"] for one in _decoder.decode(row.dimensions)]
        values = values_by_name(names[row.dimensions], _decoder.decode(row.series))
        found[row.id].append(SeriesTotal(values, row.total))
    return found


def check_named(
    definitions: Sequence[tuple[datetime, Definition]],
    model: ByDimension,
    usage_type: str,
    *,
    since: datetime,
    pointer: str = "/price",
) -> None:
    """Raises InvalidInput for a dimension that a cell names and a definition in force from ``since`` on lacks.

    ``definitions`` are a meter's, the newest first; a usage type that is none has no dimensions. A meter
    has no cells if what its series come to does not add up to what it comes to.
    """
    if not definitions:
        message = f"{usage_type} is no meter, and has no dimensions"
        raise InvalidInput.field(f"{pointer}/model", message, code="not_supported")
    latest = definitions[0][1]
    if not latest.adds_up_by_series:
        kind = latest.function if latest.windowing is None else "windows"
        message = f"{usage_type} is a meter with {kind}, whose series do not add up to what it comes to"
        raise InvalidInput.field(f"{pointer}/model", message, code="not_supported")
    for begins, definition in definitions:
        known = {one.name for one in definition.dimensions}
        for index, cell in enumerate(model.cells):
            for name in cell.wanted:
                if name not in known:
                    message = f"{usage_type} has no dimension {name}; it has {', '.join(sorted(known)) or 'none'}"
                    raise InvalidInput.field(f"{pointer}/cells/{index}", message, code="unknown")
        if begins <= since:
            break
