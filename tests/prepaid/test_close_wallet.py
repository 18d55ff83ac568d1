"""A closed wallet takes nothing in; what was in it is handed back, expires, or is charged where it was owed."""

from datetime import timedelta
from decimal import Decimal
from threading import Thread

import pytest
from sqlalchemy import text

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import rows, scalars
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.prepaid.close_wallet import close_wallet
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.watch_wallets import watch
from usage_billing.wallets.queries import get_wallet

__all__ = ["cli"]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
CLOSE = "/api/wallets/w/close"


def test_what_was_bought_goes_back_and_what_was_given_expires(house: House) -> None:
    house.grant(20, priority=10)
    house.grant(40, cost="60.00")
    house.grant(5, cost="9.00", pendingUntilPaid=True)
    house.grant(7, effectiveAt=(JULY + DAY).isoformat())
    house.grant(8, cost="8.00", effectiveAt=(JULY + DAY).isoformat())
    house.use(40, at=JUNE + DAY)
    assert house.refused(CLOSE) == (409, "wallet_not_empty")
    assert scalars(house.engine, "SELECT closed_at FROM wallets") == [None]
    shown = house.ok("POST", CLOSE, {"settle": True})
    assert (shown["closedAt"], shown["left"], shown["pending"], shown["available"]) == ("2026-06-11T00:00:00Z", *"000")
    assert (shown["refunded"], shown["takenBack"], shown["provisional"]) == ("38", "7", "30")
    refunds = "SELECT cost FROM wallet_transfers WHERE kind = 'refunded' ORDER BY cost"
    assert scalars(house.engine, refunds) == [8, 45]
    assert house.ok("POST", CLOSE) == shown
    house.verified()
    house.clock.now += 2 * HOUR
    house.close()
    house.bill(JULY + DAY)
    assert house.invoices() == [("finalized", "0.00", [])] or house.invoices() == []
    assert house.wallet() == {"granted": "75", "posted": "30", "takenBack": "7"}
    house.verified()


def test_late_usage_is_paid_by_what_was_given(house: House) -> None:
    house.grant(20)
    house.ok("POST", CLOSE, {"settle": True})
    house.use(14, at=JUNE + DAY)
    house.use(3, at=house.clock.now)
    assert house.wallet() == {"granted": "20", "provisional": "4", "left": "16"}
    house.clock.now += 2 * HOUR
    assert house.close() == 1
    house.bill(JULY + DAY)
    assert house.invoices() == [("finalized", "6.00", [("3", "4", "6.00")])]
    house.verified()


def test_nothing_is_put_into_it_until_it_is_opened_again(house: House) -> None:
    monthly = {"amount": "20", "every": {"interval": "month"}, "untilNext": True, "idempotencyKey": "m"}
    house.ok("POST", "/api/wallets/w/schedules", monthly | {"startsAt": JULY.isoformat()})
    house.ok("POST", "/api/wallets/w/top-up-rule", {"below": "10", "amount": "50"})
    (asked,) = house.ok("GET", "/api/wallets/w/top-ups")["data"]
    house.ok("POST", f"/api/top-ups/{asked['id']}/failed", {"reason": "declined"})
    house.ok("POST", CLOSE)
    assert scalars(house.engine, "SELECT ended_at FROM top_up_rules") != [None]
    package = {"id": "calls", "name": "Calls", "unit": {"unitName": "calls", "usageTypes": ["calls"]}}
    house.ok("POST", "/api/packages", package | {"currency": "USD", "amount": "10", "price": "20.00"})
    buying = {"userId": "ann", "charge": "paid", "idempotencyKey": "order"}
    for path, body in (
        ("/api/wallets/w/grants", {"amount": "5", "idempotencyKey": "k"}),
        ("/api/wallets/w/schedules", monthly | {"idempotencyKey": "n"}),
        ("/api/wallets/w/top-up-rule", {"below": "10", "amount": "50"}),
        ("/api/wallets/w/reset", {"keep": {"max": "5"}}),
        ("/api/packages/calls/purchases", buying),
    ):
        assert house.refused(path, body) == (409, "wallet_closed"), path
    house.clock.now = JULY + DAY
    assert house.grants() == []
    assert house.ok("POST", "/api/wallets/w/open")["closedAt"] is None
    assert house.ok("POST", "/api/wallets/w/open")["closedAt"] is None
    house.ok("POST", "/api/packages/calls/purchases", buying)
    actions = "SELECT action FROM audit_log WHERE action IN ('wallet.closed', 'wallet.opened') ORDER BY id"
    assert scalars(house.engine, actions) == ["wallet.closed", "wallet.opened"]
    house.verified()


def test_what_is_owed_is_charged(house: House) -> None:
    with_debt = {"id": "v", "userId": "ann", "subscriptionId": "s"}
    house.ok("POST", "/api/wallets/w/close")
    house.ok("POST", "/api/usage-types", {"id": "pages", "unitName": "pages"})
    quota = {"planId": "p", "usageType": "pages", "monthlyLimit": "0", "unitPrice": "1", "effective": "period"}
    house.ok("POST", "/api/quotas", quota)
    unit = {"unit": {"unitName": "pages", "usageTypes": ["pages"]}, "uncovered": "owe", "overdraft": "50"}
    house.ok("POST", "/api/wallets", with_debt | unit)
    recorded = {"userId": "ann", "subscriptionId": "s", "usageType": "pages", "quantity": 60}
    house.clock.now += HOUR
    house.ok("POST", "/api/usage/record", recorded)
    house.drain()
    assert house.ok("GET", "/api/wallets/v")["owed"] == "50"
    assert house.refused("/api/wallets/v/close") == (409, "wallet_not_empty")
    house.clock.now += HOUR
    shown = house.ok("POST", "/api/wallets/v/close", {"settle": True})
    assert (shown["owed"], shown["available"]) == ("0", "0")
    house.clock.now += HOUR
    house.ok("POST", "/api/usage/record", recorded | {"quantity": 7})
    house.drain()
    assert house.ok("GET", "/api/wallets/v")["owed"] == "0"
    assert house.refused("/api/wallets/v/open") == (409, "wallet_closed")
    assert house.ok("GET", "/api/subscriptions/s/upcoming-invoice")["total"] == "67.00"
    house.bill(JULY + DAY)
    assert house.invoices()[0][1] == "67.00"
    house.verified()


def test_what_was_owed_and_is_final_is_charged_by_the_next_invoice(house: House) -> None:
    house.ok("POST", "/api/wallets/w/close")
    house.ok("POST", "/api/usage-types", {"id": "pages", "unitName": "pages"})
    quota = {"planId": "p", "usageType": "pages", "monthlyLimit": "0", "unitPrice": "1", "effective": "period"}
    house.ok("POST", "/api/quotas", quota)
    unit = {"unit": {"unitName": "pages", "usageTypes": ["pages"]}, "uncovered": "owe", "overdraft": "50"}
    house.ok("POST", "/api/wallets", {"id": "v", "userId": "ann"} | unit)
    house.clock.now += HOUR
    house.ok(
        "POST", "/api/usage/record", {"userId": "ann", "subscriptionId": "s", "usageType": "pages", "quantity": 30}
    )
    house.drain()
    house.bill(JULY + DAY)
    assert house.ok("GET", "/api/wallets/v")["owed"] == "30"
    house.verified()
    house.ok("POST", "/api/wallets/v/close", {"settle": True})
    house.verified()
    house.bill(JULY + 32 * DAY)
    assert scalars(house.engine, "SELECT sum(total) FROM invoices WHERE status <> 'void'") == [30]
    house.verified()


def test_a_top_up_that_waits_and_a_purchase_that_is_not_paid(house: House) -> None:
    package = {"id": "calls", "name": "Calls", "unit": {"unitName": "calls", "usageTypes": ["calls"]}}
    house.ok("POST", "/api/packages", package | {"currency": "USD", "amount": "10", "price": "20.00"})
    house.ok("POST", "/api/wallets/w/top-up-rule", {"below": "10", "amount": "50"})
    assert house.refused(CLOSE, {"settle": True}) == (409, "top_up_asked")
    (asked,) = house.ok("GET", "/api/wallets/w/top-ups")["data"]
    assert asked["id"] in house.admin.post(CLOSE, json={"settle": True}).json["detail"]
    house.ok("POST", f"/api/top-ups/{asked['id']}/failed", {"reason": "declined"})
    buying = {"userId": "ann", "charge": "next_invoice", "subscriptionId": "s", "idempotencyKey": "order"}
    grant = house.ok("POST", "/api/packages/calls/purchases", buying | {"walletId": "w"})["grantId"]
    assert house.refused(CLOSE, {"settle": True}) == (409, "purchase_unpaid")
    assert rows(house.engine, "SELECT ended_at FROM top_up_rules") == [(None,)]
    house.ok("POST", f"/api/grants/{grant}/void")
    house.ok("POST", CLOSE)
    house.verified()


def test_what_a_reset_kept_of_what_was_bought_does_not_expire_while_it_follows(house: House) -> None:
    house.grant(40, cost="60.00")
    late = house.use(50, at=JUNE + DAY)
    house.ok("POST", "/api/wallets/w/reset", {"keep": {"max": "25"}})
    house.clock.now += HOUR / 4
    house.ok("POST", f"/api/usage/records/{late}/void", {"reason": "twice"})
    assert house.refused(CLOSE, {"settle": True}) == (409, "still_following")
    house.clock.now += 2 * HOUR
    house.close()
    assert house.ok("POST", CLOSE, {"settle": True})["refunded"] == "25"
    house.verified()


def test_a_top_up_that_is_asked_for_meanwhile_is_waited_for(house: House) -> None:
    house.grant(20)
    house.ok("POST", "/api/wallets/w/top-up-rule", {"below": "10", "amount": "50"})
    closed: list[str] = []

    def close() -> None:
        try:
            with transaction(house.engine) as session:
                close_wallet(session, "w", settle=True, actor="x", now=house.clock.now, grace=HOUR)
        except Conflict as refused:
            closed.append(refused.code)

    closing = Thread(target=close)
    with transaction(house.engine) as session:
        session.execute(text("UPDATE top_up_rules SET below = 30"))
        closing.start()
        closing.join(timeout=0.3)
        assert closing.is_alive()
        assert watch(session, ["ann"], now=house.clock.now) == 1
    closing.join(timeout=5)
    assert closed == ["top_up_asked"]


def test_what_a_session_read_before_it_locked_the_wallet_is_read_again(house: House) -> None:
    with transaction(house.engine) as session:
        wallet = get_wallet(session, "w")
        assert wallet.closed_at is None
        house.ok("POST", CLOSE)
        new = NewGrant(amount=Decimal(5), idempotency_key="late")
        with pytest.raises(Conflict) as refused:
            make_grant(session, "w", new, actor="x", now=house.clock.now, grace=HOUR)
        assert wallet.closed_at is not None
    assert refused.value.code == "wallet_closed"


@pytest.mark.parametrize(("body", "expected"), [({"settle": "x"}, (422, "/settle")), ({"max": 1}, (422, "/max"))])
def test_bad_input_changes_nothing(house: House, body: dict[str, object], expected: tuple[int, str]) -> None:
    assert house.refused(CLOSE, body) == expected
    assert house.refused("/api/wallets/none/close") == (404, "not_found")
    assert house.refused("/api/wallets/none/open") == (404, "not_found")
    assert scalars(house.engine, "SELECT closed_at FROM wallets") == [None]


def test_at_the_terminal(house: House, cli: Cli) -> None:
    house.grant(30)
    refused = cli("wallets", "close", "w")
    assert (refused.code != 0, refused.out) == (True, "")
    assert "30 of it may be used still or wait to be paid" in refused.err
    money = cli("wallets", "create", "v", "--customer", "ann", "--currency", "USD", "--overdraft", "5")
    assert "--overdraft: is for wallets in units" in money.err
    assert "closed at" not in cli("wallets", "list").out
    assert cli("wallets", "close", "w", "--settle", "--json").json["closedAt"]
    assert "closed at" in cli("wallets", "list").out
    assert cli("wallets", "open", "w", "--json").json["closedAt"] is None
