"""The server of the database dies while endpoints are told: nothing is lost, and what is in order stays so."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.system import System
from tests.support.receivers import receiving
from tests.webhooks.conftest import World
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import make_engine

pytestmark = pytest.mark.faults
CUSTOMERS, EACH, KILLS = 8, 60, 4
BEYOND_LEASES = timedelta(seconds=61)


def test_what_a_killed_database_forgot_goes_out_again_and_never_behind_what_comes_after(home: Path) -> None:
    with System(home) as system, receiving() as unordered, receiving() as ordered:
        engine = make_engine(system.postgres.url().replace("postgresql://", "postgresql+psycopg://"))
        world = World(engine)
        world.endpoint(unordered, "unordered")
        world.endpoint(ordered, "ordered", ordered=True)
        ids = world.tell(*[f"c{number}" for number in range(CUSTOMERS)] * EACH)
        with _telling(world):
            for kill in range(1, KILLS + 1):
                enough = len(ids) * kill // (KILLS + 2)
                system.wait_until(lambda enough=enough: len(ordered.got) > enough, 30, "nothing is told")
                system.kill("postgres")
                while system.parts["postgres"].alive():
                    time.sleep(0.01)
                system.start("postgres")
                world.ahead += BEYOND_LEASES
            system.wait_until(lambda: _all_are_sent(world), 60, "not all are sent")
        engine.dispose()
    assert set(unordered.ids) == set(ordered.ids) == set(ids)
    assert len(unordered.ids) + len(ordered.ids) > 2 * len(ids), "nothing was done twice, so this shows nothing"
    told = defaultdict(list)
    for one in ordered.got:
        body = json.loads(one.body)
        told[body["userId"]].append(body["sequence"])
    for name, numbers in told.items():
        assert numbers == sorted(numbers), name


@contextmanager
def _telling(world: World) -> Iterator[None]:
    """What sends, turn after turn, also while the database is away."""
    stop = threading.Event()

    def drive() -> None:
        while not stop.is_set():
            try:
                world.courier.turn(timedelta(seconds=3))
            except Unavailable:
                time.sleep(0.05)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _all_are_sent(world: World) -> bool:
    with suppress(Unavailable):
        return {state for state, _ in world.states("ordered") + world.states("unordered")} == {"sent"}
    return False
