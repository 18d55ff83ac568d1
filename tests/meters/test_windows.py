"""Windows of meters beside brute force: any order and pieces, voids, cut periods, clocks that change."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from itertools import product
from math import ceil
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.conftest import Clock
from tests.factories import make_customer, make_plan, make_quota, make_recording, make_usage_type, record
from tests.factories.customers import make_subscription
from tests.factories.meters import fold, make_meter
from tests.meters.test_fold import fold_and_undo
from tests.meters.test_functions import FUNCTIONS, VALUES, Seen, brute
from tests.support.billing import bill
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.change_subscription import change_plan
from usage_billing.flows.administration.situation import When
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.what_if import Question, what_if

USERS: tuple[Any, ...] = ("ada", "ben", "1", 1, 1.0, True, "cid")
ACROSS: tuple[dict[str, Any], ...] = (
    {"across": "max"},
    {"across": "sum"},
    {"across": "average"},
    {"across": "average", "empty": "skip"},
    {"across": "percentile", "percent": 95, "empty": "skip"},
    {"across": "percentile", "percent": "99.9"},
    {"across": "max", "empty": "skip"},
    {"across": "sum", "rate": "minute"},
)
KINDS = [
    (function, every, across)
    for function, every, across in product(FUNCTIONS, ("5m", "hour", "day"), ACROSS)
    if "rate" not in across or function in {"sum", "count"}
]
Kind = tuple[str, str, dict[str, Any]]


def name_of(kind: Kind) -> str:
    return "-".join(map(str, ("w", *kind[:2], *kind[2].values())))


def make_meters(session: Session, kinds: Sequence[Kind]) -> None:
    for function, every, across in kinds:
        value = {"count": None, "unique_count": "user"}.get(function, "n")
        make_meter(
            session,
            id=name_of((function, every, across)),
            aggregation=function,
            value=value,
            window={"every": every, **across},
        )


def make_zoned(session: Session, zone: str) -> None:
    make_customer(session)
    make_plan(session)
    make_usage_type(session, id="assessment")
    make_subscription(session, timezone=zone)


def tick_of(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)


@cache
def window_of(every: str, at: datetime, zone: str) -> tuple[datetime, datetime]:
    """By the wall clock, minute by minute: as long as it shows the same five minutes, hour or day."""

    def shown(instant: datetime) -> Any:
        here = instant.astimezone(ZoneInfo(zone))
        odd = (here.utcoffset() or timedelta()) % timedelta(hours=1)
        if every == "day":
            return here.date()
        # A full hour of the clock, which is an hour of UTC moved by the part of an hour that the zone is ahead.
        size = timedelta(minutes=5) if every == "5m" else timedelta(hours=1)
        return odd, (instant - datetime(1970, 1, 1, tzinfo=UTC) + (odd if every == "hour" else timedelta())) // size

    step = timedelta(minutes=5)
    start = end = at
    while shown(start - step) == shown(at):
        start -= step
    while shown(end + step) == shown(at):
        end += step
    return start, end + step


@cache
def windows_in(every: str, start: datetime, end: datetime, zone: str) -> list[tuple[datetime, datetime]]:
    found, at = [], start
    while at < end:
        found.append(window_of(every, tick_of(at), zone))
        at = found[-1][1]
    return found


def half_up(value: Fraction) -> Decimal:
    scaled = int(abs(value) * 10**12 + Fraction(1, 2))
    return Decimal(scaled if value >= 0 else -scaled).scaleb(-12)


def expected(kind: Kind, calls: Sequence[Seen], start: datetime, end: datetime, zone: str) -> Decimal:
    """What a whole billing period comes to."""
    return max(come_to(kind, calls, start, end, zone) or Decimal(0), Decimal(0))


def come_to(kind: Kind, calls: Sequence[Seen], start: datetime, end: datetime, zone: str) -> Decimal | None:
    """What a span comes to; None where nothing is left of it."""
    function, every, across = kind
    field = "user" if function == "unique_count" else "n"
    by_window: dict[tuple[datetime, datetime], list[Seen]] = {}
    for call in calls:
        if call.counts and start <= call.at < end:
            by_window.setdefault(window_of(every, tick_of(call.at), zone), []).append(call)
    found: list[Decimal | None] = []
    for window in windows_in(every, start, end, zone):
        here = by_window.pop(window, [])
        if function != "count":
            here = [call for call in here if call.metadata[field] not in ("NaN", None)]
        value = brute(function, here) if here else None
        if value is not None and "rate" in across:
            value = half_up(Fraction(value) * 60 / int((window[1] - window[0]).total_seconds()))
        found.append(value)
    assert not by_window
    skips = across.get("empty") == "skip" or across["across"] == "sum"
    values = sorted(value or Decimal(0) for value in found if value is not None or not skips)
    if not values:
        return None if across.get("empty") == "skip" else Decimal(0)
    match across["across"]:
        case "max":
            return values[-1]
        case "sum":
            return sum(values, Decimal(0))
        case "average":
            return half_up(sum(map(Fraction, values), Fraction(0)) / len(values))
        case _:
            return values[ceil(Fraction(across["percent"]) * len(values) / 100) - 1]


def make_call(random: Random) -> dict[str, Any]:
    return {"n": random.choice(VALUES), "user": random.choice(USERS)}


def put(engine: Engine, calls: list[Seen], given: Sequence[tuple[datetime, dict[str, Any]]], now: datetime) -> None:
    made = [make_recording(now=now, metadata=json.dumps(m), occurred_at=at) for at, m in given]
    with transaction(engine) as session:
        assert record(session, *made).recorded == len(made)
    calls += [Seen(r.id, at, len(calls) + n, m) for n, (r, (at, m)) in enumerate(zip(made, given, strict=True))]


def stored(session: Session) -> dict[str, dict[datetime, Decimal]]:
    rows = session.execute(
        text("SELECT usage_type_id, period_start, total FROM usage_summaries WHERE usage_type_id LIKE 'w-%'")
    )
    found: dict[str, dict[datetime, Decimal]] = {}
    for row in rows:
        found.setdefault(row.usage_type_id, {})[row.period_start] = row.total
    return found


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("UTC", date(2026, 6, 1), date(2026, 7, 1)),
        ("Europe/Berlin", date(2026, 3, 1), date(2026, 4, 1)),  # a day of 23 hours
        ("Europe/Berlin", date(2026, 10, 1), date(2026, 11, 1)),  # and one of 25
        ("Asia/Kathmandu", date(2026, 6, 1), date(2026, 7, 1)),
        ("Australia/Lord_Howe", date(2026, 4, 1), date(2026, 5, 1)),
        ("Australia/Lord_Howe", date(2026, 10, 1), date(2026, 11, 1)),
    ],
)
def test_any_order_any_pieces_any_voids_come_to_the_same(engine: Engine, zone: str, start: date, end: date) -> None:
    random, calls = Random(f"{zone}{start}"), list[Seen]()
    begins, ends = (
        datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC) for day in (start, end)
    )
    kinds = random.sample(KINDS, 12)
    with transaction(engine) as session:
        make_zoned(session, zone)
        make_meters(session, kinds)
    days = (ends - begins) / timedelta(days=1)
    # Most of it where the clocks change, or about the middle.
    change = next(
        (
            begins + timedelta(hours=hour)
            for hour in range(int(days) * 24)
            if (begins + timedelta(hours=hour)).astimezone(ZoneInfo(zone)).utcoffset()
            != (begins + timedelta(hours=hour + 1)).astimezone(ZoneInfo(zone)).utcoffset()
        ),
        begins + timedelta(days=14),
    )
    for _ in range(12):
        step = random.randrange(5)
        if step <= 1:
            times = [change + timedelta(minutes=random.randrange(-1500, 1500)) for _ in range(random.randrange(1, 9))]
            put(engine, calls, [(at, make_call(random)) for at in times], ends)
        elif step == 2 and (counting := [call for call in calls if call.counts]):
            call = random.choice(counting)
            with transaction(engine) as session:
                void_usage(session, call.id, reason="a mistake", actor="a test", now=ends)
            call.counts = False
        elif step == 3:
            fold_and_undo(engine)
        else:
            with transaction(engine) as session:
                fold(session, at_most=random.choice((None, 3, 20)))
    with transaction(engine) as session:
        while fold(session, at_most=25).recordings:
            pass
        found = stored(session)
    for kind in kinds:
        whole = expected(kind, calls, begins, ends, zone)
        assert sum(found.get(name_of(kind), {}).values()) == whole, kind
    with read_only(engine) as session:
        assert [str(one) for one in find_differences(session)] == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cut_changes_nothing_of_what_a_period_comes_to(engine: Engine, seed: int) -> None:
    """Another plan from the 11th at 10:31: a window that is cut is divided as a period that is cut."""
    random, calls = Random(seed), list[Seen]()
    june, july = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    cut = datetime(2026, 6, 11, 10, 31, 7, tzinfo=UTC)
    kinds = random.sample(KINDS, 14)
    with transaction(engine) as session:
        make_zoned(session, "UTC")
        make_meters(session, kinds)
        make_plan(session, id="other")
        for kind in kinds:
            make_quota(session, usage_type=name_of(kind), limit=0, unit_price="1")
            make_quota(session, plan="other", usage_type=name_of(kind), limit=0, unit_price="2")

    def some(start: datetime, minutes: int, number: int = 8) -> None:
        times = [start + timedelta(minutes=random.randrange(minutes)) for _ in range(number)]
        given = [(at, make_call(random) | {"n": random.choice((0, 1, 5, 7, "2.5", None))}) for at in times]
        put(engine, calls, given, july)

    some(cut - timedelta(minutes=300), 299)
    some(cut - timedelta(minutes=2), 2, 3)
    with transaction(engine) as session:
        fold(session)
        change_plan(session, "sub456", plan_id="other", when=When(moment=cut), actor="a test", now=cut)
    some(cut, 3, 4)
    some(cut + timedelta(minutes=1), 300)
    gone = random.choice(calls)
    with transaction(engine) as session:
        fold(session, at_most=4)
        void_usage(session, gone.id, reason="a mistake", actor="a test", now=cut)
    gone.counts = False
    bill(engine, july + timedelta(days=1))
    with read_only(engine) as session:
        found = stored(session)
        assert [str(one) for one in find_differences(session)] == []
        amounts = {
            row.usage_type_id: row.amount
            for row in session.execute(
                text("SELECT usage_type_id, sum(amount) AS amount FROM usage_invoice_items GROUP BY 1")
            )
        }
        [looked] = what_if(session, Question(start=june, end=july, customer_id="user123"))
        assert looked.actual == sum(amounts.values())
    for kind in kinds:
        parts = found.get(name_of(kind), {})
        assert sum(parts.values()) == expected(kind, calls, june, july, "UTC"), kind
        cents = [
            (part * (1 if start == june else 2)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            for start, part in parts.items()
        ]
        assert amounts.get(name_of(kind), Decimal(0)) == sum(cents), kind


def spelled(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f") if value else "0"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_series_is_the_same_over_each_window_and_over_all(
    engine: Engine, admin: FlaskClient, clock: Clock, seed: int
) -> None:
    """By any window, in another zone, folded or not yet; `by=period` is what the usage line says."""
    random, calls, zone = Random(seed), list[Seen](), "Europe/Berlin"
    end = datetime(2026, 10, 31, 23, tzinfo=UTC)
    kinds = random.sample(KINDS, 9)
    with transaction(engine) as session:
        make_zoned(session, zone)
        for function, every, across in kinds:
            value = {"count": None, "unique_count": "user"}.get(function, "n")
            name, window = name_of((function, every, across)), {"every": every, **across}
            make_meter(session, id=name, aggregation=function, value=value, window=window, dimensions=["model"])
    for _ in range(2):
        times = [end - timedelta(days=7) + timedelta(minutes=random.randrange(4000)) for _ in range(12)]
        given = [(at, make_call(random) | {"model": random.choice("ab")}) for at in times]
        put(engine, calls, given, end)
        if seed % 2 == 0:
            with transaction(engine) as session:
                fold(session)
    clock.now = end - timedelta(hours=1)
    lines = admin.get("/api/usage/subscription/sub456").json["usage"]
    used = {line["usageType"]: line["used"] for line in lines}
    for kind in kinds:
        for by in ("hour", "day", "week", "period"):
            since = {} if by == "period" else {"from": (end - timedelta(days=8)).strftime("%Y-%m-%dT%H:%M:%SZ")}
            since |= {"timezone": "America/New_York"} if by == "day" else {}
            query = {"usageType": name_of(kind), "by": by, "groupBy": "model", **since}
            answer = admin.get("/api/usage/subscription/sub456/series", query_string=query)
            assert answer.status_code == 200, answer.json
            found = answer.json
            edges = [
                tuple(datetime.fromisoformat(window[name]) for name in ("start", "end")) for window in found["windows"]
            ]
            for one in found["series"]:
                mine = [call for call in calls if call.metadata["model"] == one["dimensions"]["model"]]
                assert one["total"] == spelled(come_to(kind, mine, edges[0][0], edges[-1][1], zone)), (kind, by)
                assert one["values"] == [spelled(come_to(kind, mine, *edge, zone)) for edge in edges], (kind, by)
            assert found["total"] == spelled(come_to(kind, calls, edges[0][0], edges[-1][1], zone)), (kind, by)
            if by == "period" and name_of(kind) in used:
                assert max(Decimal(found["total"] or 0), Decimal(0)) == Decimal(used[name_of(kind)])


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        ("DELETE FROM meter_window_values", "meter_values"),
        ("UPDATE usage_summaries SET total = total + 1 WHERE usage_type_id LIKE 'w-%'", "summary_total"),
        ("""UPDATE meter_definitions SET windowing = windowing || '{"across": "max"}'""", "summary_total"),
        ("""UPDATE meter_definitions SET windowing = windowing || '{"every": "day"}'""", "summary_total"),
    ],
)
def test_verify_finds_what_is_spoilt(engine: Engine, now: datetime, spoil: str, kind: str) -> None:
    with transaction(engine) as session:
        make_zoned(session, "UTC")
        make_meters(session, [("unique_count", "hour", {"across": "sum"})])
        for hour in (1, 2, 3):
            users = ("ada", "ben")[: hour % 2 + 1]
            at = now.replace(hour=hour)
            record(session, *(make_recording(now=at, metadata=json.dumps({"user": user})) for user in users))
        fold(session)
        assert [str(one) for one in find_differences(session)] == []
        session.execute(text(spoil.replace(":", "\\:")))
        assert kind in {one.kind for one in find_differences(session)}
