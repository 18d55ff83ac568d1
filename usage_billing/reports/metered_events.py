"""The recordings behind a meter's invoice item: those of its sources that met the meter's definition."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, and_, exists, false, select, text
from sqlalchemy.orm import Session

from usage_billing.expressions.sql import SqlCompiler
from usage_billing.invoicing.models import UsageInvoiceItem
from usage_billing.metering.models import Usage, UsageSummary, UsageVoid
from usage_billing.meters.counting import scalar_in_sql
from usage_billing.meters.definition import Definition
from usage_billing.meters.measures import value_in_sql
from usage_billing.meters.queries import ActiveMeter, active_meters
from usage_billing.rating.engine import stored_price
from usage_billing.rating.pricing.by_dimension import ByDimension
from usage_billing.reports.meter_terms import definition_for


class _Placed(NamedTuple):
    place: int
    usage: Usage


def metered_events(
    session: Session, item: UsageInvoiceItem, *, after: int, limit: int
) -> tuple[list[Usage], int | None]:
    """Up to ``limit`` of them from the one after place ``after``, and the place of the last; None if none follow.

    A recording's place is its ordinal, after all the ordinals of the sources before its own.
    """
    meter = active_meters(session)[str(item.usage_type_id)]
    found: list[_Placed] = []
    before = 0
    for source in item.sources or ():
        first = max(after - before, 0)
        if first < source["events"] and len(found) <= limit:
            found += [
                _Placed(before + usage.ordinal, usage)
                for usage in _of_source(session, item, source, meter, after=first, limit=limit + 1 - len(found))
            ]
        before += source["events"]
    page = found[:limit]
    return [one.usage for one in page], page[-1].place if len(found) > limit else None


def _of_source(
    session: Session, item: UsageInvoiceItem, source: dict[str, Any], meter: ActiveMeter, *, after: int, limit: int
) -> list[Usage]:
    summary = session.get_one(UsageSummary, source["summary"])
    name = summary.subscription_id
    definition = definition_for(session, meter, subscription_id=name, at=summary.period_start)
    counts = [Usage.occurred_at >= meter.since, *_met(definition), *_of_cell(definition, item)]
    if meter.level is None:  # a level is what all recordings before made of it
        counts.append(Usage.occurred_at >= item.period_start)
    if meter.retired_at is not None:
        counts.append(Usage.recorded_at < meter.retired_at)
    return list(
        session.scalars(
            select(Usage)
            .where(
                Usage.summary_id == source["summary"],
                Usage.ordinal > after,
                Usage.ordinal <= source["events"],
                Usage.occurred_at < item.period_end,
                ~exists().where(and_(UsageVoid.usage_id == Usage.id, UsageVoid.ordinal <= source["voids"])),
                *counts,
            )
            .order_by(Usage.ordinal)
            .limit(limit)
        )
    )


def _of_cell(definition: Definition, item: UsageInvoiceItem) -> list[ColumnElement[bool]]:
    """Whether a recording's series has the cell that an item of a price by dimension charges."""
    if not item.cell or item.price is None:
        return []
    model = stored_price(item.price).model
    if not isinstance(model, ByDimension) or item.cell not in model.prices:
        return [false()]
    names = [cell.name for cell in model.cells]
    cells = model.cells[: names.index(item.cell) + 1] if item.cell in names else model.cells
    asked_for = {name for cell in cells for name in cell.wanted}
    compiler = SqlCompiler("usage.metadata", prefix="c")
    # Of those that no cell asks for, the statement would have parameters and no place for them.
    values = {
        one.name: scalar_in_sql(f"({one.expression.sql(compiler)})")
        for one in definition.dimensions
        if one.name in asked_for
    }
    wanted: dict[str, str] = {}
    conditions: list[str] = []
    for cell in cells:
        met: list[str] = []
        for name, named in cell.wanted.items():
            key = f"wanted{len(wanted)}"
            wanted[key] = msgspec.json.encode(named).decode()
            met.append(
                f"CAST(:{key} AS jsonb) @> {values[name]}" if name in values else f"CAST(:{key} AS text) IS NULL"
            )
        is_met = " AND ".join(met)
        conditions.append(f"({is_met})" if cell.name == item.cell else f"NOT ({is_met})")
    return [text(" AND ".join(conditions)).bindparams(**compiler.parameters, **wanted)]  # type: ignore[list-item]


def _met(definition: Definition) -> list[ColumnElement[bool]]:
    """Whether a recording meets the condition, and has a value."""
    compiler = SqlCompiler("usage.metadata")
    conditions = [] if definition.condition is None else [definition.condition.sql(compiler)]
    if definition.value_expression is not None:
        raw = definition.value_expression.sql(compiler)
        value = value_in_sql(definition)
        # Made of the compiler's SQL; names and texts are parameters.
        conditions.append(f"(SELECT {value} FROM (SELECT {raw} AS raw) AS v) IS NOT NULL")  # noqa: S608
    if not conditions:
        return []
    return [text(" AND ".join(conditions)).bindparams(**compiler.parameters)]  # type: ignore[list-item]
