"""Wallets and grants as they are made, refused, made once, and taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from tests.conftest import As, MakeToken
from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, WALLET, House
from tests.support.books import rows, scalars
from tests.support.callers import Keys
from usage_billing.db.session import read_only, transaction
from usage_billing.reports.verify.wallets import wallet_differences

__all__ = ["cli"]
DAY = timedelta(days=1)
GRANTS = "/api/wallets/w/grants"
GRANT = {"amount": "100", "idempotencyKey": "order-1"}


def test_a_grant_and_its_wallet_as_they_are_shown(house: House) -> None:
    made = house.ok("POST", GRANTS, GRANT | {"cost": "25.00", "priority": 10, "expiresAt": "2026-09-01T00:00:00Z"})
    id = made["id"]
    assert {name: made[name] for name in ("category", "cost", "costCurrency", "left", "status", "closesAt")} == {
        "category": "purchased", "cost": "25.00", "costCurrency": "USD", "left": "100", "status": "active",
        "closesAt": "2026-09-01T01:00:00Z",
    }  # fmt: skip
    assert house.ok("GET", f"/api/grants/{id}") == made
    shown = house.ok("GET", "/api/wallets/w")
    assert (shown["unit"], shown["available"], shown["grants"]) == (WALLET["unit"], "100", [made])
    (listed,) = house.ok("GET", "/api/wallets?userId=ann")["data"]
    assert listed == {name: shown[name] for name in listed}
    (entry,) = house.ok("GET", "/api/wallets/w/entries")["data"]
    assert (entry["kind"], entry["debit"], entry["credit"], entry["amount"]) == ("sold", "grant", "sold", "100")
    actions = scalars(house.engine, "SELECT action FROM audit_log WHERE subject = 'wallet:w' ORDER BY id")
    assert actions == ["wallet.created", "wallet.granted"]


def test_a_customer_reads_its_own_wallets(house: House, call_as: As, make_token: MakeToken) -> None:
    id = house.ok("POST", GRANTS, GRANT)["id"]
    own, stranger = call_as(make_token("ann")), call_as(make_token("stranger"))
    for path in ("/api/wallets/w", "/api/wallets/w/entries", f"/api/grants/{id}"):
        assert own.get(path).status_code == 200
        assert stranger.get(path).status_code == 404
    assert stranger.get(f"/api/grants/{id}").json["detail"] == f"there is no grant {id}"
    assert [one["id"] for one in own.get("/api/wallets").json["data"]] == ["w"]
    assert stranger.get("/api/wallets?userId=ann").json["data"] == stranger.get("/api/wallets").json["data"] == []
    assert own.post(GRANTS, json=GRANT).status_code == 403


def test_the_same_key_makes_one_grant(house: House, app: Flask, call_as: As, keys: Keys) -> None:
    clients = [call_as(keys.admin) for _ in range(20)]
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: client.post(GRANTS, json=GRANT), clients))
    done = [answer for answer in answers if answer.status_code in (200, 201)]
    assert {answer.status_code for answer in answers} <= {200, 201, 503}  # a pool of connections has its bound
    assert [answer.status_code for answer in done].count(201) == 1
    assert len({answer.json["id"] for answer in done}) == 1
    house.clock.now += DAY
    assert house.ok("POST", GRANTS, GRANT)["id"] == done[0].json["id"]
    brief = GRANT | {"idempotencyKey": "brief", "expiresAt": (house.clock.now + DAY).isoformat()}
    made = house.ok("POST", GRANTS, brief)
    house.clock.now += 2 * DAY
    assert house.ok("POST", GRANTS, brief)["id"] == made["id"]
    for other in ({"amount": "101"}, {"cost": "1"}, {"expiresAt": "2027-01-01T00:00:00Z"}, {"priority": 1}):
        assert house.refused(GRANTS, GRANT | other) == (409, "conflicting_grant")
    assert rows(house.engine, "SELECT amount FROM wallet_grants") == [(100,), (100,)]
    assert scalars(house.engine, "SELECT count(*) FROM wallet_transfers") == [2]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"amount": "0"}, "/amount"),
        ({"amount": "-1"}, "/amount"),
        ({"amount": "NaN"}, "/amount"),
        ({"amount": "0.0000000000001"}, "/amount"),
        ({"expiresAt": "2026-06-11T00:00:00Z"}, "/expiresAt"),
        ({"effectiveAt": "2026-07-01T00:00:00Z", "expiresAt": "2026-07-01T00:00:00Z"}, "/expiresAt"),
        ({"coversSince": "2026-06-12T00:00:00Z"}, "/coversSince"),
        ({"expiresAt": "2027-01-01T00:00:00"}, "/expiresAt"),
        ({"usageTypes": ["pages"]}, "/usageTypes/0"),
        ({"usageTypes": []}, "/usageTypes"),
        ({"usageTypes": ["calls", "calls"]}, "/usageTypes/1"),
        ({"subscriptionIds": ["t", "s", "t"]}, "/subscriptionIds/2"),
        ({"subscriptionIds": ["other"]}, "/subscriptionIds/0"),
        ({"priority": 101}, "/priority"),
        ({"priority": -1}, "/priority"),
        ({"priority": 1.5}, "/priority"),
        ({"cost": "1.005"}, "/cost"),
        ({"cost": "1", "costCurrency": "USX"}, "/costCurrency"),
        ({"costCurrency": "USD"}, "/costCurrency"),
        ({"category": "purchased"}, "/category"),
        ({"category": "promotional", "cost": "1"}, "/category"),
        ({"category": "rollover"}, "/category"),
        ({"packageId": "p"}, "/packageId"),
        ({"idempotencyKey": None}, "/idempotencyKey"),
    ],
)
def test_what_is_no_grant_is_refused(house: House, wrong: dict[str, Any], pointer: str) -> None:
    assert house.refused(GRANTS, GRANT | wrong) == (422, pointer)
    assert scalars(house.engine, "SELECT count(*) FROM wallet_grants") == [0]


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({}, (409, "overlapping_wallet")),
        ({"id": "v"}, (409, "overlapping_wallet")),
        ({"id": "v", "subscriptionId": "s"}, (409, "overlapping_wallet")),
        ({"id": "v", "unit": {}}, (422, "/unit/unitName")),
        ({"id": "v", "unit": {"unitName": "calls"}}, (422, "/unit/usageTypes")),
        ({"id": "v", "unit": {"currency": "USD", "unitName": "calls"}}, (422, "/unit")),
        ({"id": "v", "unit": {"currency": "XXQ"}}, (422, "/unit/currency")),
        ({"id": "v", "fees": True}, (422, "/fees")),
        ({"id": "v", "unit": {"unitName": "pages", "usageTypes": ["calls"]}}, (422, "/unit/usageTypes/0")),
        ({"id": "v", "unit": {"unitName": "calls", "usageTypes": ["none"]}}, (422, "/unit/usageTypes/0")),
        ({"id": "v", "unit": {"unitName": "calls", "usageTypes": []}}, (422, "/unit/usageTypes")),
        ({"id": "v", "userId": "stranger"}, (404, "not_found")),
        ({"id": "v", "subscriptionId": "none"}, (404, "not_found")),
        ({"id": "v", "uncovered": "owe"}, (422, "/overdraft")),
    ],
)
def test_what_is_no_wallet_is_refused(house: House, wrong: dict[str, Any], answer: tuple[int, str]) -> None:
    assert house.refused("/api/wallets", WALLET | wrong) == answer
    assert scalars(house.engine, "SELECT id FROM wallets") == ["w"]


def test_a_grant_that_was_a_mistake_is_taken_back(house: House) -> None:
    house.use(17, at=JUNE + DAY)
    first, second = house.grant(10, priority=1), house.grant(5)
    assert house.wallet() == {"granted": "15", "provisional": "7", "left": "8"}
    house.ok("POST", f"/api/grants/{first['id']}/void")
    assert house.wallet() == {"granted": "15", "provisional": "7", "takenBack": "3", "left": "5"}
    gone = house.ok("POST", f"/api/grants/{first['id']}/void", {"used": True})
    assert (gone["status"], gone["takenBack"]) == ("void", "10")
    assert house.wallet() == {"granted": "15", "provisional": "5", "takenBack": "10"}
    assert house.refused(f"/api/grants/{first['id']}/void") == (409, "already_void")
    house.bill(JULY + DAY)
    assert house.refused(f"/api/grants/{second['id']}/void") == (409, "grant_used")
    house.verified()


def test_a_grant_that_is_over_is_not_taken_back(house: House) -> None:
    made = house.grant(10, expiresAt=(JUNE + 11 * DAY).isoformat())
    house.clock.now = JUNE + 12 * DAY
    shown = house.ok("GET", f"/api/grants/{made['id']}")  # no job has run
    assert (shown["status"], shown["expired"], shown["left"]) == ("closed", "10", "0")
    assert house.refused(f"/api/grants/{made['id']}/void") == (409, "grant_closed")
    assert house.close() == 1
    assert house.close() == 0
    assert house.wallet() == {"granted": "10", "expired": "10"}
    house.verified()


def test_what_is_posted_is_not_divided(house: House) -> None:
    house.grant(5)
    house.use(20, at=JUNE + DAY)
    house.bill(JULY + DAY)
    within = {"effectiveAt": (JUNE + 5 * DAY).isoformat()}
    assert house.refused(GRANTS, GRANT | within) == (409, "cuts_posted")
    assert house.ok("POST", GRANTS, GRANT | {"effectiveAt": JULY.isoformat()})
    house.verified()


@pytest.mark.parametrize(
    ("wrong", "kinds"),
    [
        ("UPDATE wallet_grants SET posted = posted - 1", {"wallet_grant"}),
        ("UPDATE wallet_grants SET cost = cost + 1", {"wallet_grant", "wallet_cost"}),
        ("UPDATE wallet_draws SET posted = posted + 1", {"wallet_draw"}),
        ("DELETE FROM wallet_draws", {"wallet_draw"}),
        ("UPDATE wallet_grants SET effective_at = effective_at + interval '1 hour'", {"wallet_scope"}),
        ("UPDATE wallet_grants SET subscription_ids = '{t}'", {"wallet_scope"}),
        ("UPDATE wallet_scopes SET usage_type_id = 'other'", {"wallet_scope"}),
    ],
)
def test_verify_sees_what_is_wrong(house: House, wrong: str, kinds: set[str]) -> None:
    house.grant(6, cost="10.00")
    house.use(13, at=JUNE + DAY)
    house.bill(JULY + DAY)
    house.verified()
    with transaction(house.engine) as session:
        session.execute(text("INSERT INTO usage_types (id, unit_name) VALUES ('other', 'calls')"))
        session.execute(text(wrong))
    with read_only(house.engine) as session:
        assert {found.kind for found in wallet_differences(session, None)} == kinds


def test_at_a_terminal(house: House, cli: Cli) -> None:
    made = cli("wallets", "create", "w2", "--customer", "ann", "--unit", "calls", "--usage-type", "calls")
    assert made.code != 0
    assert "wallet w pays for calls already" in made.err
    grant = ("wallets", "grant", "w", "--amount", "50", "--cost", "5", "--key", "k", "--json")
    id = cli(*grant).json["id"]
    assert cli(*grant).json["id"] == id
    shown = cli("wallets", "show", "w")
    assert "50" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert cli("wallets", "list", "--json").json[0]["id"] == "w"
    assert cli("wallets", "entries", "w", "--json").json[0]["kind"] == "sold"
    assert cli("wallets", "void", id, "--json").json["status"] == "void"
    assert cli("wallets", "void", id).code != 0


def test_units_come_back_from_a_period_that_came_to_end_before_the_grant_began(house: House) -> None:
    begins, ends = JUNE + 8 * DAY, JUNE + 10 * DAY
    house.grant(20, effectiveAt=begins.isoformat(), expiresAt=ends.isoformat())
    house.use(12, at=JUNE + DAY)
    house.use(9, at=JUNE + 9 * DAY)
    house.clock.now = ends + DAY
    assert house.close() == 1
    assert house.wallet() == {"granted": "20", "posted": "9", "expired": "11"}
    house.ok("POST", "/api/subscriptions/s/cancel", {"at": (JUNE + 4 * DAY).isoformat(), "laterUsage": "void"})
    house.bill(JULY + DAY)
    assert house.wallet() == {"granted": "20", "expired": "20"}
    house.verified()
