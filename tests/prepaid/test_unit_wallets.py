"""Unit wallets end to end: what grants pay for, on reads, drafts and final invoices."""

from datetime import timedelta

import pytest

from tests.factories import make_quota, make_usage_type
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.billing import GRACE
from usage_billing.core.clock import instant_text
from usage_billing.db.session import transaction

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = JUNE + 2 * DAY


def test_a_grant_lowers_what_is_charged_and_is_posted_with_the_invoice(house: House) -> None:
    house.use(25, at=JUNE + DAY)
    assert house.wallet() == {}
    house.grant(8, cost="12.00")
    assert house.wallet() == {"granted": "8", "provisional": "8"}
    upcoming = house.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert (upcoming["total"], upcoming["items"][0]["covered"]) == ("14.00", "8")
    house.bill(JULY + HOUR / 2)
    assert house.invoices() == [("draft", "14.00", [("7", "8", "14.00")])]
    house.verified()
    house.bill(JULY + 2 * HOUR)
    assert house.invoices() == [("finalized", "14.00", [("7", "8", "14.00")])]
    assert house.wallet() == {"granted": "8", "posted": "8"}
    kinds = [(one["kind"], one["amount"]) for one in house.ok("GET", "/api/wallets/w/entries")["data"]]
    assert kinds == [("used", "8"), ("sold", "8")]
    house.verified()


def test_what_is_covered_whole_makes_no_invoice_and_is_posted_all_the_same(house: House) -> None:
    house.grant(20)
    house.use(25, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    assert house.invoices() == []
    assert house.wallet() == {"granted": "20", "posted": "15", "left": "5"}
    house.verified()
    house.bill(JULY + 3 * HOUR)
    assert house.wallet() == {"granted": "20", "posted": "15", "left": "5"}


def test_a_recording_taken_back_leaves_the_grant_as_if_it_had_never_been(house: House) -> None:
    house.grant(20)
    kept, mistake = house.use(15, at=JUNE + DAY), house.use(9, at=JUNE + DAY)
    assert kept
    assert house.wallet() == {"granted": "20", "provisional": "14", "left": "6"}
    house.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    assert house.wallet() == {"granted": "20", "provisional": "5", "left": "15"}


def test_what_was_posted_goes_back_when_the_usage_is_taken_back_later(house: House) -> None:
    house.grant(12, cost="10.00")
    house.use(12, at=JUNE + DAY)
    mistake = house.use(20, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    assert house.invoices() == [("finalized", "20.00", [("10", "12", "20.00")])]
    house.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    assert house.wallet() == {"granted": "12", "posted": "12", "provisional": "-10", "left": "10"}
    house.clock.now = JULY + 2 * DAY
    house.use(11, at=JULY + DAY)
    house.bill(JULY + 3 * DAY)
    house.bill(JULY + timedelta(days=31, hours=2))
    assert [line for _, _, lines in house.invoices()[1:] for line in lines] == [
        ("0", "2", "-20.00"),
        ("0", "1", "0.00"),
    ]
    assert house.wallet() == {"granted": "12", "posted": "3", "left": "9"}
    house.verified()


def test_units_that_come_back_without_an_adjustment_pay_for_the_next_month(house: House) -> None:
    """June is final, with another charge on it; nothing of its money changes when covered usage is taken back."""
    with transaction(house.engine) as session:
        make_usage_type(session, id="mails")
        make_quota(session, plan="p", usage_type="mails", limit=0, unit_price="1")
    mails = {"userId": "ann", "subscriptionId": "s", "usageType": "mails", "quantity": 3}
    house.ok("POST", "/api/usage/record", mails | {"timestamp": (JUNE + DAY).isoformat()})
    house.grant(15, cost="30.00")
    house.use(15, at=JUNE + DAY)
    mistake = house.use(10, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    assert house.wallet() == {"granted": "15", "posted": "15"}
    house.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    house.clock.now = JULY + 2 * DAY
    house.use(22, at=JULY + DAY)
    house.bill(JULY + timedelta(days=31, hours=2))
    assert house.invoices()[1:] == [("finalized", "4.00", [("2", "10", "4.00")])]
    kinds = [(one["kind"], one["amount"]) for one in house.ok("GET", "/api/wallets/w/entries")["data"]]
    assert kinds == [("used", "10"), ("returned", "10"), ("used", "15"), ("sold", "15")]
    house.verified()


def test_a_void_invoice_makes_its_draws_provisional_again(house: House) -> None:
    house.grant(5)
    house.use(17, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    (invoice,) = house.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    house.ok("POST", f"/api/invoices/{invoice['id']}/void")
    assert house.wallet() == {"granted": "5", "provisional": "5"}
    house.verified()
    house.bill(JULY + 3 * HOUR)
    assert house.invoices()[-1] == ("finalized", "4.00", [("2", "5", "4.00")])
    assert house.wallet() == {"granted": "5", "posted": "5"}
    house.verified()


def test_a_grant_pays_for_what_occurred_while_it_held(house: House) -> None:
    """It begins and ends within the month, so the month is divided there."""
    begins, ends = JUNE + 10 * DAY, JUNE + 20 * DAY
    house.grant(100, effectiveAt=begins.isoformat(), expiresAt=ends.isoformat())
    for day, quantity in ((1, 12), (12, 7)):
        house.clock.now = max(house.clock.now, JUNE + day * DAY)
        house.use(quantity, at=JUNE + day * DAY)
    assert house.wallet()["provisional"] == "7"
    house.clock.now = ends + HOUR / 2
    house.use(4, at=ends - HOUR)  # late, but in time
    assert house.wallet()["provisional"] == "11"
    house.clock.now = JUNE + 25 * DAY
    house.use(30, at=JUNE + 22 * DAY)
    assert house.close() == 1
    assert house.wallet() == {"granted": "100", "posted": "11", "expired": "89"}
    house.bill(JULY + 2 * HOUR)
    assert house.invoices() == [("finalized", "64.00", [("32", "11", "64.00")])]
    house.verified()


def test_a_grant_that_is_made_after_its_own_expiry_closes_the_grace_time_after_it_is_made(house: House) -> None:
    house.use(15, at=JUNE + DAY)
    house.use(5, at=JUNE + 6 * DAY)
    made = house.grant(30, expiresAt=(JUNE + 5 * DAY).isoformat())
    closes = house.clock.now + GRACE
    assert (made["provisional"], made["closesAt"]) == ("5", instant_text(closes))
    house.clock.now = closes - timedelta(seconds=1)
    assert house.close() == 0
    house.use(12, at=JUNE + DAY, subscription="t")
    house.clock.now = closes
    assert house.close() == 1
    assert house.wallet() == {"granted": "30", "posted": "7", "expired": "23"}
    house.verified()


def test_what_is_covered_saves_units_of_the_last_tier_first(house: House) -> None:
    """20 beyond are 10 x 5.00 and 10 x 4.00; 10 of them are covered."""
    tiers = [{"upTo": "10", "unitPrice": "5"}, {"upTo": None, "unitPrice": "4"}]
    quota = {"planId": "p", "usageType": "calls", "monthlyLimit": "10", "effective": "period"}
    house.ok("POST", "/api/quotas", quota | {"price": {"model": "graduated", "tiers": tiers}})
    house.grant(10)
    house.use(30, at=JUNE + DAY)
    house.bill(JULY + DAY)
    assert house.invoices() == [("finalized", "50.00", [("10", "10", "50.00")])]
    house.verified()


def test_a_grant_reaches_back_as_an_adjustment_on_the_next_invoice(house: House) -> None:
    house.use(25, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    house.clock.now = JULY + DAY
    house.grant(9, effectiveAt=(JULY + DAY).isoformat(), coversSince=JUNE.isoformat())
    assert house.wallet() == {"granted": "9", "provisional": "9"}
    house.bill(JULY + 2 * DAY)
    house.use(11, at=JULY + 2 * DAY)
    house.bill(JULY + 31 * DAY + 2 * HOUR)
    lines = [line for _, _, items in house.invoices()[1:] for line in items]
    assert lines == [("7", "8", "-16.00"), ("0", "1", "0.00")]  # what it holds for comes first
    assert house.wallet() == {"granted": "9", "posted": "9"}
    house.verified()


def test_two_subscriptions_share_a_wallet_in_the_order_of_windows(house: House) -> None:
    house.grant(10)
    house.use(16, at=JUNE + DAY, subscription="t")
    house.use(18, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    assert house.invoices("s") == []
    assert house.invoices("t") == [("finalized", "8.00", [("4", "2", "8.00")])]
    assert house.wallet() == {"granted": "10", "posted": "10"}
    house.verified()


def test_other_usage_that_moves_what_is_covered_is_charged_by_the_next_run(house: House) -> None:
    """The draft of t rests on units that s needs by then; nothing of t itself has changed."""
    house.grant(10)
    house.use(16, at=JUNE + DAY, subscription="t")
    house.use(14, at=JUNE + DAY)
    house.bill(JUNE + 12 * DAY)
    assert house.invoices("t") == []  # on its draft nothing has an amount
    house.use(5, at=JUNE + 2 * DAY)
    house.bill(JULY + 2 * HOUR)
    assert house.invoices("t") == [("finalized", "10.00", [("5", "1", "10.00")])]
    house.verified()


def test_a_start_stays_where_a_closed_grant_paid_for_usage_since(house: House) -> None:
    house.ok("POST", "/api/subscriptions", {"id": "u", "userId": "ann", "planId": "p", "startedAt": START.isoformat()})
    house.use(30, at=JUNE + 6 * DAY, subscription="u")
    house.grant(20, expiresAt=(JUNE + 12 * DAY).isoformat())
    to = {"startedAt": (JUNE + 4 * DAY).isoformat()}
    house.clock.now = JUNE + 13 * DAY
    assert house.close() == 1
    posted = house.wallet()
    answer = house.admin.patch("/api/subscriptions/u", json=to)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "draws_posted")
    assert house.wallet() == posted == {"granted": "20", "posted": "20"}
    house.verified()


@pytest.mark.parametrize(("granted", "total"), [(9, "1.02"), (10, "1.00")])
def test_fees_for_recordings_are_charged_also_where_all_is_covered(house: House, granted: int, total: str) -> None:
    fee = {"model": "percentage", "rate": "0.02", "fixedFee": "0.10"}
    house.ok("POST", "/api/plans", {"id": "f", "name": "F", "currency": "USD"})
    house.ok("POST", "/api/quotas", {"planId": "f", "usageType": "calls", "monthlyLimit": "0", "price": fee})
    house.ok("POST", "/api/subscriptions", {"id": "u", "userId": "ann", "planId": "f", "startedAt": JUNE.isoformat()})
    house.grant(granted)
    for _ in range(10):
        house.use(1, at=JUNE + DAY, subscription="u")
    assert house.ok("GET", "/api/usage/subscription/u")["totals"] == {"USD": total}
    house.bill(JULY + 2 * HOUR)
    assert [(status, due) for status, due, _ in house.invoices("u")] == [("finalized", total)]
    house.verified()


def test_an_adjustment_that_is_void_leaves_what_the_invoice_before_it_paid_for(house: House) -> None:
    house.grant(5)
    house.use(17, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    house.clock.now = JULY + DAY
    house.use(3, at=JUNE + DAY)
    house.bill(JULY + 2 * DAY)
    house.bill(JULY + 31 * DAY + 2 * HOUR)
    adjustment = house.ok("GET", "/api/invoices?subscriptionId=s")["data"][0]
    assert adjustment["total"] == "6.00"
    house.ok("POST", f"/api/invoices/{adjustment['id']}/void")
    assert house.wallet() == {"granted": "5", "posted": "5"}
    house.verified()


def test_late_usage_that_is_covered_whole_is_posted_with_what_becomes_final_next(house: House) -> None:
    with transaction(house.engine) as session:
        make_usage_type(session, id="mails")
        make_quota(session, plan="p", usage_type="mails", limit=0, unit_price="1")
    mails = {"userId": "ann", "subscriptionId": "s", "usageType": "mails", "quantity": 3}
    house.ok("POST", "/api/usage/record", mails | {"timestamp": (JUNE + DAY).isoformat()})
    house.grant(20)
    house.use(17, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    house.clock.now = JULY + DAY
    house.use(3, at=JUNE + DAY)
    house.use(11, at=JULY + DAY / 2)
    house.bill(JULY + 2 * DAY)
    assert house.wallet() == {"granted": "20", "posted": "7", "provisional": "4", "left": "9"}
    house.bill(JULY + 31 * DAY + 2 * HOUR)
    assert house.wallet() == {"granted": "20", "posted": "11", "left": "9"}
    house.verified()


def test_what_arrives_after_its_time_is_not_paid_for_by_a_grant_that_is_not_closed_yet(house: House) -> None:
    """The clock's word counts: whether the closing task runs in time, late, or never, ends alike."""
    ends = JUNE + 20 * DAY
    house.grant(100, expiresAt=ends.isoformat())
    house.clock.now = JUNE + 14 * DAY
    house.use(15, at=JUNE + 12 * DAY)
    house.clock.now = ends + 2 * HOUR
    house.use(6, at=ends - HOUR)  # too late
    in_time = {"granted": "100", "provisional": "5", "expired": "95"}
    assert house.wallet() == in_time
    assert house.ok("GET", "/api/subscriptions/s/upcoming-invoice")["total"] == "12.00"
    house.close()
    assert house.wallet() == {"granted": "100", "posted": "5", "expired": "95"}
    house.bill(JULY + 2 * HOUR)
    assert house.invoices() == [("finalized", "12.00", [("6", "5", "12.00")])]
    house.verified()


def test_what_is_taken_back_after_its_time_leaves_a_grant_that_is_not_closed_yet(house: House) -> None:
    ends = JUNE + 20 * DAY
    house.grant(100, expiresAt=ends.isoformat())
    house.clock.now = JUNE + 14 * DAY
    house.use(15, at=JUNE + 12 * DAY)
    mistake = house.use(3, at=JUNE + 13 * DAY)
    house.clock.now = ends + 2 * HOUR
    house.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    assert house.wallet() == {"granted": "100", "provisional": "5", "expired": "95"}
    house.close()
    assert house.wallet() == {"granted": "100", "posted": "5", "expired": "95"}
    house.verified()


def test_what_comes_back_is_posted_by_the_next_run_though_no_invoice_follows(house: House) -> None:
    house.grant(50)
    id = house.use(10 + 15, at=JUNE + timedelta(days=2))
    house.bill(JULY + timedelta(days=1))
    for name in "st":
        house.ok("POST", f"/api/subscriptions/{name}/cancel", {"at": house.clock.now.isoformat()})
    house.bill(JULY + timedelta(days=2))
    house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    assert house.wallet() == {"granted": "50", "posted": "15", "provisional": "-15", "left": "50"}
    house.bill(JULY + timedelta(days=3))
    assert house.wallet() == {"granted": "50", "left": "50"}
    assert house.invoices() == []
    house.verified()
