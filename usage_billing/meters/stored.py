"""Reads what folds have counted of a meter, window by window, and how much they have left to count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from usage_billing.core.giving_way import pieces_in_turns
from usage_billing.core.periods import Period
from usage_billing.db.rows import driver_rows, read_rows
from usage_billing.db.session import Reader
from usage_billing.meters.measures import Extreme, extreme_of
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.values import State

# Buckets are added up before their series are told by name: a series is one row of each window then, not a thousand.
_STORED = """
    SELECT summed.place, CAST(summed.period_start AS text) AS period_start, CAST(x.dimensions AS text) AS dimensions,
        summed.events, summed.total{extreme}
    FROM (
        SELECT width_bucket(greatest(b.bucket_start, s.period_start), CAST(:starts AS timestamptz[])) AS place,
            s.period_start, b.series, CAST(sum(b.events) AS bigint) AS events, sum(b.total) AS total{summed}
        FROM usage_summaries AS s
        JOIN meter_buckets AS b ON b.summary_id = s.id AND b.bucket_start < :end
            AND b.bucket_start >= CAST(:start AS timestamptz) - interval '1 hour'
            AND greatest(b.bucket_start, s.period_start) >= :start
        WHERE s.subscription_id = :subscription AND s.usage_type_id = :meter
            AND s.period_start < :end AND s.period_end > :start
        GROUP BY place, s.period_start, b.series
        HAVING sum(b.events) <> 0
    ) AS summed
    JOIN meter_series AS x
        ON x.subscription_id = :subscription AND x.usage_type_id = :meter AND x.series = summed.series
"""
_LEFT = """
    SELECT s.id AS source, s.period_start, s.events, s.voids, x.folded, x.folded_voids, f.starts, f.summaries
    FROM usage_types AS t
    JOIN usage_summaries AS s ON s.usage_type_id = coalesce(t.of, t.id) AND s.subscription_id = :subscription
    LEFT JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = t.id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN :anew THEN 0 ELSE coalesce(f.folded, 0) END AS folded,
            CASE WHEN :anew THEN 0 ELSE coalesce(f.folded_voids, 0) END AS folded_voids
    ) AS x
    WHERE t.id = :meter AND (s.to_rate OR :all) AND s.period_start < :end AND s.period_end > greatest(:start, :since)
        AND (s.events > x.folded OR s.voids > x.folded_voids)
    ORDER BY s.id
"""
_LEFT_ALONE = text(_LEFT)
# Mostly nothing is left: that is a null beside each row, and costs no statement of its own. A row is there in any case.
_STORED_AND_LEFT = f"""
    SELECT l.holds, l.missing, stored.*
    FROM (
        SELECT {{condition}} AS holds, (SELECT CAST(json_agg(one) AS text) FROM ({_LEFT}) AS one) AS missing OFFSET 0
    ) AS l
    LEFT JOIN ({_STORED}) AS stored ON true
"""  # noqa: S608  texts of ours
decode_dimensions = msgspec.json.Decoder(float_hook=Decimal).decode
"""The values of a series, from the JSON that names it; numbers are exact."""


@dataclass(frozen=True, slots=True)
class LeftToCount:
    """A summary of recordings of which a meter has not counted all."""

    source: int
    period_start: datetime
    events: int
    voids: int
    folded: int
    folded_voids: int
    starts: list[datetime] | None
    summaries: list[int] | None

    @property
    def recordings(self) -> int:
        """How many recordings, or what was taken back, are left."""
        return self.events - self.folded + self.voids - self.folded_voids

    @property
    def takes_back(self) -> bool:
        """Whether recordings that are counted were taken back since."""
        return self.folded > 0 and self.voids > self.folded_voids


_left_decoder = msgspec.json.Decoder(list[LeftToCount])


class WindowState(msgspec.Struct, frozen=True, gc=False):
    """What is kept of one series in window number ``place``, from 1, of a period that begins at ``period_start``.

    ``dimensions`` are the values in the order of the definition, or ``{"other": true}``.
    """

    place: int
    period_start: datetime
    dimensions: Any
    state: State


class Stored(NamedTuple):
    """What folds have counted, and what they have left. ``holds``: whether the condition of the reader does.

    States of one series share their ``dimensions``, and those of one period its start.
    """

    states: list[WindowState]
    left: list[LeftToCount]
    holds: bool


def stored_and_left(
    reader: Reader,
    subscription_id: str,
    meter: ActiveMeter,
    windows: Sequence[Period],
    *,
    condition: str = "true",
    **beside: str,
) -> Stored:
    """What folds have counted in these windows, and what ``left_to_count`` says.

    ``condition`` is one in SQL on what else is seen in the same statement, with the parameters ``beside``.
    """
    extreme = extreme_of(meter.definitions[0][1])
    asked = _asked_of_left(subscription_id, meter, windows, anew=False) | beside
    rows = driver_rows(reader, _stored_and_left(extreme, condition), asked).rows
    holds, missing, first, *_ = rows[0]
    left = [] if missing is None else _left_decoder.decode(missing)
    stored = [] if first is None else rows
    starts, named = _Read(datetime.fromisoformat), _Read(decode_dimensions)
    states = [
        WindowState(
            place,
            starts[period_start],
            named[dimensions],
            State(events=events, total=total) if extreme is None else _extreme_state(extreme, events, total, *kept),
        )
        for piece in pieces_in_turns(stored)
        for _, _, place, period_start, dimensions, events, total, *kept in piece
    ]
    return Stored(states, left, holds)


class _Read(dict[str, Any]):
    """What ``read`` makes of texts, of each once."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> Any:
        found = self[text] = self._read(text)
        return found


@cache
def _stored_and_left(extreme: Extreme | None, condition: str) -> TextClause:
    """The statement for what is stored of a meter that keeps this extreme."""
    if extreme is None:
        return text(_STORED_AND_LEFT.format(condition=condition, extreme="", summed=""))
    column = extreme.column
    summed = f", {extreme.aggregate}(b.{column}) AS {column}"
    return text(_STORED_AND_LEFT.format(condition=condition, extreme=f", summed.{column}", summed=summed))


def _extreme_state(extreme: Extreme, events: int, total: Decimal, kept: Any) -> State:
    found: dict[str, Any] = {extreme.column: tuple(kept) if isinstance(kept, list) else kept}
    return State(events=events, total=total, **found)


def left_to_count(
    session: Session, subscription_id: str, meter: ActiveMeter, windows: Sequence[Period], *, anew: bool
) -> list[LeftToCount]:
    """What no fold has counted yet of the summaries that these windows touch; ``anew`` as if nothing were counted."""
    asked = _asked_of_left(subscription_id, meter, windows, anew=anew)
    return read_rows(session.execute(_LEFT_ALONE, asked), LeftToCount)


def _asked_of_left(
    subscription_id: str, meter: ActiveMeter, windows: Sequence[Period], *, anew: bool
) -> dict[str, Any]:
    asked: dict[str, Any] = {"subscription": subscription_id, "meter": meter.usage_type_id, "since": meter.since}
    # What is not to be rated has been folded by billing, unless the meter has still to look back on it.
    return asked | {"anew": anew, "all": anew or not meter.looked_back, **asked_of(windows)}


def asked_of(windows: Sequence[Period]) -> dict[str, Any]:
    """The parameters of a statement that tells by windows: when each starts, and when all of them start and end."""
    return {
        "starts": [window.start for window in windows],
        "start": windows[0].start,
        "end": windows[-1].end,
    }
