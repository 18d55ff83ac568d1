"""Edges of meters: values that are none, instants on an edge, what is taken back, and what a meter keeps."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.factories import make_quota, make_recording, make_world, record
from tests.factories.meters import fold, make_meter
from tests.support.billing import bill
from tests.support.books import rows
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.manage_meters import retire_meter
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.metering.recording import Recording
from usage_billing.reports.series import SeriesRequest, usage_series
from usage_billing.reports.verify.books import find_differences
from usage_billing.subscriptions.queries import contracts_of

JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
FUNCTIONS = ("sum", "max", "min", "latest", "unique_count")
HOURLY = {"every": "hour", "across": "max"}


def made(at: datetime, n: Any) -> Recording:
    return make_recording(now=max(at, JULY), occurred_at=at, metadata=json.dumps({"n": n}))


def totals(session: Session) -> dict[str, list[Decimal]]:
    rows = session.execute(
        text(
            "SELECT usage_type_id, total FROM usage_summaries WHERE usage_type_id <> 'assessment'"
            " ORDER BY usage_type_id, period_start"
        )
    )
    found: dict[str, list[Decimal]] = {}
    for row in rows:
        found.setdefault(row.usage_type_id, []).append(row.total)
    return found


def proven(session: Session) -> None:
    assert [str(one) for one in find_differences(session)] == []


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", " 1", True, None, [1], {}, 1e15 * 10, "1" + "0" * 16]
)
def test_what_is_no_number_is_skipped_and_the_others_count(engine: Engine, value: Any) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, value="n")
        record(session, made(JUNE, 2), made(JUNE, value), made(JUNE, "0.5"))
        assert fold(session).skipped == 1
        assert totals(session) == {"tokens": [Decimal("2.5")]}
        proven(session)


def test_more_than_twelve_places_are_rounded_half_up(engine: Engine) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, value="n")
        record(session, made(JUNE, "0.0000000000005"), made(JUNE, "0.00000000000049"), made(JUNE, "1.00000000000150"))
        fold(session)
        assert totals(session) == {"tokens": [Decimal("1.000000000003")]}
        proven(session)


def test_the_edge_of_a_bucket_a_window_and_a_period_belongs_to_the_later_one(engine: Engine) -> None:
    instant = timedelta(microseconds=1)
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, id="sum", value="n")
        make_meter(session, id="windows", value="n", window=HOURLY)
        hour = JUNE + timedelta(hours=5)
        record(session, made(hour - instant, 1), made(hour, 2), made(JULY - instant, 4), made(JULY, 8))
        fold(session)
        assert totals(session) == {"sum": [7, 8], "windows": [4, 8]}
        buckets = session.execute(text("SELECT bucket_start, total FROM meter_buckets ORDER BY 1, 2")).all()
        starts = [hour - timedelta(hours=1), hour, JULY - timedelta(hours=1), JULY]
        assert [tuple(row) for row in buckets[::2]] == list(zip(starts, (1, 2, 4, 8), strict=True))
        proven(session)


@pytest.mark.parametrize("folds_between", [False, True])
def test_what_is_taken_back_is_as_if_it_never_was(engine: Engine, *, folds_between: bool) -> None:
    """The only holder of a value, one of two that hold the extreme, and a recording that no fold has counted."""
    with transaction(engine) as session:
        make_world(session)
        for function in FUNCTIONS:
            make_meter(session, id=function, aggregation=function, value="n")
            make_meter(session, id=f"{function}-hourly", aggregation=function, value="n", window=HOURLY)
        given = [made(JUNE + timedelta(minutes=place), n) for place, n in enumerate((3, 7, 7, 1))]
        record(session, *given)
        if folds_between:
            fold(session)
        void_usage(session, given[2].id, reason="a mistake", actor="a test", now=JULY)
        fold(session)
        expected = {"sum": 11, "max": 7, "min": 1, "latest": 1, "unique_count": 3}
        assert totals(session) == {name: [expected[name.removesuffix("-hourly")]] for name in totals(session)}
        assert len(totals(session)) == 2 * len(FUNCTIONS)
        for one, left in (
            (1, {"sum": 4, "max": 3, "min": 1, "latest": 1, "unique_count": 2}),
            (3, {"sum": 3, "max": 3, "min": 3, "latest": 3, "unique_count": 1}),
            (0, dict.fromkeys(FUNCTIONS, 0)),
        ):
            void_usage(session, given[one].id, reason="a mistake", actor="a test", now=JULY)
            fold(session)
            assert totals(session) == {name: [left[name.removesuffix("-hourly")]] for name in totals(session)}
        proven(session)


def test_without_recordings_nothing_is_used_and_a_minimum_is_due_all_the_same(
    engine: Engine, admin: FlaskClient
) -> None:
    window = {"every": "5m", "across": "percentile", "percent": 95}
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, id="none", aggregation="max", value="n")
        make_meter(session, id="none-in-windows", value="n", window=window)
        make_meter(session, id="skips", value="n", window=window | {"empty": "skip"})
    names = {"none": None, "none-in-windows": "0", "skips": None}
    price = {"model": "per_unit", "unitPrice": "1", "minimumAmount": "5"}
    for name, shown in names.items():
        quota = {"planId": "business", "usageType": name, "monthlyLimit": 0, "price": price}
        assert admin.post("/api/quotas", json=quota).status_code == 201
        series = admin.get(f"/api/usage/subscription/sub456/series?usageType={name}&by=period").json
        assert series["total"] == shown
    items = admin.get("/api/subscriptions/sub456/upcoming-invoice").json["items"]
    assert {one["usageType"]: (one["quantity"], one["amount"]) for one in items} == dict.fromkeys(names, ("0", "5.00"))


def test_a_meter_cannot_be_deleted_and_one_that_is_retired_keeps_what_it_has(
    engine: Engine, admin: FlaskClient
) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, id="windows", value="n", window=HOURLY)
        record(session, made(JUNE, 4))
        fold(session)
        retire_meter(session, "windows", actor="a test", now=JULY)
    assert admin.delete("/api/usage-types/windows").status_code == 405
    with transaction(engine) as session:
        record(session, made(JUNE, 9))
        fold(session)
    bill(engine, JULY + timedelta(days=1))
    with read_only(engine) as session:
        assert totals(session) == {"windows": [4]}
        proven(session)


def test_a_retired_meter_keeps_what_was_charged_and_charges_nothing_more(engine: Engine) -> None:
    """What is recorded after it, late or for the next month, is not charged; what is taken back comes back."""
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, id="n", value="n")
        make_quota(session, usage_type="n", limit=0, unit_price="2")
        given = [made(JUNE, 4), made(JUNE, 3)]
        record(session, *given)
        fold(session)
    bill(engine, JULY + timedelta(days=1))

    def charged() -> list[Any]:
        items = "SELECT kind, amount FROM usage_invoice_items WHERE usage_type_id = 'n' ORDER BY created_at, id"
        return [tuple(row) for row in rows(engine, items)]

    assert charged() == [("usage", 14)]
    with transaction(engine) as session:
        retire_meter(session, "n", actor="a test", now=JULY)
    with transaction(engine) as session:
        record(session, made(JUNE, 9), made(JULY, 5))
        fold(session)
    for days in (1, 32):
        bill(engine, JULY + timedelta(days=days))
        assert charged() == [("usage", 14)]
    with transaction(engine) as session:
        void_usage(session, given[1].id, reason="a mistake", actor="a test", now=JULY + timedelta(days=32))
    bill(engine, JULY + timedelta(days=33))
    assert charged() == [("usage", 14), ("adjustment", -6)]
    with read_only(engine) as session:
        proven(session)


def test_a_level_below_nothing_is_kept_and_shown_and_costs_nothing(engine: Engine) -> None:
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, id="gb", aggregation="level", value="gb", mode="change", per="hour", carry=True)
        make_quota(session, usage_type="gb", limit=0, unit_price="1")
        record(session, make_recording(now=JUNE, occurred_at=JUNE, metadata='{"gb": -5}'))
        fold(session)
    bill(engine, JULY + timedelta(hours=2))
    with read_only(engine) as session:
        assert session.scalars(text("SELECT total FROM usage_summaries WHERE usage_type_id = 'gb'")).all()[0] == 0
        assert session.scalar(text("SELECT level FROM meter_levels LIMIT 1")) == -5
        assert session.scalar(text("SELECT count(*) FROM usage_invoice_items WHERE usage_type_id = 'gb'")) == 0
        request = SeriesRequest(usage_type="gb", by="month", start=JUNE, end=JULY)
        shown = usage_series(session, contracts_of(session, "user123"), request, now=JULY)
        assert (shown.whole, shown.total) == ([-5 * 24 * 30], -5 * 24 * 30)
        proven(session)
