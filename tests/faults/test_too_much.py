"""More than the service can do, and what no sender should send: refused in time, nothing grows, the accepted counts."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.faults.attackers import Attackers
from tests.faults.bystanders import ask, bill
from tests.faults.checker import judge
from tests.faults.conftest import Figures
from tests.faults.load import Load
from tests.faults.memory import MEBIBYTE, of_parts
from tests.faults.system import System
from tests.faults.test_poison import event

pytestmark = pytest.mark.faults

# One process may come to take all of it in a transaction: 20 s and some, far from every time limit.
MAX_BACKLOG = 1000
# What a part may hold more at the end than when it was warm, in MiB: allocators keep some.
GROWTH = 64.0
# Twice as many as the API has threads.
SLOW = 64


def test_ten_times_the_load_that_can_be_counted_is_refused_and_memory_stays(
    home: Path, seed: int, figures: Figures
) -> None:
    environment = {"USAGE_BILLING_MAX_BACKLOG": str(MAX_BACKLOG)}
    with System(home, celery="tests.faults.slow", environment=environment) as system:
        system.start()
        system.wait_ready()
        redis, parts = system.redis(), ("api", "worker")
        most_waiting, most_memory = 0, 0
        with Load(home, system.url, seed=seed, threads=5, batches=0.5) as load:
            time.sleep(3)
            warm = of_parts(system, *parts)
            ends = time.monotonic() + 20
            while time.monotonic() < ends:
                most_waiting = max(most_waiting, int(redis.get("usage-billing:waiting") or 0))
                most_memory = max(most_memory, redis.info("memory")["used_memory"])
                time.sleep(0.2)
            hot = of_parts(system, *parts)
        drained = system.wait_drained(60)
        with Load(home / "afterwards", system.url, seed=seed + 1, processes=1, threads=1, pause=0.1) as after:
            time.sleep(1)
        system.wait_drained(20)
        bill(system)
        told = load.told
        figures(f"{len(told.acknowledged)} acknowledged, answers {dict(told.answers)}, drained {drained:.1f} s after")
        figures(f"MiB when warm {warm}, after 20 s {hot}; Redis at most {most_memory / MEBIBYTE:.1f}")
        assert told.answers["503"] > 100
        # Each append looks first: so each connection may add one batch to a backlog that is nearly full.
        assert MAX_BACKLOG <= most_waiting < MAX_BACKLOG + 10 * 40
        assert most_memory < 50 * MEBIBYTE
        assert all(hot[name] < warm[name] + GROWTH for name in parts)
        assert set(after.told.answers) == {"202"}
        told.add(after.told)
        assert judge(told, system.sql) == []


@pytest.mark.parametrize("off", [False, True])
def test_slow_senders_take_the_threads_of_a_server_that_lets_them(off: bool, home: Path, seed: int) -> None:
    """gunicorn's own worker waits for each as long as it likes."""
    with System(home, environment={"GUNICORN_CMD_ARGS": "--worker-class gthread"} if off else {}) as system:
        system.start("api")
        system.wait_ready()
        with Attackers(system.port, seed=seed, slow=SLOW):
            time.sleep(3)
            with ThreadPoolExecutor(8) as pool:
                answers = {status for status, _ in pool.map(partial(record, system.url), range(8))}
        assert (0 in answers) is off
        assert off or answers == {202}


def record(url: str, number: int) -> tuple[int, object]:
    return ask(f"{url}/api/usage/record", body=event(str(number), number), timeout=5)


def test_attacks_under_load_harm_nobody(home: Path, seed: int, figures: Figures) -> None:
    with System(home) as system:
        system.start()
        system.wait_ready()
        with Load(home, system.url, seed=seed, processes=1, threads=4, pause=0.01) as load:
            with Attackers(system.port, seed=seed, wrong=2, large=1) as them:
                time.sleep(4)
                warm = of_parts(system, "api")
                time.sleep(8)
                hot = of_parts(system, "api")
            with Attackers(system.port, seed=seed + 1, wrong=1, slow=SLOW) as others:
                time.sleep(1)
                early = load.acknowledged()
                time.sleep(7)
                late = load.acknowledged()
        system.wait_ready()
        system.wait_drained(30)
        bill(system)
        told = load.told
        figures(f"{len(told.acknowledged)} acknowledged, answers {dict(told.answers)}, slowest {told.worst:.2f} s")
        figures(f"attacks were answered {dict(them.answers + others.answers)}")
        figures(f"the API held {warm['api']}, then {hot['api']} MiB")
        assert them.surprising + others.surprising == []
        assert sum(them.answers.values()) > 500
        assert late > early + 100, "good clients went short"
        assert set(told.answers) == {"202"}
        assert hot["api"] < warm["api"] + GROWTH
        assert judge(told, system.sql) == []
