"""The upcoming invoice says what grants in money pay by now, as the draft does that a run then makes."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_money_wallets import MONEY, plan, put
from usage_billing.drawing import shown

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIGURES = ("total", "prepaidApplied", "creditApplied", "amountDue", "prepaid")


@pytest.fixture
def house(house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> House:
    """Drafts are shown by the clock of the test."""
    monkeypatch.setattr(shown, "utc_now", clock)
    return house


def upcoming(house: House, subscription: str = "s") -> dict[str, Any] | None:
    answer = house.admin.get(f"/api/subscriptions/{subscription}/upcoming-invoice")
    return {name: answer.json[name] for name in FIGURES} if answer.status_code == 200 else None


def figures(house: House) -> tuple[str, ...]:
    found = upcoming(house)
    assert found is not None
    return found["total"], found["prepaidApplied"], found["amountDue"]


def drafts(house: House, subscription: str = "s") -> list[dict[str, Any]]:
    """Those that stand, the oldest first."""
    found = house.ok("GET", f"/api/invoices?subscriptionId={subscription}")["data"]
    return [{name: one[name] for name in FIGURES} for one in reversed(found) if one["status"] == "draft"]


def test_what_reaches_back_to_a_final_invoice_is_on_the_upcoming_one(house: House) -> None:
    house.ok("POST", "/api/wallets", MONEY)
    house.use(30, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    house.clock.now = JULY + 5 * DAY
    house.use(20, at=JULY + DAY)
    house.bill(JULY + 6 * DAY)
    begins = {"effectiveAt": (JULY + 6 * DAY).isoformat(), "coversSince": JUNE.isoformat()}
    put(house, "50.00", cost="50.00", **begins)
    assert figures(house) == ("20.00", "50.00", "0.00")
    (draft,) = drafts(house)
    assert (draft["prepaidApplied"], draft["amountDue"]) == ("50.00", "0.00")
    house.bill(JULY + 31 * DAY + 2 * HOUR)
    house.verified()


def test_a_fee_of_the_next_period_takes_nothing_from_what_reaches_back(house: House) -> None:
    house.ok("POST", "/api/wallets", MONEY | {"fees": True})
    plan(house, unitPrice="1", plan={"baseFee": "15.00"})
    house.use(30, at=JUNE + DAY, subscription="u")
    put(house, "20.00", effectiveAt=(JUNE + 10 * DAY).isoformat(), coversSince=JUNE.isoformat())
    before = upcoming(house, "u")
    house.bill(JUNE + 10 * DAY)
    (draft,) = drafts(house, "u")
    assert (draft["total"], draft["prepaidApplied"], draft["amountDue"]) == ("45.00", "20.00", "25.00")
    assert before is not None
    assert before["prepaidApplied"] == "20.00"
    after = upcoming(house, "u")
    assert after is not None
    assert (after["prepaidApplied"], after["amountDue"]) == ("20.00", "25.00")


def test_what_other_subscriptions_fees_take_is_known_before_a_run(house: House) -> None:
    house.ok("POST", "/api/wallets", MONEY | {"fees": True})
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD", "baseFee": "15.00"})
    house.ok("POST", "/api/subscriptions", {"id": "b", "userId": "ann", "planId": "q", "startedAt": JUNE.isoformat()})
    house.use(20, at=JUNE + 5 * DAY)
    put(house, "20.00")
    assert figures(house) == ("20.00", "5.00", "15.00")
    house.bill(JUNE + 10 * DAY)
    assert figures(house) == ("20.00", "5.00", "15.00")
    (draft,) = drafts(house)
    assert draft["prepaidApplied"] == "5.00"


def test_what_reaches_back_is_on_one_draft_however_drafts_are_asked_for(house: House) -> None:
    """On the first to be final, which then has it."""
    house.ok("POST", "/api/wallets", MONEY)
    house.use(30, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    august = JULY + 31 * DAY
    house.clock.now = august + HOUR / 2
    house.use(20, at=JULY + DAY)
    house.use(15, at=august + HOUR / 4)
    house.bill(august + HOUR / 2)
    put(house, "100.00", effectiveAt=(JULY + 30 * DAY).isoformat(), coversSince=JUNE.isoformat())
    found = house.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    assert [(one["status"], one["prepaidApplied"]) for one in found] == [
        ("draft", "10.00"),
        ("draft", "60.00"),
        ("finalized", "0.00"),
    ]
    for one in found:
        assert house.ok("GET", f"/api/invoices/{one['id']}")["prepaidApplied"] == one["prepaidApplied"]
    assert figures(house) == ("10.00", "10.00", "0.00")
    house.bill(august + 2 * HOUR)
    (final,) = [one for one in house.ok("GET", "/api/invoices?subscriptionId=s")["data"] if one["id"] == found[1]["id"]]
    assert (final["status"], final["prepaidApplied"]) == ("finalized", "60.00")
    house.verified()


def test_a_fee_that_changed_since_the_last_run_is_paid_as_it_is_now(house: House) -> None:
    house.ok("POST", "/api/wallets", MONEY | {"fees": True})
    plan(house, unitPrice="1", plan={"baseFee": "15.00"})
    put(house, "60.00")
    house.bill(JUNE + 10 * DAY)
    version = {"baseFee": "21.00", "effective": "period", "repriceUsage": True}
    house.ok("POST", "/api/plans/q/versions", version)
    told = upcoming(house, "u")
    house.bill(JUNE + 11 * DAY)
    (draft,) = drafts(house, "u")
    assert (draft["total"], draft["prepaidApplied"]) == ("21.00", "21.00")
    assert told == draft
