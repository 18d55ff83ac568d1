"""Terms that a process keeps are, at each moment, those that it would read: whatever changes them, and however."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

import usage_billing.subscriptions.kept_terms as module
from tests.factories import make_plan, make_recording, make_subscription, make_world
from tests.integration.test_concurrency import until_somebody_waits
from tests.support.statements import statements_of
from usage_billing.db.session import transaction
from usage_billing.flows.administration.change_subscription import cancel, change_plan, pause, resume
from usage_billing.flows.administration.situation import When
from usage_billing.flows.recording.record_usage import record_batch
from usage_billing.metering.states import QuarantineReason
from usage_billing.subscriptions.kept_terms import KeptTerms
from usage_billing.subscriptions.queries import customers_and_timelines

NAMES = ["sub456", *(f"sub{number}" for number in range(5))]
ASKED = [*NAMES, "none"]
# What the times of a change are about does not matter here: each only has to be seen.
BY_SQL = [
    "UPDATE subscriptions SET customer_id = 'other' WHERE id = 'sub1'",
    "UPDATE subscriptions SET timezone = 'Asia/Tokyo' WHERE id = 'sub2'",
    "UPDATE subscriptions SET created_at = created_at - interval '1 day' WHERE id = 'sub3'",
    "UPDATE subscriptions SET anchor = 'anniversary', anchor_day = NULL WHERE id = 'sub4'",
    "UPDATE subscriptions SET anchor_day = 7 WHERE anchor = 'calendar' AND id = 'sub0'",
    "UPDATE subscriptions SET started_at = started_at - interval '1 day' WHERE id = 'sub4'",
    "UPDATE subscription_terms SET starts_at = starts_at - interval '1 hour' WHERE subscription_id = 'sub0'",
    "DELETE FROM subscription_terms WHERE subscription_id = 'sub1'",
    "INSERT INTO subscription_terms (subscription_id, plan_id, starts_at) VALUES ('sub1', 'large', '2021-01-01Z')",
    "UPDATE plans SET interval = 'quarter' WHERE id = 'business'",
    "UPDATE plans SET interval_count = 2 WHERE id = 'business'",
    "UPDATE plans SET proration = 'none' WHERE id = 'business'",
    "UPDATE plans SET prorates_edges = NOT prorates_edges WHERE id = 'business'",
    "UPDATE plans SET on_downgrade = 'charge' WHERE id = 'business'",
]


@pytest.fixture
def world(engine: Engine) -> Engine:
    """Six subscriptions on one plan, and another plan."""
    with transaction(engine) as session:
        make_world(session)
        make_plan(session, id="large")
        session.execute(text("INSERT INTO customers (id, name) VALUES ('other', 'Other')"))
        for name in NAMES[1:]:
            make_subscription(session, id=name)
    return engine


@pytest.fixture
def kept() -> KeptTerms:
    return KeptTerms()


def check(kept: KeptTerms, engine: Engine) -> None:
    """Raises AssertionError unless what is kept is what is read."""
    with transaction(engine) as session:
        assert kept.customers_and_timelines(session, ASKED) == customers_and_timelines(session, ASKED)


def stamps_of(engine: Engine) -> list[object]:
    with transaction(engine) as session:
        return list(session.scalars(text("SELECT stamp FROM term_stamps ORDER BY slot")))


def run(engine: Engine, statement: str) -> None:
    with transaction(engine) as session:
        assert session.execute(text(statement)).rowcount  # type: ignore[attr-defined]


def test_terms_are_read_once_while_nothing_changes_them(world: Engine, kept: KeptTerms) -> None:
    check(kept, world)
    run(world, "UPDATE subscriptions SET opens_at = now(), version = version + 1, ended_at = NULL")
    run(world, "UPDATE plans SET name = 'Other', payment_days = 10")
    with transaction(world) as session, statements_of(world) as sent:
        assert set(kept.customers_and_timelines(session, NAMES)[1]) == set(NAMES)
    assert not [one for one in sent if "subscription_terms" in one]


@pytest.mark.parametrize("statement", BY_SQL)
def test_each_change_of_what_terms_are_read_from_is_seen(world: Engine, kept: KeptTerms, statement: str) -> None:
    if statement.startswith("INSERT"):
        run(world, "DELETE FROM subscription_terms WHERE subscription_id = 'sub1'")
    check(kept, world)
    before = stamps_of(world)
    run(world, statement)
    assert stamps_of(world) != before
    check(kept, world)


def test_whatever_is_agreed_in_any_order_is_seen(world: Engine, kept: KeptTerms, now: datetime) -> None:
    chance = random.Random(20261201)

    def agreed() -> Callable[[], object]:
        name, when = chance.choice(NAMES), When()
        with transaction(world) as session:
            term = customers_and_timelines(session, [name])[1][name].terms[-1]

        def work() -> None:
            with transaction(world) as session:
                if term.ends_at is not None:
                    make_subscription(session, id=f"more{chance.random()}")
                elif term.paused:
                    resume(session, name, when=when, actor="test", now=now)
                elif (choice := chance.random()) < 0.4:
                    other = "large" if term.plan_id == "business" else "business"
                    change_plan(session, name, plan_id=other, when=when, actor="test", now=now)
                elif choice < 0.8:
                    pause(session, name, when=when, actor="test", now=now)
                else:
                    cancel(session, name, when=when, actor="test", now=now)

        return work

    check(kept, world)
    for second in range(40):
        now = now.replace(second=second)
        agreed()()
        check(kept, world)


def test_of_two_transactions_that_overlap_each_is_seen_when_it_commits(world: Engine, kept: KeptTerms) -> None:
    change = text("UPDATE subscription_terms SET paused = true WHERE subscription_id = :name")
    check(kept, world)
    with transaction(world) as older:
        older.execute(change, {"name": "sub0"})
        check(kept, world)
        with transaction(world) as younger:
            younger.execute(change, {"name": "sub1"})
            check(kept, world)
        check(kept, world)
    check(kept, world)


def test_a_transaction_writes_its_stamp_once_and_only_as_it_commits(world: Engine) -> None:
    """Until then it may wait for other locks: a stamp that it held would make it wait in a circle."""
    before = stamps_of(world)
    with transaction(world) as session:
        session.execute(text("UPDATE subscription_terms SET paused = true"))
        assert list(session.scalars(text("SELECT stamp FROM term_stamps ORDER BY slot"))) == before
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        once = list(session.scalars(text("SELECT stamp FROM term_stamps ORDER BY slot")))
        session.execute(text("UPDATE subscription_terms SET paused = false"))
        assert list(session.scalars(text("SELECT stamp FROM term_stamps ORDER BY slot"))) == once != before
    assert stamps_of(world) == once


def test_a_stamp_that_was_taken_back_is_written_again(world: Engine, kept: KeptTerms) -> None:
    check(kept, world)
    with transaction(world) as session:
        savepoint = session.begin_nested()
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        session.execute(text("UPDATE subscription_terms SET paused = true"))
        savepoint.rollback()
        session.execute(text("UPDATE subscription_terms SET paused = true WHERE subscription_id = 'sub1'"))
    check(kept, world)


def test_a_batch_that_waits_for_a_change_of_terms_sees_it(world: Engine, kept: KeptTerms, now: datetime) -> None:
    def record(at: datetime) -> list[QuarantineReason]:
        with transaction(world) as session:
            batch = [make_recording(now=at, subscription="sub1")]
            outcome = record_batch(session, batch, read_terms=kept.customers_and_timelines)
            return [one.reason for one in outcome.quarantined]

    assert record(now) == []
    with ThreadPoolExecutor(1) as pool:
        with transaction(world) as session:
            pause(session, "sub1", when=When(), actor="test", now=now)
            waiting = pool.submit(record, now + timedelta(minutes=5))
            until_somebody_waits(world)
        assert waiting.result(10) == [QuarantineReason.SUBSCRIPTION_PAUSED]


@contextmanager
def once_the_stamps_are_read(engine: Engine, *statements: str) -> Iterator[None]:
    """The next time that the stamps are read, another transaction runs these statements before the terms are."""
    waiting = [statements]

    def run_them(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if waiting and "term_stamps" in statement:
            with transaction(engine) as other:
                for one in waiting.pop():
                    other.execute(text(one))

    event.listen(engine, "after_cursor_execute", run_them)
    yield
    event.remove(engine, "after_cursor_execute", run_them)
    assert not waiting


def test_what_changes_before_missing_terms_are_read_is_all_in_them_or_none(world: Engine, kept: KeptTerms) -> None:
    """What is kept of a plan says nothing of one that is read after a change of both."""
    run(world, "UPDATE subscription_terms SET ends_at = '2026-11-10Z' WHERE subscription_id = 'sub1'")
    run(
        world,
        "INSERT INTO subscription_terms (subscription_id, plan_id, starts_at) VALUES ('sub1', 'large', '2026-11-10Z')",
    )
    with transaction(world) as session:
        kept.customers_and_timelines(session, ["sub0"])
        before = customers_and_timelines(session, ["sub1"])
    with once_the_stamps_are_read(world, "UPDATE plans SET interval = 'quarter'"), transaction(world) as session:
        found = kept.customers_and_timelines(session, ["sub1"])
        assert found in (before, customers_and_timelines(session, ["sub1"]))
    check(kept, world)


def test_terms_that_a_standby_never_had_are_not_kept_under_the_stamps_that_it_has(
    world: Engine, kept: KeptTerms
) -> None:
    """The database dies, and the one that takes over lacks the last change: its stamps are those of before."""
    stamps = "CREATE TABLE stamps_then AS SELECT * FROM term_stamps"
    lost = "UPDATE subscription_terms SET paused = true WHERE subscription_id = 'sub1'"
    with transaction(world) as session:
        session.execute(text(stamps))
        kept.customers_and_timelines(session, ["sub0"])
    with once_the_stamps_are_read(world, lost), transaction(world) as session:
        kept.customers_and_timelines(session, ["sub1"])
    with transaction(world) as session:
        session.execute(text("UPDATE subscription_terms SET paused = false WHERE subscription_id = 'sub1'"))
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        session.execute(text("DELETE FROM term_stamps"))
        session.execute(text("INSERT INTO term_stamps SELECT * FROM stamps_then"))
        session.execute(text("DROP TABLE stamps_then"))
    check(kept, world)


def test_without_a_stamp_nothing_is_kept(world: Engine, kept: KeptTerms) -> None:
    """Books of which each stamp was deleted: a change would not be told from none."""
    check(kept, world)
    run(world, "DELETE FROM term_stamps")
    check(kept, world)
    with transaction(world) as session, statements_of(world) as sent:
        kept.customers_and_timelines(session, NAMES)
    assert [one for one in sent if "subscription_terms" in one]


def test_no_more_are_kept_than_there_is_room_for(
    world: Engine, kept: KeptTerms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 4)
    with transaction(world) as session:
        for names in (NAMES[:3], NAMES[3:5], NAMES[:3], NAMES[4:], NAMES):
            assert kept.customers_and_timelines(session, names) == customers_and_timelines(session, names)
            assert len(kept._kept.timelines) <= max(4, len(names))
