"""What a worker has in hand: it posts nothing that another may have claimed, and no endpoint takes all of it."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.receivers import Receiver
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
