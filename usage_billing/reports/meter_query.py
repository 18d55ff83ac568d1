"""What a meter came to over a span, for named customers and subscriptions or for all: as programs of others ask it.

It is usage over time (``usage_billing.reports.series``), asked for several customers at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.errors import InvalidInput, NotFound
from usage_billing.core.instants import INSTANT
from usage_billing.meters.series import MAX_PLAIN
from usage_billing.meters.windows import windows_of
from usage_billing.reports.series import Series, SeriesRequest, UsageSeries, usage_series
from usage_billing.reports.subjects import contracts_named
from usage_billing.subscriptions.queries import Contract, contracts_by_id, contracts_of

MAX_SUBSCRIPTIONS = 1000
"""Subscriptions of which one answer adds up usage."""

SUBJECT, CUSTOMER = "subject", "customerId"
"""What a query may group by beside the dimensions of a meter."""

_UTC = "UTC"
_TOTALS_BY = ("month", "day", "hour", "5m", "minute")
# A subscription's summaries are found by their unique index: some microseconds each.
_USED = text("""
    SELECT s.id
    FROM subscriptions AS s
    WHERE EXISTS (
        SELECT FROM usage_summaries AS u
        WHERE u.subscription_id = s.id AND u.usage_type_id = :type
            AND (CAST(:start AS timestamptz) IS NULL OR u.period_end > :start)
            AND (CAST(:end AS timestamptz) IS NULL OR u.period_start < :end)
    )
    ORDER BY s.id
    LIMIT :most
""")
_BEGAN = text("""
    SELECT min(period_start) FROM usage_summaries
    WHERE subscription_id = ANY(CAST(:subscriptions AS text[])) AND usage_type_id = :type
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterQuery:
    """What is asked of a meter.

    ``by`` is ``minute``, ``hour``, ``day``, ``month``, or None for one value of the whole span. ``subjects`` are names
    of subscriptions, or else of customers; None asks for all. ``wanted`` has the values that are asked for, by
    dimension. ``group_by`` names dimensions, SUBJECT or CUSTOMER.
    """

    start: datetime | None = None
    end: datetime | None = None
    by: str | None = None
    zone: str | None = None
    subjects: Sequence[str] | None = None
    customers: Sequence[str] | None = None
    wanted: Mapping[str, Sequence[str | bool | None]] = field(default_factory=dict)
    group_by: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRow:
    """A value of a window, or of the span. ``dimensions`` are those that are grouped by."""

    value: Decimal
    start: datetime
    end: datetime
    subject: str | None
    customer_id: str | None
    dimensions: Mapping[str, Any]


@dataclass(slots=True)
class MeterAnswer:
    """The rows; ``behind`` recordings are in none of them. ``wants_keeping`` as of ``UsageSeries``."""

    rows: list[MeterRow] = field(default_factory=list)
    behind: int = 0
    wants_keeping: bool = False


@dataclass(frozen=True, slots=True)
class _Group:
    subject: str | None
    customer_id: str | None
    contracts: list[Contract]


def query_meter(session: Session, usage_type_id: str, asked: MeterQuery, *, now: datetime) -> MeterAnswer:
    """The values of a meter, or of a usage type that is none.

    Raises NotFound, and InvalidInput as ``usage_series`` does, for a span that is not whole windows, for a subject that
    names two things, and for more than MAX_SUBSCRIPTIONS.
    """
    usage_type = session.get(UsageType, usage_type_id)
    if usage_type is None:
        raise NotFound(f"there is no meter {usage_type_id}")
    answer = MeterAnswer()
    dimensions = [name for name in asked.group_by if name not in {SUBJECT, CUSTOMER}]
    groups = list(_grouped(_contracts(session, usage_type, asked), asked))
    for group in groups:
        found = _series(session, usage_type, group, asked, dimensions, now=now, most=MAX_PLAIN // len(groups))
        if found is None:
            continue
        answer.behind += found.behind
        answer.wants_keeping = answer.wants_keeping or found.wants_keeping
        answer.rows += _rows(found, group, asked, dimensions)
    answer.rows.sort(key=lambda row: (row.start, row.subject or "", row.customer_id or ""))
    return answer


def _series(
    session: Session,
    usage_type: UsageType,
    group: _Group,
    asked: MeterQuery,
    dimensions: Sequence[str],
    *,
    now: datetime,
    most: int,
) -> UsageSeries | None:
    """The usage of one group; None where nothing was recorded before the end of a span without a beginning."""
    start = asked.start or _began(session, usage_type, group)
    if start is None or (asked.end is not None and asked.end <= start):
        return None
    zones = {contract.timeline.zone for contract in group.contracts}
    free = asked.by is None and asked.start is None and asked.end is None and len(zones) == 1
    zone = asked.zone or (zones.pop() if free else _UTC)
    request = SeriesRequest(
        usage_type=usage_type.id,
        start=start,
        end=asked.end,
        by=asked.by or _coarsest(asked, zone),
        zone=zone,
        group_by=dimensions,
        dimensions=asked.wanted,
    )
    _check_edges(asked, request.by, zone)
    return usage_series(session, group.contracts, request, now=now, most=most)


def _began(session: Session, usage_type: UsageType, group: _Group) -> datetime | None:
    """When the first period began in which any of it was recorded."""
    names = {"subscriptions": [one.id for one in group.contracts], "type": usage_type.of or usage_type.id}
    found: datetime | None = session.scalar(_BEGAN, names)
    return found


def _coarsest(asked: MeterQuery, zone: str) -> str:
    """The longest windows that the span is made of."""
    return next((by for by in _TOTALS_BY if not _crooked(asked, by, zone)), _TOTALS_BY[-1])


def _check_edges(asked: MeterQuery, by: str, zone: str) -> None:
    """Raises InvalidInput where the span begins or ends within a window: what lies beside it would be counted too."""
    for name in _crooked(asked, by, zone):
        raise InvalidInput.field(f"/{name}", f"must be the edge of a window of {by} in {zone}", code="not_aligned")


def _crooked(asked: MeterQuery, by: str, zone: str) -> list[str]:
    edges = {"from": asked.start, "to": asked.end}
    return [name for name, at in edges.items() if at is not None and not _is_edge(at, by, zone)]


def _is_edge(instant: datetime, by: str, zone: str) -> bool:
    return next(windows_of(instant, instant + INSTANT, by=by, zone=zone)).start == instant


def _contracts(session: Session, usage_type: UsageType, asked: MeterQuery) -> dict[str | None, list[Contract]]:
    """The subscriptions that are asked for, by the name that asks for them; by None where no name does."""
    if asked.subjects is None and asked.customers is None:
        names = {"type": usage_type.of or usage_type.id, "start": asked.start, "end": asked.end}
        ids = session.scalars(_USED, names | {"most": MAX_SUBSCRIPTIONS + 1}).all()
        found: dict[str | None, list[Contract]] = {None: contracts_by_id(session, ids)}
    elif asked.subjects is None:
        found = {name: contracts_of(session, name) for name in asked.customers or ()}
    else:
        found = {name: contracts_named(session, name) for name in asked.subjects}
        if asked.customers is not None:
            found = {
                name: [one for one in contracts if one.customer_id in asked.customers]
                for name, contracts in found.items()
            }
    if sum(map(len, found.values())) > MAX_SUBSCRIPTIONS:
        message = f"more than {MAX_SUBSCRIPTIONS} subscriptions used it: ask for some subjects at a time"
        raise InvalidInput(message, code="too_much")
    return found


def _grouped(found: Mapping[str | None, list[Contract]], asked: MeterQuery) -> Iterator[_Group]:
    named = asked.subjects is not None and SUBJECT in asked.group_by
    if not named and not {SUBJECT, CUSTOMER} & set(asked.group_by):
        together = {one.id: one for contracts in found.values() for one in contracts}
        if together:
            yield _Group(None, None, list(together.values()))
        return
    seen: set[str] = set()
    for name, contracts in found.items():
        by_customer: dict[str, list[Contract]] = {}
        for one in contracts:
            if one.id in seen:
                raise InvalidInput.field("/subject", f"{name} is asked for by two names", code="repeated")
            seen.add(one.id)
            by_customer.setdefault(one.customer_id, []).append(one)
        for customer, theirs in by_customer.items():
            subject = name if named else customer
            yield _Group(
                subject if SUBJECT in asked.group_by else None,
                customer if CUSTOMER in asked.group_by else None,
                theirs,
            )


def _rows(found: UsageSeries, group: _Group, asked: MeterQuery, dimensions: Sequence[str]) -> Iterator[MeterRow]:
    """A row for each window of each series that came to something, or for each series."""
    if dimensions:
        series = [*found.series, *([found.other] if found.other.total else [])]
    else:
        series = [Series(dimensions={}, values=found.whole, total=found.total)]
    for one in series:
        if asked.by is None:
            spans = [(found.start, found.end, one.total)]
        else:
            windows = zip(found.windows, one.values, strict=True)
            spans = [(window.start, window.end, value or None) for window, value in windows]
        for start, end, value in spans:
            if value is not None:
                shown = {name: one.dimensions.get(name) for name in dimensions}
                yield MeterRow(
                    value=value,
                    start=start,
                    end=end,
                    subject=group.subject,
                    customer_id=group.customer_id,
                    dimensions=shown,
                )
