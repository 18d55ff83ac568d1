"""RabbitMQ as the broker, with quorum queues and confirms: whatever happens to it, a 202 holds and no request hangs."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.bystanders import bill
from tests.faults.checker import judge
from tests.faults.conftest import Figures
from tests.faults.load import Load
from tests.faults.system import System
from tests.rabbitmq.broker import RabbitMQ
from tests.support.processes import gone
from usage_billing.core.clock import utc_now
from usage_billing.queues import QueueName

pytestmark = pytest.mark.rabbitmq

# A publish that waits for a broker that is silent would take as long as that is, or its three seconds.
SLOW = 2.9


def test_the_whole_way_without_any_redis(broker: RabbitMQ, home: Path, seed: int) -> None:
    """The inbox on PostgreSQL, the messages on RabbitMQ: record, drain, bill."""
    environment = {"USAGE_BILLING_INBOX": "postgres"}
    with System(home, broker=broker.url, environment=environment, without_redis=True) as system:
        system.start()
        system.parts["valkey"].stop()
        system.wanted.discard("valkey")
        system.wait_ready()
        with Load(home, system.url, seed=seed, processes=1, threads=4) as load:
            time.sleep(3)
        system.wait_drained(30)
        bill(system)
        assert judge(load.told, system.sql) == []
        assert set(load.told.answers) == {"202"}
        queues = dict(line.split("\t") for line in broker.control("list_queues", "name", "type").splitlines()[1:])
        assert {queues[name] for name in QueueName} == {"quorum"}


def test_a_tick_while_rabbitmq_is_away_has_its_run(broker: RabbitMQ, home: Path) -> None:
    """Two beats, no Redis: beat has nothing to send its tick to, and looks for it afterwards."""
    tick = utc_now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    if tick - utc_now() < timedelta(seconds=30):
        tick += timedelta(minutes=1)
    environment = {"USAGE_BILLING_INBOX": "postgres", "USAGE_BILLING_SCHEDULE": f"{tick:%M %H} * * *"}
    with System(home, broker=broker.url, environment=environment, without_redis=True, beats=2) as system:
        system.start()
        system.wait_ready()
        key = f"schedule:{tick:%Y-%m-%dT%H:%MZ}"
        runs = "SELECT status FROM billing_runs WHERE key = %s"
        beats = [system.pid(name) for name in ("beat", "beat2")]
        time.sleep(max(0, (tick - utc_now()).total_seconds() - 2))
        assert system.sql(runs, key) == []
        broker.kill()
        time.sleep(7)
        assert system.sql(runs, key) == []
        broker.start()
        system.wait_until(lambda: system.sql(runs, key) == [("completed",)], 90, "the tick has no run")
        assert [system.pid(name) for name in ("beat", "beat2")] == beats
        assert not any(gone(pid) for pid in beats)


def killed(broker: RabbitMQ) -> None:
    """Killed, and started again."""
    broker.kill()
    time.sleep(1)
    broker.start()


def paused(broker: RabbitMQ) -> None:
    """Hung for a while."""
    broker.pause()
    time.sleep(5)
    broker.resume()


def out_of_memory(broker: RabbitMQ) -> None:
    """Under a memory alarm: it takes nothing, and says nothing."""
    broker.control("set_vm_memory_high_watermark", "0.000001")
    time.sleep(5)
    broker.control("set_vm_memory_high_watermark", "0.4")


def without_its_queue(broker: RabbitMQ) -> None:
    """Delete the queue with all that is in it."""
    broker.control("delete_queue", "usage")


@pytest.mark.parametrize("trouble", [killed, paused, out_of_memory, without_its_queue])
def test_no_acknowledged_recording_is_lost_and_nobody_waits(
    trouble: Callable[[RabbitMQ], None], broker: RabbitMQ, home: Path, seed: int, figures: Figures
) -> None:
    with System(home, broker=broker.url) as system:
        system.start()
        system.wait_ready()
        with Load(home, system.url, seed=seed, processes=1, threads=4, pause=0.01) as load:
            time.sleep(1)
            trouble(broker)
            time.sleep(1)
        system.wait_drained(60)
        bill(system)
        told = load.told
        figures(f"RabbitMQ {trouble.__name__}: {len(told.acknowledged)} acknowledged, slowest {told.worst:.2f} s")
        assert judge(told, system.sql) == []
        assert set(told.answers) == {"202"}
        assert told.worst < SLOW
