"""The power goes just after a 202: with an fsync before every answer nothing is lost, with one every second it is."""

import time
from pathlib import Path

import pytest

from tests.faults.bystanders import bill
from tests.faults.checker import judge
from tests.faults.conftest import Figures
from tests.faults.disk import COMPILER, ValkeyOnDisk
from tests.faults.load import Load
from tests.faults.system import System

pytestmark = [pytest.mark.faults, pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")]


@pytest.mark.parametrize(("fsync", "lost"), [("always", False), ("everysec", True)])
def test_a_power_cut_takes_nothing_that_was_acknowledged(
    fsync: str, lost: bool, home: Path, seed: int, figures: Figures
) -> None:
    valkey = ValkeyOnDisk(home, fsync=fsync)
    with System(home, valkey=valkey) as system:
        system.start("api")
        system.wait_ready()
        with Load(home, system.url, seed=seed, threads=4, patience=0.1) as load:
            time.sleep(2.5)
            bytes_lost = valkey.cut_power()
        system.start("valkey")
        system.start("worker", "beat")
        system.wait_ready()
        system.wait_drained(90)
        bill(system)
        findings = judge(load.told, system.sql)
        figures(f"appendfsync {fsync}: {len(load.told.acknowledged)} acknowledged, {bytes_lost} bytes lost, {findings}")
        assert any("was acknowledged and is nowhere" in line for line in findings) is lost
        assert lost or findings == []
