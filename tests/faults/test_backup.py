"""Backup and restore as docs/operations.md has it: the inbox first, then the database; elsewhere all of it is there."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.bystanders import ask, bill
from tests.faults.checker import final_invoices, judge
from tests.faults.conftest import Figures
from tests.faults.load import Load, Told
from tests.faults.system import System
from tests.faults.test_monkey import verify

pytestmark = pytest.mark.faults

INBOX = "appendonlydir"
DUMP = ("--format=custom",)
RESTORE = ("--clean", "--if-exists", "--no-owner")
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_commands_are_those_of_the_page() -> None:
    page = OPERATIONS.read_text(encoding="utf-8")
    assert f"pg_dump {' '.join(DUMP)} --file=" in page
    assert f"pg_restore {' '.join(RESTORE)} --dbname=" in page
    assert INBOX in page
    assert page.index(INBOX) < page.index("pg_dump")


def test_what_was_accepted_before_the_backup_is_there_after_the_restore(
    home: Path, seed: int, figures: Figures
) -> None:
    backup = home / "backup"
    backup.mkdir()
    with System(home / "here") as here:
        here.start()
        here.wait_ready()
        counted = record(here, home / "counted", seed)
        here.wait_drained()
        bill(here)
        final = final_invoices(here.sql)
        for name in ("beat", "worker"):
            here.wanted.discard(name)
            here.parts[name].stop()
        waiting = record(here, home / "waiting", seed + 1)
        number = here.waiting()
        copy_inbox(here, backup)
        before = recorded(here)
        here.start("worker", "beat")
        with Load(home / "later", here.url, seed=seed + 2, processes=1, threads=3, pause=0.01) as load:
            # The dump finds in the books what the copy of the inbox has too.
            here.wait_until(lambda: recorded(here) > before, 30, "nothing is drained")
            run(here, "pg_dump", *DUMP, f"--file={backup / 'billing.dump'}", here.postgres.url())
    told, later = Told(), load.told
    told.add(counted)
    told.add(waiting)
    with Restored(home / "elsewhere", backup=backup) as there:
        at_first = recorded(there)
        copied = there.waiting()
        assert at_first > before
        there.start()
        there.wait_ready()
        there.wait_drained()
        assert verify(there) == ""
        missing = len(later.sent.keys() - keys(there))
        assert told.sent.keys() - wrong_ones(told) <= keys(there)
        # The senders' part: what they sent since the backup began, again, with the keys that it had.
        told.sent |= later.sent
        send_again(there, told, later)
        there.wait_drained()
        bill(there)
        figures(f"{at_first} in the dump, {number} waited, {copied} entries in the copy of the inbox")
        figures(f"{missing} of {len(later.sent)} keys sent during the backup were not in it, and were sent again")
        assert judge(told, there.sql, final) == []
        assert verify(there) == ""


class Restored(System):
    """On other servers, with what is in ``backup``."""

    def __init__(self, home: Path, *, backup: Path) -> None:
        super().__init__(home)
        self._backup = backup

    def start_servers(self) -> None:
        """The database into an empty one; the inbox in place of an empty one."""
        self.start("postgres", "valkey")
        run(self, "pg_restore", *RESTORE, f"--dbname={self.postgres.url()}", str(self._backup / "billing.dump"))
        self.valkey.stop()
        data = self.valkey.ground.data
        shutil.rmtree(data / INBOX)
        shutil.copytree(self._backup / INBOX, data / INBOX)
        if (account := self.valkey.ground.account) is not None:
            for path in (data / INBOX, *(data / INBOX).iterdir()):
                shutil.chown(path, account.uid, account.gid)
        self.valkey.start()


def record(system: System, home: Path, seed: int) -> Told:
    """A second and a half of load."""
    with Load(home, system.url, seed=seed, processes=1, threads=4, pause=0.01) as load:
        time.sleep(1.5)
    return load.told


def copy_inbox(system: System, backup: Path) -> None:
    """The files of a server that runs, while it does not rewrite them."""
    client = system.redis()
    client.config_set("auto-aof-rewrite-percentage", 0)
    assert client.info("persistence")["aof_rewrite_in_progress"] == 0
    shutil.copytree(system.valkey.ground.data / INBOX, backup / INBOX)
    client.config_set("auto-aof-rewrite-percentage", 100)
    client.close()


def run(system: System, program: str, *words: str) -> None:
    """A program of PostgreSQL's."""
    command = [str(system.postgres._programs / program), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def recorded(system: System) -> int:
    return int(system.sql("SELECT count(*) FROM usage")[0][0])


def keys(system: System) -> set[str]:
    return {key for (key,) in system.sql("SELECT idempotency_key FROM usage")}


def wrong_ones(told: Told) -> set[str]:
    """Keys of what could never be counted, or was never acknowledged."""
    return told.sent.keys() - {key for key, kind, _ in told.acknowledged if kind == "good"}


def send_again(system: System, told: Told, later: Told) -> None:
    """All of ``later``, in batches, and note the new answers."""
    events = list(later.sent.values())
    for start in range(0, len(events), 500):
        part = events[start : start + 500]
        bodies: list[dict[str, Any]] = [{k: v for k, v in event.items() if k != "kind"} for event in part]
        status, answer = ask(f"{system.url}/api/usage/record/batch", body={"events": bodies})
        assert status == 202, answer
        for event, record_id in zip(part, answer["ids"], strict=True):
            told.acknowledged.append((event["idempotencyKey"], event["kind"], record_id))
