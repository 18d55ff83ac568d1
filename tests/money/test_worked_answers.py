"""Worked cases of terms that change, as the API answers them: before the next run, by it, and after it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Clock, Drain
from tests.money.books import differences
from tests.money.house import House, day
from tests.support.books import scalars

SUB = "/api/subscriptions/s"
DOLLAR = {"model": "per_unit", "unitPrice": "1"}
LATER = timedelta(hours=2)
FIRST, JULY = day(1, month=6), day(1, month=7)


def sent(answer: Any) -> Any:
    """The body of an answer that is good."""
    assert answer.status_code < 300, answer.json
    return answer.json


def listed(admin: FlaskClient) -> list[Any]:
    """The invoices of ``s``, drafts first."""
    return list(sent(admin.get("/api/invoices?subscriptionId=s"))["data"])


@pytest.mark.parametrize("keyed", [True, False], ids=["one key", "no key"])
def test_an_upgrade_that_is_sent_three_times_charges_its_minimum_once(
    house: House, admin: FlaskClient, clock: Clock, keyed: bool
) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "100", DOLLAR)
    house.quota("b", "100", {"model": "per_unit", "unitPrice": "2", "minimumAmount": "90"})
    house.subscribe(at=FIRST)
    headers = {"Idempotency-Key": "an upgrade"} if keyed else {}
    answers = []
    for hour in range(3):
        clock.now = day(11, month=6, hour=hour)
        answers.append(sent(admin.post(f"{SUB}/change-plan", json={"planId": "b"}, headers=headers)))
    assert [one["changed"] for one in answers] == ([True] * 3 if keyed else [True, False, False])
    assert {one["effectiveAt"] for one in answers[: 3 if keyed else 1]} == {"2026-06-11T00:00:00Z"}
    house.bill(JULY + LATER)
    (june,) = [invoice for invoice in listed(admin) if invoice["status"] != "draft"]
    assert (june["total"], len(june["items"])) == ("60.00", 1)  # 90.00 for twenty of thirty days


@pytest.mark.parametrize("effective", [None, "start"])
def test_a_first_price_after_ten_months_leaves_the_past_alone_unless_it_is_asked_for(
    house: House, admin: FlaskClient, clock: Clock, effective: str | None
) -> None:
    house.plan("a")
    house.subscribe()
    for month in range(1, 12):
        house.use(month, at=day(5, month=month))
    house.bill(day(10, month=11))
    clock.now = day(15, month=11)
    quota = {"planId": "a", "usageType": "calls", "monthlyLimit": "0", "unitPrice": "1"}
    made = sent(admin.post("/api/quotas", json=quota | ({} if effective is None else {"effective": effective})))
    past = {"recordings": 10, "quantity": "55", "subscriptions": 1}
    assert made.get("unbilled") == (None if effective else past)
    house.bill(day(1, month=12) + LATER)
    totals = sorted(Decimal(invoice["total"]) for invoice in listed(admin))
    assert totals == ([Decimal(month) for month in range(1, 12)] if effective else [Decimal(11)])


def test_usage_shows_the_terms_that_hold_before_a_run_applies_them(
    house: House, admin: FlaskClient, clock: Clock
) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "300", DOLLAR)
    house.quota("b", "1000", DOLLAR)
    house.subscribe(at=FIRST)
    house.use(250, at=day(5, month=6))
    house.bill(day(6, month=6))
    clock.now = day(11, month=6)
    sent(admin.post(f"{SUB}/change-plan", json={"planId": "b"}))
    sent(admin.post(f"{SUB}/change-plan", json={"planId": "a", "at": "2027-03-01T00:00:00Z"}))
    shown = sent(admin.get("/api/usage/subscription/s"))
    names = ("periodStart", "periodEnd", "used", "usedBefore", "limit", "remaining")
    assert [tuple(line[name] for name in names) for line in shown["usage"]] == [
        ("2026-06-01T00:00:00Z", "2026-06-11T00:00:00Z", "250", "0", "300", "50"),
        ("2026-06-11T00:00:00Z", "2026-07-01T00:00:00Z", "0", "250", "766.666666666667", "516.666666666667"),
    ]
    assert shown["planId"] == "b"
    subscription = sent(admin.get(SUB))
    assert subscription["planId"] == "b"
    planned = [(one["kind"], one["planId"], one["at"]) for one in subscription["scheduled"]]
    assert planned == [("plan", "a", "2027-03-01T00:00:00Z")]


def test_estimates_are_equal_to_the_cent_between_a_change_and_the_next_run(
    house: House, engine: Engine, admin: FlaskClient, clock: Clock
) -> None:
    price = {"model": "percentage", "rate": "0.1", "fixedFee": "0.5"}
    house.plan("a")
    house.plan("b")
    house.quota("a", "10", price)
    house.quota("b", "10", price)
    house.subscribe(at=FIRST)
    for hour in range(4):
        house.use(10, at=day(5, month=6, hour=hour))
    house.bill(day(6, month=6))
    clock.now = day(11, month=6)
    sent(admin.post(f"{SUB}/change-plan", json={"planId": "b"}))
    house.use(20, at=day(12, month=6), key="late")
    clock.now = day(13, month=6)
    usage = sent(admin.get("/api/usage/subscription/s"))
    upcoming = sent(admin.get(f"{SUB}/upcoming-invoice"))
    asked = {"price": price, "currency": "USD", "quantity": "50", "recordings": 4}
    preview = sent(admin.post("/api/prices/preview", json=asked))
    assert differences(engine) == []
    house.bill(day(13, month=6))
    (draft,) = listed(admin)
    # 30 beyond in three recordings, and 20 in one after the change: 50 x 0.1 + 4 x 0.50.
    assert usage["totals"] == {"USD": "7.00"}
    assert (upcoming["total"], preview["amount"], draft["total"]) == ("7.00", "7.00", "7.00")
    amounts = ("amount", "quantity", "periodStart", "description")
    parts = [[tuple(item[name] for name in amounts) for item in one["items"]] for one in (upcoming, draft)]
    assert parts[0] == parts[1]
    assert [line["estimatedCharge"] for line in usage["usage"]] == [part[0] for part in parts[0]] == ["4.50", "2.50"]


WHY: list[tuple[dict[str, Any], str, str]] = [
    ({"minimumAmount": "20"}, "20.00", "2 calls beyond the allowance, {}, raised to the minimum of 20.00"),
    ({"maximumAmount": "1"}, "1.00", "2 calls beyond the allowance, {}, lowered to the maximum of 1.00"),
    ({"discountPercent": "25"}, "1.50", "2 calls beyond the allowance, {}, less 25 %"),
    (
        {"discountPercent": "25", "minimumAmount": "20"},
        "20.00",
        "2 calls beyond the allowance, {}, less 25 %, raised to the minimum of 20.00",
    ),
]


@pytest.mark.parametrize(("more", "amount", "text"), WHY, ids=["minimum", "maximum", "discount", "both"])
def test_an_item_whose_amount_is_not_the_quantity_s_alone_says_why(
    house: House, admin: FlaskClient, clock: Clock, more: dict[str, Any], amount: str, text: str
) -> None:
    house.plan("a")
    house.quota("a", "10", DOLLAR | more)
    house.subscribe(at=day(28, month=2, hour=15), timezone="Asia/Tokyo")
    house.use(12, at=day(5, month=3))
    clock.now = day(6, month=3)
    upcoming = sent(admin.get(f"{SUB}/upcoming-invoice"))
    house.bill(day(31, month=3, hour=15) + LATER)
    (march,) = [invoice for invoice in listed(admin) if invoice["status"] != "draft"]
    for invoice in (upcoming, march):
        (item,) = invoice["items"]
        assert (item["amount"], item["description"]) == (amount, text.format("1 to 31 March 2026"))


def test_a_leap_second_is_counted_as_the_next_second(
    house: House, admin: FlaskClient, clock: Clock, drain: Drain
) -> None:
    house.plan("a")
    house.quota("a", "0", DOLLAR)
    house.subscribe(at=FIRST)
    clock.now = day(2, month=7)
    event = {"userId": "ann", "subscriptionId": "s", "usageType": "calls", "quantity": 3}
    sent(admin.post("/api/usage/record", json=event | {"timestamp": "2026-06-30T23:59:60Z"}))
    assert drain() == 1
    (record,) = sent(admin.get("/api/usage/subscription/s/records"))["data"]
    assert record["timestamp"] == "2026-07-01T00:00:00Z"
    (line,) = sent(admin.get("/api/usage/subscription/s"))["usage"]
    assert (line["used"], line["periodStart"]) == ("3", "2026-07-01T00:00:00Z")
    wrong = admin.post("/api/usage/record", json=event | {"timestamp": "2026-06-30T23:59:61Z"})
    assert (wrong.status_code, wrong.json["errors"][0]["code"]) == (422, "not_a_time")


def cancelled_year(house: House, admin: FlaskClient, clock: Clock) -> UUID:
    """A year that was cancelled in June and invoiced, of 10.00; returns the recording."""
    house.plan("a", interval="year")
    house.quota("a", "0", DOLLAR)
    house.subscribe()
    used = house.use(10, at=day(5))
    clock.now = day(11, month=6)
    sent(admin.post(f"{SUB}/cancel"))
    house.bill(day(11, month=6) + LATER)
    return used


def test_late_usage_of_a_cancelled_year_is_invoiced_by_the_next_run(
    house: House, admin: FlaskClient, clock: Clock, drain: Drain
) -> None:
    cancelled_year(house, admin, clock)
    clock.now = day(12, month=6)
    event = {"userId": "ann", "subscriptionId": "s", "usageType": "calls", "quantity": 7}
    sent(admin.post("/api/usage/record", json=event | {"timestamp": "2026-06-10T00:00:00Z"}))
    assert drain() == 1
    house.bill(clock.now)
    draft, first = listed(admin)
    assert (draft["kind"], draft["status"], draft["total"], first["total"]) == ("correction", "draft", "7.00", "10.00")
    by_hand = sent(admin.post(f"/api/invoices/{draft['id']}/finalize"))
    assert (by_hand["status"], by_hand["number"]) == ("finalized", "INV-00000002")
    house.bill(clock.now + LATER)
    assert len(listed(admin)) == 2


def test_usage_that_is_taken_back_after_the_end_comes_back_with_the_next_run(
    house: House, admin: FlaskClient, clock: Clock
) -> None:
    used = cancelled_year(house, admin, clock)
    clock.now = day(12, month=6)
    sent(admin.post(f"/api/usage/records/{used}/void", json={"reason": "reported twice"}))
    house.bill(clock.now + LATER)
    house.bill(clock.now + 2 * LATER)
    assert [(one["kind"], one["total"]) for one in listed(admin)] == [("correction", "-10.00"), ("period", "10.00")]
    balances = sent(admin.get("/api/customers/ann/credits"))["balances"]
    assert balances == [{"currency": "USD", "balance": "10.00"}]


def test_an_item_of_a_cut_period_explains_what_came_before_it(house: House, engine: Engine, admin: FlaskClient) -> None:
    tiers = {"model": "graduated", "tiers": [{"upTo": "100", "unitPrice": "1"}, {"upTo": None, "unitPrice": "0.5"}]}
    house.plan("a")
    house.plan("b")
    house.quota("a", "0", tiers)
    house.quota("b", "0", tiers)
    house.subscribe(at=FIRST)
    for quantity in (30, 50):
        house.use(quantity, at=day(5, month=6))
    house.change("change_plan", at=day(11, month=6), plan_id="b")
    house.use(50, at=day(20, month=6))
    house.bill(JULY + LATER)
    (invoice,) = listed(admin)
    told = [
        sent(admin.get(f"/api/invoices/{invoice['id']}/items/{item['id']}/explain"))
        for item in sorted(invoice["items"], key=lambda item: str(item["periodStart"]))
    ]
    nothing = {"quantity": "0", "recordings": 0, "amount": "0.00"}
    eighty = {"quantity": "80", "recordings": 2, "amount": "80.00"}
    assert [(one["before"], one["soFar"], one["amount"]) for one in told] == [
        (nothing, eighty, "80.00"),
        (eighty, {"quantity": "130", "recordings": 3, "amount": "115.00"}, "35.00"),
    ]
    for one in told:
        assert sum(Decimal(line["amount"]) for line in one["breakdown"]) == Decimal(one["exact"])
    before = "SELECT before_quantity FROM usage_invoice_items ORDER BY period_start"
    assert scalars(engine, before) == [0, 80]
