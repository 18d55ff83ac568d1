"""Usage over time: windows that tile the span, folded or not, and a total that is what the invoice charges for."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As, Clock, MakeToken
from tests.factories import make_customer, make_recording, make_subscription, make_world, record
from tests.factories.meters import fold, make_meter
from tests.support.books import scalars
from tests.support.statements import after_each_statement
from usage_billing.catalog.service import NewPlan, add_plan
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.manage_meters import change_meter
from usage_billing.flows.folding.drive_folds import fold_all
from usage_billing.flows.folding.keep_by_time import keep_usage_by_time
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.meters.asked import MeterChanges
from usage_billing.meters.windows import windows_of
from usage_billing.reports.series import SeriesRequest, usage_series
from usage_billing.reports.verify.books import find_differences
from usage_billing.subscriptions.queries import get_contract

WEEK = {"from": "2026-11-09T22:07:00Z", "to": "2026-11-15T00:00:00Z"}
MODELS = ("gpt", "mini", None)


@pytest.fixture
def metered(engine: Engine, now: datetime) -> Engine:
    """300 calls of the month, some voided; a part of them is folded."""
    random = Random(5)
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, value="n", dimensions=["model", {"as": "big", "value": "n > 5"}])
        for part in range(3):
            made = [
                make_recording(
                    now=now,
                    occurred_at=now - timedelta(minutes=random.randrange(14 * 24 * 60)),
                    metadata=json.dumps({"n": random.randrange(10), "model": random.choice(MODELS)}),
                )
                for _ in range(100)
            ]
            record(session, *made)
            void_usage(session, made[0].id, reason="a mistake", actor="a test", now=now)
            if part < 2:
                fold(session, at_most=80)
    return engine


def recorded(engine: Engine) -> list[tuple[datetime, dict[str, Any]]]:
    """What counts, by plain SQL."""
    with transaction(engine) as session:
        rows = session.connection().exec_driver_sql(
            "SELECT occurred_at, metadata FROM usage AS u"
            " WHERE NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)"
            " ORDER BY u.ordinal"
        )
        return [(row.occurred_at.astimezone(UTC), row.metadata) for row in rows]


def ask(caller: FlaskClient, subscription: str = "sub456", headers: dict[str, str] | None = None, **asked: Any) -> Any:
    asked = {"usageType": "tokens", **asked}
    query = "&".join(f"{name}={quote(str(value))}" for name, value in asked.items())
    return caller.get(f"/api/usage/subscription/{subscription}/series?{query}", headers=headers or {})


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
@pytest.mark.parametrize("by", ["hour", "day", "week", "month"])
def test_windows_tile_the_span(by: str, zone: str) -> None:
    start, end = datetime(2026, 3, 20, 11, 7, tzinfo=UTC), datetime(2026, 4, 9, tzinfo=UTC)
    windows = list(windows_of(start, end, by=by, zone=zone))
    assert windows[0].start <= start
    assert windows[-1].end >= end
    assert all(one.end == other.start for one, other in pairwise(windows))


@pytest.mark.parametrize(("month", "hours"), [(3, 23), (10, 25)])
def test_a_day_of_a_clock_change_has_as_many_hours(month: int, hours: int) -> None:
    day = 29 if month == 3 else 25
    [window] = windows_of(
        datetime(2026, month, day, 12, tzinfo=UTC),
        datetime(2026, month, day, 13, tzinfo=UTC),
        by="day",
        zone="Europe/Berlin",
    )
    assert (window.end - window.start) == timedelta(hours=hours)
    assert len(list(windows_of(window.start, window.end, by="hour", zone="Europe/Berlin"))) == hours


def test_half_an_hour_of_lord_howe_is_a_window_of_its_own() -> None:
    change = datetime(2026, 4, 4, 15, tzinfo=UTC)
    windows = list(
        windows_of(change - timedelta(hours=2), change + timedelta(hours=2), by="hour", zone="Australia/Lord_Howe")
    )
    assert timedelta(minutes=30) in {one.end - one.start for one in windows}
    assert all(one.end == other.start for one, other in pairwise(windows))


@pytest.mark.parametrize("by", ["hour", "day", "week", "month"])
def test_what_is_folded_and_what_is_not_come_to_the_same_as_the_recordings(
    metered: Engine, admin: FlaskClient, by: str
) -> None:
    before = ask(admin, by=by, groupBy="model")
    assert before.status_code == 200, before.json
    with transaction(metered) as session:
        while fold(session, at_most=50).recordings:
            pass
    after = ask(admin, by=by, groupBy="model")
    assert before.json == after.json
    calls = recorded(metered)
    for one in after.json["series"]:
        model = one["dimensions"]["model"]
        for window, value in zip(after.json["windows"], one["values"], strict=True):
            start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
            assert Decimal(value) == sum(m["n"] for at, m in calls if start <= at < end and m["model"] == model)
    assert Decimal(after.json["total"]) == sum(m["n"] for _, m in calls)
    lines = admin.get("/api/usage/subscription/sub456").json["usage"]
    assert after.json["total"] == next(line["used"] for line in lines if line["usageType"] == "tokens")
    assert after.json["behind"] == 0


def test_filtered_and_the_largest_with_the_rest(metered: Engine, admin: FlaskClient) -> None:
    whole = ask(admin, by="month", groupBy="model,big").json
    assert len(whole["series"]) == 6
    some = ask(admin, by="month", groupBy="model", dimensions='{"model":["gpt",null],"big":[true]}').json
    calls = [m for _, m in recorded(metered) if m["model"] != "mini" and m["n"] > 5]
    assert Decimal(some["total"]) == sum(m["n"] for m in calls)
    top = ask(admin, by="month", groupBy="model,big", top=2).json
    assert [one["dimensions"] for one in top["series"]] == [one["dimensions"] for one in whole["series"][:2]]
    assert top["total"] == whole["total"]
    rest = sum(Decimal(one["total"]) for one in whole["series"][2:])
    assert (top["other"]["dimensions"], Decimal(top["other"]["total"])) == ({"other": True}, rest)


def test_every_window_is_there_and_says_whether_it_is_over(metered: Engine, admin: FlaskClient, clock: Clock) -> None:
    answer = ask(admin, **{"from": "2026-11-14T00:00:00Z", "to": "2026-11-18T00:00:00Z"}).json
    assert [window["complete"] for window in answer["windows"]] == [True, False, False, False]
    assert answer["series"][0]["values"][2:] == ["0", "0"]
    assert (answer["timezone"], answer["unitName"], answer["aggregation"]) == ("UTC", "tokens", "sum")


def test_what_is_kept_of_a_question_is_not_its_answer(metered: Engine, admin: FlaskClient, clock: Clock) -> None:
    """A query and its windows are the same for all who ask; whether a window is over, and what was counted, are not."""
    asked = {"from": "2026-11-14T00:00:00Z", "to": "2026-11-18T00:00:00Z"}
    before = ask(admin, **asked).json
    with transaction(metered) as session:
        record(session, make_recording(now=clock(), metadata='{"n": 1000}'))
    clock.now += timedelta(days=1)
    after = ask(admin, **asked).json
    assert [window["complete"] for window in after["windows"]] == [True, True, False, False]
    assert Decimal(after["total"]) == Decimal(before["total"]) + 1000
    assert datetime.fromisoformat(after["asOf"]) - datetime.fromisoformat(before["asOf"]) == timedelta(days=1)
    assert ask(admin, **asked, subscription="another").status_code == 404
    for _ in range(2):
        assert ask(admin, by="decade").json["errors"][0]["parameter"] == "by"


def test_a_users_series_is_that_of_all_subscriptions(metered: Engine, admin: FlaskClient, now: datetime) -> None:
    with transaction(metered) as session:
        make_subscription(session, id="second")
        record(session, make_recording(now=now, subscription="second", metadata='{"n": 1000}'))
    one = ask(admin, by="month").json["total"]
    both = admin.get("/api/usage/user/user123/series?usageType=tokens&by=month").json["total"]
    assert Decimal(both) == Decimal(one) + 1000


def test_a_customer_reads_its_own(metered: Engine, call_as: As, make_token: MakeToken) -> None:
    with transaction(metered) as session:
        make_customer(session, id="eva")
    assert ask(call_as(make_token("user123"))).status_code == 200
    assert ask(call_as(make_token("eva"))).status_code == 404
    assert call_as(make_token("eva")).get("/api/usage/user/user123/series?usageType=tokens").status_code == 404


@pytest.mark.parametrize(
    ("asked", "parameter", "code"),
    [
        ({"usageType": "nothing"}, "usageType", "unknown_usage_type"),
        ({"by": "year"}, "by", "not_a_choice"),
        ({"timezone": "Mars/Olympus"}, "timezone", "unknown_zone"),
        ({"timezone": "Asia/Kathmandu"}, "timezone", "zone_not_aligned"),
        ({"groupBy": "colour"}, "groupBy", "unknown"),
        ({"dimensions": '{"colour":["red"]}'}, "dimensions", "unknown"),
        ({"dimensions": "model"}, "dimensions", "invalid"),
        ({"top": 0}, "top", "out_of_range"),
        ({"by": "period", "timezone": "UTC"}, "timezone", "contradiction"),
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "to", "out_of_range"),
        ({"window": "day"}, "window", "unknown"),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    metered: Engine, admin: FlaskClient, asked: dict[str, Any], parameter: str, code: str
) -> None:
    answer = ask(admin, **asked)
    assert answer.status_code == 422, answer.json
    assert [(error["parameter"], error["code"]) for error in answer.json["errors"]] == [(parameter, code)]


@pytest.mark.parametrize("by", ["minute", "5m", "hour", "day", "period"])
@pytest.mark.parametrize("kept", [False, True], ids=["from the recordings", "folded"])
def test_a_plain_usage_type_has_windows_that_are_the_books(
    metered: Engine, admin: FlaskClient, by: str, kept: bool
) -> None:
    with transaction(metered) as session:
        if kept:
            keep_usage_by_time(session, "assessment")
            fold(session, at_most=70)
        quantities = session.connection().exec_driver_sql(
            "SELECT occurred_at, quantity FROM usage AS u"
            " WHERE NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)"
        )
        calls = [(row.occurred_at, row.quantity) for row in quantities]
    answer = ask(admin, usageType="assessment", by=by, **(WEEK if by in {"minute", "5m"} else {})).json
    [one] = answer["series"]
    for window, value in zip(answer["windows"], one["values"], strict=True):
        start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
        assert Decimal(value) == sum(quantity for at, quantity in calls if start <= at < end)
    start, end = (datetime.fromisoformat(answer[name]) for name in ("from", "to"))
    assert Decimal(answer["total"]) == sum(quantity for at, quantity in calls if start <= at < end)
    if by == "period":
        lines = admin.get("/api/usage/subscription/sub456").json["usage"]
        assert [answer["total"]] == [line["used"] for line in lines if line["usageType"] == "assessment"]
    with transaction(metered) as session:
        assert list(find_differences(session)) == []
        session.connection().exec_driver_sql("UPDATE meter_buckets SET total = total + 1 WHERE events = 1")
        assert {found.kind for found in find_differences(session)} == {"meter_buckets", *(["usage_by_time"] * kept)}
        session.rollback()


FUNCTIONS: dict[str, Callable[[list[Decimal]], Decimal]] = {
    "count": lambda values: Decimal(len(values)),
    "max": max,
    "min": min,
    "latest": lambda values: values[-1],
    "average": lambda values: sum(values, Decimal(0)) / len(values),
    "unique_count": lambda values: Decimal(len(set(values))),
}


def test_each_function_by_the_minute_is_that_of_the_recordings(metered: Engine, admin: FlaskClient) -> None:
    with transaction(metered) as session:
        for name in FUNCTIONS:
            make_meter(session, id=name, aggregation=name, value=None if name == "count" else "n")
        fold(session, at_most=70)
    calls = sorted(recorded(metered), key=lambda call: call[0])
    for name, function in FUNCTIONS.items():
        answer = ask(admin, usageType=name, by="minute", **WEEK).json
        for window, value in zip(answer["windows"], answer["series"][0]["values"], strict=True):
            start, end = (datetime.fromisoformat(window[edge]) for edge in ("start", "end"))
            values = [Decimal(said["n"]) for at, said in calls if start <= at < end]
            assert not values or abs(Decimal(value) - function(values)) < Decimal("1e-9"), (name, window)


def test_as_csv(metered: Engine, admin: FlaskClient, now: datetime) -> None:
    with transaction(metered) as session:
        for model in ("=1+1", "a,b", "-5"):
            record(session, make_recording(now=now, metadata=json.dumps({"n": 1000, "model": model})))
    asked = {"by": "week", "groupBy": "model", "top": 3, "timezone": "Europe/Berlin"}
    span = {"from": "2026-11-02T00:00:00Z", "to": "2026-11-16T00:00:00Z"}
    shown = ask(admin, **asked, **span).json
    answer = ask(admin, headers={"Accept": "text/csv"}, **asked, **span)
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head == ["start", "end", "complete", "other", "dimensions.model", "value"]
    assert {row[4] for row in rows} == {"'=1+1", "a,b", "'-5", ""}
    assert rows[0][:3] == ["2026-11-02T00:00:00+01:00", "2026-11-09T00:00:00+01:00", "true"]
    assert sum(Decimal(row[5]) for row in rows) == Decimal(shown["total"])
    assert {row[3] for row in rows if row[4] == ""} == {"true"}


def test_billing_periods_of_subscriptions_that_differ_are_asked_for_one_by_one(
    metered: Engine, admin: FlaskClient
) -> None:
    with transaction(metered) as session:
        make_subscription(session, id="second", timezone="Asia/Tokyo")
    for asked, parameter, code in (
        ("by=period", "by", "contradiction"),
        ("by=day&timezone=Asia/Kathmandu", "timezone", "zone_not_aligned"),
    ):
        answer = admin.get(f"/api/usage/user/user123/series?usageType=assessment&{asked}")
        assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (422, parameter)
        assert answer.json["errors"][0]["code"] == code


def test_the_next_read_knows_what_was_defined_anew(metered: Engine, admin: FlaskClient, now: datetime) -> None:
    """A process keeps what it read of definitions, by what they say."""
    for dimensions in (["model"], ["model", "n"], ["model"]):
        with transaction(metered) as session:
            changes = MeterChanges(given={"dimensions": dimensions}, effective_from=now + timedelta(days=60))
            change_meter(session, "tokens", changes, actor="a test", now=now)
        assert ask(admin, groupBy="n").status_code == (200 if "n" in dimensions else 422)
        assert ask(admin, groupBy="big").status_code == 422


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ("UPDATE subscriptions SET timezone = 'Europe/Berlin'", "timezone", "Europe/Berlin"),
        ("UPDATE plans SET interval = 'week'", "to", "2026-11-16T00:00:00Z"),
        ("UPDATE subscription_terms SET plan_id = 'weekly'", "to", "2026-11-16T00:00:00Z"),
        ("UPDATE usage_types SET unit_name = 'pieces'", "unitName", "pieces"),
        ("UPDATE meter_definitions SET dimensions = '[]'", "status", 422),
    ],
)
def test_what_changes_between_two_statements_is_in_the_answer(
    metered: Engine, admin: FlaskClient, change: str, field: str, value: Any
) -> None:
    """The terms are read before what was counted: if they are others by then, all is read of one moment."""
    fold_all(metered)
    with transaction(metered) as session:
        add_plan(session, NewPlan(id="weekly", name="Weekly", currency="USD", interval="week"))
    assert ask(admin, groupBy="model").status_code == 200
    changes, asked = [change], list[str]()

    def change_it(statement: str) -> None:
        asked.append(statement)
        if changes and "subscription_terms" in statement:
            with metered.begin() as other:
                other.exec_driver_sql(changes.pop())

    with after_each_statement(change_it):
        answer = ask(admin, groupBy="model")
    assert not changes
    assert len(asked) == (4 if field != "status" else 3)
    assert (answer.json | {"status": answer.status_code})[field] == value
    assert ask(admin, groupBy="model").json.get("series") == answer.json.get("series")


def test_what_is_too_much_to_be_counted_each_time_is_counted_at_first_and_kept_from_then_on(
    metered: Engine, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(admin, usageType="assessment").json
    kept = "SELECT count(*) FROM meters WHERE usage_type_id = 'assessment'"
    assert scalars(metered, kept) == [0]
    monkeypatch.setattr("usage_billing.reports.series_states.MAX_TAIL", 100)
    assert ask(admin, usageType="assessment").json == whole
    assert scalars(metered, kept) == [1]
    assert ask(admin, usageType="assessment").json == whole
    fine = ask(admin, usageType="assessment", by="5m", **WEEK)
    assert (fine.status_code, fine.json["errors"][0]["code"]) == (422, "too_fine")
    fold_all(metered)
    after = ask(admin, usageType="assessment").json
    assert after == whole
    with transaction(metered) as session:
        record(session, make_recording(now=datetime(2026, 11, 15, 12, 30, tzinfo=UTC)))
    assert Decimal(ask(admin, usageType="assessment").json["total"]) == Decimal(whole["total"]) + 1
    assert ask(admin, usageType="assessment", by="period").json["total"] == str(int(whole["total"]) + 1)


def test_of_more_than_a_read_counts_it_says_how_many_are_missing(
    metered: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage_billing.reports.series_states.MAX_TAIL", 100)
    asked, now = SeriesRequest(usage_type="assessment"), datetime(2026, 11, 15, 12, 30, tzinfo=UTC)
    with read_only(metered) as session:
        contract = get_contract(session, "sub456")
        few, all_of_it = (usage_series(session, [contract], asked, now=now, most=most) for most in (302, 303))
    assert (few.behind, few.total, few.wants_keeping) == (303, 0, True)  # three of them take another back
    assert (all_of_it.behind, all_of_it.total, all_of_it.wants_keeping) == (0, 297, True)


def test_too_much_says_what_would_fit(metered: Engine, admin: FlaskClient) -> None:
    long = ask(admin, by="hour", **{"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"})
    assert (long.status_code, long.json["code"]) == (422, "too_much")
    span = {"from": "2026-01-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
    wide = ask(admin, by="hour", groupBy="model", **span)
    assert (wide.status_code, wide.json["code"]) == (422, "too_much")
    assert "top=1" in wide.json["detail"]
    assert ask(admin, by="hour", groupBy="model", top=1, **span).status_code == 200
