"""Reads what recordings say of a level, one by one, as far as they are folded: folds keep changes by the hour."""

from dataclasses import dataclass
from datetime import datetime
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

_REPORTED = """
    WITH seen AS (
        SELECT u.occurred_at, u.ordinal, u.quantity, u.metadata
        FROM usage AS u
        JOIN meter_folds AS f ON f.source_summary_id = u.summary_id AND f.usage_type_id = :meter
        WHERE hashtextextended(u.subscription_id, 0) = hashtextextended(:subscription, 0)
            AND usage_place(u.occurred_at, u.ordinal) >= usage_place(greatest(:start, :since), 0)
            AND usage_place(u.occurred_at, u.ordinal) < usage_place(:end, 0)
            AND u.subscription_id = :subscription AND u.usage_type_id = :of AND u.ordinal <= f.folded
            AND (CAST(:retired AS timestamptz) IS NULL OR u.recorded_at < :retired)
            AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id AND v.ordinal <= f.folded_voids)
        OFFSET 0
    ), counted AS (
        SELECT occurred_at, ordinal, {condition} AS met, {value} AS raw{dimensions}
        FROM {seen} AS seen
        OFFSET 0
    ), measured AS MATERIALIZED (
        SELECT *, {rounded} AS value{fits}
        FROM counted
    )
    SELECT m.occurred_at, CAST({values} AS text) AS dimensions, m.value
    FROM measured AS m
    WHERE m.met AND m.value IS NOT NULL
    ORDER BY m.occurred_at, m.ordinal
    LIMIT :limit
"""
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Reported:
    """What one recording says of the series of these values: by how much it changes, or what it is."""

    at: datetime
    dimensions: Any
    value: Decimal


def reported(
    session: Session, subscription_id: str, meter: ActiveMeter, definition: Definition, *, within: Period, limit: int
) -> list[Reported]:
    """Up to ``limit`` of them that occurred ``within``, in order of time."""
    compiler = ReadOnce("metadata")
    statement = _REPORTED.format(**measured_of(definition, compiler), values=values_in_sql(definition)[0])
    asked = {
        **compiler.parameters,
        "start": within.start,
        "end": within.end,
        "subscription": subscription_id,
        "meter": meter.usage_type_id,
        "of": meter.of,
        "since": meter.since,
        "retired": meter.retired_at,
        "limit": limit,
    }
    rows = session.execute(text(statement), asked)
    return [Reported(row.occurred_at, _decoder.decode(row.dimensions), row.value) for row in rows]
