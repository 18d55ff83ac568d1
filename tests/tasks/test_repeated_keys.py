"""Keys are not looked up while none comes again; one that does is found by the index, and for a while by looking."""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tasks.draining.batch import Wariness
from tasks.inbox.protocol import Inbox
from tests.conftest import Drain
from tests.factories import make_recording
from tests.support.books import Counts, check_books, counts, rows, totals
from usage_billing.flows.recording import record_usage
from usage_billing.metering.queries import RecordingKey, recorded_keys
from usage_billing.metering.recording import Recording


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys each batch looked up that came to the books, by a process that has just started."""
    found: list[int] = []

    def look(session: Session, keys: Sequence[RecordingKey]) -> object:
        found.append(len(keys))
        return recorded_keys(session, keys)

    monkeypatch.setattr(record_usage, "recorded_keys", look)
    monkeypatch.setattr("tasks.draining.batch._wary", Wariness())
    return found


def batch_of(now: datetime, first: int, *, size: int = 20) -> list[Recording]:
    return [make_recording(now=now, occurred_at=now, key=f"k{number}") for number in range(first, first + size)]


def test_while_no_key_comes_again_none_is_looked_up(
    world: Engine, inbox: Inbox, drain: Drain, now: datetime, asked: list[int]
) -> None:
    for first in (0, 20, 40):
        inbox.append(batch_of(now, first))
        drain()
    assert asked == [0, 0, 0]
    assert counts(world) == Counts(60, 0, 0)
    check_books(world)


@pytest.mark.parametrize("place", [0, 7, 19])
def test_a_key_that_comes_again_among_new_ones_counts_once_and_is_answered(
    world: Engine, inbox: Inbox, drain: Drain, now: datetime, asked: list[int], place: int
) -> None:
    inbox.append(batch_of(now, 0))
    drain()
    again = batch_of(now, 20)
    again[place] = make_recording(now=now, occurred_at=now, key="k3")
    inbox.append(again)
    drain()
    assert asked == [0, 0, 20]
    assert counts(world) == Counts(39, 1, 0)
    assert [total for _, _, total, _ in totals(world)] == [39]
    (row,) = rows(world, "SELECT d.id, u.idempotency_key FROM usage_duplicates d JOIN usage u ON u.id = d.usage_id")
    assert (row.id, row.idempotency_key) == (again[place].id, "k3")
    check_books(world)


def test_a_key_that_comes_again_with_other_content_is_told_as_what_it_is(
    world: Engine, inbox: Inbox, drain: Drain, now: datetime, asked: list[int]
) -> None:
    first, *others = batch_of(now, 0)
    inbox.append([first])
    drain()
    other = make_recording(now=now, occurred_at=now, key=first.key, quantity=2)
    inbox.append([*others, other])
    drain()
    inbox.append(batch_of(now, 20))
    drain()
    assert asked == [0, 0, 20, 20]
    assert counts(world) == Counts(40, 0, 1)
    (row,) = rows(world, "SELECT id, reason FROM quarantined_usage")
    assert (row.id, row.reason) == (other.id, "conflicting_duplicate")
    check_books(world)


def test_after_a_repeated_key_they_are_looked_up_until_a_while_passes_without_one(
    world: Engine, inbox: Inbox, drain: Drain, now: datetime, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 1000.0
    monkeypatch.setattr("tasks.draining.batch.time", SimpleNamespace(monotonic=lambda: seconds))

    def record(first: int) -> list[int]:
        asked.clear()
        inbox.append(batch_of(now, first))
        drain()
        return list(asked)

    assert record(0) == [0]
    assert record(10) == [0, 20]  # half of them again
    seconds += 59
    assert record(100) == [20]
    assert record(110) == [20]  # again, and the while begins anew
    seconds += 59
    assert record(200) == [20]
    seconds += 2
    assert record(300) == [0]
    assert counts(world) == Counts(100, 20, 0)
    check_books(world)


def test_what_was_delivered_before_is_known_by_its_id_without_looking_up_keys(
    world: Engine, inbox: Inbox, drain: Drain, now: datetime, asked: list[int]
) -> None:
    sent = batch_of(now, 0)
    inbox.append(sent)
    drain()
    inbox.append([*sent, *batch_of(now, 20)])
    drain()
    assert asked == [0, 0]
    assert counts(world) == Counts(40, 0, 0)
    check_books(world)
