"""What a period leaves of a quota's allowance is carried over, and follows late usage until that grant is closed."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import make_customer, make_subscription
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import rows, scalars
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.prepaid.make_wallets import customers_without, make_wallets
from usage_billing.flows.prepaid.store_unused import store_unused, wallets_to_look_at
from usage_billing.reports.verify.books import find_differences
from usage_billing.subscriptions.models import SEAL

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
AUGUST = datetime.fromisoformat("2026-08-01T00:00:00Z")
SEPTEMBER = datetime.fromisoformat("2026-09-01T00:00:00Z")
EACH = {"model": "percentage", "rate": "0.01", "minimumPerRecording": "1"}
_LEDGER = "SELECT kind, sum(amount) FROM wallet_transfers GROUP BY 1 ORDER BY 1"


def carry(house: House, **said: object) -> None:
    """From now on what a period leaves of the 10 calls is carried over; only s has usage, and an allowance of t too."""
    body = {"planId": "p", "usageType": "calls", "monthlyLimit": "10", "unitPrice": "2", "effective": "start"}
    house.ok("POST", "/api/quotas", body | {"rollover": {}} | said)


def store(house: House) -> None:
    """What the task does by the clock."""
    with transaction(house.engine) as session:
        lacking = customers_without(session, now=house.clock.now)
    for name in lacking:
        with transaction(house.engine) as session:
            make_wallets(session, name, now=house.clock.now)
    with transaction(house.engine) as session:
        ended = wallets_to_look_at(session, now=house.clock.now)
    for name in ended:
        with transaction(house.engine) as session:
            store_unused(session, name, now=house.clock.now)


def grants(house: House, subscription: str = "s") -> list[tuple[str, str, str, str, str]]:
    """When it begins, and amount, posted, provisional and left, of what the allowance of a subscription left."""
    names = ("effectiveAt", "amount", "posted", "provisional", "left")
    shown = [one for one in house.grants() if one["unusedOf"] == subscription]
    return [(one["effectiveAt"][5:10], *(one[name] for name in names[1:])) for one in shown]  # type: ignore[misc]


def test_what_a_month_leaves_pays_in_the_next_and_late_usage_takes_it(house: House) -> None:
    carry(house)
    house.use(4, at=JUNE + DAY)
    house.clock.now = JULY + 10 * MINUTE
    assert grants(house) == [("07-01", "6", "0", "0", "6")]
    shown = house.grants()
    assert {(one["category"], one["usageTypes"][0], one["expiresAt"]) for one in shown} == {
        ("rollover", "calls", "2026-08-01T00:00:00Z")
    }
    assert [one["subscriptionIds"] for one in shown] == [[one["unusedOf"]] for one in shown]
    house.use(15, at=JULY)
    assert grants(house) == [("07-01", "6", "0", "5", "1")]
    house.use(3, at=JUNE + 2 * DAY)
    assert grants(house) == [("07-01", "3", "0", "3", "0")]
    upcoming = house.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert (upcoming["total"], upcoming["items"][0]["covered"]) == ("4.00", "3")
    house.bill(JULY + DAY)
    house.verified()
    assert grants(house) == [("07-01", "3", "0", "3", "0")]
    house.bill(AUGUST + DAY)
    assert house.invoices() == [("finalized", "4.00", [("2", "3", "4.00")])]
    assert grants(house)[0] == ("07-01", "3", "3", "0", "0")
    house.verified()
    assert house.close() == 2  # of both subscriptions
    house.verified()
    assert dict(rows(house.engine, _LEDGER))["used"] == 3


def test_what_was_carried_over_used_and_posted_comes_back_and_is_charged(house: House) -> None:
    carry(house, rollover={"periods": 2})
    house.use(4, at=JUNE + DAY)
    house.clock.now = JULY + 10 * MINUTE
    house.use(16, at=JULY)
    house.bill(JULY + DAY)
    house.bill(AUGUST + DAY)
    assert grants(house)[0] == ("07-01", "6", "6", "0", "0")
    house.use(3, at=JUNE + 2 * DAY)
    assert grants(house)[0] == ("07-01", "3", "6", "-3", "0")
    house.bill(AUGUST + 2 * DAY)
    house.bill(SEPTEMBER + DAY)
    charged = "SELECT sum(total) FROM invoices WHERE status <> 'void'"
    assert scalars(house.engine, charged) == [6]  # of 23 calls in two months 3 lie beyond the 20
    moved = dict(rows(house.engine, _LEDGER))
    assert [moved.get(kind) for kind in ("rolled_off", "used", "returned")] == [3, 6, 3]
    house.verified()
    house.close()
    house.verified()


def test_what_was_left_while_its_wallet_was_closed_comes_when_that_is_opened(house: House) -> None:
    carry(house)
    house.ok("POST", "/api/wallets/w/close", {"settle": True})
    house.clock.now = JULY + 4 * DAY
    house.use(15, at=JULY + 3 * DAY)
    house.clock.now = SEPTEMBER - 26 * DAY
    house.bill(house.clock.now)
    store(house)
    assert (grants(house), house.invoices()[0][1]) == ([], "10.00")
    house.verified()
    house.ok("POST", "/api/wallets/w/open")
    assert grants(house) == [("07-01", "10", "0", "5", "0"), ("08-01", "0", "0", "0", "0")]
    house.clock.now = SEPTEMBER + 4 * DAY
    house.bill(house.clock.now)
    assert [one[1] for one in house.invoices()] == ["10.00", "-10.00"]
    house.verified()


def test_it_is_bounded_and_holds_for_so_many_periods(house: House) -> None:
    carry(house, rollover={"max": "9", "maxPercent": 35, "periods": 2})
    house.use(8, at=JUNE + DAY, subscription="t")
    house.clock.now = AUGUST + DAY
    assert grants(house) == [("07-01", "3.5", "0", "0", "3.5"), ("08-01", "3.5", "0", "0", "3.5")]
    assert grants(house, "t")[0] == ("07-01", "2", "0", "0", "2")
    listed = house.grants()
    assert [one["expiresAt"][:10] for one in listed if one["unusedOf"] == "s"] == ["2026-09-01", "2026-10-01"]
    shown = house.ok("GET", f"/api/grants/{listed[0]['id']}")
    assert shown == listed[0]
    assert house.refused(f"/api/grants/{listed[0]['id']}/void") == (409, "still_following")
    store(house)
    assert house.grants() == listed
    house.clock.now = SEPTEMBER + DAY
    assert house.close() == 2
    store(house)
    assert len(house.grants()) == len(listed) + 2
    house.verified()


def test_a_version_without_it_carries_nothing_more_over(house: House) -> None:
    carry(house)
    house.clock.now = JULY + DAY
    body = {"planId": "p", "usageType": "calls", "monthlyLimit": "20", "unitPrice": "2"}
    assert house.ok("POST", "/api/quotas", body)["rollover"] is None
    house.clock.now = SEPTEMBER + DAY
    assert [one[:2] for one in grants(house)] == [("07-01", "10"), ("08-01", "10")]


def test_a_period_that_is_cut_leaves_what_its_one_budget_does(house: House) -> None:
    carry(house)
    house.ok("POST", "/api/plans", {"id": "big", "name": "Big", "currency": "USD"})
    house.ok("POST", "/api/quotas", {"planId": "big", "usageType": "calls", "monthlyLimit": "40", "unitPrice": "2",
             "effective": "start", "rollover": {"maxPercent": 50}})  # fmt: skip
    house.use(7, at=JUNE + DAY)
    house.clock.now = JUNE + 15 * DAY
    house.ok("POST", "/api/subscriptions/s/change-plan", {"planId": "big", "at": "now"})
    house.clock.now = JULY + 10 * MINUTE
    assert grants(house)[0][:2] == ("07-01", "12.5")  # half of a budget of 25, of which 18 are left
    house.use(8, at=JUNE + 20 * DAY)
    assert grants(house)[0][:2] == ("07-01", "10")
    house.use(12, at=JUNE + 20 * DAY)
    assert grants(house)[0][:2] == ("07-01", "0")
    house.bill(JULY + DAY)
    house.bill(AUGUST + DAY)
    house.close()
    house.verified()


def test_who_does_not_go_on_carries_nothing_over(house: House) -> None:
    carry(house)
    house.clock.now = JULY - 5 * DAY
    house.ok("POST", "/api/subscriptions/s/pause", {})
    house.clock.now = AUGUST + DAY
    house.ok("POST", "/api/subscriptions/s/resume", {})
    house.clock.now = SEPTEMBER + DAY
    assert [one[0] for one in grants(house)] == ["09-01"]
    house.bill(SEPTEMBER + DAY)
    house.verified()


@pytest.mark.parametrize("stored", [False, True])
def test_a_pause_that_is_set_back_to_the_period_s_end_takes_away_what_was_carried_over(
    house: House, stored: bool
) -> None:
    """Whether the grant had been stored before the pause was asked for makes no difference."""
    carry(house)
    house.use(4, at=JUNE + DAY)
    house.clock.now = JULY + 2 * DAY
    if stored:
        store(house)
    house.ok("POST", "/api/subscriptions/s/pause", {"at": "2026-07-01T00:00:00Z"})
    house.clock.now = JULY + 5 * DAY
    house.ok("POST", "/api/subscriptions/s/resume", {})
    house.clock.now = JULY + 9 * DAY
    house.use(30, at=JULY + 8 * DAY)
    house.verified()
    assert [amount for _, amount, *_ in grants(house)] == (["0"] if stored else [])
    upcoming = house.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert (upcoming["total"], upcoming["items"][0]["covered"]) == ("43.23", "0")


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(("said", "amount"), [({"rollover": {"max": "3", "periods": 2}}, "3"), ({}, "0")])
def test_a_version_that_is_asked_for_later_moves_how_much_and_not_whether(
    house: House, stored: bool, said: dict[str, object], amount: str
) -> None:
    """Whether the grant had been stored before it was asked for makes no difference."""
    carry(house)
    house.use(4, at=JUNE + DAY)
    house.clock.now = JULY + DAY
    if stored:
        store(house)
    body = {"planId": "p", "usageType": "calls", "monthlyLimit": "9", "unitPrice": "2", "effective": "start"}
    house.ok("POST", "/api/quotas", body | said)
    house.clock.now += DAY
    found = [one for one in house.grants() if one["unusedOf"] == "s"]
    assert [(one["amount"], one["expiresAt"]) for one in found] == [(amount, "2026-08-01T00:00:00Z")]
    store(house)
    house.verified()
    house.clock.now = AUGUST + DAY
    house.close()
    house.verified()


@pytest.mark.parametrize("name", ["plain", r"back\\slash", "größer/€"])
def test_an_id_names_what_an_allowance_left_before_it_is_stored(house: House, name: str) -> None:
    """Its subscription is found by an index, so that ids which name nothing cost no more."""
    with transaction(house.engine) as session:
        make_subscription(session, id=name, customer="ann", plan="p", started_at=JUNE)
    carry(house)
    house.clock.now = JULY + MINUTE
    (one,) = [grant for grant in house.grants() if grant["unusedOf"] == name]
    assert house.ok("GET", f"/api/grants/{one['id']}")["amount"] == "10"
    assert rows(house.engine, "SELECT FROM wallet_grants") == []
    with read_only(house.engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.scalars(text(f"EXPLAIN SELECT id FROM subscriptions WHERE {SEAL} = 'abc'")).all()
    assert "ix_subscriptions_seal" in "".join(plan)


def test_a_subscription_gets_no_wallet_of_its_own_beside_that_which_carries_over(house: House) -> None:
    carry(house)
    own = {"id": "own", "userId": "ann", "subscriptionId": "s", "unit": {"unitName": "calls", "usageTypes": ["calls"]}}
    assert house.refused("/api/wallets", own) == (409, "overlapping_wallet")


def test_a_customer_without_a_wallet_gets_one(house: House) -> None:
    with transaction(house.engine) as session:
        make_customer(session, id="bob")
        make_subscription(session, id="b", customer="bob", plan="p", started_at=JUNE)
    carry(house)
    store(house)
    (made,) = house.ok("GET", "/api/wallets?userId=bob")["data"]
    assert made["unit"] == {"unitName": "calls", "usageTypes": ["calls"]}
    store(house)
    house.clock.now = JULY + DAY
    (shown,) = house.ok("GET", "/api/wallets?userId=bob")["data"]
    assert shown["id"] == made["id"]
    assert house.ok("GET", f"/api/wallets/{made['id']}")["available"] == "10"


WRONG = [
    ({"rollover": {"max": "-1"}}, "/rollover/max"),
    ({"rollover": {"max": "0"}}, "/rollover/max"),
    ({"rollover": {"max": "NaN"}}, "/rollover/max"),
    ({"rollover": {"maxPercent": 0}}, "/rollover/maxPercent"),
    ({"rollover": {"maxPercent": 101}}, "/rollover/maxPercent"),
    ({"rollover": {"periods": 0}}, "/rollover/periods"),
    ({"rollover": {"periods": 367}}, "/rollover/periods"),
    ({"rollover": {"periods": 1.5}}, "/rollover/periods"),
    ({"rollover": {"grace": 1}}, "/rollover/grace"),
    ({"rollover": {}, "monthlyLimit": None}, "/rollover"),
    ({"rollover": {}, "usageType": "most"}, "/rollover"),
    ({"rollover": {}, "unitPrice": ..., "price": EACH}, "/rollover"),
]


@pytest.mark.parametrize(("said", "pointer"), WRONG)
def test_what_cannot_be_carried_over_is_refused(house: House, said: dict[str, object], pointer: str) -> None:
    meter = {"id": "most", "unitName": "calls", "aggregation": "max", "of": "calls"}
    if said.get("usageType"):
        house.ok("POST", "/api/usage-types", meter)
    body = {"planId": "p", "usageType": "calls", "monthlyLimit": "10", "unitPrice": "2"} | said
    assert house.refused("/api/quotas", {k: v for k, v in body.items() if v is not ...}) == (422, pointer)


TAMPERED = [
    "UPDATE wallet_grants SET expires_at = expires_at + interval '1 day', closes_at = closes_at + interval '1 day'"
    " WHERE unused_of = 's'",
    "UPDATE wallet_grants SET unused_of = 't', subscription_ids = '{t}', effective_at = '2026-06-01Z'"
    " WHERE unused_of = 's' AND effective_at = '2026-07-01Z'",
    "UPDATE wallet_grants SET amount = amount + 1, expired = expired + 1 WHERE unused_of = 's'",
    "UPDATE usage_quotas SET rollover_max = 1 WHERE rollover_periods IS NOT NULL",
]


@pytest.mark.parametrize("statement", TAMPERED)
def test_verify_tells_what_was_not_left(house: House, statement: str) -> None:
    carry(house)
    house.use(4, at=JUNE + DAY)
    house.clock.now = JULY + DAY
    store(house)
    house.clock.now = AUGUST + DAY
    assert house.close() == 2
    house.verified()
    with transaction(house.engine) as session:
        session.execute(text(statement))
    with read_only(house.engine) as session:
        assert "wallet_rollover" in {one.kind for one in find_differences(session)}


def test_alerts_count_what_was_carried_over(house: House) -> None:
    carry(house)
    house.use(4, at=JUNE + DAY)
    said = {"on": "percent", "usageType": "calls", "basis": "allowance+prepaid", "thresholds": ["100"]}
    house.ok("POST", "/api/alerts", {"id": "all", "scope": {"subscriptionId": "s"}, **said})
    down = {"on": "balance", "thresholds": ["1"]}
    house.ok("POST", "/api/alerts", {"id": "low", "scope": {"walletId": "w"}, **down})
    house.clock.now = JULY + 10 * MINUTE
    house.use(11, at=JULY)
    told = "SELECT rule_id FROM alert_firings WHERE fired_at >= '2026-07-01Z' ORDER BY 1"
    assert scalars(house.engine, told) == []
    house.use(5, at=JULY)
    assert scalars(house.engine, told) == ["all"]
    house.use(10, at=JUNE + 2 * DAY)
    house.verified()
