"""Distinct values that are carried: a billing period begins with those of the one before, without any recording."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
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
from usage_billing.core.spans import Span
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.change_subscription import change_plan, pause, resume
from usage_billing.flows.administration.manage_meters import retire_meter
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.series import SeriesRequest, UsageSeries, usage_series
from usage_billing.reports.usage import usage_of_customer
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.what_if import Question, what_if
from usage_billing.subscriptions.queries import contracts_of

MAY, JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 6, 7, 8))
DAY = timedelta(days=1)
SEATS: dict[str, Any] = {"of": "assessment", "aggregation": "unique_count", "value": "user", "carry": True}


@pytest.fixture
def seats(engine: Engine) -> Engine:
    """Seats at a dollar, one of them free, kept from month to month."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, id="seats", dimensions=["team"], **SEATS)
        make_quota(session, usage_type="seats", limit=1, unit_price="1")
    return engine


def see(engine: Engine, user: Any, at: datetime, *, team: str = "red", folds: bool = True) -> UUID:
    with transaction(engine) as session:
        made = make_recording(now=at, occurred_at=at, metadata=json.dumps({"user": user, "team": team}))
        record(session, made)
        if folds:
            fold(session)
    return made.id


def take_back(engine: Engine, id: UUID) -> None:
    with transaction(engine) as session:
        void_usage(session, id, reason="left", actor="a test", now=AUGUST)
        fold(session)


def check(engine: Engine) -> None:
    with read_only(engine) as session:
        assert [str(one) for one in find_differences(session)] == []


def stored(engine: Engine) -> dict[datetime, Decimal]:
    with read_only(engine) as session:
        rows = session.execute(text("SELECT * FROM usage_summaries WHERE usage_type_id = 'seats' ORDER BY 1"))
        return {row.period_start: row.total for row in rows}


def items(engine: Engine) -> list[tuple[datetime, Decimal, Decimal]]:
    """(segment, quantity, amount)"""
    with read_only(engine) as session:
        rows = session.execute(
            text(
                "SELECT t.period_start, t.quantity, t.amount FROM usage_invoice_items AS t"
                " JOIN invoices AS i ON i.id = t.invoice_id WHERE t.usage_type_id = 'seats'"
                " ORDER BY i.created_at, t.period_start, t.id"
            )
        )
        return [tuple(row) for row in rows]


def used(engine: Engine, now: datetime) -> dict[datetime, Decimal]:
    with read_only(engine) as session:
        lines = usage_of_customer(session, "user123", now=now, span=Span(start=MAY, end=AUGUST))
        return {one.period_start: one.used for one in lines if one.usage_type == "seats"}


def series(engine: Engine, now: datetime, **asked: Any) -> UsageSeries:
    with read_only(engine) as session:
        return usage_series(
            session, contracts_of(session, "user123"), SeriesRequest(usage_type="seats", **asked), now=now
        )


def test_a_value_counts_in_every_period_from_the_first_that_has_it(seats: Engine) -> None:
    see(seats, "ada", MAY + DAY)
    see(seats, "ben", MAY + 2 * DAY, team="blue")
    see(seats, "ada", MAY + 3 * DAY, team="blue")
    assert stored(seats) == {MAY: 2}
    assert used(seats, JUNE + DAY) == {MAY: 2, JUNE: 2}
    with read_only(seats) as session:
        found = upcoming(session, "sub456", now=JUNE + DAY)
        assert found is not None
        assert [(item.period_start, item.total) for item in found[1]] == [(JUNE, 2)]
    bill(seats, JUNE + DAY)
    assert stored(seats) == {MAY: 2, JUNE: 2}
    see(seats, "ada", JUNE + 2 * DAY)
    see(seats, "cid", JUNE + 2 * DAY)
    assert stored(seats) == {MAY: 2, JUNE: 3}
    check(seats)
    bill(seats, AUGUST + DAY)
    assert stored(seats) == {MAY: 2, JUNE: 3, JULY: 3, AUGUST: 3}
    assert items(seats) == [(MAY, 1, 1), (JUNE, 2, 2), (JULY, 2, 2), (AUGUST, 2, 2)]
    check(seats)


def test_what_is_late_or_taken_back_changes_every_later_period(seats: Engine) -> None:
    first = see(seats, "ada", MAY + DAY)
    again = see(seats, "ada", JUNE + DAY)
    see(seats, "ben", JUNE + DAY)
    bill(seats, AUGUST + DAY)
    assert stored(seats) == {MAY: 1, JUNE: 2, JULY: 2, AUGUST: 2}
    see(seats, "cid", MAY + 2 * DAY)
    assert stored(seats) == {MAY: 2, JUNE: 3, JULY: 3, AUGUST: 3}
    take_back(seats, first)
    assert stored(seats) == {MAY: 1, JUNE: 3, JULY: 3, AUGUST: 3}
    take_back(seats, again)
    assert stored(seats) == {MAY: 1, JUNE: 2, JULY: 2, AUGUST: 2}
    bill(seats, AUGUST + 2 * DAY)
    check(seats)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_any_pieces_any_voids_come_to_the_same(seats: Engine, seed: int) -> None:
    random, said = Random(seed), list[list[Any]]()
    for _ in range(12):
        step = random.randrange(6)
        if step <= 2:
            at = random.choice((MAY, JUNE, JULY)) + DAY * random.randrange(1, 27)
            user, team = random.choice(("ada", "ben", "cid", 7, "7", 7.0, True)), random.choice("ab")
            said.append([see(seats, user, at, team=team, folds=False), at, (type(user) is str, type(user), user)])
        elif step == 3 and said:
            id, *_ = said.pop(random.randrange(len(said)))
            with transaction(seats) as session:
                void_usage(session, id, reason="left", actor="a test", now=AUGUST)
        elif step == 4:
            fold_and_undo(seats)
        else:
            with transaction(seats) as session:
                fold(session, at_most=random.choice((None, 1, 3)))
    bill(seats, JULY + 29 * DAY)
    # 7 and 7.0 are one value, and "7" and true are others.
    told = [(at, repr(user) if isinstance(user, str | bool) else "7") for _, at, (_, _, user) in said]
    for month, after in ((MAY, JUNE), (JUNE, JULY), (JULY, AUGUST)):
        assert stored(seats).get(month, 0) == len({user for at, user in told if at < after})
    check(seats)


def test_segments_have_what_is_carried_first_and_then_what_is_new(seats: Engine) -> None:
    with transaction(seats) as session:
        make_plan(session, id="premium", name="Premium")
        make_quota(session, usage_type="seats", plan="premium", limit=None)
    see(seats, "ada", MAY + DAY)
    see(seats, "ben", MAY + DAY)
    cut = JUNE + 10 * DAY
    with transaction(seats) as session:
        change_plan(session, "sub456", plan_id="premium", when=When(moment="now"), actor="a test", now=cut)
    see(seats, "ada", cut + DAY)
    see(seats, "cid", cut + DAY)
    assert stored(seats) == {MAY: 2, JUNE: 2, cut: 1}
    see(seats, "cid", JUNE + DAY)
    assert stored(seats) == {MAY: 2, JUNE: 3, cut: 0}
    bill(seats, JULY + DAY)
    assert stored(seats) == {MAY: 2, JUNE: 3, cut: 0, JULY: 3}
    check(seats)


def test_a_period_in_which_nothing_runs_has_nothing_and_what_stood_goes_on(seats: Engine) -> None:
    see(seats, "ada", MAY + DAY)
    bill(seats, MAY + 2 * DAY)
    with transaction(seats) as session:
        pause(session, "sub456", when=When(moment="now"), actor="a test", now=MAY + 3 * DAY)
    bill(seats, JULY + DAY)
    assert stored(seats) == {MAY: 1}
    with transaction(seats) as session:
        resume(session, "sub456", when=When(moment="now"), actor="a test", now=JULY + 2 * DAY)
    bill(seats, JULY + 3 * DAY)
    assert stored(seats) == {MAY: 1, JULY + 2 * DAY: 1}
    found = series(seats, JULY + 3 * DAY, by="month", start=MAY, end=AUGUST)
    assert (found.whole, found.total) == ([1, 0, 1], 1)
    check(seats)


def test_a_meter_that_is_retired_carries_nothing_on(seats: Engine) -> None:
    see(seats, "ada", MAY + DAY)
    with transaction(seats) as session:
        retired = retire_meter(session, "seats", actor="a test", now=MAY).retired_at
    assert retired is not None
    bill(seats, retired + 70 * DAY)
    found = stored(seats)
    assert set(found.values()) == {1}
    assert min(found) == MAY
    assert max(found) <= retired < max(found) + 31 * DAY
    over = series(seats, retired + 70 * DAY, by="month", start=max(found), end=retired + 70 * DAY)
    assert (over.whole[0], set(over.whole[1:]), over.total) == (1, {0}, 1)
    check(seats)


def test_over_time_a_value_stands_from_where_it_is_first_seen(seats: Engine) -> None:
    see(seats, "ada", MAY + DAY)
    see(seats, "ben", JUNE + DAY, team="blue")
    see(seats, "ada", JUNE + 2 * DAY, team="blue")
    now = JUNE + 3 * DAY + DAY / 2
    days = series(seats, now, by="day", start=JUNE, end=JUNE + 6 * DAY)
    assert (days.whole, days.total) == ([1, 2, 2, 2, 0, 0], 2)
    teams = series(seats, now, by="month", start=MAY, end=JULY, group_by=["team"])
    found = {str(one.dimensions["team"]): (one.values, one.total) for one in teams.series}
    assert found == {"blue": ([0, 2], 2), "red": ([1, 1], 1)}
    assert (teams.whole, teams.total) == ([1, 2], 2)
    one = series(seats, now, by="period", dimensions={"team": ["red"]})
    assert (one.whole, one.total) == ([1], 1)
    assert series(seats, now, by="period").total == used(seats, now)[JUNE]


def test_what_if_knows_what_was_seen_before(seats: Engine) -> None:
    see(seats, "ada", MAY + DAY)
    see(seats, 7, MAY + DAY)
    see(seats, "ada", JUNE + DAY)
    see(seats, 7, JUNE + DAY, team="blue")
    see(seats, "cid", JUNE + DAY)
    bill(seats, JULY + DAY)
    with read_only(seats) as session:
        [looked] = what_if(session, Question(start=JUNE, end=JULY, customer_id="user123"))
        assert looked.actual == 2  # three seats, of which one is free
        dear = {"seats": {"model": "per_unit", "unitPrice": "10"}}
        [looked] = what_if(session, Question(start=JUNE, end=JULY, customer_id="user123", prices=dear))
        assert looked.hypothetical == 20


def test_verify_sees_a_value_that_was_lost(seats: Engine) -> None:
    see(seats, "ada", MAY + DAY)
    bill(seats, JUNE + DAY)
    for statement, kind in (
        ("UPDATE meter_values SET n = 0", "meter_values"),
        ("UPDATE meter_levels SET level = level + 1", "meter_level"),
        ("UPDATE usage_summaries SET total = total + 1 WHERE usage_type_id = 'seats'", "summary_total"),
        ("UPDATE meter_totals SET distinct_values = 3", "meter_values"),
    ):
        with seats.connect() as connection:
            connection.execute(text(statement))
            with Session(connection) as session:
                assert kind in {one.kind for one in find_differences(session)}, statement
            connection.rollback()
    check(seats)


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"aggregation": "max"}, "/carry"),
        ({"mode": "change"}, "/mode"),
        ({"per": "hour"}, "/per"),
        ({"window": {"every": "day", "across": "max"}}, "/window"),
    ],
)
def test_what_contradicts_it_is_refused(world: Engine, admin: FlaskClient, given: dict[str, Any], pointer: str) -> None:
    answer = admin.post("/api/usage-types", json={"id": "seats", "unitName": "seat", **SEATS, **given})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert answer.json["errors"][0]["code"] == "contradiction"


def test_it_is_shown_and_keeps_its_dimensions(world: Engine, admin: FlaskClient) -> None:
    made = admin.post("/api/usage-types", json={"id": "seats", "unitName": "seat", "dimensions": ["team"], **SEATS})
    assert (made.status_code, made.json["carry"], made.json["mode"], made.json["per"]) == (201, True, None, None)
    refused = admin.patch("/api/usage-types/seats", json={"dimensions": []})
    assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "contradiction")
    changed = admin.patch("/api/usage-types/seats", json={"where": "status == 1"}).json
    assert (changed["version"], changed["carry"], changed["where"]) == (2, True, "status == 1")
