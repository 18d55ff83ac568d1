"""Reads the distinct values of windows, from the recordings: folds keep those of whole periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.expressions.sql import ReadOnce
from usage_billing.meters.counting import measured_of, values_in_sql
from usage_billing.meters.definition import Definition
from usage_billing.meters.queries import ActiveMeter

_MEASURED = """
    WITH seen AS (
        SELECT u.occurred_at, u.metadata
        FROM usage AS u
        WHERE hashtextextended(u.subscription_id, 0) = hashtextextended(:subscription, 0)
            AND usage_place(u.occurred_at, u.ordinal) >= usage_place(greatest(:start, :since), 0)
            AND usage_place(u.occurred_at, u.ordinal) < usage_place(:end, 0)
            AND u.subscription_id = :subscription AND u.usage_type_id = :of
            AND (CAST(:retired AS timestamptz) IS NULL OR u.recorded_at < :retired)
            AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
        OFFSET 0
    ), counted AS (
        SELECT occurred_at, {condition} AS met, {value} AS raw{dimensions}
        FROM {seen} AS seen
        OFFSET 0
    ), measured AS MATERIALIZED (
        SELECT *, {rounded} AS value{digest}{fits}
        FROM counted
    )"""
_BY_WINDOW = """
    SELECT DISTINCT width_bucket(m.occurred_at, CAST(:starts AS timestamptz[])) AS place,
        CAST({values} AS text) AS dimensions, m.digest
    FROM measured AS m
    WHERE m.met AND m.value IS NOT NULL
    LIMIT :limit
"""
_VALUES = """
    SELECT DISTINCT ON (m.digest) CAST(m.raw AS text) AS value
    FROM measured AS m
    WHERE m.met AND m.value IS NOT NULL
"""
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class WindowValue:
    """A value that one series has in window number ``place``, from 1, by its digest."""

    place: int
    dimensions: Any
    digest: bytes


def values_told(
    session: Session,
    subscription_id: str,
    meter: ActiveMeter,
    definition: Definition,
    windows: Sequence[Period],
    *,
    within: Period,
    limit: int,
) -> list[WindowValue]:
    """Up to ``limit`` distinct values of each window and series, from the recordings that occurred ``within``."""
    compiler = ReadOnce("metadata")
    statement = (_MEASURED + _BY_WINDOW).format(
        **measured_of(definition, compiler), values=values_in_sql(definition)[0]
    )
    asked = {**_asked(compiler, subscription_id, meter, within), "limit": limit}
    rows = session.execute(text(statement), asked | {"starts": [window.start for window in windows]})
    return [WindowValue(row.place, _decoder.decode(row.dimensions), bytes(row.digest)) for row in rows]


def values_within(
    session: Session, subscription_id: str, meter: ActiveMeter, definition: Definition, *, within: Period
) -> list[Any]:
    """The distinct values, texts, numbers or booleans, of the recordings that occurred ``within``."""
    compiler = ReadOnce("metadata")
    statement = (_MEASURED + _VALUES).format(**measured_of(definition, compiler))
    rows = session.execute(text(statement), _asked(compiler, subscription_id, meter, within))
    return [_decoder.decode(row.value) for row in rows]


def _asked(compiler: ReadOnce, subscription_id: str, meter: ActiveMeter, within: Period) -> dict[str, Any]:
    return {
        **compiler.parameters,
        "start": within.start,
        "end": within.end,
        "subscription": subscription_id,
        "of": meter.of,
        "since": meter.since,
        "retired": meter.retired_at,
    }
