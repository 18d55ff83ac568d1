"""A disk between a server and the real one: it can be asked what was on it, and it can be full."""

import shutil
import subprocess
from pathlib import Path

from tests.faults.system import Valkey
from usage_billing.embedded.postgres import EmbeddedPostgres

SOURCE = Path(__file__).with_name("disk.c")
COMPILER = shutil.which("cc")


class Disk:
    """``environment`` preloads it into a server; ``full`` and ``free`` say how it is."""

    def __init__(self, home: Path, *, name: str) -> None:
        self._library, self._flag = home / f"{name}-disk.so", home / f"{name}-disk-is-full"
        home.mkdir(parents=True, exist_ok=True)
        assert COMPILER is not None
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", self._library, SOURCE, "-ldl"], check=True)
        self._library.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """What the server is started with."""
        return {"LD_PRELOAD": str(self._library), "FULL_DISK": str(self._flag)}

    def full(self) -> None:
        """From now on nothing fits."""
        self._flag.touch()

    def free(self) -> None:
        """Make room again, as an operator would."""
        self._flag.unlink()


class ValkeyOnDisk(Valkey):
    """A Valkey whose every fsync is written down."""

    def __init__(self, home: Path, *, fsync: str = "always") -> None:
        super().__init__(home, fsync=fsync)
        self.disk = Disk(home, name="valkey")

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), **self.disk.environment(), "FSYNC_LOG": str(self.ground.data / "fsyncs")}

    def cut_power(self) -> int:
        """kill -9, and of the append-only file stays what had been fsynced; returns how many bytes were lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        lost, synced = 0, self._synced()
        for path in self.ground.data.rglob("*.incr.aof"):
            lost += path.stat().st_size - synced.get(path, 0)
            with path.open("r+b") as file:
                file.truncate(synced.get(path, 0))
        return lost

    def _synced(self) -> dict[Path, int]:
        """How many bytes of each file were on disk."""
        lengths: dict[Path, int] = {}
        for line in (self.ground.data / "fsyncs").read_text().splitlines():
            size, _, name = line.partition(" ")
            path = Path(name)
            lengths[path] = max(lengths.get(path, 0), int(size))
        return lengths


class PostgresOnDisk(EmbeddedPostgres):
    """A PostgreSQL whose disk can be full."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.disk = Disk(home, name="postgres")

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), **self.disk.environment()}
