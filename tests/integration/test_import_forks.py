"""The processes that record a file: what becomes of it when one of them, or their parent, is interrupted or killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from tests.factories import make_subscription
from tests.integration.conftest import Cli, environment_of
from tests.support.books import check_books, scalars
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.importing.forks import Forks
from usage_billing.core.errors import InvalidInput, Unavailable
from usage_billing.db.locks import lock_shards
from usage_billing.db.session import transaction
from usage_billing.metering.recording import SHARDS, shard_of
from usage_billing.settings import Settings

HEADER = "userId,subscriptionId,usageType,quantity,timestamp"
NAMES = [f"sub{number}" for number in range(12)]
LINES = 12_000


@pytest.fixture
def many(world: Engine) -> Engine:
    """Subscriptions in all shards."""
    with transaction(world) as session:
        for name in NAMES:
            make_subscription(session, id=name)
    assert {shard_of(name) for name in NAMES} == set(range(SHARDS))
    return world


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Lines of all of them in turns, each with a quantity."""
    path = tmp_path / "usage.csv"
    lines = [f"user123,{NAMES[n % len(NAMES)]},assessment,{1 + n},2026-05-01T00:00:00Z" for n in range(LINES)]
    path.write_text("\n".join([HEADER, *lines]))
    return str(path)


def works(*tell: list[Any]) -> list[Callable[[], Iterator[Any]]]:
    """Works that tell these things; an exception is raised."""

    def work(things: list[Any]) -> Iterator[Any]:
        for thing in things:
            if isinstance(thing, BaseException):
                raise thing
            yield thing() if callable(thing) else thing

    return [lambda things=things: work(things) for things in tell]  # type: ignore[misc]


def test_each_work_is_done_once_and_by_processes_of_their_own() -> None:
    told: list[tuple[int, int]] = []
    forks = Forks(works(*([lambda n=n: (os.getpid(), n)] * 2 for n in range(20))), processes=3)  # type: ignore[misc]
    forks.gather(told.append)
    assert sorted(number for _, number in told) == sorted([*range(20), *range(20)])
    assert os.getpid() not in {process for process, _ in told}
    Forks([], processes=3).gather(told.append)


def test_the_first_error_is_raised_with_its_reason_when_all_have_ended() -> None:
    cause = IntegrityError("COPY", None, ValueError("twice"))
    error = InvalidInput("no", code="odd")
    error.__cause__ = cause
    told: list[int] = []
    with pytest.raises(InvalidInput, match="no") as raised:
        Forks(works([1, error], *([2] * 1000 for _ in range(100))), processes=2).gather(told.append)
    assert (raised.value.code, str(raised.value.__cause__)) == ("odd", str(cause))
    assert told.count(1) == 1
    assert len(told) < 100_000  # the other process stopped


def test_an_error_after_ctrl_c_is_no_second_ctrl_c() -> None:
    reading, writing = os.pipe()

    def fails_then() -> Iterator[int]:
        os.read(reading, 1)
        raise Unavailable("no database")
        yield

    def works_on() -> Iterator[int]:
        yield 1
        raise AssertionError

    def interrupted(_: int) -> None:
        os.write(writing, b"x")
        raise KeyboardInterrupt

    forks = Forks([fails_then, works_on], processes=2)
    with pytest.raises(KeyboardInterrupt):
        forks.gather(interrupted)
    assert not any(process.is_alive() for process in forks._processes)


def test_a_second_ctrl_c_is_raised_at_once_after_an_error_too() -> None:
    def tells_late() -> Iterator[int]:
        time.sleep(0.2)  # so that the error is there first
        yield 1

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Forks([*works([InvalidInput("no")]), tells_late, tells_late], processes=3).gather(interrupted)


def test_a_process_that_was_killed_is_told() -> None:
    told: list[int] = []
    with pytest.raises(Unavailable, match="a process of this command was killed"):
        Forks(works([1], [lambda: os.kill(os.getpid(), signal.SIGKILL)]), processes=1).gather(told.append)
    assert told == [1]


def test_what_cannot_be_pickled_is_told_in_words() -> None:
    error = InvalidInput("no")
    error.with_it = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="InvalidInput: no"):
        Forks(works([error]), processes=1).gather(print)


class Refusal(Exception):
    """An error that is pickled, and cannot be read again."""

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(f"{message} {limit}")


def test_what_cannot_be_read_from_a_pickle_is_told_in_words() -> None:
    with pytest.raises(RuntimeError, match="Refusal: at most 7"):
        Forks(works([Refusal("at most", limit=7)]), processes=1).gather(print)


def test_a_recorder_that_was_killed_is_told_and_the_import_goes_on_when_it_is_run_again(
    cli: Cli, many: Engine, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usage_billing.cli.importing import record_file

    real, killed = record_file.import_batch, shard_of(NAMES[0])

    def dies(session: Any, recordings: Any, **named: Any) -> Any:
        outcome = real(session, recordings, **named)
        if recordings[0].shard == killed:
            os.kill(os.getpid(), signal.SIGKILL)  # all is written, and nothing committed
        return outcome

    with monkeypatch.context() as dying:
        dying.setattr(record_file, "import_batch", dies)
        answer = cli("import", file)
    assert answer.code == ExitCode.UNANSWERED
    recorded = scalars(many, "SELECT count(*) FROM usage")[0]
    assert f"killed; {recorded} lines are recorded: import the file again" in answer.err
    assert LINES - recorded > 0
    again = cli("import", file, "--json").json
    assert (again["recorded"], again["duplicates"]) == (LINES - recorded, recorded)
    check_all(many)


def test_recorders_end_soon_after_their_parent_was_killed(
    cli: Cli, many: Engine, file: str, settings: Settings, tmp_path: Path
) -> None:
    with transaction(many) as session:
        lock_shards(session, range(SHARDS))  # so that both recorders wait until the import was killed
        importing = begin_import(file, settings, tmp_path, stderr=subprocess.DEVNULL)
        until(lambda: waiting(many) == 2)
        importing.kill()
        importing.wait()
    until(lambda: not recording(many))
    recorded = scalars(many, "SELECT count(*) FROM usage")[0]
    assert 0 < recorded < LINES
    answer = cli("import", file, "--json").json
    assert (answer["recorded"], answer["duplicates"]) == (LINES - recorded, recorded)
    check_all(many)


def test_ctrl_c_lets_recorders_end_what_they_record_and_says_how_far_they_got(
    cli: Cli, many: Engine, file: str, settings: Settings, tmp_path: Path
) -> None:
    with transaction(many) as session:
        lock_shards(session, range(SHARDS))
        importing = begin_import(file, settings, tmp_path, stderr=subprocess.PIPE)
        until(lambda: waiting(many) == 2)
        os.killpg(importing.pid, signal.SIGINT)  # as a terminal sends it, to all processes
        time.sleep(0.2)
    _, told = importing.communicate(timeout=30)
    recorded = scalars(many, "SELECT count(*) FROM usage")[0]
    assert importing.returncode == ExitCode.INTERRUPTED
    assert 0 < recorded < LINES
    assert f"stopped: {recorded} of {LINES} lines are done, {recorded} of them recorded" in told
    answer = cli("import", file, "--json").json
    assert (answer["recorded"], answer["duplicates"]) == (LINES - recorded, recorded)
    check_all(many)


def begin_import(file: str, settings: Settings, folder: Path, *, stderr: int) -> "subprocess.Popen[str]":
    """The command, in a session of its own."""
    given = {name: value for name, value in environment_of(settings, folder).items() if value}
    command = [sys.executable, "-m", "usage_billing", "import", file]
    return subprocess.Popen(command, env=given, cwd=folder, stderr=stderr, text=True, start_new_session=True)


def check_all(engine: Engine) -> None:
    """Every line is in the books once."""
    assert scalars(engine, "SELECT sum(quantity)::int FROM usage") == [LINES * (LINES + 1) // 2]
    check_books(engine)


def waiting(engine: Engine) -> int:
    """How many transactions wait for a shard."""
    found: int = scalars(engine, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")[0]
    return found


def recording(engine: Engine) -> int:
    """How many others have a transaction open."""
    found: int = scalars(
        engine,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        " AND xact_start IS NOT NULL AND pid <> pg_backend_pid()",
    )[0]
    return found


def until(holds: Callable[[], bool]) -> None:
    """Return once ``holds`` does."""
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")
