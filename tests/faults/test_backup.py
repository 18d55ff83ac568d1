"""``usage-billing backup`` while recording goes on, and ``restore`` elsewhere: all that was accepted is there, once."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.bystanders import ask, bill
from tests.faults.checker import final_invoices, judge
from tests.faults.conftest import Figures
from tests.faults.load import Load, Told
from tests.faults.system import SECRET, System, environment_without_ours
from tests.faults.test_monkey import verify
from usage_billing.cli.backup.tools import find_tool

pytestmark = pytest.mark.faults


def test_what_was_accepted_before_the_backup_is_there_after_the_restore(
    home: Path, seed: int, figures: Figures
) -> None:
    backup = home / "backup"
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
        before = recorded(here)
        later_home, tools = home / "later", home / "tools"
        with (
            Load(later_home, here.url, seed=seed + 2, processes=1, threads=3, pause=0.01) as load,
            ThreadPoolExecutor() as other,
            HeldDump(tools) as held,
        ):
            saved = other.submit(command, here, "backup", str(backup), "--json", PG_BIN=str(tools))
            here.wait_until(held.waits, 30, "the dump is not begun")
            # Between the two copies some of the recordings are drained: the dump has them, and the inbox' copy too.
            here.start("worker", "beat")
            here.wait_until(lambda: recorded(here) > before, 30, "nothing is drained")
            held.let_go()
            said = saved.result()
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
        assert copied == json.loads(said)["waiting"]
        figures(f"{at_first} in the dump, {number} waited, {copied} recordings in the copy of the inbox")
        figures(f"{missing} of {len(later.sent)} keys sent during the backup were not in it, and were sent again")
        assert judge(told, there.sql, final) == []
        assert verify(there) == ""


class Restored(System):
    """On other servers, with what is in ``backup``."""

    def __init__(self, home: Path, *, backup: Path) -> None:
        super().__init__(home)
        self._backup = backup

    def start_servers(self) -> None:
        """Into an empty database and an empty inbox."""
        self.start("postgres", "valkey")
        command(self, "restore", str(self._backup))


class HeldDump:
    """A ``pg_dump`` in ``folder`` that waits until it is let go."""

    def __init__(self, folder: Path) -> None:
        self._begun, self._go = folder / "begun", folder / "go"
        folder.mkdir()
        script = folder / "pg_dump"
        wait = f"touch '{self._begun}'; while [ ! -e '{self._go}' ]; do sleep 0.05; done"
        script.write_text(f"""#!/bin/sh
[ "$1" = --version ] || {{ {wait}; }}
exec "{find_tool("pg_dump", server=18)}" "$@"
""")
        script.chmod(0o755)

    def __enter__(self) -> "HeldDump":
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()

    def waits(self) -> bool:
        """Whether it was called."""
        return self._begun.exists()

    def let_go(self) -> None:
        """Let it dump."""
        self._go.touch()


def record(system: System, home: Path, seed: int) -> Told:
    """A second and a half of load."""
    with Load(home, system.url, seed=seed, processes=1, threads=4, pause=0.01) as load:
        time.sleep(1.5)
    return load.told


def command(system: System, *words: str, **more: str) -> str:
    """What a command of ``usage-billing`` prints."""
    found = {"DATABASE_URL": system.postgres.url(), "REDIS_URL": system.valkey.url(), "USAGE_BILLING_SECRET": SECRET}
    program = [sys.executable, "-m", "usage_billing", *words]
    environment = environment_without_ours() | found | more
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
