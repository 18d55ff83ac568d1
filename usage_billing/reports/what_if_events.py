"""The recorded events of a subscription, and what meters count of each, in the order recorded."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import String, cast, exists, select
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.metering.models import Usage, UsageVoid
from usage_billing.meters.definition import Mode
from usage_billing.meters.queries import EVER, ActiveMeter
from usage_billing.meters.running import standing_at
from usage_billing.meters.told import values_within
from usage_billing.meters.trial import counted_value, series_values, told_apart
from usage_billing.reports.series_states import parts_by_definition
from usage_billing.reports.what_if_charges import Event
from usage_billing.subscriptions.lifecycle import Timeline

_AT_A_TIME = 2000
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def events_of(
    session: Session, subscription_id: str, span: Period, *, line: Timeline, meters: Mapping[str, ActiveMeter]
) -> list[Event]:
    """What occurred in ``span`` and counts: a recording is an event of its usage type, and of each meter of that.

    A meter's events have the value that the definition of their billing period makes of the recording.
    """
    metered: dict[str, list[ActiveMeter]] = {}
    for meter in meters.values():
        metered.setdefault(str(meter.of), []).append(meter)
    rows = session.execute(
        select(
            Usage.usage_type_id,
            Usage.occurred_at,
            Usage.recorded_at,
            Usage.quantity,
            *([cast(Usage.usage_metadata, String).label("metadata")] if metered else []),
        )
        .where(
            Usage.of(subscription_id),
            Usage.since(span.start),
            Usage.before(span.end),
            ~exists().where(UsageVoid.usage_id == Usage.id),
        )
        .order_by(Usage.summary_id, Usage.ordinal)
        .execution_options(yield_per=_AT_A_TIME)
    )
    numbers: dict[Any, Decimal] = {}
    found = list(_standing(session, subscription_id, span.start, meters, line=line, numbers=numbers))
    for row in rows:
        found.append((row.usage_type_id, row.occurred_at, row.quantity, {}))
        if row.usage_type_id in metered:
            found += _metered(row, metered[row.usage_type_id], line, numbers)
    return found


def _standing(
    session: Session,
    subscription_id: str,
    at: datetime,
    meters: Mapping[str, ActiveMeter],
    *,
    line: Timeline,
    numbers: dict[Any, Decimal],
) -> Iterator[Event]:
    """Where each series of the levels that are carried stands, and each value seen before, as if reported then."""
    for name, meter in meters.items():
        if meter.level is not None and meter.level.mode == Mode.SEEN:
            for definition, within in parts_by_definition(line, meter, Period(EVER, at)):
                for value in values_within(session, subscription_id, meter, definition, within=within):
                    yield name, at, _number_of(told_apart(value), numbers), {}
        elif meter.level is not None and meter.level.carry:
            stands = standing_at(session, subscription_id, name, at, level=meter.level)
            dimensions = [one.name for one in meter.definitions[0][1].dimensions]
            for series, value in stands:
                yield name, at, value, dict(zip(dimensions, series, strict=True)) if isinstance(series, list) else {}


def _metered(row: Any, meters: list[ActiveMeter], line: Timeline, numbers: dict[Any, Decimal]) -> Iterator[Event]:
    """``numbers`` has one for each value that is told apart, and gets those of new ones."""
    segment, metadata = line.segment_at(row.occurred_at), _decoder.decode(row.metadata)
    start = row.occurred_at if segment is None else segment.period.start
    for meter in meters:
        if row.occurred_at < meter.since or (meter.retired_at is not None and row.recorded_at >= meter.retired_at):
            continue
        definition = meter.definition_of(start)
        value = counted_value(definition, metadata, row.quantity)
        if value is not None:
            number = value if isinstance(value, Decimal) else _number_of(value, numbers)
            yield (meter.usage_type_id, row.occurred_at, number, series_values(definition, metadata))


def _number_of(value: Any, numbers: dict[Any, Decimal]) -> Decimal:
    return numbers.setdefault(value, Decimal(len(numbers)))
