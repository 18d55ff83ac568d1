"""Every function of meters beside brute force: in any order and pieces, with voids, over periods that are cut."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.factories import make_plan, make_quota, make_recording, make_world, record
from tests.factories.meters import fold, make_meter
from tests.meters.test_fold import fold_and_undo
from tests.support.billing import bill
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.change_subscription import change_plan, take_back
from usage_billing.flows.administration.situation import When
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.what_if import Question, what_if
from usage_billing.subscriptions.agreed_changes import changes_of

FUNCTIONS = ("sum", "count", "max", "min", "latest", "unique_count", "average")
VALUES: tuple[Any, ...] = (0, 1, 5, 5, "7", -3, "2.5", 1000, "NaN", None)
USERS: tuple[Any, ...] = ("ada", "ben", "1", 1, 1.0, True, None, "", ["x"])
_TWELVE, _CENT = Decimal("1e-12"), Decimal("0.01")


@dataclass
class Seen:
    """A recording as the test made it."""

    id: UUID
    at: datetime
    order: int
    metadata: dict[str, Any]
    counts: bool = True


def number(value: Any) -> Decimal | None:
    return None if value in ("NaN", None) else Decimal(str(value))


def user(value: Any) -> tuple[str, Any] | None:
    return None if value is None or isinstance(value, list) else (type(value).__name__.replace("float", "int"), value)


def brute(function: str, calls: Sequence[Seen]) -> Decimal | None:  # noqa: PLR0911  a case for each function
    """What a function comes to over recordings, straight from what it says."""
    calls = [call for call in calls if call.counts]
    if function == "count":
        return Decimal(len(calls))
    if function == "unique_count":
        return Decimal(len({user(call.metadata["user"]) for call in calls} - {None}))
    found = [(call, n) for call in calls if (n := number(call.metadata["n"])) is not None]
    numbers = [n for _, n in found]
    if function == "sum":
        return sum(numbers, Decimal(0))
    if not numbers:
        return None
    if function == "latest":
        return max(found, key=lambda one: (one[0].at, one[0].order))[1]
    if function == "average":
        return (sum(numbers, Decimal(0)) / len(numbers)).quantize(_TWELVE, ROUND_HALF_UP)
    return max(numbers) if function == "max" else min(numbers)


def make_meters(session: Session, **terms: Any) -> None:
    for function in FUNCTIONS:
        value = {"count": None, "unique_count": "user"}.get(function, "n")
        make_meter(session, id=f"by-{function}", aggregation=function, value=value, **terms)


def make_call(random: Random, now: datetime) -> tuple[datetime, dict[str, Any]]:
    metadata = {"n": random.choice(VALUES), "user": random.choice(USERS), "model": random.choice("ab")}
    return now - timedelta(minutes=random.randrange(0, 14 * 24 * 4) * 15), metadata


def stored(session: Session) -> dict[str, dict[datetime, Decimal]]:
    rows = session.execute(
        text("SELECT usage_type_id, period_start, total FROM usage_summaries WHERE usage_type_id LIKE 'by-%'")
    )
    found: dict[str, dict[datetime, Decimal]] = {}
    for row in rows:
        found.setdefault(row.usage_type_id[3:], {})[row.period_start] = row.total
    return found


@pytest.mark.parametrize(("seed", "dimensions"), [(1, ()), (2, ("model",)), (3, ("model",)), (4, ())])
def test_any_order_any_pieces_any_voids_come_to_the_same(
    engine: Engine, now: datetime, seed: int, dimensions: tuple[str, ...]
) -> None:
    random, calls = Random(seed), list[Seen]()
    with transaction(engine) as session:
        make_world(session)
        make_meters(session, dimensions=dimensions)
    for _ in range(18):
        step = random.randrange(5)
        if step <= 1:
            given = [make_call(random, now) for _ in range(random.randrange(1, 9))]
            made = [make_recording(now=now, metadata=json.dumps(m), occurred_at=at) for at, m in given]
            with transaction(engine) as session:
                assert record(session, *made).recorded == len(made)
            calls += [Seen(r.id, at, len(calls) + n, m) for n, (r, (at, m)) in enumerate(zip(made, given, strict=True))]
        elif step == 2 and (counting := [call for call in calls if call.counts]):
            call = random.choice(counting)
            with transaction(engine) as session:
                void_usage(session, call.id, reason="a mistake", actor="a test", now=now)
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
        for function in FUNCTIONS:
            expected = max(brute(function, calls) or Decimal(0), Decimal(0))
            assert sum(found[function].values()) == expected, function
    with read_only(engine) as session:
        assert [str(one) for one in find_differences(session)] == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_cut_period_gives_its_parts_and_the_parts_are_the_whole(engine: Engine, seed: int) -> None:
    """Another plan from the 11th: extremes and distinct values grow, the others are divided by time."""
    random, calls = Random(seed), list[Seen]()
    june, cut, july = (datetime(2026, month, day, tzinfo=UTC) for month, day in ((6, 1), (6, 11), (7, 1)))
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meters(session)
        make_plan(session, id="other")
        for function in FUNCTIONS:
            make_quota(session, usage_type=f"by-{function}", limit=0, unit_price="1")
            make_quota(session, plan="other", usage_type=f"by-{function}", limit=0, unit_price="2")

    def some(since: datetime, days: int) -> None:
        given = [(since + timedelta(hours=random.randrange(24 * days)), make_call(random, july)[1]) for _ in range(9)]
        made = [make_recording(now=at, metadata=json.dumps(m), occurred_at=at) for at, m in given]
        with transaction(engine) as session:
            assert record(session, *made).recorded == len(made)
        calls.extend(Seen(r.id, at, len(calls) + n, m) for n, (r, (at, m)) in enumerate(zip(made, given, strict=True)))

    some(june, 10)
    with transaction(engine) as session:
        fold(session)
        when = When(moment=cut)
        change_plan(session, "sub456", plan_id="other", when=when, actor="a test", now=cut)
    some(cut, 19)
    gone = random.choice(calls)
    with transaction(engine) as session:
        fold(session, at_most=4)
        void_usage(session, gone.id, reason="a mistake", actor="a test", now=cut)
    gone.counts = False
    bill(engine, july + timedelta(days=1))
    with read_only(engine) as session:
        found = stored(session)
        assert [str(one) for one in find_differences(session)] == []
        amounts = amounts_of(session)
        [looked] = what_if(session, Question(start=june, end=july, customer_id="user123"))
        assert looked.actual == sum(amounts.values())
    early = [call for call in calls if call.at < cut]
    for function in FUNCTIONS:
        whole = max(brute(function, calls) or Decimal(0), Decimal(0))
        first = max(brute(function, early) or Decimal(0), Decimal(0))
        if function in {"min", "latest", "average"}:
            first = (whole / 3).quantize(_TWELVE, ROUND_HALF_UP)
        elif function == "sum":
            whole = first + max(brute(function, [call for call in calls if call.at >= cut]) or Decimal(0), Decimal(0))
        parts = found[function]
        assert (parts.get(june, Decimal(0)), sum(parts.values())) == (first, whole), function
        cents = [
            (part * price).quantize(Decimal("0.01"), ROUND_HALF_UP) for part, price in ((first, 1), (whole - first, 2))
        ]
        assert amounts.get(f"by-{function}", Decimal(0)) == sum(cents), function


def amounts_of(session: Session) -> dict[str, Decimal]:
    rows = session.execute(
        text(
            "SELECT usage_type_id, sum(amount) AS amount FROM usage_invoice_items"
            " WHERE usage_type_id LIKE 'by-%' GROUP BY 1"
        )
    )
    return {row.usage_type_id: row.amount for row in rows}


def test_a_change_that_is_taken_back_leaves_the_whole_to_one_segment(engine: Engine) -> None:
    june, cut = datetime(2026, 6, 3, tzinfo=UTC), datetime(2026, 6, 11, tzinfo=UTC)
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_plan(session, id="other")
        make_meters(session)
        for function in FUNCTIONS:
            make_quota(session, usage_type=f"by-{function}", limit=0, unit_price="1")
        change_plan(session, "sub456", plan_id="other", when=When(moment=cut), actor="a test", now=june)
        record(session, make_recording(now=june, metadata='{"n": 9, "user": "ada"}'))
        fold(session)
        assert stored(session)["average"] == {
            datetime(2026, 6, 1, tzinfo=UTC): 3,
        }
        planned = changes_of(session, "sub456")[-1].id
        take_back(session, "sub456", planned, actor="a test", now=june)
        record(
            session, make_recording(now=june, occurred_at=cut + timedelta(days=1), metadata='{"n": 9, "user": "ada"}')
        )
    bill(engine, datetime(2026, 7, 2, tzinfo=UTC))
    with read_only(engine) as session:
        assert [str(one) for one in find_differences(session)] == []
        found = stored(session)
        assert {function: found[function][datetime(2026, 6, 1, tzinfo=UTC)] for function in FUNCTIONS} == {
            "sum": 18,
            "count": 2,
            "max": 9,
            "min": 9,
            "latest": 9,
            "unique_count": 1,
            "average": 9,
        }
        assert sum(sum(parts.values()) for parts in found.values()) == 57


@pytest.mark.parametrize(
    ("function", "value", "given", "expected"),
    [
        # Published by other systems: two events of 10 and 20 page views of one user; 20 then 10; 5, 7 and 6 GB.
        ("count", None, [10, 20], 2),
        ("sum", "n", [10, 20], 30),
        ("max", "n", [10, 20], 20),
        ("unique_count", "user", [10, 20], 1),
        ("latest", "n", [20, 10], 10),
        ("latest", "n", [5, 7, 6], 6),
        ("average", "n", [10, 20], 15),
        ("average", "n", [1, 1, 2], "1.333333333333"),
        ("min", "n", [5, 7, 6], 5),
    ],
)
def test_published_cases(
    session: Session, now: datetime, function: str, value: str | None, given: list[int], expected: Any
) -> None:
    make_world(session)
    make_meter(session, aggregation=function, value=value)
    for day, n in enumerate(given):
        metadata = json.dumps({"n": n, "user": "1234-5678-9098-7654"})
        record(session, make_recording(now=now, occurred_at=now - timedelta(days=9 - day), metadata=metadata))
    fold(session)
    assert session.scalar(text("SELECT total FROM usage_summaries WHERE usage_type_id = 'tokens'")) == Decimal(expected)


def test_of_two_at_one_instant_the_later_recorded_is_the_latest(session: Session, now: datetime) -> None:
    make_world(session)
    make_meter(session, aggregation="latest", value="n")
    made = [make_recording(now=now, metadata=json.dumps({"n": n})) for n in (3, 8, 5)]
    record(session, *made)
    fold(session)
    assert session.scalar(text("SELECT total FROM usage_summaries WHERE usage_type_id = 'tokens'")) == 5
    void_usage(session, made[2].id, reason="a mistake", actor="a test", now=now)
    fold(session)
    assert session.scalar(text("SELECT total FROM usage_summaries WHERE usage_type_id = 'tokens'")) == 8


def ask(caller: FlaskClient, function: str, **asked: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {"usageType": f"by-{function}", **asked}.items())
    return caller.get(f"/api/usage/subscription/sub456/series?{query}")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_series_is_the_function_in_each_window_and_over_all_of_them(
    engine: Engine, admin: FlaskClient, now: datetime, function: str
) -> None:
    random, calls = Random(7), list[Seen]()
    with transaction(engine) as session:
        make_world(session)
        make_meters(session, dimensions=["model"])
        for part in range(3):
            given = [make_call(random, now) for _ in range(12)]
            made = [make_recording(now=now, metadata=json.dumps(m), occurred_at=at) for at, m in given]
            record(session, *made)
            calls += [Seen(r.id, at, len(calls) + n, m) for n, (r, (at, m)) in enumerate(zip(made, given, strict=True))]
            if part < 2:
                fold(session)
        void_usage(session, calls[0].id, reason="a mistake", actor="a test", now=now)
        fold(session)
        calls[0].counts = False
    found = ask(admin, function, groupBy="model", by="day")
    assert found.status_code == 200, found.json
    assert found.json["total"] == spelled(brute(function, calls))
    for one in found.json["series"]:
        mine = [call for call in calls if call.metadata["model"] == one["dimensions"]["model"]]
        assert one["total"] == spelled(brute(function, mine))
        for window, value in zip(found.json["windows"], one["values"], strict=True):
            start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
            assert value == spelled(brute(function, [call for call in mine if start <= call.at < end]))
    top = ask(admin, function, groupBy="model", by="month", top=1).json
    assert top["total"] == found.json["total"]
    assert top["other"]["total"] == found.json["series"][1]["total"]
    empty = ask(admin, function, **{"from": "2026-10-01T00:00:00Z", "to": "2026-10-02T00:00:00Z"}).json
    assert empty["total"] == (None if function in {"max", "min", "latest", "average"} else "0")


def spelled(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")


def test_what_is_told_apart_may_be_anything_but_a_list(world: Engine, admin: FlaskClient) -> None:
    given = {"aggregation": "unique_count", "value": "user"}

    def tried(metadata: Any) -> tuple[Any, Any]:
        answer = admin.post("/api/usage-types/evaluate", json=given | {"metadata": metadata})
        assert answer.status_code == 200, answer.json
        [one] = answer.json["data"]
        return one["counts"], one["value"]

    assert tried({"user": "ada"}) == (True, "ada")
    assert tried({"user": 7}) == (True, "7")
    assert tried({"user": True}) == (True, "true")
    assert tried({"user": None}) == tried({"user": ["ada"]}) == tried({}) == (None, None)
    missing = admin.post("/api/usage-types/evaluate", json={"aggregation": "unique_count", "metadata": {}})
    assert [(one["pointer"], one["code"]) for one in missing.json["errors"]] == [("/value", "required")]


@pytest.mark.parametrize(
    ("function", "spoil", "kind"),
    [
        ("max", "UPDATE meter_totals SET maximum = maximum + 1", "meter_series"),
        ("max", "UPDATE meter_buckets SET maximum = maximum + 1", "meter_buckets"),
        ("min", "UPDATE meter_totals SET minimum = minimum - 1", "meter_series"),
        ("latest", "UPDATE meter_totals SET latest[3] = latest[3] + 1", "meter_series"),
        ("average", "UPDATE meter_totals SET total = total + 1", "meter_series"),
        ("average", "UPDATE usage_summaries SET total = total + 1 WHERE usage_type_id = 'tokens'", "summary_total"),
        ("unique_count", "UPDATE meter_totals SET distinct_values = distinct_values + 1", "meter_series"),
        ("unique_count", "DELETE FROM meter_values", "meter_values"),
    ],
)
def test_verify_finds_what_is_spoilt(engine: Engine, now: datetime, function: str, spoil: str, kind: str) -> None:
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, aggregation=function, value="n")
        record(session, *(make_recording(now=now, metadata=json.dumps({"n": n})) for n in (3, 9, 4)))
        fold(session)
        assert [str(one) for one in find_differences(session)] == []
        session.execute(text(spoil))
        assert kind in {one.kind for one in find_differences(session)}
