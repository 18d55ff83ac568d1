"""One usage type, and how it is folded if it is. The database tells both as a text, which a process reads once."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.meters.queries import ActiveMeter, active_meter, definition_of

FOLDED = """
    (
        SELECT CAST(json_build_object(
            'id', t.id, 'unit_name', t.unit_name, 'aggregation', t.aggregation, 'of', t.of, 'folds', m, 'definitions', (
                SELECT json_agg(d ORDER BY d.version DESC)
                FROM meter_definitions AS d
                WHERE d.usage_type_id = m.usage_type_id
            )
        ) AS text)
        FROM usage_types AS t
        LEFT JOIN meters AS m ON m.usage_type_id = t.id
        WHERE t.id = :usage_type
    )
"""
"""A column for another statement: the text of ``:usage_type`` that ``read_folded`` reads; null where there is none."""
_FOLDED = text(f"SELECT {FOLDED}")


class FoldedType(msgspec.Struct, frozen=True, kw_only=True):
    """A usage type; ``meter`` is None if nothing is folded of it. Nothing says here what prices name."""

    id: str
    unit_name: str
    aggregation: str
    meter: ActiveMeter | None


class _Folds(msgspec.Struct):
    """A row of ``meters``."""

    usage_type_id: str
    since: datetime
    looked_back: bool
    retired_at: datetime | None


class _Defined(msgspec.Struct):
    """A row of ``meter_definitions``."""

    function: str
    value: str | None
    condition: str | None
    dimensions: list[dict[str, str]]
    series_limit: int
    mode: str | None
    per: str | None
    carry: bool
    windowing: dict[str, Any] | None
    effective_from: datetime


class _Told(msgspec.Struct):
    id: str
    unit_name: str
    aggregation: str
    of: str | None
    folds: _Folds | None
    definitions: Sequence[_Defined] | None


_decoder = msgspec.json.Decoder(_Told)


def folded_type(session: Session, usage_type_id: str) -> FoldedType | None:
    """A usage type, and how it is folded if it is; None if there is none."""
    return read_folded(session.scalar(_FOLDED, {"usage_type": usage_type_id}))


@lru_cache(maxsize=256)
def read_folded(told: str | None) -> FoldedType | None:
    """The usage type of a text of ``FOLDED``. An equal text is read once: all that is read of it stands in it."""
    if told is None:
        return None
    read = _decoder.decode(told)
    definitions = [(one.effective_from, definition_of(one)) for one in read.definitions or ()]
    meter = None if read.folds is None else active_meter(read.folds, read.of, definitions)
    return FoldedType(id=read.id, unit_name=read.unit_name, aggregation=read.aggregation, meter=meter)
