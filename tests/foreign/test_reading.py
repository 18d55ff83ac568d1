"""What the unmodified clients read back is what our own answers say: `make test-clients`."""

import json
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.factories.meters import make_meter
from tests.foreign.conftest import Send
from tests.support.callers import Keys
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet

pytestmark = pytest.mark.clients

Ours = Callable[[str], Any]
Books = Callable[[], list[Any]]
DAY = "from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z"


@pytest.fixture
def tiny(send: Send, engine: Engine) -> None:
    """A meter that adds up the smallest of what the events tell, by a dimension."""
    with transaction(engine) as session:
        make_meter(session, id="tiny", of="tokens", value="tiny", dimensions=["text"])


@pytest.fixture
def ours(service: str, keys: Keys) -> Ours:
    """What our own answers say, by the same service: the programs' clock is its own."""

    def ask(path: str) -> Any:
        request = urllib.request.Request(service + path, headers={"x-api-key": keys.admin})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    return ask


@pytest.mark.usefixtures("tiny")
def test_openmeters_python_client_reads_our_figures(send: Send, books: Books, keys: Keys, ours: Ours) -> None:
    send("send_openmeter")
    assert len(books()) == 5
    [line] = send("read_openmeter", keys.admin)
    told = json.loads(line)
    total = float(Decimal(ours(f"/api/usage/user/user123/series?usageType=tiny&by=day&{DAY}")["total"]))
    assert total == 5e-07
    assert told["total"] == told["seven"] == [[repr(total), "2026-11-01T00:00:00+00:00", {}]]
    assert told["eight"] == [["0.0", "2026-11-01T00:00:00+00:00", {}]]
    assert told["days"] == [[repr(total), "2026-10-31T23:00:00+00:00", {}]]
    assert [row[0] for row in told["posted"]] == [repr(total)]
    assert told["csv"].splitlines()[1].split(",")[2:] == ["", "7", "0.0000005"]
    assert told["meters"] == [one["id"] for one in ours("/api/usage-types")["data"]]
    assert told["meter"] == "tokens"
    assert (told["customers"], told["subjects"], told["customer"]) == (["user123"], ["user123"], ["user123", "sub456"])
    [used] = [one for one in ours("/api/usage/user/user123")["usage"] if one["usageType"] == "tokens"]
    assert told["left"] == [True, float(used["remaining"]), float(used["used"]), float(used["overage"])]
    assert told["minutes"] == [[repr(total), "2026-11-01T12:00:00+00:00", {}]]
    assert sorted(told["of"]) == ["four", "one", "six", "three", "two"]
    [bad] = [one for one in told["events"] if one[0] == "bad"]
    assert bad[2].startswith("broken_payload: event 1: type must be")
    assert {tuple(one[1:]) for one in told["events"] if one != bad} == {("user123", None)}
    assert len(told["events"]) == 6
    assert told["made"] == ["fresh", "Fresher"]
    assert told["missing"] == 404
    assert told["refused"][0] == 400


def _billed(engine: Engine) -> None:
    now = utc_now()
    with transaction(engine) as session:
        wallet = NewWallet(id="money", customer_id="user123", currency="USD")
        create_wallet(session, wallet, actor="test", now=now)
        new = NewGrant(amount=Decimal("12.34"), idempotency_key="k")
        make_grant(session, "money", new, actor="test", now=now, grace=timedelta(hours=1))
        run_id = open_run(session, RunRequest(as_of=now), requested_by="test", now=now).id
    run_to_end(engine, run_id, settings_grace=timedelta(hours=1), on_progress=lambda _: None)


def _cents(text: str) -> int:
    return int(Decimal(text) * 100)


def test_lagos_python_client_reads_our_figures(
    send: Send, books: Books, engine: Engine, keys: Keys, ours: Ours
) -> None:
    send("send_lago")
    books()
    _billed(engine)
    [line] = send("read_lago", keys.admin)
    told = json.loads(line)
    lines = ours("/api/usage/subscription/sub456")["usage"]
    assert told["usage"] == [[one["usageType"], one["used"], _cents(one["estimatedCharge"])] for one in lines]
    amount = sum(_cents(one["estimatedCharge"]) for one in lines)
    assert told["total"] == [amount, amount, "USD"]
    assert (told["event"], told["subscriptions"], told["subscription"]) == ("one", ["sub456"], "business")
    assert (told["customers"], told["customer"]) == (["user123"], "Ann")
    wallet = ours("/api/wallets/money")
    assert told["wallets"] == [[wallet["left"].rstrip("0").rstrip("."), _cents(wallet["left"])]]
    invoices = ours("/api/invoices")["data"]
    assert told["invoices"] == [[one["id"], _cents(one["amountDue"])] for one in invoices]
    assert told["meta"]["total_count"] == len(invoices)
    assert set(told["downloads"]) <= {"None"}
    assert told["missing"] == [404, "customer_not_found"]
    assert told["refused"] == [422, {"group[model]": ["unknown"]}]


@pytest.mark.usefixtures("tiny")
def test_the_clients_for_node_read_our_figures(
    send: Send, books: Books, engine: Engine, keys: Keys, ours: Ours
) -> None:
    send("send_openmeter")
    books()
    _billed(engine)
    openmeter, lago = map(json.loads, send("read.mjs", keys.admin))
    assert openmeter["total"] == openmeter["seven"] == [[5e-07, "2026-11-01T00:00:00.000Z"]]
    assert openmeter["eight"] == [[0, "2026-11-01T00:00:00.000Z"]]
    [used] = [one for one in ours("/api/usage/user/user123")["usage"] if one["usageType"] == "tokens"]
    for value in openmeter["values"]:
        assert (value["hasAccess"], value["usage"]) == (True, float(used["used"]))
        assert value["balance"] == float(used["remaining"])
    assert "tokens" in openmeter["access"]
    assert (openmeter["customers"], openmeter["subjects"]) == (["user123"], ["user123"])
    assert openmeter["minutes"] == [[5e-07, "2026-11-01T12:00:00.000Z"]]
    assert sorted(id for id, error in openmeter["events"] if error is None) == ["four", "one", "six", "three", "two"]
    assert openmeter["made"] == ["fresh", "Fresher"]
    assert openmeter["refused"] == [400, "Invalid request"]
    lines = ours("/api/usage/subscription/sub456")["usage"]
    assert lago["usage"] == [[one["usageType"], one["used"], _cents(one["estimatedCharge"])] for one in lines]
    invoices = ours("/api/invoices")["data"]
    assert lago["invoices"] == [[one["id"], _cents(one["amountDue"])] for one in invoices]
    assert (lago["wallets"], lago["missing"]) == (1, "customer_not_found")
