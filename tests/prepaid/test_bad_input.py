"""Bad input about wallets, grants, schedules, refunds and top-ups: each is refused with a code and changes nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, WALLET, House
from tests.support.books import rows
from usage_billing.db.session import read_only
from usage_billing.reports.doctor.wallets import check_wallets

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GRANT = {"amount": "5", "idempotencyKey": "k"}
RULE = {"below": "10", "amount": "50"}
SCHEDULE = {"amount": "5", "every": {"interval": "month"}, "untilNext": True, "idempotencyKey": "m"}
W, M = "/api/wallets/w", "/api/wallets/m"
# What is sent, where, and what is answered: the status, and the pointer or the code.
REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    *((f"{W}/grants", GRANT | {"amount": one}, 422, "/amount") for one in ("0", "-1", "NaN", "0.0000000000001")),
    (f"{M}/grants", GRANT | {"amount": "1.001"}, 422, "/amount"),
    (
        f"{W}/grants",
        GRANT | {"effectiveAt": "2026-07-01T00:00:00Z", "expiresAt": "2026-07-01T00:00:00Z"},
        422,
        "/expiresAt",
    ),
    (
        f"{W}/grants",
        GRANT | {"effectiveAt": "2026-07-01T00:00:00Z", "coversSince": "2026-07-02T00:00:00Z"},
        422,
        "/coversSince",
    ),
    *((f"{W}/grants", GRANT | {name: "2026-07-01T00:00:00"}, 422, f"/{name}") for name in ("effectiveAt", "expiresAt")),
    (f"{W}/grants", GRANT | {"coversSince": "2026-05-01T00:00:00"}, 422, "/coversSince"),
    (f"{M}/grants", GRANT | {"currency": "EUR"}, 422, "/currency"),
    (f"{W}/grants", GRANT | {"unitName": "pages"}, 422, "/unitName"),
    (f"{W}/grants", GRANT | {"usageTypes": ["pages"]}, 422, "/usageTypes/0"),
    (f"{W}/grants", GRANT | {"usageTypes": ["none"]}, 422, "/usageTypes/0"),
    (f"{M}/grants", GRANT | {"usageTypes": ["none"]}, 422, "/usageTypes/0"),
    (f"{W}/grants", GRANT | {"subscriptionIds": ["none"]}, 422, "/subscriptionIds/0"),
    (f"{W}/grants", GRANT | {"category": "rollover"}, 422, "/category"),
    *((f"{W}/grants", GRANT | {"priority": one}, 422, "/priority") for one in (101, -1, 1.5)),
    *(
        (f"{W}/schedules", SCHEDULE | {"rollover": {"maxPercent": one}}, 422, "/rollover/maxPercent")
        for one in (0, 101)
    ),
    ("/api/wallets", WALLET | {"id": "x"}, 409, "overlapping_wallet"),
    ("/api/wallets", WALLET | {"id": "x", "subscriptionId": "s"}, 409, "overlapping_wallet"),
    ("/api/wallets", {"id": "x", "userId": "ann", "unit": {"currency": "USD"}}, 409, "overlapping_wallet"),
    ("/api/wallets", {"id": "x", "userId": "ann", "unit": {"currency": "XXY"}}, 422, "/unit/currency"),
    (f"{W}/top-up-rule", {"below": "10", "upTo": "10"}, 422, "/upTo"),
    (f"{W}/top-up-rule", RULE | {"atMost": {"count": 0, "per": "day"}}, 422, "/atMost/count"),
    (f"{W}/top-up-rule", RULE | {"below": "0"}, 422, "/below"),
]
_COUNTS = (
    "SELECT (SELECT count(*) FROM wallets), (SELECT count(*) FROM wallet_grants), (SELECT count(*) FROM audit_log),"
    " (SELECT count(*) FROM wallet_transfers), (SELECT count(*) FROM top_up_rules),"
    " (SELECT count(*) FROM wallet_schedules)"
)


@pytest.mark.parametrize(("path", "body", "status", "says"), REFUSED)
def test_what_cannot_be_is_refused_and_changes_nothing(
    house: House, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    before = rows(house.engine, _COUNTS)
    assert house.refused(path, body) == (status, says)
    assert rows(house.engine, _COUNTS) == before


def test_a_key_with_other_content_and_what_is_not_left_are_refused(house: House) -> None:
    given = house.grant(20, idempotencyKey="a")
    assert house.refused(f"{W}/grants", GRANT | {"idempotencyKey": "a"}) == (409, "conflicting_grant")
    bought = house.grant(9, cost="9.00", priority=90)
    refund = f"/api/grants/{bought['id']}/refund"
    assert house.refused(refund, {"amount": "9.5", "idempotencyKey": "r"}) == (409, "refund_too_large")
    assert house.refused(refund, {"amount": "0", "idempotencyKey": "r"}) == (422, "/amount")
    assert house.refused(f"/api/grants/{given['id']}/refund") == (409, "grant_given")
    house.ok("POST", f"/api/grants/{bought['id']}/void")
    assert house.refused(refund) == (409, "already_void")
    assert house.refused(f"/api/grants/{bought['id']}/void") == (409, "already_void")
    house.use(25, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    assert house.refused(f"/api/grants/{given['id']}/void", {"used": True}) == (409, "grant_used")
    house.verified()


def test_a_wallet_in_a_currency_of_no_plan_is_made_with_a_warning_and_doctor_names_it(house: House) -> None:
    made = house.ok("POST", "/api/wallets", {"id": "e", "userId": "ann", "unit": {"currency": "EUR"}})
    assert made["warning"] == "no plan of the customer charges in EUR"
    house.ok("POST", "/api/wallets/e/grants", GRANT)
    with read_only(house.engine) as session:
        assert "wallets_without_plan" in {one.code for one in check_wallets(session, now=house.clock.now)}


def test_a_top_up_is_answered_once_and_in_time(house: House) -> None:
    house.clock.now = datetime.now(UTC)
    house.ok("POST", f"{W}/top-up-rule", RULE)
    (asked,) = house.ok("GET", f"{W}/top-ups")["data"]
    house.ok("POST", f"/api/top-ups/{asked['id']}/failed")
    for answer, body in (("failed", None), ("paid", {"cost": "5.00"})):
        assert house.refused(f"/api/top-ups/{asked['id']}/{answer}", body) == (409, "top_up_answered")
    house.ok("POST", f"{W}/top-up-rule", RULE)
    (asked, _) = house.ok("GET", f"{W}/top-ups")["data"]
    house.clock.now += 25 * HOUR
    assert house.refused(f"/api/top-ups/{asked['id']}/paid", {"cost": "5.00"}) == (409, "top_up_expired")
