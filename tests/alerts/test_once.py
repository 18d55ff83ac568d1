"""An alert fires exactly when the largest total of its period reaches the line, whatever the batches and deaths."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from tests.alerts.conftest import Watched
from tests.factories import make_recording, make_subscription, record
from tests.support.books import rows, scalars
from tests.support.properties import examples
from usage_billing.alerts.thresholds import ANY_USAGE
from usage_billing.core import crash
from usage_billing.db.session import make_engine, transaction

EXAMPLES = int(os.environ.get("ALERT_EXAMPLES", "6"))
steps = st.lists(st.tuples(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.booleans()), min_size=1, max_size=6)
_number = count()


@examples(EXAMPLES)
@given(steps)
def test_what_is_told_follows_from_the_largest_total(watched: Watched, steps: list[tuple[list[int], bool]]) -> None:
    name = f"n{next(_number)}-{os.getpid()}"
    with transaction(watched.engine) as session:
        make_subscription(session, id=name, customer="ann", plan="p", started_at=watched.start - timedelta(days=40))
    lines = [3, 8, 10, 15]
    watched.alert(f"u-{name}", at=lines, watches="units", usage_type="calls", subscription_id=name)
    watched.alert(f"p-{name}", at=[n * 10 for n in lines], watches="percent", usage_type="calls", subscription_id=name)
    total = most = 0
    for quantities, is_taken_back in steps:
        ids = watched.use(*quantities, by=name)
        total += sum(quantities)
        most = max(most, total)
        if is_taken_back:
            watched.void(ids[-1])
            total -= quantities[-1]
    for rule, times in ((f"u-{name}", 1), (f"p-{name}", 10)):
        told = scalars(watched.engine, f"SELECT threshold FROM alert_firings WHERE rule_id = '{rule}' ORDER BY 1")
        assert told == [line * times for line in lines if line <= most]
    watched.verified()


def killed_at(point: str, folder: Path, work: Callable[[Engine], object], engine: Engine) -> None:
    """Do ``work`` in a process of its own that dies at a point."""
    (folder / point).touch()
    child = os.fork()
    if not child:
        crash._FOLDER = str(folder)
        work(make_engine(engine.url.render_as_string(hide_password=False)))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not (folder / point).exists()


@pytest.mark.parametrize("point", ["alerts.judged", "alerts.fired"])
def test_a_death_while_judging_tells_once(watched: Watched, tmp_path: Path, point: str) -> None:
    watched.alert("a", at=[5], watches="units", usage_type="calls")
    one = make_recording(now=watched.now, quantity=6, customer="ann", subscription="s", usage_type="calls")

    def work(engine: Engine) -> None:
        with transaction(engine) as session:
            record(session, one)

    killed_at(point, tmp_path, work, watched.engine)
    assert (watched.told(), watched.firings()) == ([], [])
    assert scalars(watched.engine, "SELECT count(*) FROM usage") == [0]
    work(watched.engine)
    work(watched.engine)  # the inbox gives it again
    assert (len(watched.told()), len(watched.firings())) == (1, 1)
    watched.verified()


def test_batches_beside_each_other_tell_a_sum_once(watched: Watched) -> None:
    watched.alert("a", at=[100], watches="amount", everything=True, currency="USD")
    watched.alert("u", at=[40], watches="units", usage_type="pages", everything=True)

    def work(number: int) -> None:
        watched.use(5, of=("calls", "pages")[number % 2], by="st"[number // 2 % 2])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(64)))
    assert sorted((one["ruleId"], one["subscriptionId"]) for one in watched.told()) == [
        ("a", "s"),
        ("a", "t"),
        ("u", "s"),
        ("u", "t"),
    ]
    totals = rows(watched.engine, "SELECT DISTINCT total FROM usage_summaries")
    assert [row.total for row in totals] == [Decimal(80)]
    watched.verified()


def test_what_billing_holds_is_not_waited_for_and_judged_again(watched: Watched) -> None:
    watched.use(1)
    watched.use(1, of="pages")
    with watched.engine.connect() as billing:
        billing.execute(text("SELECT id FROM usage_summaries WHERE usage_type_id = 'calls' FOR UPDATE"))
        watched.alert("a", at=[3], watches="amount")  # its lines are in both
        watched.use(1, of="pages")
        assert watched.lines()["calls"] is None
    watched.judge()
    assert watched.lines() == {"calls": ANY_USAGE, "pages": ANY_USAGE}
    watched.use(1, of="pages")
    assert watched.crossed() == [["3.00"]]


def test_a_rule_that_cannot_be_judged_keeps_nothing_out_of_the_books(watched: Watched) -> None:
    """Neither its own usage nor other rules, in a drain as in the task."""
    for name in ("s", "t"):
        watched.alert(f"a-{name}", at=[5], watches="units", usage_type="calls", subscription_id=name)
    with watched.engine.begin() as connection:
        connection.execute(text("UPDATE alert_rules SET thresholds = '{NaN}' WHERE id = 'a-s'"))
    used = [
        make_recording(now=watched.now, quantity=6, customer="ann", subscription=name, usage_type="calls")
        for name in ("s", "t")
    ]
    with transaction(watched.engine) as session:
        outcome = record(session, *used)
    assert (outcome.recorded, outcome.quarantined) == (2, [])
    assert [rule for rule, *_ in watched.firings()] == ["a-t"]
    watched.alert("b", at=[1], watches="units", customer_id="ann")
    assert [rule for rule, *_ in watched.firings()] == ["a-t", "b"]
    with watched.engine.begin() as connection:
        connection.execute(text("UPDATE alert_rules SET thresholds = '{5}' WHERE id = 'a-s'"))
    watched.use(1)
    assert [(rule, subject) for rule, subject, *_ in watched.firings()[2:]] == [("a-s", "s/calls"), ("b", "s/calls")]
