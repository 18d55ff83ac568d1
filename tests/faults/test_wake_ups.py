"""Wake-ups are hints: lost, doubled or late, the books are the same; what finds the lost ones is the sweep."""

import threading
import time
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Producer

from tests.faults.bystanders import bill
from tests.faults.checker import judge, judge_recordings
from tests.faults.load import Load, Told
from tests.faults.system import BROKER_DATABASE, System
from usage_billing.supervisor.child import Child

pytestmark = pytest.mark.faults

PREFIX = "usage-billing:celery:"


def without_a_broker(system: System) -> None:
    """Let the API send its messages to nowhere: every wake-up of its is lost."""
    api = system.parts["api"]
    assert isinstance(api, Child)
    api.env = {**api.env, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}


def record(system: System, home: Path, seed: int, *, seconds: float = 3) -> Told:
    """Some load, and what the clients were told."""
    with Load(home, system.url, seed=seed, processes=1, threads=3, pause=0.01) as load:
        time.sleep(seconds)
    return load.told


def test_with_every_wake_up_lost_the_sweep_finds_everything(home: Path, seed: int) -> None:
    with System(home) as system:
        without_a_broker(system)
        system.start()
        system.wait_ready()
        told = record(system, home, seed)
        system.wait_drained(90)
        assert list(judge_recordings(told, system.sql)) == []
        assert set(told.answers) == {"202"}, "a sender is not told of a broker that is away"


def test_without_the_sweep_lost_wake_ups_are_lost_work(home: Path, seed: int) -> None:
    """The mechanism turned off: a message as the only copy of what there is to do. The suite sees it."""
    with System(home) as system:
        without_a_broker(system)
        system.start("api", "worker")  # and no beat
        system.wait_ready()
        told = record(system, home, seed, seconds=1)
        with pytest.raises(AssertionError, match="something waits still"):
            system.wait_drained(12)
        assert any("was acknowledged and is nowhere" in line for line in judge(told, system.sql))


def test_wake_ups_that_come_fivefold_and_beats_and_workers_in_twos_count_once(home: Path, seed: int) -> None:
    with System(home, beats=2, workers=2) as system:
        system.start()
        system.wait_ready()
        enough = threading.Event()
        flood = threading.Thread(target=send_drains, args=(system, enough))
        flood.start()
        told = record(system, home, seed, seconds=4)
        enough.set()
        flood.join()
        system.wait_drained(90)
        bill(system)
        assert judge(told, system.sql) == []


def send_drains(system: System, enough: threading.Event) -> None:
    """Wake every shard five times, again and again, whether anything waits or not."""
    from tasks.celery import app

    options = {"global_keyprefix": PREFIX}
    with Connection(system.valkey.url(BROKER_DATABASE), transport_options=options) as connection:
        producer = Producer(connection, exchange=Exchange("usage"), routing_key="usage")
        while not enough.wait(0.2):
            for shard in range(8):
                for _ in range(5):
                    app.send_task("usage.drain", (shard,), producer=producer)


def test_days_without_workers_or_beat_are_caught_up_at_once(home: Path, seed: int) -> None:
    """The clock is not moved for three days; what three days leave behind is made: messages, and usage that waits."""
    with System(home, beats=2) as system:
        system.start("api")
        system.wait_ready()
        told = record(system, home, seed)
        leave_old_messages(system, 20_000)
        system.start("worker", "beat", "beat2")
        system.wait_drained(60)
        bill(system, seconds=90)
        assert judge(told, system.sql) == []


def leave_old_messages(system: System, count: int) -> None:
    """Sweeps that beat sent while no worker ran; they expired long ago."""
    from tasks.celery import app

    options = {"global_keyprefix": PREFIX}
    with Connection(system.valkey.url(BROKER_DATABASE), transport_options=options) as connection:
        producer = Producer(connection, exchange=Exchange("usage"), routing_key="usage")
        app.send_task("usage.sweep", (), producer=producer, expires=1)
    client = system.redis(BROKER_DATABASE)
    message = client.lindex(f"{PREFIX}usage", 0)
    assert message is not None
    for _ in range(count // 1000):
        client.lpush(f"{PREFIX}usage", *[message] * 1000)
    client.close()
    time.sleep(1.1)
