"""What a worker has in hand: it posts nothing that another may have claimed, and no endpoint takes all of it."""

import json
from collections.abc import Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.receivers import Got, Receiver, receiving, status
from tests.webhooks.conftest import TURN, World
from usage_billing.db.session import transaction
from usage_billing.flows.delivering import drive_deliveries


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
    world.courier._store([], take_more=True)  # a process that is stopped between two steps
    world.ahead += timedelta(seconds=61)
    assert world.another().turn(TURN) == 2
    world.send()
    assert len(receiver.got) == 2


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
