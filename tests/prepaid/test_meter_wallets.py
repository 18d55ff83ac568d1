"""Wallets of meters: what adds up is divided by the hour, and drawn on by the meter's total."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.integration.conftest import Cli, cli
from tests.prepaid import metered
from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.metered import count_tokens, fold, held, line, put, use
from tests.prepaid.test_what_if import ask, billed
from tests.support.billing import bill
from tests.support.books import rows, scalars
from usage_billing.db.session import read_only, transaction
from usage_billing.expressions.errors import ExpressionError
from usage_billing.flows.prepaid.manage_top_ups import look_again
from usage_billing.prepaid.metered import wanted_by_window
from usage_billing.reports.verify.books import find_differences
from usage_billing.subscriptions.openings import lock_to_bill

__all__ = ["cli"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
values = st.lists(st.integers(-40, 60).map(Decimal), min_size=1, max_size=6)


@given(values, st.integers(0, 80).map(Decimal))
def test_windows_want_what_lies_beyond_and_never_less_than_nothing(counted: list[Decimal], limit: Decimal) -> None:
    total = max(sum(counted, Decimal(0)), Decimal(0))
    beyond = max(total - limit, Decimal(0))
    wanted = wanted_by_window(counted, total=total, beyond=beyond)
    assert len(wanted) == len(counted)
    assert sum(wanted) == beyond
    assert min(wanted) >= 0
    if min(counted) >= 0:  # the allowance is used up in the order of time
        running = [sum(counted[: index + 1]) for index in range(len(counted))]
        assert wanted == [
            max(b - limit, 0) - max(b - part - limit, 0) for b, part in zip(running, counted, strict=True)
        ]


@pytest.fixture
def tokens(house: House) -> House:
    """A house with a wallet of tokens."""
    count_tokens(house)
    house.ok("POST", "/api/wallets", metered.WALLET)
    return house


def test_a_grant_pays_by_what_the_meter_comes_to_from_recording_to_invoice(tokens: House) -> None:
    put(tokens, 100, cost="150.00")
    use(tokens, 90, at=JUNE + DAY)
    use(tokens, 40, at=JUNE + 2 * DAY)
    assert held(tokens) == {"granted": "100", "provisional": "100"}
    assert line(tokens) == ("130", "100", "20")
    upcoming = tokens.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert (upcoming["total"], [one["covered"] for one in upcoming["items"]]) == ("40.00", ["100"])
    tokens.clock.now = JULY + 2 * HOUR
    dry = tokens.ok("GET", f"/api/billing-runs/{bill(tokens.engine, tokens.clock.now, dry_run=True).id}")
    assert dry["amounts"] == {"USD": "40.00"}
    tokens.bill(JULY + HOUR / 2)
    (draft,) = tokens.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    (item,) = draft["items"]
    told = tokens.ok("GET", f"/api/invoices/{draft['id']}/items/{item['id']}/explain")
    assert [(one["quantity"], one["windowStart"]) for one in told["coveredBy"]] == [("100", "2026-06-01T00:00:00Z")]
    tokens.verified()
    tokens.bill(JULY + 2 * HOUR)
    assert tokens.invoices() == [("finalized", "40.00", [("20", "100", "40.00")])]
    assert held(tokens) == {"granted": "100", "posted": "100"}
    tokens.verified()


def test_usage_of_a_meter_is_divided_where_grants_begin_and_end(tokens: House) -> None:
    put(tokens, 50, effectiveAt=(JUNE + 5 * DAY).isoformat(), expiresAt=(JUNE + 8 * DAY).isoformat())
    use(tokens, 8, at=JUNE + DAY)  # within the 10 that are free
    use(tokens, 12, at=JUNE + 5 * DAY)  # the grant begins with this hour
    use(tokens, 30, at=JUNE + 8 * DAY)  # and ends before this
    assert held(tokens) == {"granted": "50", "provisional": "10", "left": "40"}
    assert line(tokens) == ("50", "10", "30")
    tokens.bill(JULY + 2 * HOUR)
    assert tokens.invoices() == [("finalized", "60.00", [("30", "10", "60.00")])]
    tokens.verified()
    assert tokens.close() == 1
    assert held(tokens) == {"granted": "50", "posted": "10", "expired": "40"}
    tokens.verified()


def test_counts_are_paid_for(house: House) -> None:
    count_tokens(house, aggregation="count")
    house.ok("POST", "/api/wallets", metered.WALLET)
    put(house, 3)
    for day in range(1, 15):
        use(house, 7, at=JUNE + day * DAY / 2)
    assert line(house) == ("14", "3", "1")


LATE = "2026-06-11T10:15:00Z"


def test_grants_of_a_meter_begin_and_end_on_full_hours(tokens: House) -> None:
    path, grant = "/api/wallets/k/grants", {"amount": "5", "idempotencyKey": "x"}
    for name in ("effectiveAt", "expiresAt", "coversSince"):
        said = {"effectiveAt": "2026-06-12T00:00:00Z"} if name == "coversSince" else {}
        given = {**grant, **said, name: LATE if name != "expiresAt" else "2026-07-11T10:00:00.5Z"}
        answer = tokens.admin.post(path, json=given)
        assert (answer.status_code, answer.json["errors"][0]) == (
            422,
            {"pointer": f"/{name}", "code": "not_a_full_hour", "detail": answer.json["errors"][0]["detail"]},
        )
    recurs = {"amount": "5", "every": {"interval": "day"}, "idempotencyKey": "x"}
    assert tokens.refused("/api/wallets/k/schedules", recurs | {"startsAt": LATE}) == (422, "/startsAt")
    assert tokens.refused("/api/wallets/k/schedules", recurs | {"timezone": "Asia/Kathmandu"}) == (422, "/timezone")
    assert tokens.refused("/api/wallets/k/reset", {"at": "2026-06-10T10:15:00Z"}) == (422, "/at")
    tokens.clock.now = datetime.fromisoformat(LATE)
    assert tokens.ok("POST", path, grant)["effectiveAt"] == "2026-06-11T10:00:00Z"
    assert tokens.ok("POST", path, grant)["effectiveAt"] == "2026-06-11T10:00:00Z"  # the same again
    made = tokens.ok("POST", "/api/wallets/k/schedules", recurs | {"timezone": "Europe/Berlin"})
    assert made["startsAt"] == "2026-06-11T10:00:00Z"
    waits = {"amount": "5", "cost": "1.00", "pendingUntilPaid": True, "idempotencyKey": "y"}
    id = tokens.ok("POST", path, waits)["id"]
    tokens.clock.now += 2 * HOUR
    assert tokens.ok("POST", f"/api/grants/{id}/activate")["effectiveAt"] == "2026-06-11T12:00:00Z"
    # In wallets of what is recorded any instant does.
    assert tokens.ok("POST", "/api/wallets/w/grants", grant | {"effectiveAt": LATE})["effectiveAt"] == LATE


def test_hours_are_those_of_the_wallets_subscription(house: House) -> None:
    count_tokens(house)
    body = {"id": "n", "userId": "ann", "planId": "p", "startedAt": JUNE.isoformat(), "timezone": "Asia/Kathmandu"}
    house.ok("POST", "/api/subscriptions", body)
    house.ok("POST", "/api/wallets", metered.WALLET | {"subscriptionId": "n"})
    begins = datetime(2026, 6, 5, 4, 15, tzinfo=UTC)  # ten o'clock there
    early = {"amount": "5", "idempotencyKey": "x", "effectiveAt": "2026-06-05T04:00:00Z"}
    assert house.refused("/api/wallets/k/grants", early) == (422, "/effectiveAt")
    put(house, 50, effectiveAt=begins.isoformat())
    use(house, 10, at=JUNE + DAY, subscription="n")
    use(house, 3, at=begins - timedelta(seconds=1), subscription="n")
    use(house, 4, at=begins, subscription="n")
    assert line(house, "n") == ("17", "4", "3")
    house.bill(JULY + 6 * HOUR)
    house.verified()


def test_what_is_bought_begins_with_the_hour_and_ends_with_one(tokens: House) -> None:
    tokens.clock.now = datetime.fromisoformat(LATE)
    unit = metered.WALLET["unit"]
    package = {"id": "t", "name": "T", "unit": unit, "currency": "USD", "amount": "40", "price": "30.00"}
    tokens.ok("POST", "/api/packages", package | {"validity": {"interval": "month"}})
    bought = {"userId": "ann", "subscriptionId": "s", "charge": "paid", "idempotencyKey": "o"}
    made = tokens.ok("POST", "/api/packages/t/purchases", bought)
    assert made["walletId"] == "k"
    shown = tokens.ok("GET", f"/api/grants/{made['grantId']}")
    assert (shown["effectiveAt"], shown["expiresAt"]) == ("2026-06-11T10:00:00Z", "2026-07-11T10:00:00Z")
    use(tokens, 25, at=datetime.fromisoformat("2026-06-11T10:05:00Z"))
    assert held(tokens) == {"granted": "40", "provisional": "15", "left": "25"}


def test_what_is_taken_back_is_as_if_it_had_never_been_and_late_usage_as_if_in_time(tokens: House) -> None:
    put(tokens, 50, effectiveAt=(JUNE + 5 * DAY).isoformat(), expiresAt=(JULY + 3 * DAY).isoformat())
    gone = use(tokens, 30, at=JUNE + DAY)
    use(tokens, 12, at=JUNE + 6 * DAY)
    tokens.bill(JULY + 2 * HOUR)
    assert tokens.invoices() == [("finalized", "40.00", [("20", "12", "40.00")])]
    tokens.ok("POST", f"/api/usage/records/{gone}/void", {"reason": "twice"})
    use(tokens, 9, at=JUNE + 7 * DAY)
    assert held(tokens) == {"granted": "50", "posted": "12", "provisional": "-1", "left": "39"}  # 21, 10 free
    tokens.verified()
    tokens.bill(JULY + 2 * DAY)
    tokens.bill(JULY + 40 * DAY)
    assert [one[1] for one in tokens.invoices()] == ["40.00", "-40.00"]
    assert held(tokens) == {"granted": "50", "posted": "11", "expired": "39"}  # by the clock
    assert tokens.close() == 1
    assert held(tokens) == {"granted": "50", "posted": "11", "expired": "39"}
    tokens.verified()


def test_an_invoice_that_is_void_lets_go_of_what_it_posted(tokens: House) -> None:
    put(tokens, 15)
    use(tokens, 30, at=JUNE + DAY)
    tokens.bill(JULY + 2 * HOUR)
    (made,) = tokens.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    tokens.ok("POST", f"/api/invoices/{made['id']}/void")
    assert held(tokens) == {"granted": "15", "provisional": "15"}
    tokens.bill(JULY + 3 * HOUR)
    assert [(one[0], one[1]) for one in tokens.invoices()][-1] == ("finalized", "10.00")
    assert held(tokens) == {"granted": "15", "posted": "15"}
    tokens.verified()


def test_what_is_below_zero_lowers_what_a_meter_wants(tokens: House) -> None:
    put(tokens, 50, effectiveAt=(JUNE + 5 * DAY).isoformat())
    use(tokens, 30, at=JUNE + DAY)
    use(tokens, -15, at=JUNE + 2 * DAY)
    use(tokens, 5, at=JUNE + 6 * DAY)
    use(tokens, -7, at=JUNE + 7 * DAY)
    assert line(tokens) == ("13", "0", "3")  # before the grant 5 lay beyond, and 3 do in all
    use(tokens, 4, at=JUNE + 8 * DAY)
    assert line(tokens) == ("17", "2", "5")
    tokens.bill(JULY + 2 * HOUR)
    tokens.verified()


def test_a_wallet_of_a_meter_may_owe_and_is_repaid(house: House) -> None:
    count_tokens(house)
    house.clock.now = JUNE + timedelta(minutes=20)
    house.ok("POST", "/api/wallets", metered.WALLET | {"uncovered": "owe", "overdraft": "20"})
    house.clock.now = JUNE + 10 * DAY
    use(house, 45, at=JUNE + timedelta(minutes=5))
    shown = house.ok("GET", "/api/wallets/k")
    assert (shown["owed"], shown["available"]) == ("20", "-20")
    assert line(house) == ("45", "20", "15")
    put(house, 50, effectiveAt=(JUNE + 9 * DAY).isoformat())
    assert house.ok("GET", "/api/wallets/k")["owed"] == "0"
    assert held(house) == {"granted": "50", "provisional": "20", "left": "30"}
    house.bill(JULY + 2 * HOUR)
    house.verified()


def test_a_reset_ends_grants_with_the_hour_that_runs(tokens: House) -> None:
    tokens.clock.now = datetime.fromisoformat("2026-06-11T10:05:00Z")
    tokens.ok("POST", "/api/wallets/k/grants", {"amount": "40", "idempotencyKey": "x"})
    use(tokens, 15, at=tokens.clock.now)
    tokens.clock.now += timedelta(minutes=15)
    assert held(tokens)["provisional"] == "5"
    shown = tokens.ok("POST", "/api/wallets/k/reset", {"keep": {"max": "20"}})
    assert (shown["provisional"], shown["available"]) == ("5", "35")  # until the hour is over
    edges = {(one["category"], one["effectiveAt"][11:16], (one["resetAt"] or "")[11:16]) for one in shown["grants"]}
    assert edges == {("promotional", "10:00", "11:00"), ("rollover", "11:00", "")}
    assert shown["expiring"] == [{"at": "2026-06-11T11:00:00Z", "left": "15"}]
    use(tokens, 6, at=tokens.clock.now + timedelta(minutes=20))  # in this hour
    assert tokens.ok("GET", "/api/wallets/k")["available"] == "29"
    tokens.clock.now = datetime.fromisoformat("2026-06-11T11:00:00Z")
    assert tokens.ok("GET", "/api/wallets/k")["available"] == "20"
    tokens.verified()
    use(tokens, 7, at=datetime.fromisoformat("2026-06-11T11:00:00Z"))
    paid = {one["category"]: (one["amount"], one["provisional"]) for one in tokens.grants("k")}
    assert paid == {"promotional": ("40", "11"), "rollover": ("20", "7")}
    tokens.bill(JULY + 2 * HOUR)
    tokens.close()
    tokens.verified()


def test_a_wallet_that_is_closed_within_the_hour_of_a_reset_keeps_nothing(tokens: House) -> None:
    tokens.clock.now = datetime.fromisoformat("2026-06-11T10:05:00Z")
    tokens.ok("POST", "/api/wallets/k/grants", {"amount": "40", "idempotencyKey": "x"})
    tokens.clock.now += timedelta(minutes=15)
    tokens.ok("POST", "/api/wallets/k/reset", {"keep": {"max": "20"}})
    tokens.ok("POST", "/api/wallets/k/close", {"settle": True})
    use(tokens, 16, at=tokens.clock.now + timedelta(minutes=20))  # in this hour
    tokens.clock.now = datetime.fromisoformat("2026-06-11T11:00:00Z")
    use(tokens, 7, at=tokens.clock.now)
    shown = tokens.ok("GET", "/api/wallets/k")
    assert (shown["provisional"], shown["available"], len(shown["grants"])) == ("6", "0", 1)
    tokens.clock.now += 2 * HOUR
    fold(tokens)
    assert tokens.close() == 1
    assert held(tokens) == {"granted": "40", "posted": "6", "expired": "34"}
    tokens.verified()


def test_a_wallet_may_be_for_a_meter_and_for_what_is_recorded(house: House) -> None:
    count_tokens(house)
    with transaction(house.engine) as session:
        session.execute(text("UPDATE usage_types SET unit_name = 'tokens' WHERE id = 'calls'"))
        session.execute(text("DELETE FROM wallet_scopes"))
    unit = {"unitName": "tokens", "usageTypes": ["calls", "tokens"]}
    house.ok("POST", "/api/wallets", {"id": "k", "userId": "ann", "unit": unit})
    put(house, 30, effectiveAt=(JUNE + 3 * DAY).isoformat())
    house.use(20, at=JUNE + 4 * DAY)
    use(house, 20, at=JUNE + 5 * DAY)
    use(house, 25, at=JUNE + 6 * DAY, subscription="t")
    assert held(house) == {"granted": "30", "provisional": "30"}
    assert (line(house)[1], line(house, "t")[1]) == ("10", "10")  # calls of s come first, then tokens of s
    house.bill(JULY + 2 * HOUR)
    house.verified()


def test_money_pays_of_a_meter_what_units_left(tokens: House) -> None:
    tokens.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    money = {"amount": "50.00", "idempotencyKey": "m", "effectiveAt": JUNE.isoformat()}
    tokens.ok("POST", "/api/wallets/m/grants", money)
    put(tokens, 15, effectiveAt=(JUNE + 5 * DAY).isoformat())
    use(tokens, 20, at=JUNE + DAY)
    use(tokens, 20, at=JUNE + 6 * DAY)
    assert line(tokens) == ("40", "15", "15")
    assert tokens.ok("GET", "/api/wallets/m")["provisional"] == "30.00"
    tokens.bill(JULY + 2 * HOUR)
    assert [(one[0], one[1]) for one in tokens.invoices()] == [("paid", "30.00")]
    tokens.verified()


def test_every_reader_sees_what_no_fold_has_counted(tokens: House, cli: Cli) -> None:
    made = put(tokens, 50)
    readers = (
        lambda: tokens.ok("GET", "/api/wallets/k")["provisional"],
        lambda: tokens.grants("k")[0]["provisional"],
        lambda: tokens.ok("GET", f"/api/grants/{made['id']}")["provisional"],
        lambda: tokens.ok("GET", "/api/wallets/k/entries?provisional=true")["provisional"][0]["amount"],
    )
    use(tokens, 10, at=JUNE + DAY)
    for tokens_so_far, read in enumerate(readers, start=1):
        use(tokens, 1, at=JUNE + tokens_so_far * DAY)
        assert read() == str(tokens_so_far)
    use(tokens, 1, at=JUNE + DAY)
    assert cli("wallets", "show", "k", "--json").json["provisional"] == "5"


def test_what_arrives_before_the_task_closes_a_grant_is_paid_for_of_a_meter(tokens: House) -> None:
    put(tokens, 50, expiresAt=(JUNE + 8 * DAY).isoformat())
    use(tokens, 25, at=JUNE + DAY)
    tokens.clock.now = JUNE + 20 * DAY
    use(tokens, 5, at=JUNE + 2 * DAY)
    assert held(tokens) == {"granted": "50", "provisional": "20", "expired": "30"}
    tokens.verified()
    assert tokens.close() == 1
    use(tokens, 6, at=JUNE + 3 * DAY)
    assert held(tokens) == {"granted": "50", "posted": "20", "expired": "30"}
    assert line(tokens) == ("36", "20", "6")
    tokens.bill(JULY + 2 * HOUR)
    tokens.verified()


def test_a_low_wallet_of_a_meter_asks_once_the_task_looks(tokens: House) -> None:
    tokens.clock.now = datetime.now(UTC)
    put(tokens, 30)
    tokens.ok("POST", "/api/wallets/k/top-up-rule", {"below": "10", "amount": "50"})
    use(tokens, 35, at=tokens.clock.now - HOUR)
    metered.fold(tokens)
    with transaction(tokens.engine) as session:
        assert look_again(session, "k", now=datetime.now(UTC)) == 1
    (one,) = tokens.ok("GET", "/api/wallets/k/top-ups")["data"]
    assert (one["state"], one["amount"], one["available"]) == ("asked", "50", "5")
    odd = {"cost": "40.00", "expiresAt": (tokens.clock.now + 9 * DAY).replace(minute=30).isoformat()}
    assert tokens.refused(f"/api/top-ups/{one['id']}/paid", odd) == (422, "/expiresAt")
    paid = tokens.ok("POST", f"/api/top-ups/{one['id']}/paid", {"cost": "40.00"})
    begins = tokens.ok("GET", f"/api/grants/{paid['grantId']}")["effectiveAt"]
    assert begins.endswith(":00:00Z")


def test_a_wallet_of_a_meter_is_made_and_filled_at_the_terminal(house: House, cli: Cli) -> None:
    count_tokens(house)
    made = cli(
        "wallets", "create", "k", "--customer", "ann", "--unit", "tokens", "--usage-type", "tokens", "--json"
    ).json
    assert made["unit"]["usageTypes"] == ["tokens"]
    words = ("wallets", "grant", "k", "--amount", "5", "--key", "x", "--effective")
    refused = cli(*words, "2026-06-05T04:15Z")
    assert refused.code == 2
    assert "full hour" in refused.err
    assert cli(*words, "2026-06-05T04:00Z").code == 0


WHAT_IF = {"model": "graduated", "tiers": [{"upTo": "20", "unitPrice": "3"}, {"unitPrice": "0.5"}]}


@pytest.mark.parametrize("seed", range(3))
def test_what_if_finds_what_was_charged_and_what_another_plan_charged(tokens: House, seed: int) -> None:
    chance = random.Random(seed)
    tokens.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD"})
    tokens.ok("POST", "/api/quotas", {"planId": "q", "usageType": "requests", "monthlyLimit": None, "unitPrice": "1"})
    tokens.ok("POST", "/api/quotas", {"planId": "q", "usageType": "tokens", "monthlyLimit": "4", "price": WHAT_IF})
    tokens.ok("POST", "/api/customers", {"id": "bob", "name": "Bob"})
    tokens.ok("POST", "/api/subscriptions", {"id": "b", "userId": "bob", "planId": "q", "startedAt": JUNE.isoformat()})
    tokens.ok("POST", "/api/wallets", metered.WALLET | {"id": "x2", "userId": "bob"})
    for number in range(4):
        since = JUNE + chance.randint(0, 12) * DAY + chance.randint(0, 23) * HOUR
        said = {"priority": chance.choice([10, 50]), "effectiveAt": since.isoformat()}
        if chance.random() < 0.6:
            said["expiresAt"] = (since + chance.randint(3, 30) * DAY).isoformat()
        for wallet in ("k", "x2"):
            body = {"amount": str(10 + number * 7), "idempotencyKey": str(number)} | said
            tokens.ok("POST", f"/api/wallets/{wallet}/grants", body)
    times = sorted(JUNE + chance.randint(0, 28) * DAY + chance.randint(0, 23) * HOUR for _ in range(9))
    for at in times:
        tokens.clock.now = max(tokens.clock.now, at)
        number = chance.randint(-8, 30)
        use(tokens, number, at=at)
        body = {"userId": "bob", "subscriptionId": "b", "usageType": "requests", "quantity": 1}
        tokens.ok("POST", "/api/usage/record", body | {"timestamp": at.isoformat(), "metadata": {"n": number}})
        tokens.drain()
    tokens.bill(JULY + 2 * HOUR)
    tokens.close()
    ann, bob = ask(tokens, "ann", plan_id="q"), ask(tokens, "bob")
    assert (ann.actual, bob.actual) == (billed(tokens, "s")[0], billed(tokens, "b")[0])
    assert ann.hypothetical == bob.actual
    tokens.verified()


def test_nothing_is_closed_before_meters_have_counted_what_came_in_time(
    tokens: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import base
    from tasks import wallets as tasks

    monkeypatch.setattr(base, "engine", lambda: tokens.engine)
    monkeypatch.setattr("usage_billing.db.clock.agreed_now", lambda _session, _here: tokens.clock.now)
    put(tokens, 50, expiresAt=(JUNE + 8 * DAY).isoformat())
    use(tokens, 25, at=JUNE + DAY)
    tokens.clock.now = JUNE + 20 * DAY
    with transaction(tokens.engine) as other:
        lock_to_bill(other, {"s"})
        tasks.close()
        assert scalars(tokens.engine, "SELECT status FROM wallet_grants WHERE wallet_id = 'k'") == ["active"]
    tasks.close()
    assert held(tokens) == {"granted": "50", "posted": "15", "expired": "35"}
    tokens.verified()


def test_a_meter_that_cannot_count_lets_the_grants_of_others_close(
    tokens: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import base
    from tasks import wallets as tasks

    monkeypatch.setattr(base, "engine", lambda: tokens.engine)
    monkeypatch.setattr("usage_billing.db.clock.agreed_now", lambda _session, _here: tokens.clock.now)
    tokens.ok("POST", "/api/customers", {"id": "bob", "name": "Bob"})
    unit = {"unitName": "calls", "usageTypes": ["calls"]}
    tokens.ok("POST", "/api/wallets", {"id": "z", "userId": "bob", "unit": unit})
    over = {"effectiveAt": JUNE.isoformat(), "expiresAt": (JUNE + 8 * DAY).isoformat()}
    put(tokens, 50, **over)
    tokens.ok("POST", "/api/wallets/z/grants", {"amount": "5", "idempotencyKey": "b"} | over)
    use(tokens, 25, at=JUNE + DAY)
    with transaction(tokens.engine) as session:
        session.execute(text("ALTER TABLE meter_definitions DISABLE TRIGGER USER"))
        session.execute(text("UPDATE meter_definitions SET value = '(' WHERE usage_type_id = 'tokens'"))
        session.execute(text("ALTER TABLE meter_definitions ENABLE TRIGGER USER"))
    tokens.clock.now = JUNE + 20 * DAY
    with pytest.raises(ExpressionError):
        tasks.close()
    asked = "SELECT wallet_id, status FROM wallet_grants ORDER BY 1"
    assert rows(tokens.engine, asked) == [("k", "active"), ("z", "closed")]


def test_what_begins_now_waits_for_the_next_hour_where_this_one_is_final(tokens: House) -> None:
    put(tokens, 15)
    use(tokens, 30, at=JUNE + DAY)
    tokens.clock.now = datetime.fromisoformat(LATE)
    tokens.ok("POST", "/api/subscriptions/s/cancel", {"at": "now"})
    tokens.clock.now += timedelta(minutes=10)
    bill(tokens.engine, tokens.clock.now, grace=timedelta(0))
    assert tokens.invoices() == [("finalized", "10.00", [("5", "15", "10.00")])]
    more = {"amount": "5", "idempotencyKey": "more"}
    assert tokens.refused("/api/wallets/k/grants", more) == (409, "cuts_posted")
    tokens.clock.now += HOUR
    assert tokens.ok("POST", "/api/wallets/k/grants", more)["effectiveAt"] == "2026-06-11T11:00:00Z"
    tokens.verified()


SPOILT = {
    "another hour, and so another window": (
        "UPDATE wallet_draws SET posted = posted - 2 WHERE window_start = '2026-06-06Z'",
        "UPDATE wallet_transfers SET amount = amount - 2 WHERE window_start = '2026-06-06Z'",
        "UPDATE wallet_grants SET posted = posted - 2",
    ),
    "more than a window wants": (
        "UPDATE wallet_draws SET posted = posted + 2 WHERE window_start = '2026-06-06Z'",
        "UPDATE wallet_transfers SET amount = amount + 2 WHERE window_start = '2026-06-06Z'",
        "UPDATE wallet_grants SET posted = posted + 2",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_verify_finds_what_a_meter_was_paid_for_wrongly(tokens: House, name: str) -> None:
    put(tokens, 50, effectiveAt=(JUNE + 5 * DAY).isoformat())
    use(tokens, 20, at=JUNE + DAY)
    use(tokens, 12, at=JUNE + 5 * DAY)
    tokens.bill(JULY + 2 * HOUR)
    tokens.verified()
    with transaction(tokens.engine) as session:
        for table in ("wallet_transfers", "wallet_draws", "wallet_grants"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in SPOILT[name]:
            assert session.execute(text(statement)).rowcount == 1
        for table in ("wallet_transfers", "wallet_draws", "wallet_grants"):
            session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    with read_only(tokens.engine) as session:
        kinds = {one.kind for one in find_differences(session)}
    assert kinds == ({"wallet_beyond"} if "more" in name else {"wallet_idle"})


def test_verify_does_not_believe_the_hours_that_folds_keep(tokens: House) -> None:
    put(tokens, 50, effectiveAt=(JUNE + 5 * DAY).isoformat())
    use(tokens, 20, at=JUNE + DAY)
    use(tokens, 12, at=JUNE + 6 * DAY)
    metered.fold(tokens)
    with transaction(tokens.engine) as session:
        moved = "UPDATE meter_buckets SET bucket_start = '2026-06-08Z' WHERE bucket_start < '2026-06-05Z'"
        assert session.execute(text(moved)).rowcount == 1
    tokens.bill(JULY + 2 * HOUR)
    assert rows(tokens.engine, "SELECT sum(posted) FROM wallet_draws") == [(Decimal(22),)]
    with read_only(tokens.engine) as session:
        assert "wallet_beyond" in {one.kind for one in find_differences(session)}


def _schedule(house: House, wallet: str) -> None:
    body = {"amount": "40", "every": {"interval": "month"}, "anchor": "calendar", "untilNext": True}
    said = {"rollover": {"maxPercent": 50, "periods": 1}, "startsAt": JUNE.isoformat(), "idempotencyKey": "m"}
    house.ok("POST", f"/api/wallets/{wallet}/schedules", body | said)


AUGUST = JULY + 31 * DAY


def test_late_usage_takes_back_what_was_carried_over_where_neither_is_closed(tokens: House) -> None:
    _schedule(tokens, "k")
    use(tokens, 35, at=JUNE + 2 * DAY)
    tokens.clock.now = JULY + 3 * DAY
    use(tokens, 60, at=JULY + 2 * DAY)
    tokens.bill(AUGUST + 2 * HOUR)  # no task has closed any grant
    assert held(tokens)["posted"] == "75"  # 25 of June; of July 15 that June left, and 35
    use(tokens, 20, at=JUNE + 4 * DAY)
    dry = tokens.ok("GET", f"/api/billing-runs/{bill(tokens.engine, tokens.clock.now, dry_run=True).id}")
    tokens.bill(AUGUST + 3 * HOUR)
    assert (dry["amounts"], dry["warnings"]) == ({"USD": "30.00"}, [])
    assert sum(Decimal(total) for _, total, _ in tokens.invoices()) == 30  # 5 of June, 10 of July
    assert tokens.close() == 3
    assert [(one["amount"], one["posted"], one["left"]) for one in tokens.grants("k")][:3] == [
        ("40", "40", "0"),
        ("0", "0", "0"),
        ("40", "40", "0"),
    ]
    tokens.verified()


def test_so_it_does_of_a_wallet_in_money(tokens: House) -> None:
    tokens.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    _schedule(tokens, "m")
    use(tokens, 20, at=JUNE + 2 * DAY)  # 20.00, so that 20.00 are carried over
    tokens.clock.now = JULY + 3 * DAY
    use(tokens, 35, at=JULY + 2 * DAY)  # 50.00
    tokens.bill(AUGUST + 2 * HOUR)
    use(tokens, 10, at=JUNE + 4 * DAY)  # 20.00 more: June's grant pays 40.00, and July's 40.00 of 50.00
    tokens.bill(AUGUST + 3 * HOUR)
    found = tokens.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    assert sum(Decimal(one["total"]) for one in found) == 90
    assert sum(Decimal(one["prepaidApplied"]) for one in found) == 80
    assert sum(Decimal(one["amountDue"]) for one in found) == 10
    tokens.bill(AUGUST + 31 * DAY + 2 * HOUR)
    assert {one[0] for one in tokens.invoices()} == {"paid", "finalized"}
    assert tokens.close() == 5
    assert [(one["amount"], one["posted"]) for one in tokens.grants("m")][:3] == [
        ("40.00", "40.00"),
        ("0.00", "0.00"),
        ("40.00", "40.00"),
    ]
    tokens.verified()
