"""How much memory processes hold."""

from contextlib import suppress
from pathlib import Path

from tests.faults.processes import tree
from tests.faults.system import System

MEBIBYTE = 2**20


def of_processes(pid: int) -> int:
    """Bytes that ``pid`` and its descendants hold, what they share counted once."""
    total = 0
    for one in tree(pid):
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return total


def of_parts(system: System, *names: str) -> dict[str, float]:
    """Mebibytes that each part holds."""
    return {name: round(of_processes(system.pid(name)) / MEBIBYTE, 1) for name in names}
