"""What follows for each summary from all the segments of its billing period: its allowance, and what is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.allowance import Bounds, allowances
from usage_billing.reports.verify.arithmetic import UNREADABLE, Same, by_recording
from usage_billing.reports.verify.cell_totals import Counted, has_cells
from usage_billing.reports.verify.cells import Segment as CellSegment
from usage_billing.reports.verify.cells import dues_by_cell
from usage_billing.reports.verify.level_books import LevelBooks
from usage_billing.reports.verify.meter_rows import definition_at
from usage_billing.reports.verify.terms import Agreement, Catalogue, Segment
from usage_billing.reports.verify.together import Charged, Due, dues
from usage_billing.reports.verify.whole import bounds_of, price_of_quota, stretch_of, whole_of

NOTHING = Decimal(0)

_NEIGHBOURS = text("""
    SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start, s.total, s.beyond_limit, s.beyond_events,
        s.frozen, s.to_rate, coalesce(c.covered, 0) AS covered
    FROM usage_summaries AS s
    LEFT JOIN covered_summaries AS c ON c.summary_id = s.id
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[])) AS k (subscription_id, usage_type_id)
        USING (subscription_id, usage_type_id)
    WHERE NOT s.id = ANY(CAST(:known AS bigint[]))
""")
_SERIES = text("""
    SELECT CAST(x.dimensions AS text) AS series, t.total, (
        SELECT d.dimensions
        FROM meter_definitions AS d
        WHERE d.usage_type_id = s.usage_type_id AND d.effective_from <= :start
        ORDER BY d.version DESC
        LIMIT 1
    ) AS dimensions
    FROM usage_summaries AS s
    JOIN meter_totals AS t ON t.summary_id = s.id
    JOIN meter_series AS x
        ON (x.subscription_id, x.usage_type_id, x.series) = (s.subscription_id, s.usage_type_id, t.series)
    WHERE s.id = :summary
""")
_UPTO = text("SELECT max(upto) FROM meter_levels WHERE summary_id = ANY(CAST(:ids AS bigint[]))")
_EACH = text("""
    SELECT beyond_limit
    FROM usage
    WHERE summary_id = :summary AND beyond_limit > 0
    ORDER BY ordinal
""")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Follows:
    """What a summary should say. ``due`` is None where its price cannot be read; ``spans`` are those of all segments.

    ``cells`` is what each cell of its price owes, in a period in which a price charges by dimension.

    ``pending``: billing has yet to look at a segment of its period, and may change this one's charge as well.
    """

    segment: Segment
    quota: Any | None
    allowance: Decimal | None
    due: Due | None
    pending: bool
    cells: Mapping[str, Decimal] | None = None
    spans: tuple[tuple[datetime, datetime], ...] = ()


def derive(
    session: Session,
    summaries: Sequence[Any],
    catalogue: Catalogue,
    agreements: Mapping[str, Agreement],
    *,
    books: LevelBooks,
) -> dict[int, Follows]:
    """By summary id; those where no segment begins are absent. A frozen one is taken as it is, and left out."""
    known = _neighbours(session, summaries)
    found: dict[int, Follows] = {}
    for summary in sorted(summaries, key=lambda one: (one.subscription_id, one.usage_type_id)):
        agreement = agreements.get(summary.subscription_id)
        if summary.id in found or summary.frozen or agreement is None:
            continue
        name = (summary.subscription_id, summary.usage_type_id)
        parts = catalogue.parts(agreement, *name, summary.period_start)
        here = [known.get((*name, segment.start)) for segment, _ in parts]
        asked = {"subscription": name[0], "meter": name[1], "of": summary.of} if summary.goes_on else None
        found |= _derive_period(session, parts, here, agreement, level=None if asked is None else (asked, books))
    return found


def _neighbours(session: Session, summaries: Sequence[Any]) -> dict[tuple[str, str, datetime], Any]:
    """These summaries and all others of the same subscriptions and usage types."""
    names = sorted({(one.subscription_id, one.usage_type_id) for one in summaries})
    asked = {"subscriptions": [name[0] for name in names], "types": [name[1] for name in names]}
    rows = session.execute(_NEIGHBOURS, {**asked, "known": [one.id for one in summaries]}).all()
    return {(row.subscription_id, row.usage_type_id, row.period_start): row for row in (*summaries, *rows)}


def _derive_period(
    session: Session,
    parts: Sequence[tuple[Segment, Any]],
    here: Sequence[Any],
    agreement: Agreement,
    *,
    level: tuple[dict[str, Any], LevelBooks] | None,
) -> dict[int, Follows]:
    """``level`` says of the summaries of a level what to ask its books for."""
    if not parts:
        return {}
    counted = [None if row is None or row.frozen else row for row in here]
    if (whole := whole_of(Same(parts), agreement)) is not None:
        if (row := counted[0]) is None:
            return {}
        due_now = whole.due(row.beyond_limit - row.covered, row.beyond_events)
        return {row.id: Follows(whole.segment, whole.quota, whole.allowance, due_now, row.to_rate, None, whole.spans)}
    bounds = bounds_of(parts, agreement)
    bound = allowances(
        bounds, [stretch_of(*part) for part in parts], [NOTHING if row is None else row.total for row in counted]
    )
    cells = [_cell(session, *part, row) for part, row in zip(parts, counted, strict=True)]
    ended, currency = agreement.terms[-1].ends_at, parts[0][0].plan.currency
    by_cell: Sequence[Mapping[str, Decimal] | None] = [None] * len(cells)
    try:
        if any(has_cells(cell.price) for cell in cells):
            stretches = [stretch_of(*part) for part in parts]
            if level is None:
                series = [_series(session, bounds, row) for row in counted]
            else:
                series = _level_series(session, parts, counted, *level)
            segments = [
                CellSegment(cell, stretch, allowance, one)
                for cell, stretch, allowance, one in zip(cells, stretches, bound, series, strict=True)
            ]
            by_cell = dues_by_cell(bounds, ended, segments, currency=currency)
            due: list[Any] = [None] * len(cells)
        else:
            due = list(dues(bounds, ended, cells, currency=currency))
    except UNREADABLE:
        due = [None] * len(cells)
    pending = any(row is not None and row.to_rate for row in here)
    spans = tuple((segment.start, segment.end) for segment, _ in parts)
    return {
        row.id: Follows(segment, quota, allowance, owed, pending, by_name, spans)
        for row, (segment, quota), allowance, owed, by_name in zip(counted, parts, bound, due, by_cell, strict=True)
        if row is not None
    }


def _level_series(
    session: Session,
    parts: Sequence[tuple[Segment, Any]],
    counted: Sequence[Any | None],
    asked: dict[str, Any],
    books: LevelBooks,
) -> list[Counted]:
    """What each series of a level came to in each segment, as far as billing has reckoned it."""
    upto = session.scalar(_UPTO, {"ids": [row.id for row in counted if row is not None]})
    spans = [(segment.start, segment.end) for segment, _ in parts]
    start = parts[0][0].period[0]
    return books.of(asked).by_series(definition_at(session, asked, start), spans, start=start, upto=upto or start)


def _series(session: Session, bounds: Bounds, row: Any | None) -> Counted:
    """What each series of a summary came to; that this is right is proven summary by summary."""
    if row is None:
        return Counted()
    rows = session.execute(_SERIES, {"summary": row.id, "start": bounds.period[0]})
    found: list[tuple[Mapping[str, Any], Fraction]] = []
    for one in rows:
        series = _decoder.decode(one.series)
        names = [dimension["as"] for dimension in one.dimensions]
        values = dict(zip(names, series, strict=True)) if isinstance(series, list) else {}
        found.append((values, Fraction(one.total)))
    return Counted(found, sum((total for _, total in found), Fraction(0)))


def _cell(session: Session, segment: Segment, quota: Any | None, row: Any) -> Charged:
    price = price_of_quota(quota)
    each: list[Decimal] = []
    if row is not None and price is not None and by_recording(price):
        each = list(session.scalars(_EACH, {"summary": row.id}))
    return Charged(
        start=segment.start,
        end=segment.end,
        price=price,
        method=segment.plan.proration,
        edges=segment.plan.prorates_edges,
        quantity=NOTHING if row is None else row.beyond_limit - row.covered,
        recordings=0 if row is None else row.beyond_events,
        each=each,
    )
