"""Wallets in money end to end: what their grants pay of charges, on reads, drafts and final invoices."""

from datetime import timedelta
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, House

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONEY = {"id": "m", "userId": "ann", "unit": {"currency": "USD"}}


@pytest.fixture
def rich(house: House) -> House:
    house.ok("POST", "/api/wallets", MONEY)
    return house


def put(house: House, amount: str, **said: Any) -> Any:
    body = {"amount": amount, "idempotencyKey": f"m{said}{amount}", "effectiveAt": JUNE.isoformat()}
    return house.ok("POST", "/api/wallets/m/grants", body | said)


def held(house: House) -> dict[str, str]:
    shown = house.ok("GET", "/api/wallets/m")
    names = ("granted", "posted", "provisional", "expired", "takenBack", "left")
    return {name: shown[name] for name in names if shown[name] != "0.00"}


def bills(house: House, subscription: str = "s") -> list[tuple[str, str, str, str]]:
    """Status, total, what was paid beforehand and what is due, the oldest first."""
    found = house.ok("GET", f"/api/invoices?subscriptionId={subscription}")["data"]
    return [(one["status"], one["total"], one["prepaidApplied"], one["amountDue"]) for one in reversed(found)]


def test_a_grant_pays_what_is_charged_and_is_posted_with_the_invoice(rich: House) -> None:
    granted = put(rich, "20.00", cost="15.00")
    rich.use(25, at=JUNE + DAY)
    assert held(rich) == {"granted": "20.00", "provisional": "20.00"}
    rich.bill(JULY + HOUR / 2)
    assert bills(rich) == [("draft", "30.00", "20.00", "10.00")]
    rich.verified()
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("finalized", "30.00", "20.00", "10.00")]
    (one,) = rich.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    assert one["prepaid"] == [{"walletId": "m", "grantId": granted["id"], "amount": "20.00"}]
    assert held(rich) == {"granted": "20.00", "posted": "20.00"}
    rich.verified()


def test_what_is_paid_whole_is_a_paid_invoice(rich: House) -> None:
    put(rich, "100.00")
    rich.use(25, at=JUNE + DAY)
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("paid", "30.00", "30.00", "0.00")]
    assert held(rich) == {"granted": "100.00", "posted": "30.00", "left": "70.00"}
    rich.verified()


def test_units_come_first_and_money_pays_the_rest(rich: House) -> None:
    rich.grant(8)
    put(rich, "10.00")
    rich.use(25, at=JUNE + DAY)
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("finalized", "14.00", "10.00", "4.00")]
    assert rich.wallet() == {"granted": "8", "posted": "8"}
    rich.verified()


def test_what_is_taken_back_goes_back_to_the_grant_and_not_into_credit(rich: House) -> None:
    put(rich, "20.00")
    rich.use(12, at=JUNE + DAY)
    mistake = rich.use(20, at=JUNE + DAY)
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("finalized", "44.00", "20.00", "24.00")]
    rich.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    assert held(rich) == {"granted": "20.00", "posted": "20.00", "provisional": "-16.00", "left": "16.00"}
    rich.clock.now = JULY + 2 * DAY
    rich.bill(JULY + 3 * DAY)
    rich.bill(JULY + timedelta(days=31, hours=2))
    # 40.00 come back: 16.00 to the grant, and what was paid in money as credit.
    assert bills(rich)[1:] == [("finalized", "-40.00", "-16.00", "0.00")]
    assert rich.ok("GET", "/api/customers/ann/credits")["balances"] == [{"currency": "USD", "balance": "24.00"}]
    assert held(rich) == {"granted": "20.00", "posted": "4.00", "left": "16.00"}
    rich.verified()


def test_a_void_invoice_makes_its_draws_provisional_again(rich: House) -> None:
    put(rich, "5.00")
    rich.use(17, at=JUNE + DAY)
    rich.bill(JULY + 2 * HOUR)
    (invoice,) = rich.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    rich.ok("POST", f"/api/invoices/{invoice['id']}/void")
    assert held(rich) == {"granted": "5.00", "provisional": "5.00"}
    rich.verified()
    rich.bill(JULY + 3 * HOUR)
    assert bills(rich)[1:] == [("finalized", "14.00", "5.00", "9.00")]
    assert held(rich) == {"granted": "5.00", "posted": "5.00"}
    rich.verified()


def test_a_grant_that_closes_before_the_invoice_is_on_it(rich: House) -> None:
    put(rich, "50.00", expiresAt=(JUNE + 20 * DAY).isoformat())
    rich.use(15, at=JUNE + 2 * DAY)
    rich.clock.now = JUNE + 21 * DAY
    rich.use(4, at=JUNE + 20 * DAY + HOUR)
    assert held(rich) == {"granted": "50.00", "provisional": "10.00", "expired": "40.00"}
    assert rich.close() == 1
    assert held(rich) == {"granted": "50.00", "posted": "10.00", "expired": "40.00"}
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("finalized", "18.00", "10.00", "8.00")]
    rich.verified()


def test_a_grant_that_reaches_back_pays_what_is_final_with_the_next_invoice(rich: House) -> None:
    rich.use(25, at=JUNE + DAY)
    rich.bill(JULY + 2 * HOUR)
    rich.clock.now = JULY + DAY
    put(rich, "9.00", effectiveAt=(JULY + DAY).isoformat(), coversSince=JUNE.isoformat())
    assert held(rich) == {"granted": "9.00", "provisional": "9.00"}
    rich.use(30, at=JULY + DAY / 2)
    rich.bill(JULY + 31 * DAY + 2 * HOUR)
    assert bills(rich) == [("finalized", "30.00", "0.00", "30.00"), ("finalized", "40.00", "9.00", "31.00")]
    assert held(rich) == {"granted": "9.00", "posted": "9.00"}
    rich.verified()


def test_the_upcoming_invoice_shows_what_is_paid_beforehand(rich: House) -> None:
    put(rich, "20.00")
    rich.use(25, at=JUNE + DAY)
    shown = rich.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert (shown["total"], shown["prepaidApplied"], shown["amountDue"]) == ("30.00", "20.00", "10.00")
    assert [one["amount"] for one in shown["prepaid"]] == ["20.00"]


def plan(house: House, **quota: Any) -> None:
    """Another subscription, u, on a plan of its own."""
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD", **quota.pop("plan", {})})
    house.ok("POST", "/api/quotas", {"planId": "q", "usageType": "calls", "monthlyLimit": "0", **quota})
    house.ok("POST", "/api/subscriptions", {"id": "u", "userId": "ann", "planId": "q", "startedAt": JUNE.isoformat()})


def test_fees_are_paid_where_the_wallet_says_so(house: House) -> None:
    plan(house, unitPrice="1", plan={"baseFee": "30.00"})
    house.ok("POST", "/api/wallets", MONEY | {"fees": True})
    put(house, "34.00")
    put(house, "5.00", usageTypes=["calls"])
    house.use(10, at=JUNE + DAY, subscription="u")
    house.bill(JULY + 2 * HOUR)
    assert bills(house, "u")[0] == ("finalized", "40.00", "39.00", "1.00")
    house.verified()


def test_what_a_minimum_adds_is_wanted_when_its_period_begins(rich: House) -> None:
    plan(rich, price={"model": "per_unit", "unitPrice": "1", "minimumAmount": "50"})
    put(rich, "100.00", expiresAt=(JUNE + 5 * DAY).isoformat())
    rich.use(20, at=JUNE + 8 * DAY, subscription="u")
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich, "u")[0] == ("finalized", "50.00", "30.00", "20.00")
    rich.verified()


def test_a_volume_price_that_falls_wants_no_more_than_it_comes_to(rich: House) -> None:
    tiers = [{"upTo": "10", "unitPrice": "5.1"}, {"upTo": None, "unitPrice": "4"}]
    plan(rich, price={"model": "volume", "tiers": tiers})
    put(rich, "100.00", expiresAt=(JUNE + 9 * DAY).isoformat())
    rich.use(10, at=JUNE + 8 * DAY, subscription="u")
    assert held(rich)["provisional"] == "51.00"
    rich.use(1, at=JUNE + 9 * DAY + HOUR, subscription="u")
    assert held(rich)["provisional"] == "44.00"
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich, "u") == [("paid", "44.00", "44.00", "0.00")]
    rich.verified()


def test_tax_is_on_what_grants_leave(rich: House) -> None:
    seller = {"legalName": "S", "address": {"line1": "1", "city": "B", "country": "DE"}, "taxId": "DE136695976"}
    rich.ok("POST", "/api/tax-rates", {"country": "DE", "category": "S", "rate": "19", "effectiveFrom": "2020-01-01"})
    rich.ok("PUT", "/api/seller", seller | {"taxes": {"mode": "rules"}})
    rich.ok("PATCH", "/api/customers/ann", {"address": {"line1": "1", "city": "B", "country": "DE"}})
    put(rich, "20.00")
    rich.use(12, at=JUNE + DAY)
    mistake = rich.use(13, at=JUNE + DAY)
    rich.bill(JULY + 2 * HOUR)
    (one,) = rich.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    assert (one["total"], one["taxes"][0]["base"], one["totalWithTax"]) == ("30.00", "10.00", "31.90")
    assert (one["prepaidApplied"], one["amountDue"]) == ("20.00", "11.90")
    rich.verified()
    rich.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    rich.bill(JULY + 3 * DAY)
    rich.bill(JULY + timedelta(days=31, hours=2))
    assert bills(rich)[1:] == [("finalized", "-26.00", "-16.00", "0.00")]
    assert rich.ok("GET", "/api/customers/ann/credits")["balances"] == [{"currency": "USD", "balance": "11.90"}]
    rich.verified()


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"amount": "1.001"}, "/amount"),
        ({"amount": "0"}, "/amount"),
        ({"usageTypes": ["none"]}, "/usageTypes/0"),
        ({"subscriptionIds": ["none"]}, "/subscriptionIds/0"),
    ],
)
def test_what_is_no_grant_of_money_is_refused(rich: House, said: dict[str, Any], pointer: str) -> None:
    body = {"amount": "5.00", "idempotencyKey": "k"} | said
    assert rich.refused("/api/wallets/m/grants", body) == (422, pointer)
    assert held(rich) == {}


def test_a_second_wallet_in_a_currency_is_refused_and_one_that_no_plan_has_is_told(rich: House) -> None:
    assert rich.refused("/api/wallets", MONEY | {"id": "n"}) == (409, "overlapping_wallet")
    assert rich.refused("/api/wallets", MONEY | {"id": "n", "subscriptionId": "s"}) == (409, "overlapping_wallet")
    made = rich.ok("POST", "/api/wallets", MONEY | {"id": "n", "unit": {"currency": "EUR"}})
    assert made["warning"] == "no plan of the customer charges in EUR"
