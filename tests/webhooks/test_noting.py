"""What is noted of tries while another worker has the same deliveries, whose leases had run out."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import text

from tests.support.books import rows
from tests.support.receivers import Receiver
from tests.webhooks.conftest import World
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.note_attempts import note_attempts
from usage_billing.webhooks.claims import ClaimedDelivery, claim
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.states import EndpointKind


def test_a_failure_that_is_noted_late_leaves_the_lease_of_another_worker(world: World, receiver: Receiver) -> None:
    world.endpoint(receiver)
    world.tell("ann")
    late = _claimed(world)
    world.ahead += timedelta(seconds=61)
    (own,) = _claimed(world)
    _note(world, [Attempt(delivery=one, at=world.now(), milliseconds=1, status=500) for one in late])
    assert world.states() == [("waiting", 1)]
    assert rows(world.engine, "SELECT leased_until FROM webhook_deliveries") == [(own.leased_until,)]
    _note(world, [Attempt(delivery=own, at=world.now(), milliseconds=1, status=500)])
    assert rows(world.engine, "SELECT leased_until, tries FROM webhook_deliveries") == [(None, 2)]


def test_two_workers_that_note_the_same_lock_it_in_one_order(world: World, receiver: Receiver) -> None:
    """The second waits for the first delivery before it has locked any other: so they never wait for each other."""
    world.endpoint(receiver)
    world.tell("ann", "ann")
    first, second = sorted(_claimed(world), key=lambda one: one.id)
    attempts = [
        Attempt(delivery=one, at=world.now() + timedelta(seconds=place), milliseconds=1, status=500)
        for place, one in enumerate((second, first))
    ]
    lock = text("SELECT id FROM webhook_deliveries WHERE id = :id FOR NO KEY UPDATE NOWAIT")
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with ThreadPoolExecutor(1) as pool:
        with transaction(world.engine) as session:
            session.execute(lock, {"id": first.id})
            noted = pool.submit(_note, world, attempts)
            deadline = time.monotonic() + 20
            while rows(world.engine, waits) == [(0,)] and time.monotonic() < deadline:
                time.sleep(0.01)
            assert session.execute(lock, {"id": second.id}).all()
        noted.result(20)
    assert world.states() == [("waiting", 1)] * 2


def _claimed(world: World) -> Sequence[ClaimedDelivery]:
    with transaction(world.engine) as session:
        return claim(session, EndpointKind.WEBHOOK, at_most=9, now=world.now(), held={})


def _note(world: World, attempts: Sequence[Attempt]) -> None:
    with transaction(world.engine) as session:
        note_attempts(session, attempts, jitter=lambda: 100)
