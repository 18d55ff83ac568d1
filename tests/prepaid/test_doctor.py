"""Doctor names what is about to expire, and grants that no task closes."""

from datetime import timedelta

from tests.prepaid.conftest import JUNE, House
from usage_billing.db.session import read_only
from usage_billing.reports.doctor.finding import Finding
from usage_billing.reports.doctor.wallets import check_wallets

DAY = timedelta(days=1)


def found(house: House) -> list[Finding]:
    with read_only(house.engine) as session:
        return list(check_wallets(session, now=house.clock.now))


def test_without_grants_nothing_is_said(house: House) -> None:
    assert found(house) == []


def test_what_expires_within_a_week_is_named_with_what_is_left(house: House) -> None:
    house.use(13, at=JUNE + DAY)
    house.grant(10, expiresAt=(JUNE + 15 * DAY).isoformat())
    house.grant(5, expiresAt=(JUNE + 12 * DAY).isoformat(), priority=90)
    house.grant(3, expiresAt=(JUNE + 11 * DAY).isoformat(), priority=1)  # used up
    house.grant(9, expiresAt=(JUNE + 40 * DAY).isoformat())
    (finding,) = found(house)
    assert (finding.state, finding.message) == (
        "ok",
        "expiring within 7 days: 5 calls of ann in w on 2026-06-13T00:00Z; 10 calls of ann in w on 2026-06-16T00:00Z",
    )
    house.clock.now = JUNE + 20 * DAY
    house.close()
    assert [one.message for one in found(house)] == ["no grant expires soon"]


def test_what_a_reset_ended_is_not_about_to_expire(house: House) -> None:
    house.grant(10, expiresAt=(JUNE + 15 * DAY).isoformat())
    house.ok("POST", "/api/wallets/w/reset")
    house.grant(5, expiresAt=(JUNE + 12 * DAY).isoformat())
    assert [one.message for one in found(house)] == ["expiring within 7 days: 5 calls of ann in w on 2026-06-13T00:00Z"]
    house.ok("POST", "/api/wallets/w/close", {"settle": True})
    assert [one.message for one in found(house)] == ["no grant expires soon"]


def test_grants_that_no_task_closes_are_a_trouble(house: House) -> None:
    house.grant(10, expiresAt=(JUNE + 11 * DAY).isoformat())
    house.clock.now = JUNE + 12 * DAY
    (finding,) = found(house)
    assert (finding.state, finding.code) == ("warn", "grants_not_closed")
    assert "grants are over and not closed: 1, the first since 2026-06-12T01:00Z" in finding.message
    house.close()
    assert [one.state for one in found(house)] == ["ok"]


def test_money_that_no_plan_charges_in_is_named_until_one_does(house: House) -> None:
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "EUR"}})
    assert found(house) == []
    house.ok("POST", "/api/wallets/m/grants", {"amount": "9.00", "idempotencyKey": "k"})
    lonely, _ = found(house)
    assert (lonely.state, lonely.code) == ("warn", "wallets_without_plan")
    assert "m of ann in EUR" in lonely.message
    house.ok("POST", "/api/plans", {"id": "e", "name": "E", "currency": "EUR"})
    house.ok("POST", "/api/subscriptions", {"id": "u", "userId": "ann", "planId": "e", "startedAt": JUNE.isoformat()})
    assert [one.state for one in found(house)] == ["ok"]


def test_money_is_named_with_its_minor_unit(house: House) -> None:
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    body = {"amount": "46", "cost": "40.00", "idempotencyKey": "k", "expiresAt": (JUNE + 12 * DAY).isoformat()}
    grant = house.ok("POST", "/api/wallets/m/grants", body)
    assert [one.message for one in found(house)] == [
        "expiring within 7 days: 46.00 USD of ann in m on 2026-06-13T00:00Z"
    ]
    answer = house.admin.post("/api/wallets/m/close").json
    assert answer["detail"].startswith("46.00 of it may be used still or wait to be paid, and 0.00 are owed")
    asked = {"amount": "50", "idempotencyKey": "r"}
    assert house.admin.post(f"/api/grants/{grant['id']}/refund", json=asked).json["detail"] == (
        "46.00 of the grant is left"
    )
