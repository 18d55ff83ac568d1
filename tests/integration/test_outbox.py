"""A fact is written with its cause or not at all, once, and told at least once."""

from datetime import datetime

import pytest
from sqlalchemy import Engine

from tasks.outbox import relay
from tests.support.books import rows, scalars
from usage_billing.db.session import rolled_back, transaction
from usage_billing.outbox.service import mark_relayed, tell, waiting


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


@pytest.mark.parametrize("at_most", [1, 2, 10])
def test_what_waits_is_read_oldest_first_until_it_was_relayed(engine: Engine, now: datetime, at_most: int) -> None:
    with transaction(engine) as session:
        tell(session, [("t", str(number), {"number": number}) for number in range(5)])
    told = []
    while True:
        with transaction(engine) as session:
            found = waiting(session, at_most=at_most)
        if not found:
            break
        told += [message.payload["number"] for message in found]
        with transaction(engine) as session:
            mark_relayed(session, [message.id for message in found], now=now)
    assert told == list(range(5))


def test_a_relay_that_died_before_it_noted_tells_again(engine: Engine) -> None:
    with transaction(engine) as session:
        tell(session, [("t", "one", {})])
    for _ in range(2):
        with transaction(engine) as session:
            assert [message.dedupe_key for message in waiting(session)] == ["one"]


def test_one_relay_tells_more_than_one_look_finds(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction(engine) as session:
        tell(session, [("a.topic", f"key-{number}", {"number": number}) for number in range(1200)])
    monkeypatch.setattr("tasks.base.engine", lambda: engine)
    relay()
    with transaction(engine) as session:
        assert waiting(session) == []
