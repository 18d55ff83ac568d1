"""An alert on a balance: told in the transaction that lets it fall, once until the wallet is armed again."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from tests.alerts.conftest import Watched
from tests.alerts.test_once import EXAMPLES, killed_at
from tests.alerts.test_verify import unguarded
from tests.factories import make_recording, make_subscription, record
from tests.factories.meters import fold, make_meter
from tests.integration.conftest import Cli, cli
from tests.support.books import rows, scalars
from tests.support.properties import examples
from usage_billing.alerts.queries import rules_over_wallets
from usage_billing.catalog.service import NewQuota
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.alerting.judge_anew import judge_due
from usage_billing.flows.prepaid.grant_life import Refund, refund_grant, void_grant
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
from usage_billing.flows.prepaid.reset_wallet import Reset, reset_wallet
from usage_billing.reports.doctor.alerts import check_alerts
from usage_billing.reports.verify.balance_alerts import balance_differences

__all__ = ["cli"]

GRACE = timedelta(hours=1)
_keys = count()


def wallet(watched: Watched, id: str = "w", **said: Any) -> None:
    """A wallet of calls, unless it is said to hold something else."""
    what = {"unit_name": "calls", "usage_types": ["calls"]} if "currency" not in said else {}
    with transaction(watched.engine) as session:
        create_wallet(
            session, NewWallet(**{"id": id, "customer_id": "ann", **what, **said}), actor="t", now=watched.now
        )


def put(watched: Watched, amount: int, into: str = "w", **said: Any) -> UUID:
    """A grant that holds since the hour before, unless said otherwise."""
    values = {"effective_at": watched.now - timedelta(hours=1), "idempotency_key": f"k{next(_keys)}", **said}
    with transaction(watched.engine) as session:
        new = NewGrant(amount=Decimal(amount), **values)
        return make_grant(session, into, new, actor="t", now=watched.now, grace=GRACE)[0].id


def balance_alert(watched: Watched, at: list[int | str], **said: Any) -> None:
    """A rule over the wallet w, unless said otherwise."""
    if not {"everything", "customer_id"} & said.keys():
        said = {"wallet_id": "w", **said}
    watched.alert(said.pop("id", "b"), at=at, watches="balance", **said)


@pytest.fixture
def pot(watched: Watched) -> Watched:
    """A wallet with 100 calls of which none is used, and the free calls of the period used up."""
    wallet(watched)
    put(watched, 100)
    watched.use(10)
    watched.use(10, by="t")
    return watched


def test_a_balance_that_falls_tells_each_line_once(pot: Watched) -> None:
    balance_alert(pot, [0, 10, 50])
    assert pot.told() == []
    pot.use(49)
    assert pot.told() == []
    pot.use(1)
    (told,) = pot.told()
    assert told == {
        "ruleId": "b",
        "userId": "ann",
        "subscriptionId": None,
        "walletId": "w",
        "usageType": None,
        "on": "balance",
        "basis": None,
        "crossed": ["50"],
        "value": "50",
        "limit": None,
        "currency": None,
        "periodStart": told["periodStart"],
        "periodEnd": None,
        "late": False,
        "endpointIds": None,
    }
    pot.use(1)
    pot.use(60, by="t")  # another subscription of the customer draws on it
    assert pot.crossed() == [["50"], ["10", "0"]]
    assert pot.firings() == [("b", "wallet:w", "50", 0), ("b", "wallet:w", "0", 0), ("b", "wallet:w", "10", 0)]
    pot.verified()


def test_it_rings_again_only_after_it_was_back_by_the_margin(pot: Watched) -> None:
    balance_alert(pot, [50], resolve=True)
    balance_alert(pot, [50], id="wide", rearm_above=Decimal(80))
    balance_alert(pot, [50], id="once", rearm="never")
    pot.use(50)
    assert len(pot.told()) == 3
    for amount in (1, 3):  # 51 and 54 are not 10 percent over the line
        put(pot, amount)
        pot.judge()
        pot.use(amount)
    assert (len(pot.told()), pot.told("alert.resolved")) == (3, [])
    put(pot, 5)
    pot.judge()
    (back,) = pot.told("alert.resolved")
    assert (back["ruleId"], back["walletId"], back["crossed"], back["periodEnd"]) == ("b", "w", ["50"], None)
    pot.use(5)
    assert [one["ruleId"] for one in pot.told()[3:]] == ["b"]
    put(pot, 30)
    pot.judge()
    pot.use(30)
    assert sorted(one["ruleId"] for one in pot.told()[4:]) == ["b", "wide"]
    assert ("b", "wallet:w", "50", 2) in pot.firings()
    pot.verified()


def test_a_percentage_is_of_the_grants_that_hold(pot: Watched) -> None:
    wallet(pot, "empty", customer_id="bob")
    balance_alert(pot, [20, 50], everything=True, basis="granted")
    assert pot.told() == []  # nothing was ever granted into the empty one
    pot.use(40)
    put(pot, 20, expires_at=pot.now + timedelta(days=1))
    pot.judge()
    pot.use(19)
    assert pot.told() == []
    pot.use(1)
    (told,) = pot.told()
    assert (told["value"], told["limit"], told["crossed"], told["basis"]) == ("60", "120", ["50"], "granted")
    pot.verified()


def test_money_is_compared_as_it_is_charged(watched: Watched) -> None:
    wallet(watched, currency="USD")
    wallet(watched, "calls", unit_name="calls", usage_types=["calls"])
    put(watched, 30)
    balance_alert(watched, ["10.50"], everything=True, currency="USD")
    balance_alert(watched, [5], id="of-calls", customer_id="ann", usage_type="calls")
    assert watched.crossed() == [["5"]]  # the other wallet was never filled
    watched.use(19)
    assert len(watched.told()) == 1
    watched.use(1)
    told = watched.told()[1]
    assert (told["crossed"], told["value"], told["currency"], told["walletId"]) == (["10.50"], "10.00", "USD", "w")
    watched.verified()


def test_what_takes_a_grant_away_is_judged_with_it(watched: Watched) -> None:
    wallet(watched)
    given, bought = put(watched, 50), put(watched, 50, cost=Decimal(5), cost_currency="USD")
    put(watched, 5)
    balance_alert(watched, [5, 55])
    with transaction(watched.engine) as session:
        void_grant(session, given, used=False, actor="t", now=watched.now)
    assert watched.crossed() == [["55"]]
    with transaction(watched.engine) as session:
        refund_grant(session, bought, Refund(), actor="t", now=watched.now)
    assert watched.crossed() == [["55"], ["5"]]
    put(watched, 100)
    watched.judge()
    with transaction(watched.engine) as session:
        reset_wallet(session, "w", Reset(), actor="t", now=datetime.now(UTC), grace=GRACE)
    assert watched.crossed() == [["55"], ["5"], ["55", "5"]]
    watched.verified()


def test_the_clock_alone_lets_a_balance_fall_and_rise(pot: Watched) -> None:
    put(pot, 100, expires_at=pot.now + timedelta(minutes=10))
    put(pot, 40, effective_at=pot.now + timedelta(minutes=20))
    balance_alert(pot, [100], resolve=True, rearm_above=Decimal(140))
    for minutes, told, back in ((9, 0, 0), (10, 1, 0), (19, 1, 0), (20, 1, 1)):
        with transaction(pot.engine) as session:
            due = judge_due(session, now=pot.now + timedelta(minutes=minutes))
        assert due == (told != 0 and minutes != 19)
        assert (len(pot.told()), len(pot.told("alert.resolved"))) == (told, back)


def test_a_void_and_a_fold_move_balances_within_seconds(pot: Watched) -> None:
    with transaction(pot.engine) as session:
        make_meter(session, id="tokens", of="pages", value="n")
        price = {"model": "per_unit", "unitPrice": "1"}
        new = NewQuota(plan_id="p", usage_type="tokens", limit=Decimal(0), price=price)
        define_quota(session, new, actor="t", now=pot.now)
    wallet(pot, "money", currency="USD")
    put(pot, 100, "money", effective_at=pot.start)  # what a meter came to is wanted at the start of its period
    balance_alert(pot, [50], customer_id="ann", resolve=True, basis="granted")
    one = make_recording(now=pot.now, customer="ann", subscription="s", usage_type="pages", metadata='{"n": 49}')
    with transaction(pot.engine) as session:
        record(session, one)
    with transaction(pot.engine) as session:
        fold(session)
    pot.judge()
    assert [(said["walletId"], said["value"], said["limit"]) for said in pot.told()] == [("money", "50.00", "100.00")]
    (id,) = pot.use(60)
    assert pot.told()[1]["walletId"] == "w"
    pot.void(id)
    assert pot.told("alert.resolved") == []
    pot.judge()
    assert [said["walletId"] for said in pot.told("alert.resolved")] == ["w"]


def test_a_fold_moves_the_balance_of_a_wallet_of_a_meter(pot: Watched) -> None:
    with transaction(pot.engine) as session:
        make_meter(session, id="tokens", of="pages", value="n")
        price = {"model": "per_unit", "unitPrice": "1"}
        new = NewQuota(plan_id="p", usage_type="tokens", limit=Decimal(0), price=price)
        define_quota(session, new, actor="t", now=pot.now)
    wallet(pot, "k", unit_name="tokens", usage_types=["tokens"])
    put(pot, 100, "k", effective_at=pot.start)
    balance_alert(pot, [50], wallet_id="k", resolve=True)
    one = make_recording(now=pot.now, customer="ann", subscription="s", usage_type="pages", metadata='{"n": 50}')
    with transaction(pot.engine) as session:
        record(session, one)
    with transaction(pot.engine) as session:
        fold(session)
    pot.judge()
    assert [(said["walletId"], said["value"]) for said in pot.told()] == [("k", "50")]
    pot.verified()
    pot.void(one.id)
    with transaction(pot.engine) as session:
        fold(session)
    pot.judge()
    assert [said["walletId"] for said in pot.told("alert.resolved")] == ["k"]
    pot.verified()


def test_a_wallet_is_watched_while_a_rule_is_for_it(watched: Watched) -> None:
    balance_alert(watched, [5], everything=True, usage_type="calls")
    wallet(watched)
    wallet(watched, "money", currency="USD")
    assert scalars(watched.engine, "SELECT wallet_id FROM alert_wallets ORDER BY 1") == ["money", "w"]
    put(watched, 10)
    watched.judge()
    assert scalars(watched.engine, "SELECT wallet_id FROM alert_wallets") == ["w"]
    watched.use(15)
    assert watched.crossed() == [["5"]]
    with transaction(watched.engine) as session:
        session.execute(text("UPDATE alert_rules SET ended_at = now()"))
    watched.use(1)
    assert scalars(watched.engine, "SELECT wallet_id FROM alert_wallets") == []


@examples(EXAMPLES)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=8))
def test_lines_are_told_exactly_where_the_balance_falls_to_them(watched: Watched, steps: list[tuple[int, int]]) -> None:
    """Beside a model that counts down from 30, in a wallet of the subscription's own."""
    id = f"w{next(_keys)}-{os.getpid()}"
    with transaction(watched.engine) as session:
        make_subscription(session, id=id, customer="ann", plan="p", started_at=watched.start - timedelta(days=40))
    wallet(watched, id, subscription_id=id)
    put(watched, 30, id)
    watched.use(10, by=id)
    balance_alert(watched, [5, 20], id=f"r-{id}", wallet_id=id, rearm_above=Decimal(22))
    left, beyond = 30, 0
    told: list[str] = []
    armed = {20: True, 5: True}

    def look() -> None:
        for line, is_armed in armed.items():
            if left <= line and is_armed:
                told.append(str(line))
            armed[line] = left >= 22 or (is_armed and left > line)

    for used, added in steps:
        watched.use(used, by=id)
        left, beyond = max(left - used, 0), beyond + max(used - left, 0)
        look()
        if added:
            put(watched, added, id)
            watched.judge()
            # What no grant paid for before looks for the new one.
            left, beyond = left + max(added - beyond, 0), max(beyond - added, 0)
            look()
    fired = rows(watched.engine, f"SELECT threshold FROM alert_firings WHERE wallet_id = '{id}'")
    assert sorted(f"{one.threshold:.0f}" for one in fired) == sorted(told)


@pytest.mark.parametrize("point", ["alerts.balanced", "alerts.fired"])
def test_a_death_while_judging_a_balance_tells_once(pot: Watched, tmp_path: Path, point: str) -> None:
    balance_alert(pot, [50])
    one = make_recording(now=pot.now, quantity=60, customer="ann", subscription="s", usage_type="calls")

    def work(engine: Engine) -> None:
        with transaction(engine) as session:
            record(session, one)

    killed_at(point, tmp_path, work, pot.engine)
    assert (pot.told(), pot.firings()) == ([], [])
    work(pot.engine)
    work(pot.engine)
    assert (len(pot.told()), len(pot.firings())) == (1, 1)
    pot.verified()


def test_subscriptions_that_share_a_wallet_let_it_fall_once(pot: Watched) -> None:
    balance_alert(pot, [10, 50])

    def work(number: int) -> None:
        pot.use(5, by="st"[number % 2])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(20)))
    assert sorted(line for crossed in pot.crossed() for line in crossed) == ["10", "50"]
    pot.verified()


def test_a_rule_that_cannot_be_judged_keeps_nothing_out_of_the_books(pot: Watched) -> None:
    wallet(pot, "money", currency="USD")
    balance_alert(pot, [50])
    balance_alert(pot, [5], id="money", wallet_id="money", currency="USD")
    with pot.engine.begin() as connection:
        connection.execute(text("UPDATE alert_rules SET thresholds = '{NaN}' WHERE id = 'money'"))
    pot.use(60)
    assert [one["ruleId"] for one in pot.told()] == ["money", "b"]
    with transaction(pot.engine) as session:
        assert judge_due(session, now=datetime.now(UTC)) == 0
        assert set(rules_over_wallets(session, ["w", "money"])) == {"w", "money"}


BALANCE: dict[str, Any] = {"id": "a", "scope": {"walletId": "w"}, "on": "balance", "thresholds": ["10"]}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"scope": {"subscriptionId": "s"}}, "/scope"),
    ({"scope": {"planId": "p"}}, "/scope"),
    ({"on": "units"}, "/scope"),
    ({"basis": "allowance"}, "/basis"),
    ({"on": "percent", "scope": {"all": True}, "basis": "granted"}, "/basis"),
    ({"thresholds": ["-1"]}, "/thresholds/0"),
    ({"basis": "granted", "thresholds": ["101"]}, "/thresholds/0"),
    ({"thresholds": None, "every": "5", "rearm": "never"}, "/every"),
    ({"late": "silent"}, "/late"),
    ({"usageType": "calls"}, "/usageType"),
    ({"currency": "USD"}, "/currency"),
    ({"scope": {"all": True}}, "/currency"),
    ({"scope": {"all": True}, "currency": "USD", "usageType": "calls"}, "/currency"),
    ({"scope": {"all": True}, "currency": "USD", "thresholds": ["1.005"]}, "/thresholds/0"),
    ({"rearmAbove": "10"}, "/rearmAbove"),
    ({"rearmAbove": "20", "rearm": "never"}, "/rearmAbove"),
    ({"on": "units", "scope": {"all": True}, "rearmAbove": "20"}, "/rearmAbove"),
    ({"scope": {"all": True}, "currency": "USD", "rearmAbove": "20.001"}, "/rearmAbove"),
]


def test_over_http(pot: Watched, admin: FlaskClient) -> None:
    for said, pointer in WRONG:
        answer = admin.post("/api/alerts", json=BALANCE | said)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer), said
    assert admin.post("/api/alerts", json=BALANCE | {"scope": {"walletId": "none"}}).status_code == 404
    assert rows(pot.engine, "SELECT id FROM alert_rules") == []
    made = admin.post("/api/alerts", json=BALANCE | {"thresholds": ["0", "10"], "rearmAbove": "20"})
    assert made.status_code == 201, made.json
    assert (made.json["scope"], made.json["rearm"], made.json["rearmAbove"]) == ({"walletId": "w"}, "on_resolve", "20")
    pot.judge()
    pot.use(95)
    (fired,) = admin.get("/api/alerts/a/firings").json["data"]
    assert (fired["walletId"], fired["threshold"], fired["value"], fired["periodEnd"]) == ("w", "10", "5", None)
    for change, pointer in (({"thresholds": ["30"]}, "/rearmAbove"), ({"every": "5"}, "/every")):
        answer = admin.patch("/api/alerts/a", json=change)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert admin.patch("/api/alerts/a", json={"rearmAbove": None}).json["rearmAbove"] is None
    assert admin.post("/api/alerts/a/test").status_code == 202
    assert [(one["walletId"], one.get("test")) for one in pot.told()] == [("w", None), ("w", True)]


def test_at_the_command_line(pot: Watched, cli: Cli) -> None:
    make = ("alerts", "create", "low", "--wallet", "w", "--on", "balance", "--at", "10")
    assert cli(*make, "--rearm-above", "5").code == 2
    assert cli(*make, "--rearm-above", "20", "--json").json["rearmAbove"] == "20"
    pot.judge()
    pot.use(95)
    assert "w" in cli("alerts", "firings", "low").out


def test_doctor_names_wallets_that_wait_and_hours_that_were_left_out(pot: Watched) -> None:
    def found() -> list[tuple[str, str]]:
        with read_only(pot.engine) as session:
            return [(one.state, one.code) for one in check_alerts(session)]

    balance_alert(pot, [50])
    pot.alert("p", at=[5], watches="projected")
    assert [state for state, _ in found()] == ["ok"]
    with pot.engine.begin() as connection:
        connection.execute(text("UPDATE alert_wallets SET look_at = now() - interval '1 h'"))
        connection.execute(text("UPDATE alert_rules SET created_at = now() - interval '1 day'"))
    assert found() == [("warn", "balances_not_judged"), ("warn", "hours_not_judged")]


@pytest.mark.parametrize(
    ("spoiling", "kinds"),
    [
        ("UPDATE alert_firings SET value = 51", {"alert_line"}),
        ("UPDATE alert_firings SET threshold = 1000, value = 900", {"alert_value", "alert_untold"}),
        ("UPDATE alert_firings SET round = 1", {"alert_round"}),
        ("DELETE FROM alert_firings", {"alert_untold"}),
    ],
)
def test_verify_names_what_is_spoiled(pot: Watched, spoiling: str, kinds: set[str]) -> None:
    balance_alert(pot, [50])
    pot.use(60)
    pot.verified()
    with unguarded(pot) as wanted:
        wanted.append(spoiling)
    with read_only(pot.engine) as session:
        assert {one.kind for one in balance_differences(session, None)} == kinds
        assert {one.kind for one in balance_differences(session, "s")} == kinds
        assert list(balance_differences(session, "none")) == []
