"""``usage-billing backup`` and ``restore``: whole or not at all, and over nothing that is there."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from sqlalchemy import Engine

from tasks.inbox.protocol import Inbox
from tasks.inbox.redis_inbox import connect
from tests.factories import make_recording, record
from tests.integration.conftest import Cli
from tests.support.books import scalars
from tests.support.databases import Databases
from usage_billing.cli.backup.tools import find_tool
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.db.session import make_engine, transaction
from usage_billing.metering.recording import SHARDS
from usage_billing.settings import Settings


@pytest.fixture
def saved(program: Cli, world: Engine, inbox: Inbox, now: datetime, tmp_path: Path) -> Path:
    """A backup of three recordings in the books and five that wait; the servers still have them."""
    with transaction(world) as session:
        record(session, *(make_recording(now=now) for _ in range(3)))
    inbox.append([make_recording(now=now) for _ in range(5)])
    answer = program("backup", "backup", "--json")
    assert (answer.code, answer.json["waiting"]) == (0, 5), answer.err
    return tmp_path / "backup"


@pytest.fixture
def empty_inbox(settings: Settings, inbox: Inbox) -> Callable[[], None]:
    """Empties the inbox."""
    client: Redis = connect(settings.require_redis(), timeout=5)
    return client.flushdb


@pytest.fixture
def elsewhere(databases: Databases) -> str:
    """The URL of an empty database."""
    return databases.bare().replace("postgresql+psycopg", "postgresql")


def test_what_is_restored_elsewhere_is_the_same(
    program: Cli, saved: Path, elsewhere: str, inbox: Inbox, empty_inbox: Callable[[], None], drain: Callable[[], int]
) -> None:
    before = {shard: inbox.read(shard, at_most=100) for shard in range(SHARDS)}
    empty_inbox()
    answer = program("restore", str(saved), DATABASE_URL=elsewhere)
    assert answer.code == 0, answer.err
    assert {shard: inbox.read(shard, at_most=100) for shard in range(SHARDS)} == before
    assert inbox.waiting() == 5
    assert program("verify", DATABASE_URL=elsewhere).out.startswith("Recomputed 1 summaries from 3 recordings")
    there = make_engine(elsewhere.replace("postgresql", "postgresql+psycopg"))
    assert scalars(there, "SELECT count(*) FROM usage") == [3]
    there.dispose()


def test_it_is_restored_beside_an_inbox_from_which_all_was_taken(
    program: Cli, saved: Path, elsewhere: str, inbox: Inbox, drain: Callable[[], int]
) -> None:
    assert drain() == 5  # a stream keeps its last id, and takes none before it
    assert program("restore", str(saved), DATABASE_URL=elsewhere).code == 0
    assert inbox.waiting() == 5


def test_a_backup_is_for_its_owner_alone_and_never_over_another(program: Cli, saved: Path) -> None:
    assert saved.stat().st_mode & 0o077 == 0
    again = program("backup", "backup")
    assert (again.code, again.out) == (2, "")
    assert "is not empty" in again.err
    assert "a-secret-for-tests" not in (saved / "manifest.json").read_text()


def test_nothing_is_restored_over_what_is_there(
    program: Cli, saved: Path, elsewhere: str, inbox: Inbox, empty_inbox: Callable[[], None]
) -> None:
    waits = program("restore", "backup", DATABASE_URL=elsewhere)
    assert (waits.code, "recordings wait in the inbox" in waits.err) == (2, True)
    empty_inbox()
    assert program("restore", "backup", DATABASE_URL=elsewhere).code == 0
    empty_inbox()
    there = program("restore", "backup", DATABASE_URL=elsewhere)
    assert (there.code, "tables: give an empty one, or --replace" in there.err) == (2, True)
    assert inbox.waiting() == 0
    with psycopg.connect(elsewhere, application_name="a stranger") as connection:
        connection.execute("DELETE FROM usage")
        connection.commit()
        used = program("restore", "backup", "--replace", DATABASE_URL=elsewhere)
        assert (used.code, "in use by a stranger" in used.err) == (2, True)
    assert program("restore", "backup", "--replace", DATABASE_URL=elsewhere).code == 0
    assert inbox.waiting() == 5
    assert program("restore", "backup", "--replace", DATABASE_URL=elsewhere).code == 0
    assert inbox.waiting() == 5


def without_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def cut(folder: Path) -> None:
    dump = folder / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-1])


def bent(folder: Path) -> None:
    path = folder / "inbox.jsonl"
    path.write_text(path.read_text().replace('"count": ', '"count": 1'))


def altered(**changes: object) -> Callable[[Path], None]:
    """A manifest that says something else."""

    def alter(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return alter


DAMAGED = [
    (without_manifest, "no whole backup"),
    (cut, "database.dump is not as"),
    (bent, "inbox.jsonl is not as"),
    (altered(format=2), "a backup of form 2"),
    (altered(schema="9999"), "a schema that this one does not know"),
    (altered(server=990000), "the backup is of PostgreSQL 99"),
    (altered(inbox="postgres"), "set USAGE_BILLING_INBOX=postgres"),
]


def test_what_is_no_whole_backup_for_these_servers_is_refused(
    cli: Cli, saved: Path, elsewhere: str, empty_inbox: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_inbox()
    monkeypatch.setenv("DATABASE_URL", elsewhere)
    for number, (damage, said) in enumerate(DAMAGED):
        copy = saved.with_name(f"copy{number}")
        shutil.copytree(saved, copy)
        damage(copy)
        answer = cli("restore", str(copy))
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), said
        assert said in answer.err
    with psycopg.connect(elsewhere) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_another_secret_is_told(program: Cli, saved: Path, elsewhere: str, empty_inbox: Callable[[], None]) -> None:
    empty_inbox()
    answer = program("restore", "backup", DATABASE_URL=elsewhere, USAGE_BILLING_SECRET="b" * 32)
    assert (answer.code, "no API key holds" in answer.err) == (ExitCode.FINDINGS, True)


@pytest.fixture
def slow_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A ``pg_dump`` that fails after it wrote something, and keeps its command line."""
    tool = tmp_path / "tools" / "pg_dump"
    tool.parent.mkdir()
    tool.write_text(
        f"""#!/bin/sh
[ "$1" = --version ] && exec "{find_tool("pg_dump", server=18)}" --version
echo "$@" > "{tmp_path}/words"
for word in "$@"; do case $word in --file=*) echo half > "${{word#--file=}}";; esac; done
echo 'pg_dump: error: the disk is full' >&2
exit 1
"""
    )
    tool.chmod(0o755)
    return tool.parent


def test_a_backup_that_fails_leaves_nothing_and_shows_no_password(
    program: Cli, world: Engine, inbox: Inbox, settings: Settings, slow_dump: Path, tmp_path: Path
) -> None:
    answer = program("backup", "backup", PG_BIN=str(slow_dump))
    assert answer.code == 4
    assert "the disk is full" in answer.err
    assert list((tmp_path / "backup").iterdir()) == []
    password = psycopg.conninfo.conninfo_to_dict(settings.database_url)["password"]
    assert str(password) not in (tmp_path / "words").read_text()


def test_embedded_servers_are_started_for_it_and_stopped(console: Cli, saved: Path, tmp_path: Path) -> None:
    no_servers = {"DATABASE_URL": "", "REDIS_URL": "", "USAGE_BILLING_HOME": str(tmp_path / "there")}
    nothing = console("backup", "again", **no_servers)
    assert (nothing.code, "there are no data in" in nothing.err) == (3, True)
    restored = console("restore", "backup", **no_servers)
    assert restored.code == 0, restored.err
    again = console("backup", "again", "--json", **no_servers)
    assert (again.code, again.json["waiting"]) == (0, 5)
    first, second = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("backup", "again"))
    assert first["files"]["inbox.jsonl"] == second["files"]["inbox.jsonl"]
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and str(tmp_path / "there") in command_of(pid)]


def command_of(pid: str) -> str:
    """The command line of a process that may have ended."""
    try:
        return Path("/proc", pid, "cmdline").read_text(errors="replace")
    except OSError:
        return ""
