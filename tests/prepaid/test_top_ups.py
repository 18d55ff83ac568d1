"""Top-ups: a wallet that falls below its rule asks once, in the transaction that let it fall, and is paid or not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_recording, record
from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JUNE, House
from tests.prepaid.test_killed import killed_at
from tests.support.books import rows, scalars
from usage_billing.db.session import transaction
from usage_billing.flows.administration.pay_top_up import Payment, pay_top_up
from usage_billing.flows.prepaid.manage_top_ups import look_again, rules_to_look_at
from usage_billing.flows.recording.whose import shards_of
from usage_billing.prepaid.topping_up import may_ask_at, wait_after
from usage_billing.reports.doctor.wallets import check_wallets

__all__ = ["cli"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RULE = "/api/wallets/w/top-up-rule"


@pytest.fixture
def low(house: House) -> House:
    """A wallet of 30 calls that asks for 50 more below 10. What a drain asks is dated by the database's clock."""
    house.clock.now = datetime.now(UTC)
    house.grant(30)
    house.ok("POST", RULE, {"below": "10", "amount": "50"})
    return house


def asked(house: House) -> list[Any]:
    return list(house.ok("GET", "/api/wallets/w/top-ups")["data"])


def told(house: House) -> list[str]:
    names = scalars(house.engine, "SELECT topic FROM outbox_messages WHERE topic ~ 'top_up|depleted' ORDER BY id")
    return [str(name).removeprefix("wallet.") for name in names]


def test_a_wallet_that_falls_below_asks_once_and_is_paid(low: House) -> None:
    low.use(30, at=low.clock.now - HOUR)  # 10 are free, 10 left
    assert asked(low) == []
    low.use(1, at=low.clock.now - HOUR)
    low.use(1, at=low.clock.now - HOUR, subscription="t")
    low.use(12, at=low.clock.now - HOUR, subscription="t")
    (one,) = asked(low)
    assert (one["state"], one["amount"], one["available"], one["grantId"]) == ("asked", "50", "9", None)
    shown = low.ok("GET", "/api/wallets/w")
    assert (shown["asked"], shown["available"]) == ("50", "6")
    assert low.refused(f"/api/top-ups/{one['id']}/paid") == (422, "/cost")
    paid = low.ok("POST", f"/api/top-ups/{one['id']}/paid", {"cost": "40.00", "reference": "pi_1"})
    assert (paid["state"], paid["reference"]) == ("paid", "pi_1")
    grant = low.ok("GET", f"/api/grants/{paid['grantId']}")
    assert (grant["amount"], grant["cost"]) == ("50", "40.00")
    assert low.ok("GET", "/api/wallets/w")["asked"] == "0"
    for answer in ("paid", "failed"):
        assert low.refused(f"/api/top-ups/{one['id']}/{answer}", {}) == (409, "top_up_answered")
    assert told(low) == ["top_up_requested", "top_up_paid"]
    low.verified()


def test_what_was_not_paid_waits_an_hour_and_twice_as_long_then(low: House) -> None:
    low.use(35, at=low.clock.now - HOUR)
    (one,) = asked(low)
    low.ok("POST", f"/api/top-ups/{one['id']}/failed", {"reason": "declined"})
    low.use(1, at=low.clock.now - HOUR)
    assert [top_up["state"] for top_up in asked(low)] == ["failed"]
    later = datetime.now(UTC) + HOUR + timedelta(minutes=1)
    with transaction(low.engine) as session:
        assert rules_to_look_at(session, now=later) == ["w"]
        assert look_again(session, "w", now=later) == 1
    second, first = asked(low)
    assert (first["reason"], second["state"]) == ("declined", "asked")
    low.clock.now = later
    low.ok("POST", f"/api/top-ups/{second['id']}/failed")
    assert low.ok("GET", RULE)["waitsUntil"][:16] == (later + 2 * HOUR).isoformat()[:16]
    assert told(low) == ["top_up_requested", "top_up_failed"] * 2


def test_what_is_not_answered_in_a_day_expires_by_the_clock(low: House) -> None:
    low.use(35, at=low.clock.now - HOUR)
    (one,) = asked(low)
    low.clock.now = datetime.now(UTC) + DAY + HOUR
    assert low.ok("GET", "/api/wallets/w")["asked"] == "0"
    assert low.refused(f"/api/top-ups/{one['id']}/paid", {"cost": "1.00"}) == (409, "top_up_expired")
    with transaction(low.engine) as session:
        assert look_again(session, "w", now=low.clock.now) == 0
    assert [top_up["state"] for top_up in asked(low)] == ["expired"]
    assert low.refused(f"/api/top-ups/{one['id']}/failed") == (409, "top_up_expired")
    with transaction(low.engine) as session:
        assert look_again(session, "w", now=low.clock.now + HOUR) == 1


def test_what_a_rule_asked_for_expires_also_when_that_rule_has_ended(low: House) -> None:
    low.use(35, at=low.clock.now - HOUR)
    low.ok("DELETE", RULE)
    later = datetime.now(UTC) + DAY + HOUR
    with transaction(low.engine) as session:
        assert rules_to_look_at(session, now=later) == ["w"]
        assert look_again(session, "w", now=later) == 0
    assert [top_up["state"] for top_up in asked(low)] == ["expired"]
    with transaction(low.engine) as session:
        assert rules_to_look_at(session, now=later) == []


def test_a_rule_asks_for_what_fills_it_up_to_and_at_once_where_it_is_low(low: House) -> None:
    low.ok("POST", RULE, {"below": "40", "upTo": "100", "atMost": {"count": 1, "per": "day"}})
    (one,) = asked(low)
    assert one["amount"] == "70"
    low.ok("POST", f"/api/top-ups/{one['id']}/paid", {"cost": "9.00"})
    low.use(80, at=low.clock.now)
    assert [top_up["state"] for top_up in asked(low)] == ["paid"]  # once a day
    with transaction(low.engine) as session:
        assert look_again(session, "w", now=datetime.now(UTC) + DAY + HOUR) == 1
    low.ok("DELETE", RULE)
    assert low.admin.delete(RULE).status_code == 404


def test_a_wallet_that_is_empty_says_so_once_until_there_is_something(low: House) -> None:
    low.use(60, at=low.clock.now - HOUR)
    low.use(1, at=low.clock.now - HOUR)
    assert told(low) == ["depleted", "top_up_requested"]
    (one,) = asked(low)
    low.ok("POST", f"/api/top-ups/{one['id']}/paid", {"cost": "9.00"})
    low.use(100, at=low.clock.now)
    assert told(low)[2:] == ["top_up_paid", "depleted", "top_up_requested"]


@pytest.mark.parametrize("since", ["now", "yesterday", "by a schedule"])
def test_what_is_granted_and_used_up_before_a_look_is_told_again(low: House, since: str) -> None:
    low.use(60, at=low.clock.now - HOUR)
    asked_once = ["depleted", "top_up_requested"]
    low.clock.now = datetime.now(UTC)
    if since == "by a schedule":
        body = {"amount": "5", "every": {"interval": "day"}, "untilNext": True, "anchor": "anniversary"}
        start = low.clock.now.isoformat()
        low.ok("POST", "/api/wallets/w/schedules", body | {"startsAt": start, "idempotencyKey": "daily"})
    else:
        low.grant(45, effectiveAt=(low.clock.now - (DAY if since == "yesterday" else 0 * DAY)).isoformat())
    assert told(low) == asked_once
    low.use(100, at=low.clock.now)
    assert told(low) == [*asked_once, "depleted"]
    low.use(1, at=low.clock.now)
    assert told(low) == [*asked_once, "depleted"]


def test_a_package_is_bought_where_the_rule_names_one(low: House) -> None:
    package = {"id": "c", "name": "C", "unit": {"unitName": "calls", "usageTypes": ["calls"]}, "currency": "USD"}
    low.ok("POST", "/api/packages", package | {"amount": "20", "price": "15.00"})
    low.ok("POST", RULE, {"below": "10", "packageId": "c"})
    low.use(35, at=low.clock.now - HOUR)
    (one,) = asked(low)
    assert (one["amount"], one["packageId"]) == ("20", "c")
    assert low.refused(f"/api/top-ups/{one['id']}/paid", {"cost": "1.00"}) == (422, "/cost")
    paid = low.ok("POST", f"/api/top-ups/{one['id']}/paid")
    (bought,) = low.ok("GET", "/api/purchases?userId=ann")["data"]
    assert (bought["grantId"], bought["charge"]) == (paid["grantId"], "paid")
    low.verified()


def test_two_drains_that_let_it_fall_together_ask_once(low: House) -> None:
    """Each of two subscriptions alone would leave enough; together they do not, and neither sees the other's commit."""
    names = ("s", "t")
    used = [
        make_recording(now=low.clock.now, subscription=n, customer="ann", usage_type="calls", quantity=21)
        for n in names
    ]
    assert len({shard for one in used for shard in shards_of([one])}) == 2

    def use() -> None:
        with transaction(low.engine) as session:
            record(session, used[1])

    with ThreadPoolExecutor(1) as pool:
        with transaction(low.engine) as session:
            record(session, used[0])
            other = pool.submit(use)
            with pytest.raises(TimeoutError):
                other.result(timeout=1)
        other.result(timeout=20)
    (one,) = asked(low)
    assert one["available"] == "8"


def test_a_death_while_asking_or_paying_leaves_neither_half(low: House, tmp_path: Path) -> None:
    used = make_recording(now=low.clock.now, subscription="s", customer="ann", usage_type="calls", quantity=35)

    def use(engine: Engine) -> None:
        with transaction(engine) as session:
            record(session, used)

    killed_at("prepaid.asked", tmp_path, use, low)
    assert asked(low) == []
    assert scalars(low.engine, "SELECT count(*) FROM usage") == [0]
    use(low.engine)
    use(low.engine)
    (one,) = asked(low)

    def pay(engine: Engine) -> None:
        with transaction(engine) as session:
            paid = Payment(cost=Decimal(40))
            pay_top_up(session, UUID(one["id"]), paid, actor="test", now=low.clock.now, grace=HOUR)

    killed_at("prepaid.topped_up", tmp_path, pay, low)
    assert [top_up["state"] for top_up in asked(low)] == ["asked"]
    assert low.ok("GET", "/api/wallets/w")["granted"] == "30"
    pay(low.engine)
    assert low.ok("GET", "/api/wallets/w")["granted"] == "80"
    assert told(low) == ["top_up_requested", "top_up_paid"]


BAD = {
    "up to what it is below of": ({"below": "10", "upTo": "10"}, "/upTo"),
    "never": ({"below": "10", "amount": "5", "atMost": {"count": 0, "per": "day"}}, "/atMost/count"),
    "in no time": ({"below": "10", "amount": "5", "atMost": {"count": 1, "per": "year"}}, "/atMost/per"),
    "for nothing": ({"below": "10"}, "/amount"),
    "for two things": ({"below": "10", "amount": "5", "upTo": "50"}, "/amount"),
    "for an unknown package": ({"below": "10", "packageId": "none"}, "/packageId"),
    "below nothing": ({"below": "0", "amount": "5"}, "/below"),
    "backwards": ({"below": "10", "amount": "5", "cooldownSeconds": -1}, "/cooldownSeconds"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_rule_that_cannot_be_is_refused_and_changes_nothing(house: House, name: str) -> None:
    body, pointer = BAD[name]
    assert house.refused(RULE, body) == (422, pointer)
    assert rows(house.engine, "SELECT FROM top_up_rules") == []


def test_at_a_terminal(low: House, cli: Cli) -> None:
    assert "below" in cli("wallets", "top-up-rule", "w").out
    assert cli("wallets", "top-up-rule", "w", "--amount", "5").code == 2
    assert cli("wallets", "top-up-rule", "w", "--end", "--below", "5").code == 2
    for answer in ("failed", "paid"):
        assert cli("wallets", "top-up-rule", "w", "--below", "40", "--up-to", "60").code == 0
        waiting = cli("wallets", "top-ups", "w", "--json").json[0]
        assert (waiting["state"], waiting["amount"]) == ("asked", "30")
        more = ("--cost", "9.00", "--reference", "pi_1") if answer == "paid" else ("--reason", "declined")
        assert cli("wallets", f"top-up-{answer}", waiting["id"], *more, "--json").json["state"] == answer
        assert cli("wallets", f"top-up-{answer}", waiting["id"], *more).code == 2
    assert cli("wallets", "top-up-rule", "w", "--end").code == 0
    assert "declined" in cli("wallets", "top-ups", "w", "--wide").out


def test_doctor_names_what_is_not_answered(low: House) -> None:
    low.use(35, at=low.clock.now - HOUR)
    with transaction(low.engine) as session:
        session.execute(text("UPDATE wallet_top_ups SET asked_at = asked_at - interval '2 hours'"))
        findings = list(check_wallets(session, now=datetime.now(UTC)))
    assert [one.code for one in findings if one.state == "warn"] == ["top_ups_unanswered"]
    assert "50 calls of ann in w" in findings[0].message


def test_how_long_is_waited() -> None:
    assert [wait_after(failures) for failures in (1, 2, 5, 6, 60)] == [HOUR, 2 * HOUR, 16 * HOUR, DAY, DAY]
    assert may_ask_at([], cooldown=HOUR, most_count=1, most_per="day") is None
    assert may_ask_at([JUNE], cooldown=HOUR) == JUNE + HOUR
    assert may_ask_at([JUNE + HOUR, JUNE], cooldown=HOUR, most_count=2, most_per="day") == JUNE + DAY


def test_a_rule_that_cannot_be_looked_at_keeps_nothing_out_of_the_books(low: House) -> None:
    with low.engine.begin() as connection:
        connection.execute(text("INSERT INTO packages (id, name, currency) VALUES ('none', 'None', 'USD')"))
        connection.execute(text("UPDATE top_up_rules SET amount = NULL, package_id = 'none'"))
    low.use(35, at=low.clock.now - HOUR)
    assert scalars(low.engine, "SELECT quantity FROM usage") == [35]
    later = datetime.now(UTC) + HOUR
    with transaction(low.engine) as session:
        assert look_again(session, "w", now=later) == 0
    with transaction(low.engine) as session:
        assert rules_to_look_at(session, now=later) == []  # others are not kept waiting
    assert asked(low) == []
    with low.engine.begin() as connection:
        connection.execute(text("UPDATE top_up_rules SET amount = 50, package_id = NULL"))
    low.use(1, at=low.clock.now - HOUR)
    assert [one["amount"] for one in asked(low)] == ["50"]
