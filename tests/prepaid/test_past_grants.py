"""Closed grants: a balance has their sums without reading them, and a list has each of them."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from api.state import state_of
from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.statements import statements_of
from usage_billing.db.session import read_only, transaction
from usage_billing.drawing.books import all_allocations
from usage_billing.flows.folding.drive_reads import look_again
from usage_billing.reports.verify.books import find_differences

__all__ = ["cli"]

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def expired(house: House, number: int) -> None:
    """So many grants that held for a day each, and paid for nothing."""
    for place in range(number):
        since = JUNE + place % 9 * DAY
        house.grant(5, effectiveAt=since.isoformat(), expiresAt=(since + DAY).isoformat())


def listed(house: House, query: str = "") -> list[str]:
    """The amounts of the grants of the wallet, the newest first."""
    return [one["amount"] for one in house.ok("GET", f"/api/wallets/w/grants{query}")["data"]]


def test_a_balance_reads_no_closed_grant_of_which_nothing_is_posted(house: House, app: Flask) -> None:
    house.grant(8)
    house.use(15, at=JUNE + 9 * DAY + HOUR)
    expired(house, 1)
    house.clock.now = JULY
    assert house.close() == 1
    look_again(state_of(app).engine)  # each of the two reads looks whether there are meters, which is once a second
    with statements_of(state_of(app).engine) as few:
        before = house.ok("GET", "/api/wallets/w")
    expired(house, 12)
    house.clock.now += 2 * HOUR
    assert house.close() == 12
    look_again(state_of(app).engine)
    with statements_of(state_of(app).engine) as many:
        after = house.ok("GET", "/api/wallets/w")
    assert len(many) == len(few)
    assert after["closed"] == {
        "grants": 13,
        "granted": "65",
        "posted": "0",
        "expired": "65",
        **dict.fromkeys(("takenBack", "refunded", "rolledOver"), "0"),
    }
    assert (after["granted"], after["expired"], after["left"]) == ("73", "65", before["left"])
    assert after["grants"] == before["grants"]
    with read_only(house.engine) as session:
        (book,) = all_allocations(session, ["ann"], now=JULY, past=False)
        assert len(book.grants) == 1
        # Where they divide June is known nevertheless.
        assert len(book.past_cuts) == 9
    house.verified()


def test_a_balance_says_what_expires_when(house: House) -> None:
    for amount, days in ((5, 20), (7, 30), (8, 20), (9, None)):
        end = {} if days is None else {"expiresAt": (JUNE + days * DAY).isoformat()}
        house.grant(amount, **end)
    house.use(12, at=JUNE + DAY)
    shown = house.ok("GET", "/api/wallets/w")
    assert shown["expiring"] == [
        {"at": "2026-06-21T00:00:00Z", "left": "11"},
        {"at": "2026-07-01T00:00:00Z", "left": "7"},
    ]
    assert house.ok("GET", "/api/wallets/w/entries?provisional=1")["provisional"][0]["amount"] == "2"


def test_windows_of_what_is_posted_stay_where_closed_grants_divide_them(house: House) -> None:
    house.grant(100, expiresAt=(JULY + 90 * DAY).isoformat())
    expired(house, 9)
    for day in range(1, 9):
        house.use(20, at=JUNE + day * DAY + HOUR)
    house.clock.now = JUNE + 20 * DAY
    house.close()
    house.verified()
    house.bill(JULY + 2 * HOUR)
    house.verified()
    house.use(7, at=JUNE + 3 * DAY)
    house.verified()


def test_all_grants_are_listed_the_newest_first_by_pages(house: House, cli: Cli) -> None:
    first = house.grant(1)
    house.grant(2, expiresAt=(JUNE + 11 * DAY).isoformat())
    house.grant(3, cost="3.00", pendingUntilPaid=True)
    house.ok("POST", f"/api/grants/{first['id']}/void", {})
    assert listed(house) == ["3", "2", "1"]
    assert (listed(house, "?status=void"), listed(house, "?status=pending")) == (["1"], ["3"])
    assert (listed(house, "?status=active"), listed(house, "?status=closed")) == (["2"], [])
    house.clock.now = JULY
    # By the clock, whether the task was there or not.
    for _ in range(2):
        assert (listed(house, "?status=active"), listed(house, "?status=closed")) == ([], ["2"])
        house.close()
    page: Any = house.ok("GET", "/api/wallets/w/grants?limit=2")
    rest = house.ok("GET", f"/api/wallets/w/grants?limit=2&cursor={page['nextCursor']}")
    assert [one["amount"] for one in (*page["data"], *rest["data"])] == ["3", "2", "1"]
    assert rest["nextCursor"] is None
    answer = cli("wallets", "grants", "w", "--status", "closed", "--json").json
    assert [(one["amount"], one["status"]) for one in answer] == [("2", "closed")]
    assert "--limit shows more" in cli("wallets", "grants", "w", "--limit", "1").err


def test_what_recurs_is_listed_whether_it_is_stored_or_not(house: House) -> None:
    body = {"amount": "20", "every": {"interval": "day"}, "untilNext": True, "startsAt": JUNE.isoformat()}
    house.ok("POST", "/api/wallets/w/schedules", body | {"idempotencyKey": "daily"})
    house.grant(1)
    house.clock.now += 3 * DAY
    cursor, found = "", []
    while cursor is not None:
        page = house.ok("GET", f"/api/wallets/w/grants?limit=4{cursor and '&cursor=' + cursor}")
        found += page["data"]
        cursor = page["nextCursor"]
    assert len({one["id"] for one in found}) == len(found) == 15
    assert sorted((one["id"] for one in found), reverse=True) == [one["id"] for one in found]
    with transaction(house.engine) as session:
        assert session.execute(text("SELECT count(*) FROM wallet_grants")).scalar_one() == 12
    assert len(listed(house, "?status=active")) + len(listed(house, "?status=closed")) == 15


@pytest.mark.parametrize(("query", "status"), [("?status=gone", 422), ("?cursor=x", 400), ("?state=void", 422)])
def test_a_list_that_cannot_be_is_refused(house: House, query: str, status: int) -> None:
    assert house.admin.get(f"/api/wallets/w/grants{query}").status_code == status
    assert house.admin.get("/api/wallets/none/grants").status_code == 404


def test_verify_finds_sums_that_are_not_those_of_closed_grants(house: House) -> None:
    expired(house, 2)
    house.clock.now = JULY
    house.close()
    for change in ("expired = expired + 1", "grants = grants - 1", "grants = 0"):
        with transaction(house.engine) as session:
            session.execute(text(f"UPDATE past_grants SET {change}"))
            assert {one.kind for one in find_differences(session)} == {"wallet_past"}
            session.rollback()
    house.verified()


def test_the_sums_follow_whatever_changes_a_grant(house: House) -> None:
    expired(house, 2)
    house.clock.now = JULY
    house.close()
    steps = [
        ("UPDATE wallet_grants SET taken_back = 2, expired = 3", (2, 10, 6, 4)),
        (
            "UPDATE wallet_grants SET status = 'active' WHERE id = (SELECT min(id::text)::uuid FROM wallet_grants)",
            (1, 5, 3, 2),
        ),
        ("DELETE FROM wallet_transfers; DELETE FROM wallet_grants WHERE status = 'closed'", (0, 0, 0, 0)),
    ]
    with transaction(house.engine) as session:
        session.execute(text("ALTER TABLE wallet_transfers DISABLE TRIGGER USER"))
        for statement, sums in steps:
            for one in statement.split("; "):
                session.execute(text(one))
            row = session.execute(text("SELECT grants, granted, expired, taken_back FROM past_grants")).one()
            assert tuple(row) == sums, statement
        session.rollback()
