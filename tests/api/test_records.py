"""The recordings of a subscription, a page at a time, and what became of one."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As, MakeToken
from tests.factories import make_customer, make_recording, make_subscription, make_world, record
from tests.support.plans import analyze, scans_of
from usage_billing.core.cursors import cursor_text
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import read_only, transaction
from usage_billing.metering.models import first_place
from usage_billing.reports.records import records_of

URL = "/api/usage/subscription/sub456/records"


def pages(caller: FlaskClient, query: str) -> list[list[dict[str, Any]]]:
    """All pages of a list, followed by their cursors."""
    found, cursor = [], ""
    while cursor is not None:
        answer = caller.get(f"{URL}?{query}" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status_code == 200, answer.json
        found.append(answer.json["data"])
        cursor = answer.json["nextCursor"]
    return found


@pytest.fixture
def some(engine: Engine, now: datetime) -> None:
    """25 recordings: three at the same moment, every fifth a report."""
    with transaction(engine) as session:
        make_world(session)
        for index in range(25):
            when = now - timedelta(hours=min(index, 22))
            kind = "report" if index % 5 == 0 else "assessment"
            record(session, make_recording(now=now, quantity=index + 1, usage_type=kind, occurred_at=when))


def test_pages_are_newest_first_and_miss_and_repeat_nothing(some: None, reader: FlaskClient) -> None:
    found = pages(reader, "limit=7")
    assert [len(page) for page in found] == [7, 7, 7, 4]
    rows = [row for page in found for row in page]
    assert len({row["id"] for row in rows}) == 25
    assert [row["timestamp"] for row in rows] == sorted((row["timestamp"] for row in rows), reverse=True)
    assert [row["quantity"] for row in rows[:22]] == [str(index + 1) for index in range(22)]


def test_a_page_that_is_just_full_is_the_last(some: None, reader: FlaskClient) -> None:
    assert [len(page) for page in pages(reader, "limit=25")] == [25]


def test_they_are_filtered_by_type_and_time(some: None, reader: FlaskClient, now: datetime) -> None:
    assert [row["usageType"] for page in pages(reader, "usageType=report&limit=2") for row in page] == ["report"] * 5
    start = (now - timedelta(hours=3)).isoformat().replace("+00:00", "Z")
    end = (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert [row["quantity"] for row in pages(reader, f"from={start}&to={end}")[0]] == ["3", "4"]


def test_each_carries_its_mark(engine: Engine, reader: FlaskClient, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session, limit=10)
        record(session, make_recording(now=now, quantity=8), make_recording(now=now, quantity=5))
    marks = [(row["quantity"], row["withinLimit"], row["beyondLimit"]) for row in pages(reader, "")[0]]
    assert sorted(marks) == [("5", "2", "3"), ("8", "8", "0")]


def test_what_was_taken_back_is_marked_and_covers_nothing(
    engine: Engine, admin: FlaskClient, reader: FlaskClient, now: datetime
) -> None:
    first, second = make_recording(now=now, quantity=8), make_recording(now=now, quantity=10)
    with transaction(engine) as session:
        make_world(session, limit=10)
        record(session, first, second)
    assert admin.post(f"/api/usage/records/{first.id}/void", json={"reason": "reported twice"}).status_code == 200
    rows = {row["id"]: row for row in pages(reader, "")[0]}
    gone, stays = rows[str(first.id)], rows[str(second.id)]
    assert (gone["status"], gone["quantity"], gone["withinLimit"], gone["beyondLimit"]) == ("voided", "8", "0", "0")
    assert gone["voidedAt"]
    assert (stays["status"], stays["withinLimit"], stays["beyondLimit"], stays["voidedAt"]) == (
        *("recorded", "10", "0"),
        None,
    )
    assert sum(float(row["withinLimit"]) for row in rows.values()) <= 10
    one = reader.get(f"/api/usage/records/{first.id}").json
    assert (one["status"], one["withinLimit"], one["beyondLimit"]) == ("voided", "0", "0")


def test_those_of_one_instant_are_divided_into_pages_as_well(engine: Engine, now: datetime) -> None:
    """In an order of its own, the same whatever the pages: of one place, and of many that two usage types share."""
    moments = [now] * 3 + [now - timedelta(minutes=1)] * 400 + [now - timedelta(minutes=2)] * 2
    made = [
        make_recording(now=now, occurred_at=moment, usage_type="report" if number % 3 else "assessment")
        for number, moment in enumerate(moments)
    ]
    with transaction(engine) as session:
        make_world(session)
        # In another order than that of their ids, which are made one after the other.
        record(session, *Random(1).sample(made, len(made)))
    with read_only(engine) as session:
        expected = records_of(session, "sub456", limit=len(made)).rows
        assert {row.id for row in expected} == {each.id for each in made}
        assert [row.occurred_at for row in expected] == moments
        for limit in (1, 4, 50, 128, 404):
            page = records_of(session, "sub456", limit=limit)
            found = page.rows
            while page.last is not None:
                page = records_of(session, "sub456", limit=limit, after=page.last)
                assert 0 < len(page.rows) <= limit
                found = found + page.rows
            assert found == expected


@pytest.mark.parametrize("known", [True, False], ids=["with what the planner knows", "as the planner guesses"])
def test_a_later_page_walks_the_index_from_where_the_last_ended(engine: Engine, now: datetime, known: bool) -> None:
    with transaction(engine) as session:
        make_world(session)
        for name in ("other", "more"):
            make_subscription(session, id=name)
            record(session, *[make_recording(now=now, subscription=name) for _ in range(3000)])
    if not known:
        analyze(engine, "usage")
    with transaction(engine) as session:
        record(session, *[make_recording(now=now, occurred_at=now - timedelta(seconds=i)) for i in range(3000)])
    if known:
        analyze(engine, "usage")
    with read_only(engine) as session, scans_of(session, "usage") as scans:
        records_of(session, "sub456", limit=50)
        records_of(session, "sub456", limit=50, after=(first_place(now - timedelta(seconds=2000)), new_id()))
    assert len(scans) == 2
    for scan in scans:
        assert (scan["Node Type"], scan["Index Name"]) == ("Index Scan", "ix_usage_place")
        # One more than is wanted tells whether there are others, and another that it has another place.
        assert scan["Actual Rows"] <= 52
        assert scan.get("Rows Removed by Filter", 0) == 0


def test_a_page_among_very_many_of_one_instant_reads_few_of_them(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, *[make_recording(now=now) for _ in range(5000)])
    analyze(engine, "usage")
    with read_only(engine) as session:
        page = records_of(session, "sub456", limit=50)
        with scans_of(session, "usage") as scans:
            for _ in range(10):
                page = records_of(session, "sub456", limit=50, after=page.last)
    assert len(scans) == 10
    for scan in scans:
        assert scan["Index Name"] == "ix_usage_place"
        assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) < 200


@pytest.mark.parametrize(("year", "later"), [(1970, 25), (2249, 0), (2251, 0), (8999, 0)])
def test_any_time_may_be_asked_for(some: None, reader: FlaskClient, year: int, later: int) -> None:
    since, before = (pages(reader, f"{name}={year}-06-01T00:00:00Z")[0] for name in ("from", "to"))
    assert (len(since), len(before)) == (later, 25 - later)


@pytest.mark.parametrize(("place", "rest"), [(-(2**63), 0), (0, 0), (2**63 - 1, 25)])
def test_a_cursor_from_beyond_all_times_is_one_like_others(
    some: None, reader: FlaskClient, place: int, rest: int
) -> None:
    cursor = cursor_text((place, new_id()))
    assert len(reader.get(f"{URL}?cursor={cursor}").json["data"]) == rest


@pytest.mark.parametrize("last", [(2**63, new_id()), ("2026-11-01T00:00:00Z", new_id()), (1, "x"), (1.5, new_id())])
def test_a_cursor_of_something_else_is_refused(some: None, reader: FlaskClient, last: tuple[Any, ...]) -> None:
    answer = reader.get(f"{URL}?cursor={cursor_text(last)}")
    assert (answer.status_code, answer.json["code"]) == (400, "bad_cursor")


def test_metadata_come_back_as_they_are_stored(engine: Engine, reader: FlaskClient, now: datetime) -> None:
    """Read as JSON their numbers would pass through floats."""
    metadata = '{"exact":12345678901234567890.10,"nested":{"a":[1,null]}}'
    with transaction(engine) as session:
        make_world(session, limit="1.5")
        when = now.replace(microsecond=100_000)
        record(session, make_recording(now=now, quantity="1000", occurred_at=when, metadata=metadata, key="k"))
    answer = reader.get(f"{URL}?limit=2")
    assert '"exact": 12345678901234567890.10, "nested": {"a": [1, null]}' in answer.get_data(as_text=True)
    (row,) = answer.json["data"]
    assert (row["quantity"], row["withinLimit"], row["beyondLimit"]) == ("1000", "1.5", "998.5")
    assert row["timestamp"] == "2026-11-15T12:30:45.100000Z"


def test_what_nobody_recorded_is_not_found(reader: FlaskClient) -> None:
    assert reader.get(f"/api/usage/records/{new_id()}").status_code == 404


def test_a_user_sees_what_became_of_its_own_only(
    engine: Engine, call_as: As, make_token: MakeToken, now: datetime
) -> None:
    mine, stray = make_recording(now=now), make_recording(now=now, customer="other")
    with transaction(engine) as session:
        make_world(session)
        make_customer(session, id="other")
        record(session, mine, stray)
    user, other = call_as(make_token("user123")), call_as(make_token("other"))
    assert user.get(f"/api/usage/records/{mine.id}").json["status"] == "recorded"
    assert other.get(f"/api/usage/records/{mine.id}").status_code == 404
    # Sent in other's name for user123's subscription: it is other's, and in quarantine.
    assert other.get(f"/api/usage/records/{stray.id}").json["reason"] == "wrong_customer"
    assert user.get(f"/api/usage/records/{stray.id}").status_code == 404
