"""``usage-billing simulate``, the founding document's test script, against a real server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine
from werkzeug.serving import make_server

from tests.integration.conftest import Answer, Cli
from tests.support.books import check_billed, scalars
from tests.support.callers import Keys
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.db.session import transaction
from usage_billing.flows.administration.first_start import prepare
from usage_billing.flows.billing.drive_run import run_to_end

UNFINISHED = "SELECT id FROM billing_runs WHERE status NOT IN ('completed', 'failed') ORDER BY id"


@dataclass
class Worker:
    """What the workers of a stack do, in a thread of this process; ``counting`` and ``billing`` can be broken."""

    engine: Engine
    drain: Callable[[], int]
    counting: bool = True
    billing: bool = True
    stopped: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Count and bill until stopped."""
        while not self.stopped.wait(0.05):
            if self.counting:
                self.drain()
            for run in scalars(self.engine, UNFINISHED) if self.billing else ():
                run_to_end(self.engine, run, settings_grace=timedelta(hours=1), on_progress=lambda _: None)


@contextmanager
def serving(app: Flask, worker: Worker) -> Iterator[str]:
    """The API on a port, with a worker beside it."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=worker.work)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        worker.stopped.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


@pytest.fixture
def worker(engine: Engine, drain: Callable[[], int]) -> Worker:
    """The worker of the stack."""
    return Worker(engine, drain)


@pytest.fixture
def simulate(app: Flask, worker: Worker, program: Cli, console: Cli, keys: Keys) -> Iterator[Cli]:
    """``simulate("--json", TEST_USER_ID="...")`` against the running API, with an admin's key unless another; it
    asks nothing unless ``asks=True``, and is a process of its own with ``alone=True``.
    """
    with serving(app, worker) as url:

        def call(*arguments: str, asks: bool = False, alone: bool = False, **changes: str) -> Answer:
            given = {"USAGE_BILLING_ADMIN_KEY": keys.admin, **changes}
            return (console if alone else program)(
                "simulate", "--url", url, *(() if asks else ("--yes",)), *arguments, **given
            )

        yield call


def test_what_is_granted_beforehand_pays_for_a_part(simulate: Cli, engine: Engine) -> None:
    for time in ("first", "second"):
        answer = simulate("--prepaid", "--json")
        assert answer.code == 0, answer.err
        usage, invoice = answer.json["usage"], answer.json["invoice"]
        assert (usage["overage"], usage["covered"], usage["charged"]) == ("3", "2", "1"), time
        assert (invoice["total"], invoice["items"][0]["covered"]) == ("10.00", "2")
        assert "paid for beforehand: 2, so 1 are charged" in answer.err
    assert scalars(engine, "SELECT count(*) FROM wallets") == [2]


def test_by_itself_it_makes_a_customer_records_53_and_is_billed_30(simulate: Cli, engine: Engine) -> None:
    answer = simulate("--json", alone=True)
    assert answer.code == 0, answer.err
    usage, invoice = answer.json["usage"], answer.json["invoice"]
    assert (usage["used"], usage["limit"], usage["overage"], usage["estimatedCharge"]) == ("53", "50", "3", "30.00")
    assert [(item["quantity"], item["amount"]) for item in invoice["items"]] == [("3", "30.00")]
    assert (invoice["total"], invoice["currency"], invoice["status"]) == ("30.00", "USD", "draft")
    for step in ("made the customer", "recorded 53", "50 within the limit", "billed again: the same invoice"):
        assert step in answer.err
    check_billed(engine)


def test_a_second_time_it_makes_another_customer_on_the_same_plan(simulate: Cli, engine: Engine) -> None:
    assert [simulate().code, simulate().code] == [0, 0]
    assert scalars(engine, "SELECT count(*) FROM usage_quotas") == [1]
    assert scalars(engine, "SELECT count(*) FROM customers") == [2]


def test_with_the_founding_documents_variables_it_uses_theirs(
    simulate: Cli, world: Engine, make_token: Callable[..., str]
) -> None:
    given = {
        "TEST_AUTH_TOKEN": make_token("root", role="admin"),
        "TEST_USER_ID": "user123",
        "TEST_SUBSCRIPTION_ID": "sub456",
        "USAGE_BILLING_ADMIN_KEY": "",
    }
    first = simulate(**given)
    assert first.code == 0, first.err
    assert "It works: recorded, counted, billed once." in first.out
    assert "assessment" in first.out
    assert "30.00" in first.out
    again = simulate("--json", "--usage-type", "assessment", **given)
    assert again.code == 0, again.err
    assert again.json["invoice"]["total"] == "60.00"
    check_billed(world)


def test_where_data_of_an_operator_are_it_asks_first_and_says_what_stays(simulate: Cli, world: Engine) -> None:
    alone = simulate(asks=True)
    assert (alone.code, alone.out) == (2, "")
    assert "has no example of `usage-billing up`: give --yes if the plan simulation" in alone.err
    named = simulate(asks=True, TEST_USER_ID="user123", TEST_SUBSCRIPTION_ID="sub456")
    assert named.code == 2
    assert "usage beyond the limit may be recorded for user123 under sub456" in named.err
    assert scalars(world, "SELECT id FROM plans") == ["business"]
    assert scalars(world, "SELECT count(*) FROM usage") == [0]


def test_on_the_example_it_asks_nothing(simulate: Cli, engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        prepare(session, admin_key="", internal_key="", secret="s" * 32, seed=True, now=now)
    answer = simulate(asks=True, TEST_USER_ID="user123", TEST_SUBSCRIPTION_ID="sub456")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"TEST_USER_ID": "user123"}, 2, "are given together"),
        ({"USAGE_BILLING_ADMIN_KEY": ""}, 2, "there is no credential"),
        ({"TEST_AUTH_TOKEN": "nonsense"}, 2, "was answered 401"),
        ({"TEST_USER_ID": "eva", "TEST_SUBSCRIPTION_ID": "sub456"}, 1, "sub456 is user123's, not eva's"),
        ({"TEST_USER_ID": "user123", "TEST_SUBSCRIPTION_ID": "nothing"}, 3, "was answered 404"),
    ],
    ids=["one variable", "no credential", "wrong credential", "wrong user", "wrong subscription"],
)
def test_what_is_wrong_is_said(simulate: Cli, world: Engine, changes: dict[str, str], code: int, said: str) -> None:
    answer = simulate(**changes)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err
    problem = json.loads(simulate("--json", **changes).err.splitlines()[-1])
    assert problem["exitCode"] == code
    assert said in problem["detail"]


def test_a_customers_token_may_not_record(simulate: Cli, world: Engine, make_token: Callable[..., str]) -> None:
    answer = simulate(TEST_AUTH_TOKEN=make_token("user123"), TEST_USER_ID="user123", TEST_SUBSCRIPTION_ID="sub456")
    assert answer.code == ExitCode.REFUSED
    assert "role is admin" in answer.err


def test_a_plan_without_a_quota_is_said_with_the_cure(simulate: Cli, world: Engine) -> None:
    answer = simulate("--usage-type", "report", TEST_USER_ID="user123", TEST_SUBSCRIPTION_ID="sub456")
    assert answer.code == 1
    assert "usage-billing quotas create --plan business --usage-type report" in answer.err


def test_without_a_worker_it_stops_waiting_and_says_so(simulate: Cli, worker: Worker) -> None:
    worker.counting = worker.billing = False
    answer = simulate("--timeout", "1")
    assert answer.code == 1
    assert "accepted, but not counted after 1 s: is a worker running?" in answer.err


def test_without_anybody_to_bill_it_stops_waiting_and_says_so(simulate: Cli, worker: Worker) -> None:
    worker.billing = False
    answer = simulate("--timeout", "2")
    assert answer.code == 1
    assert "is not completed after 2 s" in answer.err


@pytest.mark.parametrize(
    ("url", "code", "said"), [("http://127.0.0.1:1", 4, "does not answer"), ("file:///etc/passwd", 2, "--url")]
)
def test_without_an_api_it_says_how_to_start_one(program: Cli, url: str, code: int, said: str) -> None:
    answer = program("simulate", "--url", url, USAGE_BILLING_ADMIN_KEY="a-key-that-is-not-looked-at")
    assert answer.code == code
    assert said in answer.err.splitlines()[-1]
