"""The real PgBouncer before a PostgreSQL of the tests, with the configuration of ``deploy/pgbouncer.ini``."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from signal import SIGKILL, SIGTERM
from types import TracebackType

from sqlalchemy import make_url

from tests.support.processes import wait_until
from usage_billing.embedded.accounts import account_of
from usage_billing.embedded.ports import LOOPBACK, free_port
from usage_billing.supervisor.process import Step, end, spawn

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "pgbouncer.ini"
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class PgBouncer:
    """A pooler before the server of ``url``, for the user of ``url``; a supervisor's part."""

    name = "pgbouncer"

    def __init__(self, url: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="usage-billing-pooler-"))
        self._direct = make_url(url)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the last start."""
        return self._process.pid if self._process else None

    def url(self, direct: str) -> str:
        """The address of a database of the server, whose own is ``direct``, through the pooler."""
        return make_url(direct).set(port=self.port).render_as_string(hide_password=False)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert PROGRAM is not None, "pgbouncer is not installed"
        words = {
            "host=db.internal port=5432": f"host={LOOPBACK} port={self._direct.port}",
            "listen_port = 6432": f"listen_port = {self.port}",
            "/etc/pgbouncer/userlist.txt": str(self._folder / "users"),
        }
        text = CONFIGURATION.read_text()
        for theirs, ours in words.items():
            assert theirs in text
            text = text.replace(theirs, ours)
        (self._folder / "pgbouncer.ini").write_text(text)
        (self._folder / "users").write_text(f'"{self._direct.username}" "{self._direct.password}"\n')
        account = None
        if os.geteuid() == 0:  # which it refuses to run as
            account = account_of(self._folder)
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, account.uid, account.gid)
        command = [PROGRAM, str(self._folder / "pgbouncer.ini")]
        self._process = spawn(command, env={}, account=account, on_parent_death=SIGKILL, stdout=subprocess.DEVNULL)
        wait_until(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex((LOOPBACK, self.port)) == 0

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def status(self) -> str:
        """How it ended."""
        return str(self._process.poll() if self._process else None)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            end(self._process, (Step(SIGTERM, 2.0),))

    def discard(self) -> None:
        """End it and delete its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def hasten(self) -> None:
        """End it at once."""
        self.stop()

    def __enter__(self) -> "PgBouncer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()
