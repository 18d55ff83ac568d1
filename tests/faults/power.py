"""A power cut of Redis: it is killed, and of its files stays what it had fsynced. What the kernel held is gone."""

import shutil
import subprocess
from pathlib import Path

from tests.faults.system import System, Valkey

SOURCE = Path(__file__).with_name("fsync_log.c")
COMPILER = shutil.which("cc")


class Powered(Valkey):
    """A Valkey whose every fsync is written down."""

    def __init__(self, home: Path, *, fsync: str) -> None:
        super().__init__(home, fsync=fsync)
        self.library = home / "fsync_log.so"
        home.mkdir(parents=True, exist_ok=True)
        assert COMPILER is not None
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", self.library, SOURCE, "-ldl"], check=True)
        self.library.chmod(0o755)

    def _environment(self) -> dict[str, str]:
        log = str(self.ground.data / "fsyncs")
        return {**super()._environment(), "LD_PRELOAD": str(self.library), "FSYNC_LOG": log}

    def synced(self) -> dict[Path, int]:
        """How many bytes of each file were on disk."""
        lengths: dict[Path, int] = {}
        for line in (self.ground.data / "fsyncs").read_text().splitlines():
            size, _, name = line.partition(" ")
            path = Path(name)
            lengths[path] = max(lengths.get(path, 0), int(size))
        return lengths


def cut_power(system: System) -> int:
    """Kill the server and take from its append-only file what was not on disk; returns how many bytes that were."""
    valkey = system.valkey
    assert isinstance(valkey, Powered)
    system.kill("valkey")
    valkey._process.wait()  # type: ignore[union-attr]
    lost = 0
    synced = valkey.synced()
    for path in valkey.ground.data.rglob("*.incr.aof"):
        size = path.stat().st_size
        lost += size - synced.get(path, 0)
        with path.open("r+b") as file:
            file.truncate(synced.get(path, 0))
    return lost
