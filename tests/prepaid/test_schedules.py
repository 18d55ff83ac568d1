"""Grants that recur: one for each occurrence, counted when its time has come, whether it is stored or not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import scalars
from usage_billing.db.session import transaction
from usage_billing.flows.prepaid.open_wallet import open_wallet
from usage_billing.reports.verify.books import find_differences
from usage_billing.schedules.models import Schedule
from usage_billing.schedules.queries import wallets_due

__all__ = ["cli"]
DAY = timedelta(days=1)
AUGUST = datetime.fromisoformat("2026-08-01T00:00:00Z")
MONTHLY = {"amount": "20", "every": {"interval": "month"}, "untilNext": True, "idempotencyKey": "monthly"}


def schedule(house: House, **said: object) -> dict[str, object]:
    body = {**MONTHLY, "startsAt": JUNE.isoformat(), **said}
    return dict(house.ok("POST", "/api/wallets/w/schedules", body))


def stored(house: House) -> int:
    return int(scalars(house.engine, "SELECT count(*) FROM wallet_grants")[0])


def open_due(house: House) -> None:
    """What the task does."""
    with transaction(house.engine) as session:
        names = wallets_due(session, now=house.clock.now)
    for name in names:
        with transaction(house.engine) as session:
            open_wallet(session, name, now=house.clock.now)


def test_each_occurrence_pays_for_what_is_used_until_the_next_though_no_task_came(house: House) -> None:
    made = schedule(house)
    assert (made["nextAt"], made["every"]) == ("2026-07-01T00:00:00Z", {"interval": "month", "intervalCount": 1})
    house.use(25, at=JUNE + 5 * DAY)
    assert house.wallet() == {"granted": "20", "provisional": "15", "left": "5"}
    house.clock.now = JULY + DAY
    house.use(40, at=JULY)
    assert stored(house) == 1
    counted = house.grants()
    assert [(one["amount"], one["provisional"], one["status"]) for one in counted] == [
        ("20", "15", "closed"),
        ("20", "20", "active"),
    ]
    assert house.ok("GET", "/api/usage/subscription/s")["usage"][0]["covered"] == "20"
    assert house.ok("GET", "/api/subscriptions/s/upcoming-invoice")["items"][-1]["covered"] == "20"
    shown = house.ok("GET", f"/api/grants/{counted[1]['id']}")
    assert shown == counted[1]
    open_due(house)
    assert stored(house) == 2
    assert house.grants() == counted
    house.bill(JULY + DAY)
    assert [one[0] for one in house.invoices()] == ["draft"]  # July's: June is covered whole
    house.close()
    house.verified()
    house.bill(AUGUST + DAY)
    assert house.invoices() == [("finalized", "20.00", [("10", "20", "20.00")])]
    house.verified()


def test_a_run_stores_and_posts_what_no_task_has_stored(house: House) -> None:
    schedule(house)
    house.clock.now = JULY + DAY
    house.use(45, at=JULY + DAY)
    assert stored(house) == 1
    house.bill(AUGUST + DAY)
    assert (stored(house), house.wallet()["posted"]) == (3, "20")
    facts = scalars(house.engine, "SELECT count(*) FROM outbox_messages WHERE topic = 'wallet.grant_activated'")
    assert facts == [3]
    house.verified()


def test_something_done_to_an_occurrence_that_is_not_stored_stores_it(house: House) -> None:
    schedule(house)
    house.clock.now = JULY + DAY
    grant = house.grants()[-1]["id"]
    assert house.ok("POST", f"/api/grants/{grant}/void")["status"] == "void"
    assert stored(house) == 2
    house.verified()


def test_twenty_at_once_make_one(house: House) -> None:
    schedule(house)
    house.clock.now = JULY + DAY
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: open_due(house), range(20)))
    assert stored(house) == 2
    house.verified()


def test_the_key_makes_a_schedule_once(house: House) -> None:
    first = schedule(house)
    again = house.admin.post("/api/wallets/w/schedules", json=MONTHLY | {"startsAt": JUNE.isoformat()})
    assert (again.status_code, again.json) == (200, first)
    assert house.refused("/api/wallets/w/schedules", MONTHLY | {"amount": "21"}) == (409, "conflicting_schedule")
    assert house.ok("GET", "/api/wallets/w/schedules")["data"] == [first]


def test_an_occurrence_is_found_by_its_id_among_any_number_that_are_not_stored(house: House) -> None:
    schedule(house, every={"interval": "day"}, startsAt=house.clock.now.isoformat())
    with transaction(house.engine) as session:
        session.execute(
            text(
                "INSERT INTO wallets (id, customer_id, unit_name)"
                " SELECT 'a' || n, 'ann', 'x' FROM generate_series(1, 1001) AS n"
            )
        )
        columns = [c.name for c in Schedule.__table__.columns if c.name not in ("id", "wallet_id", "key")]
        session.execute(
            text(
                f"INSERT INTO wallet_schedules (id, wallet_id, key, {', '.join(columns)})"
                f" SELECT gen_random_uuid(), 'a' || n, 'k' || n, {', '.join(columns)}"
                " FROM wallet_schedules, generate_series(1, 1001) AS n"
            )
        )
    house.clock.now += 2 * DAY
    (first, second) = house.ok("GET", "/api/wallets/w/grants?limit=2")["data"]
    for one in (first, second):
        assert house.ok("GET", f"/api/grants/{one['id']}") == one
    for unknown in ("ffffffff-ffff-7fff-bfff-ffffffffffff", "00000000-0000-7000-8000-000000000000"):
        assert house.admin.get(f"/api/grants/{unknown}").status_code == 404


def test_an_ended_schedule_makes_no_more_and_keeps_what_it_made(house: House) -> None:
    id = schedule(house)["id"]
    house.clock.now = JULY + DAY
    ended = house.ok("POST", f"/api/schedules/{id}/end")
    assert (ended["endsAt"], ended["nextAt"]) == ("2026-07-02T00:00:00Z", None)
    assert house.refused(f"/api/schedules/{id}/end") == (409, "schedule_ended")
    house.clock.now = AUGUST + DAY
    assert len(house.grants()) == stored(house) == 2


def test_occurrences_follow_the_calendar_of_a_zone_and_hold_for_their_validity(house: House) -> None:
    validity = {"interval": "week", "intervalCount": 2}
    said = {"anchor": "calendar", "timezone": "Europe/Berlin", "untilNext": False, "validity": validity}
    schedule(house, **said, startsAt="2026-05-31T23:00:00Z", endsAt="2026-07-01T00:00:00Z")
    house.clock.now = AUGUST
    shown = house.grants()
    assert [(one["effectiveAt"], one["expiresAt"]) for one in shown] == [
        ("2026-06-30T22:00:00Z", "2026-07-14T22:00:00Z")
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"amount": "0"}, "/amount"),
        ({"amount": "1.0000000000001"}, "/amount"),
        ({"every": {"interval": "hour"}}, "/every/interval"),
        ({"every": {"interval": "day", "intervalCount": 0}}, "/every/intervalCount"),
        ({"priority": 101}, "/priority"),
        ({"category": "purchased"}, "/category"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"usageTypes": ["other"]}, "/usageTypes/0"),
        ({"subscriptionIds": ["other"]}, "/subscriptionIds/0"),
        ({"startsAt": "2026-06-01T00:00:00"}, "/startsAt"),
        ({"endsAt": JUNE.isoformat()}, "/endsAt"),
        ({"anchor": "calendar", "endsAt": "2026-06-20T00:00:00Z", "startsAt": "2026-06-02T00:00:00Z"}, "/endsAt"),
        ({"validity": {"interval": "day"}}, "/untilNext"),
        ({"every": {"interval": "day"}, "startsAt": "2020-01-01T00:00:00Z"}, "/startsAt"),
        ({"every": {"interval": "year"}, "startsAt": "1999-12-31T00:00:00Z"}, "/startsAt"),
        ({"cost": "10.00"}, "/cost"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(house: House, said: dict[str, object], expected: str) -> None:
    body = {**MONTHLY, "startsAt": JUNE.isoformat(), **said}
    assert house.refused("/api/wallets/w/schedules", body) == (422, expected)
    assert scalars(house.engine, "SELECT count(*) FROM wallet_schedules") == [0]
    assert stored(house) == 0


@pytest.mark.parametrize(
    "spoiled",
    [
        "DELETE FROM wallet_grants WHERE effective_at > '2026-06-02Z'",
        "UPDATE wallet_grants SET effective_at = effective_at + interval '1 hour' WHERE effective_at > '2026-06-02Z'",
        "UPDATE wallet_schedules SET next_at = next_at + interval '1 day'",
        "UPDATE wallet_schedules SET amount = 19",
        "UPDATE wallet_grants SET priority = 49",
    ],
)
@pytest.mark.parametrize("anchor", ["anniversary", "calendar"])
def test_what_is_spoiled_is_named_by_verify(house: House, spoiled: str, anchor: str) -> None:
    schedule(house, anchor=anchor, every={"interval": "day", "intervalCount": 5}, timezone="Europe/Berlin")
    house.verified()
    with transaction(house.engine) as session:
        for table in ("wallet_transfers", "wallet_grants"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        if spoiled.startswith("DELETE"):
            session.execute(text("DELETE FROM wallet_transfers"))
        session.execute(text(spoiled))
        assert "wallet_schedule" in {one.kind for one in find_differences(session)}
        session.rollback()


def test_the_commands_make_show_and_end_a_schedule(house: House, cli: Cli) -> None:
    said = ("wallets", "recur", "w", "--amount", "20", "--every", "2 week", "--until-next", "--key", "k")
    made = cli(*said, "--starts", "2040-01-01T00:00Z", "--timezone", "Europe/Berlin", "--json").json
    assert (made["every"], made["nextAt"]) == ({"interval": "week", "intervalCount": 2}, "2040-01-01T00:00:00Z")
    assert cli("wallets", "schedules", "w", "--json").json == [made]
    assert "2 week" in cli("wallets", "schedules", "w").out
    ended = cli("wallets", "end-schedule", str(made["id"]), "--at", "2039-01-01T00:00Z", "--json").json
    assert (ended["endsAt"], ended["nextAt"]) == ("2039-01-01T00:00:00Z", None)
    for wrong in (("--every", "hour"), ("--amount", "0"), ("--timezone", "Mars"), ("--validity", "1 day")):
        refused = cli(*said[:-1], "other", *wrong)
        assert (refused.code in (1, 2), refused.out) == (True, "")
