"""Usage over time, as the series of the API has it, and its table."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.core.instants import INSTANT
from usage_billing.db.session import transaction
from usage_billing.flows.folding.keep_by_time import keep_usage_by_time
from usage_billing.meters.folded import folded_type
from usage_billing.reports.series import SeriesRequest, UsageSeries, usage_series
from usage_billing.reports.series_windows import billing_period
from usage_billing.reports.usage import usage_under
from usage_billing.subscriptions.queries import Contract
from usage_billing.wire.noun import show
from usage_billing.wire.series import USAGE_SERIES
from web.portal.visit import Visit

TOP = 5
"""Series that are drawn by themselves; all others are one."""

_HOURS, _MONTHS = timedelta(hours=72), timedelta(days=365)


class Span(NamedTuple):
    """A choice of what is looked at: its word, and the step of its windows."""

    word: str
    by: str


SPANS = {
    "period": Span("This period, by day", "day"),
    "last": Span("The period before, by day", "day"),
    "hours": Span("The last 72 hours, by hour", "hour"),
    "months": Span("The last 12 months, by month", "month"),
}


class Asked(NamedTuple):
    """What a reader chose: the usage type (None: there is none), the span, and the dimension, if one."""

    usage_type: str | None
    span: str
    dimension: str | None
    types: Sequence[str]
    dimensions: Sequence[str]


def asked(visit: Visit, contract: Contract, query: dict[str, str]) -> Asked:
    """What the address chooses, or else the first of each; raises InvalidInput for a choice that there is not."""
    lines = usage_under(visit.session, [contract], now=visit.now, span=None)
    types = sorted({line.usage_type for line in lines})
    usage_type = query.get("type", types[0] if types else None)
    span = query.get("span", "period")
    if (usage_type is not None and usage_type not in types) or span not in SPANS:
        where = "?span" if span not in SPANS else "?type"
        raise InvalidInput.field(where, "is not one of the choices", code="not_a_choice")
    dimensions = _dimensions(visit.session, usage_type) if usage_type else []
    dimension = query.get("dimension")
    if dimension is not None and dimension not in dimensions:
        raise InvalidInput.field("?dimension", "is not one of the choices", code="not_a_choice")
    return Asked(usage_type, span, dimension, types, dimensions)


def choices(visit: Visit, chosen: Asked) -> dict[str, Any]:
    """What the form of the page offers, and the address of what is seen."""
    say = visit.writer.say
    return {
        "asked": chosen,
        "type_choices": [(one, one) for one in chosen.types],
        "span_choices": [(name, say(one.word)) for name, one in SPANS.items()],
        "dimension_choices": [("", say("nothing")), *((one, one) for one in chosen.dimensions)],
        "address_of_view": {"type": chosen.usage_type, "span": chosen.span, "dimension": chosen.dimension},
    }


def series_of(visit: Visit, contract: Contract, chosen: Asked) -> UsageSeries:
    """The series that was chosen; what is too much to be counted each time is kept from now on."""
    assert chosen.usage_type is not None  # noqa: S101  the page shows that there is nothing, and asks nothing
    start, end = _bounds(contract, chosen.span, visit.now)
    request = SeriesRequest(
        usage_type=chosen.usage_type,
        start=start,
        end=end,
        by=SPANS[chosen.span].by,
        group_by=(chosen.dimension,) if chosen.dimension else (),
        top=TOP if chosen.dimension else None,
    )
    found = usage_series(visit.session, [contract], request, now=visit.now)
    if found.wants_keeping:
        visit.later.append(lambda: _keep(found.usage_type))
    return found


def table(visit: Visit, found: UsageSeries, chosen: Asked) -> dict[str, Any]:
    """The series as a table, newest window first: the whole, the largest series, and the others."""
    shape = show(USAGE_SERIES, found)
    whole = _texts(found)
    listed = shape["series"] if chosen.dimension else []
    names = [_name(visit, one["dimensions"].get(chosen.dimension)) for one in listed]
    others = shape["other"] if chosen.dimension and shape["other"]["total"] not in (None, "0") else None
    columns = [one["values"] for one in listed] + ([others["values"]] if others else [])
    rows = [
        {"window": window, "whole": whole[place], "values": [column[place] for column in columns]}
        for place, window in enumerate(shape["windows"])
    ]
    return {
        "series": shape,
        "names": [*names, *([visit.writer.say("others")] if others else [])],
        "totals": [one["total"] for one in listed] + ([others["total"]] if others else []),
        "rows": rows[::-1],
        "by": SPANS[chosen.span].by,
    }


def _texts(found: UsageSeries) -> list[str | None]:
    return [None if value is None else plain(value) for value in found.whole]


def _name(visit: Visit, value: object) -> str:
    return visit.writer.say("without a value") if value is None else str(value)


def _bounds(contract: Contract, span: str, now: datetime) -> tuple[datetime, datetime]:
    present = billing_period(contract.timeline, now)
    if span == "last":
        before = billing_period(contract.timeline, present.start - INSTANT)
        return before.start, before.end
    if span == "period":
        return present.start, max(present.start + INSTANT, min(present.end, now))
    return now - (_HOURS if span == "hours" else _MONTHS), now


def _dimensions(session: Session, usage_type: str) -> list[str]:
    """The dimensions of a meter, by its newest definition; a usage type that counts itself has none."""
    known = folded_type(session, usage_type)
    meter = None if known is None else known.meter
    return [] if meter is None else [one.name for one in meter.definitions[0][1].dimensions]


def _keep(usage_type: str) -> None:
    with transaction(state().engine) as session:
        keep_usage_by_time(session, usage_type)
