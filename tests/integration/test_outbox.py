"""A fact is written with its cause or not at all, once, and becomes one event with numbers that leave no gap."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tasks.outbox import relay
from tests.architecture.sources import ROOT
from tests.support.books import rows, scalars
from tests.support.events import relayed
from usage_billing.core.clock import utc_now
from usage_billing.db.session import rolled_back, transaction
from usage_billing.flows.delivering.relay_events import relay_events
from usage_billing.outbox.queries import events_where
from usage_billing.outbox.service import Fact, forget_bodies, tell
from usage_billing.wire.event import VERSION

pytestmark = pytest.mark.usefixtures("settings")


def test_a_fact_is_told_once_however_often_its_cause_is_replayed(engine: Engine) -> None:
    for _ in range(3):
        with transaction(engine) as session:
            tell(session, [("quota.exceeded", "one", {"a": 1}), ("quota.exceeded", "two", {"a": 2})])
    assert rows(engine, "SELECT dedupe_key, payload FROM outbox_messages ORDER BY id") == [
        ("one", {"a": 1}),
        ("two", {"a": 2}),
    ]


def test_a_fact_whose_cause_was_undone_was_never_told(engine: Engine) -> None:
    with rolled_back(engine) as session:
        tell(session, [("quota.exceeded", "one", {})])
    assert scalars(engine, "SELECT id FROM outbox_messages") == []


def test_one_batch_may_tell_the_same_twice(engine: Engine) -> None:
    with transaction(engine) as session:
        tell(session, [("t", "same", {"a": 1}), ("t", "same", {"a": 2})])
        tell(session, [])
    assert scalars(engine, "SELECT payload FROM outbox_messages") == [{"a": 1}]


def told(engine: Engine, *customers: str | None) -> None:
    """A fact about each of these customers."""
    with transaction(engine) as session:
        tell(session, [Fact("quota.exceeded", str(uuid4()), {"n": n}, one) for n, one in enumerate(customers)])


def numbers(engine: Engine) -> list[tuple[str | None, int, int | None]]:
    """Customer, position and sequence of every event."""
    statement = "SELECT customer_id, position, sequence FROM outbox_messages ORDER BY position"
    return [tuple(row) for row in rows(engine, statement)]


def test_events_are_numbered_without_a_gap_and_for_each_customer(engine: Engine) -> None:
    told(engine, "a", "b", "a", None)
    assert relayed(engine) == 4
    told(engine, "b", None, "c", "a")
    assert relayed(engine) == 4
    assert relayed(engine) == 0
    expected = [("a", 1), ("b", 1), ("a", 2), (None, None), ("b", 2), (None, None), ("c", 1), ("a", 3)]
    assert numbers(engine) == [(name, place, own) for place, (name, own) in enumerate(expected, 1)]


def test_one_relay_at_a_time_gives_numbers(engine: Engine, now: datetime) -> None:
    told(engine, "a", "b")
    with transaction(engine) as first:
        assert len(relay_events(first, now=now, at_most=1)) == 1
        with transaction(engine) as second:
            assert relay_events(second, now=now) == ()
    assert relayed(engine) == 1
    assert [place for _, place, _ in numbers(engine)] == [1, 2]


def test_many_relays_beside_tellers_leave_no_gap(engine: Engine) -> None:
    """Four threads tell and relay at once; a reader that goes by position misses none."""
    seen: list[int] = []

    def work(name: str) -> None:
        for _ in range(25):
            told(engine, name, "shared")
            relayed(engine)
            with transaction(engine) as session:
                found = session.scalars(events_where(after=seen[-1] if name == "t0" and seen else 0)).all()
            if name == "t0":
                seen.extend(sorted(one.position or 0 for one in found))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [f"t{number}" for number in range(4)]))
    relayed(engine)
    assert seen == list(range(1, len(seen) + 1))
    found = numbers(engine)
    assert [place for _, place, _ in found] == list(range(1, 201))
    for name in ("t0", "t1", "t2", "t3", "shared"):
        assert [own for customer, _, own in found if customer == name] == list(
            range(1, 101 if name == "shared" else 26)
        )


def test_a_body_is_made_once_and_says_what_was_told(engine: Engine) -> None:
    told(engine, "a")
    relayed(engine)
    (body,) = scalars(engine, "SELECT body FROM event_bodies")
    (public_id,) = scalars(engine, "SELECT public_id FROM outbox_messages")
    found = json.loads(body)
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "id": f"evt_{public_id.hex}",
        "type": "quota.exceeded",
        "version": VERSION,
        "userId": "a",
        "sequence": 1,
        "data": {"n": 0},
    }
    assert bytes(body) == json.dumps(json.loads(body), separators=(",", ":")).encode()


def test_a_large_body_leaves_its_lists_out(engine: Engine) -> None:
    with transaction(engine) as session:
        tell(session, [Fact("run.finished", "k", {"run": {"id": "x", "warnings": [{"detail": "y" * 100}] * 500}})])
    relayed(engine)
    (body,) = scalars(engine, "SELECT body FROM event_bodies")
    assert len(body) < 1000
    assert json.loads(body)["data"] == {"run": {"id": "x", "warnings": []}, "abridged": True}


def test_what_was_relayed_before_events_had_numbers_is_no_event(engine: Engine, now: datetime) -> None:
    told(engine, "a")
    with transaction(engine) as session:
        session.execute(text("UPDATE outbox_messages SET relayed_at = :now, public_id = NULL"), {"now": now})
    told(engine, "a")
    relayed(engine)
    with transaction(engine) as session:
        assert [one.position for one in session.scalars(events_where())] == [1]


def test_bodies_are_forgotten_after_90_days_and_facts_never(engine: Engine, now: datetime) -> None:
    told(engine, "a", "b")
    relayed(engine)
    with transaction(engine) as session:
        assert forget_bodies(session, now=utc_now() + timedelta(days=89), at_most=10) == 0
        assert forget_bodies(session, now=utc_now() + timedelta(days=91), at_most=1) == 1
        assert forget_bodies(session, now=utc_now() + timedelta(days=91), at_most=10) == 1
        assert list(session.scalars(events_where())) == []
    told(engine, "a")
    relayed(engine)
    assert [place for _, place, _ in numbers(engine)] == [1, 2, 3]


@pytest.mark.parametrize("point", ["relay.numbered", "relay.before_commit"])
def test_a_relay_that_is_killed_is_done_by_the_next(engine: Engine, tmp_path: Path, point: str) -> None:
    told(engine, "a", "a", None)
    (tmp_path / point).touch()
    script = "from tasks.outbox import relay; relay()"
    for expected in (-signal.SIGKILL, 0):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "CRASH_AT": str(tmp_path)},
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expected, done.stderr
        left = scalars(engine, "SELECT count(*) FROM outbox_messages WHERE relayed_at IS NULL")
        assert left == [3 if expected else 0]
    assert numbers(engine) == [("a", 1, 1), ("a", 2, 2), (None, 3, None)]
    assert scalars(engine, "SELECT count(*) FROM event_bodies") == [3]


def test_one_task_relays_more_than_one_look_finds(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    told(engine, *["a"] * 1200)
    monkeypatch.setattr("tasks.base.engine", lambda: engine)
    relay()
    assert [own for _, _, own in numbers(engine)] == list(range(1, 1201))
