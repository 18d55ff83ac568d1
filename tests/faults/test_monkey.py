"""Everything at once: real processes, clients at full speed, and a monkey among them. Then the books are judged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.bystanders import Bystanders, bill
from tests.faults.checker import judge
from tests.faults.conftest import Figures
from tests.faults.load import Load
from tests.faults.monkey import Monkey
from tests.faults.system import SECRET, System

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("MINUTES") or "0") * 60
CI_SECONDS = {"redis": 45.0, "postgres": 25.0}
# A loss of one in some thousands shall be seen.
FEWEST = {"redis": 5000, "postgres": 3000}


@pytest.mark.parametrize("inbox", ["redis", "postgres"])
def test_whatever_dies_nothing_is_lost_and_nothing_counts_twice(
    inbox: str, home: Path, seed: int, figures: Figures
) -> None:
    seconds = SECONDS or CI_SECONDS[inbox]
    environment = {"USAGE_BILLING_INBOX": inbox, "USAGE_BILLING_MAX_BACKLOG": "4000"}
    with System(home, environment=environment, beats=2, proxied=True) as system:
        system.start()
        system.wait_ready()
        monkey = Monkey(system, seed=seed)
        with Load(home, system.url, seed=seed) as load, Bystanders(system, load.told) as bystanders:
            monkey.rage(seconds, every=1.3, kills=round(seconds / 4))
            system.wait_until(lambda: load.acknowledged() >= FEWEST[inbox], 120, "too little was recorded to tell")
        system.wait_ready()
        drained = system.wait_drained(120)
        bystanders.look()
        bill(system)
        told = load.told
        figures(
            f"{inbox}: {monkey.kills} kills, {sum(monkey.blows.values())} blows in {seconds:g} s: {dict(monkey.blows)}"
        )
        figures(f"{len(told.sent)} keys sent, {len(told.acknowledged)} acknowledged, answers {dict(told.answers)}")
        figures(
            f"slowest answer {told.worst:.2f} s, {bystanders.runs} runs, {len(bystanders.seen)} invoices seen final"
        )
        figures(f"drained {drained:.1f} s after the last blow")
        assert judge(told, system.sql, bystanders.seen) == []
        assert verify(system) == "", system.tail()


def verify(system: System) -> str:
    """What the product's own ``verify`` says when something differs; '' when nothing does."""
    url = system.postgres.url()
    environment = os.environ | {"DATABASE_URL": url, "USAGE_BILLING_SECRET": SECRET}
    command = [sys.executable, "-m", "usage_billing", "verify"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
