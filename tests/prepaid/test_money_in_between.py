"""What moves between two steps of billing, in money: an invoice says no more than it and those before it charge."""

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_money_wallets import DAY, HOUR, bills, held, put, rich
from tests.support.billing import GRACE, bill, driven
from usage_billing.db.session import transaction
from usage_billing.flows.billing import finalize_invoices
from usage_billing.flows.billing.drive_rehearsal import expect
from usage_billing.flows.billing.open_run import RunRequest, open_run

__all__ = ["rich"]


def credit_of(house: House) -> list[dict[str, str]]:
    found: list[dict[str, str]] = house.ok("GET", "/api/customers/ann/credits")["balances"]
    return found


@pytest.mark.parametrize("back", [False, True])
def test_usage_that_arrives_between_rating_and_finalizing_is_paid_on_the_next_invoice(
    rich: House, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    put(rich, "100.00")
    rich.use(25, at=JUNE + DAY)
    rich.clock.now = JULY + 2 * HOUR
    rich.bill(JULY + HOUR / 2)
    rate, late = finalize_invoices.invoice_subscriptions, []

    def rate_and_wait(*args: object, **said: object) -> object:
        done = rate(*args, **said)  # type: ignore[arg-type]
        if not late:
            late.append(rich.use(20, at=JUNE + 2 * DAY))
        return done

    with monkeypatch.context() as patched:
        patched.setattr(finalize_invoices, "invoice_subscriptions", rate_and_wait)
        rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("paid", "30.00", "30.00", "0.00")]
    assert held(rich) == {"granted": "100.00", "posted": "30.00", "provisional": "40.00", "left": "30.00"}
    if back:
        rich.ok("POST", f"/api/usage/records/{late[0]}/void", {"reason": "twice"})
    rich.bill(JULY + 3 * HOUR)
    rich.bill(JULY + 40 * DAY)
    assert bills(rich)[1:] == ([] if back else [("paid", "40.00", "40.00", "0.00")])
    assert credit_of(rich) == []
    rich.verified()


def test_usage_that_arrives_after_a_held_rehearsal_is_paid_on_the_next_invoice(rich: House) -> None:
    put(rich, "20.00")
    put(rich, "60.00", priority=90)
    rich.use(25, at=JUNE + DAY)
    rich.clock.now = now = JULY + 2 * HOUR
    shown = bill(rich.engine, now, dry_run=True)
    rich.use(20, at=JUNE + 2 * DAY)
    request = expect(rich.engine, RunRequest(), shown.digest, grace=GRACE, now=now)
    with transaction(rich.engine) as session:
        run = open_run(session, request, requested_by="test", now=now)
    assert driven(rich.engine, run).status == "completed"
    assert bills(rich) == [("paid", "30.00", "30.00", "0.00")]
    parts = rich.ok("GET", "/api/invoices?subscriptionId=s")["data"][0]["prepaid"]
    assert sorted(part["amount"] for part in parts) == ["10.00", "20.00"]
    rich.bill(JULY + 3 * HOUR)
    rich.bill(JULY + 40 * DAY)
    assert bills(rich)[1:] == [("paid", "40.00", "40.00", "0.00")]
    assert held(rich) == {"granted": "80.00", "posted": "70.00", "left": "10.00"}
    assert credit_of(rich) == []
    rich.verified()


def test_what_came_back_to_a_grant_that_was_refunded_is_owed_with_the_next_invoice(rich: House) -> None:
    granted = put(rich, "20.00", cost="20.00", effectiveAt=(JUNE + 15 * DAY).isoformat())
    rich.clock.now = JUNE + 25 * DAY
    rich.use(10, at=JUNE + DAY)
    mistake = rich.use(10, at=JUNE + 20 * DAY)
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("paid", "20.00", "20.00", "0.00")]
    # The charge stays what it was, but not when it was used.
    rich.clock.now = JULY + 2 * HOUR
    rich.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    rich.use(10, at=JUNE + 2 * DAY)
    assert rich.ok("POST", f"/api/grants/{granted['id']}/refund")["money"] == "20.00"
    rich.clock.now = JULY + 5 * DAY
    rich.use(30, at=JULY + 3 * DAY)
    rich.bill(JULY + 40 * DAY)
    assert bills(rich)[1:] == [("finalized", "40.00", "-20.00", "60.00")]
    assert held(rich) == {"granted": "20.00"}
    rich.verified()


def test_what_the_invoice_of_another_subscription_let_come_back_is_owed_with_the_next(rich: House) -> None:
    put(rich, "20.00", expiresAt=(JUNE + 15 * DAY).isoformat())
    mistake = rich.use(20, at=JUNE + DAY)
    rich.clock.now = JUNE + 16 * DAY
    assert rich.close() == 1
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("paid", "20.00", "20.00", "0.00")]
    rich.clock.now = JULY + 2 * DAY
    rich.ok("POST", f"/api/usage/records/{mistake}/void", {"reason": "twice"})
    rich.use(20, at=JUNE + 20 * DAY)
    rich.use(30, at=JULY + DAY, subscription="t")
    rich.bill(JULY + 31 * DAY + HOUR / 2)
    (other,) = rich.ok("GET", "/api/invoices?subscriptionId=t")["data"]
    rich.clock.now = JULY + 31 * DAY + HOUR
    rich.ok("POST", f"/api/invoices/{other['id']}/finalize")
    assert held(rich) == {"granted": "20.00", "expired": "20.00"}
    rich.use(30, at=JULY + DAY)
    rich.bill(JULY + 33 * DAY)
    rich.bill(JULY + 65 * DAY)
    assert bills(rich)[1:] == [("finalized", "40.00", "-20.00", "60.00")]
    rich.verified()


@pytest.mark.parametrize("begins", [{"coversSince": JUNE.isoformat()}, {"effectiveAt": JUNE.isoformat()}])
def test_a_grant_that_pays_of_a_final_invoice_is_closed_after_the_invoice_that_says_so(
    rich: House, begins: dict[str, str]
) -> None:
    rich.use(25, at=JUNE + DAY)
    rich.bill(JULY + 2 * HOUR)
    rich.clock.now = JULY + DAY
    ends = {"effectiveAt": (JULY + DAY).isoformat(), "expiresAt": (JULY + 10 * DAY).isoformat()}
    put(rich, "9.00", **(ends | begins))
    rich.bill(JULY + 31 * DAY + 2 * HOUR)
    rich.clock.now = JULY + 32 * DAY
    assert rich.close() == 0
    assert held(rich) == {"granted": "9.00", "provisional": "9.00"}
    rich.use(30, at=JULY + 31 * DAY)
    rich.bill(JULY + 70 * DAY)
    assert bills(rich)[1:] == [("finalized", "40.00", "9.00", "31.00")]
    assert rich.close() == 1
    assert held(rich) == {"granted": "9.00", "posted": "9.00"}
    rich.verified()


@pytest.mark.parametrize("in_time", [False, True])
def test_a_grant_pays_for_what_had_arrived_when_it_should_be_closed_also_if_it_is_closed_later(
    rich: House, in_time: bool
) -> None:
    put(rich, "50.00", expiresAt=(JUNE + 12 * DAY).isoformat())
    rich.use(15, at=JUNE + 2 * DAY)
    rich.clock.now = JUNE + 13 * DAY
    if in_time:
        assert rich.close() == 1
    rich.use(4, at=JUNE + 3 * DAY)
    rich.close()
    assert held(rich) == {"granted": "50.00", "posted": "10.00", "expired": "40.00"}
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("finalized", "18.00", "10.00", "8.00")]
    rich.verified()


def test_what_arrives_after_the_time_to_close_is_not_paid_for_at_a_price_for_each_recording(rich: House) -> None:
    price = {"model": "percentage", "rate": "1", "minimumPerRecording": "5"}
    body = {"planId": "p", "usageType": "calls", "monthlyLimit": "0", "price": price, "effective": "period"}
    rich.ok("POST", "/api/quotas", body | {"repriceUsage": True})
    put(rich, "100.00", expiresAt=(JUNE + 11 * DAY).isoformat())
    rich.use(3, at=JUNE + DAY)
    rich.use(7, at=JUNE + 2 * DAY)
    assert held(rich) == {"granted": "100.00", "provisional": "12.00", "left": "88.00"}
    rich.clock.now = JUNE + 11 * DAY + 2 * HOUR
    rich.use(8, at=JUNE + 3 * DAY)
    # Whether a task has closed it or not.
    assert held(rich) == {"granted": "100.00", "provisional": "12.00", "expired": "88.00"}
    rich.close()
    assert held(rich) == {"granted": "100.00", "posted": "12.00", "expired": "88.00"}
    rich.verified()
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich) == [("finalized", "20.00", "12.00", "8.00")]
    rich.verified()
