"""What a worker has in hand: it posts nothing that another may have claimed, and no endpoint takes all of it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from tests.support.receivers import Got, Receiver, hang, hang_until, receiving, status
from tests.webhooks.conftest import LOOPBACK, SECRET, TURN, World
from usage_billing.db.session import transaction
from usage_billing.flows.delivering import drive_deliveries
from usage_billing.flows.delivering.carry_webhooks import WebhookCarrier
from usage_billing.flows.delivering.drive_deliveries import Courier
from usage_billing.flows.delivering.make_attempt import running_for
from usage_billing.flows.delivering.pace import STEP
from usage_billing.webhooks.claims import MOST_OF_ENDPOINT


def test_after_a_turn_that_failed_nothing_is_posted_without_a_claim(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.endpoint(receiver, ordered=True)
    for _ in range(2):
        world.tell(*[f"c{number}" for number in range(20)])
    real = drive_deliveries.note_attempts
    broken = [True]

    def note(session: Any, attempts: Sequence[Any], **more: Any) -> None:
        if attempts and broken:
            broken.clear()
            raise OSError("the database is away")
        real(session, attempts, **more)

    monkeypatch.setattr(drive_deliveries, "note_attempts", note)
    with pytest.raises(OSError, match="away"):
        world.send()
    world.ahead += timedelta(seconds=61)
    other = world.another()
    while other.turn(TURN, patience=TURN):
        pass
    world.send()
    told = [json.loads(one.body) for one in receiver.got]
    for name in {one["userId"] for one in told}:
        numbers = [one["sequence"] for one in told if one["userId"] == name]
        assert numbers == sorted(numbers), name
    assert {state for state, _ in world.states()} == {"sent"}


def test_what_ran_out_of_its_lease_in_hand_is_neither_posted_nor_taken_from_another(
    world: World, receiver: Receiver
) -> None:
    world.endpoint(receiver)
    world.tell("ann", "bob")
    world.courier._store(take_more=True)  # a process that is stopped between two steps
    world.ahead += timedelta(seconds=61)
    assert world.another().turn(TURN, patience=TURN) == 2
    world.send()
    assert len(receiver.got) == 2


def test_two_workers_have_an_endpoints_deliveries_in_hand_at_once(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    world.tell(*[f"c{number}" for number in range(100)])
    workers = [world.another() for _ in range(3)]
    for worker in workers:
        worker._store(take_more=True)
    assert [worker._lanes.held() for worker in workers] == [{"e": MOST_OF_ENDPOINT}] * 3
    workers[0]._store(take_more=True)
    assert workers[0]._lanes.held() == {"e": MOST_OF_ENDPOINT}


@pytest.mark.parametrize("state", ["failing_since = now()", "rate_per_second = 1"])
def test_of_one_that_fails_or_has_a_rate_all_workers_together_have_one(
    world: World, receiver: Receiver, state: str
) -> None:
    world.endpoint(receiver)
    world.tell(*["ann"] * 3)
    with transaction(world.engine) as session:
        session.execute(text(f"UPDATE webhook_endpoints SET {state}"))
    workers = [world.another() for _ in range(2)]
    for ahead in (0, 2):
        world.ahead = timedelta(seconds=ahead)
        for worker in workers:
            worker._store(take_more=True)
    assert sorted(worker._lanes.held().total() for worker in workers) == [0, 1]


def test_outcomes_are_noted_together(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    world.endpoint(receiver, "other")
    world.tell(*[f"c{number}" for number in range(150)])
    commits = list[object]()
    with listening(world.engine, "commit", commits.append):
        assert sum(iter(world.send, 0)) == 300
    assert len(commits) < 300 / 3


@contextmanager
def listening(engine: Engine, what: str, hear: Callable[[object], None]) -> Iterator[None]:
    """Hear of what happens at the database within the block."""
    event.listen(engine, what, hear)
    yield
    event.remove(engine, what, hear)


def test_a_turn_that_ends_notes_what_is_on_its_way(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    world.tell(*["ann"] * 40)
    receiver.answer = hang(0.2, status(204))
    noted = world.courier.turn(timedelta(seconds=0.5), patience=timedelta(seconds=1))
    assert 0 < noted == len(receiver.got) < 40
    assert [state for state, _ in world.states()].count("sent") == noted
    assert world.another().turn(timedelta(seconds=0.1)) > 0  # the rest was given back


def test_an_exchange_that_hangs_keeps_nothing_that_waits_for_its_endpoint(world: World, receiver: Receiver) -> None:
    """The endpoint was quick before, so one thread would have carried several of its deliveries."""
    world.endpoint(receiver)
    world.tell(*["ann"] * 20)
    world.send()
    assert receiver.ids
    hangs, *ids = world.tell(*["ann"] * 8)
    let = Event()
    receiver.answer = lambda handler, got: (hang_until(let) if got.headers["webhook-id"] == hangs else status(204))(
        handler, got
    )
    world.courier.turn(timedelta(seconds=3), patience=timedelta(seconds=0.5))
    let.set()
    assert set(ids) <= set(receiver.ids)
    assert [state for state, _ in world.states()[20:]] == ["waiting"] + ["sent"] * 7


def test_what_has_no_body_any_more_is_dropped_and_the_rest_is_sent(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    world.tell("ann")
    with transaction(world.engine) as session:
        session.execute(text("DELETE FROM event_bodies"))
    world.tell("bob")
    assert world.send() == 1
    assert world.states() == [("dropped", 0), ("sent", 1)]


def test_four_slow_endpoints_hold_up_no_healthy_one_and_a_turn_waits_for_none(world: World, receiver: Receiver) -> None:
    """What the healthy one is told comes before any slow one has answered."""
    let, answered = Event(), list[str]()

    def wait(handler: BaseHTTPRequestHandler, got: Got) -> None:
        let.wait(12)
        answered.append(got.headers["webhook-id"])
        status(200)(handler, got)

    with receiving() as slow:
        slow.answer = wait
        for number in range(4):
            world.endpoint(slow, f"slow{number}", types=["invoice.voided"])
        world.endpoint(receiver, "healthy", types=["invoice.paid"])
        world.tell(*["ann"] * 40, topic="invoice.voided")
        patience = timedelta(seconds=0.5)
        world.courier.turn(timedelta(seconds=0.2), patience=patience)
        ids = world.tell(*["ann"] * 20)
        for _ in range(8):
            if len(receiver.got) < len(ids):
                world.courier.turn(timedelta(seconds=1), patience=patience)
        assert sorted(receiver.ids) == sorted(ids)
        assert answered == []
        let.set()
        for _ in range(30):
            world.courier.turn(timedelta(seconds=8), patience=patience)
            if {state for number in range(4) for state, _ in world.states(f"slow{number}")} == {"sent"}:
                break
    assert len(answered) == len(set(answered)) * 4 == 160


def test_what_gives_way_begins_one_exchange_in_a_step_and_sends_everything(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    world.endpoint(receiver, "ordered", ordered=True)
    world.tell(*["ann"] * 20)
    began = running_for()
    courier = Courier(world.engine, WebhookCarrier(SECRET, LOOPBACK), gives_way=lambda: True)
    assert sum(iter(lambda: courier.turn(TURN, patience=TURN), 0)) == 40
    assert running_for() - began >= STEP * 39
    assert world.states("ordered") == [("sent", 1)] * 20
