"""``usage-billing logs``: what the processes wrote, narrowed and followed, without secrets."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Cli
from tests.support.processes import wait_until
from usage_billing import logs
from usage_billing.core.clock import utc_now
from usage_billing.settings import Settings

REQUEST = "01a20414-889a-718b-8ca0-84ba671558f5"


def entry(at: datetime, message: str, **fields: object) -> str:
    """A line as a process writes it."""
    moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    usual = {"level": "INFO", "logger": "tasks.usage", "process": "worker", "pid": 7}
    return json.dumps({"ts": moment, **usual, "message": message, **fields}) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two days of logs."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setenv("USAGE_BILLING_LOGS", str(folder))
    now = utc_now()
    before = now - timedelta(days=1)
    (folder / f"usage-billing-{before:%Y%m%d}.log").write_text(
        entry(before, "yesterday", requestId=REQUEST)
        + entry(before, "a failure", level="ERROR", exception="Trace\nback")
    )
    (folder / f"usage-billing-{now:%Y%m%d}.log").write_text(
        entry(now, "today", process="api", requestId=REQUEST, ids=["e1", "e2"])
        + entry(now, "a warning", level="WARNING")
        + "no JSON at all, password=hunter22\n"
    )
    return folder


def messages(cli: Cli, *asked: str) -> list[str]:
    """The messages of the lines that are shown."""
    answer = cli("logs", *asked, "--json")
    assert (answer.code, answer.err) == (0, "")
    return [json.loads(line)["message"] for line in answer.out.splitlines()]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ((), ["yesterday", "a failure", "today", "a warning", "no JSON at all, password=[hidden]"]),
        (("--id", REQUEST), ["yesterday", "today"]),
        (("--id", "e2"), ["today"]),
        (("--level", "warning"), ["a failure", "a warning"]),
        (("--process", "api"), ["today"]),
        (("--since", "1h"), ["today", "a warning"]),
        (("--since", "2d", "--level", "ERROR"), ["a failure"]),
        (("--since", "2001-01-01", "--limit", "2"), ["today", "a warning"]),
        (("--limit", "1"), ["no JSON at all, password=[hidden]"]),
        (("--id", "nothing"), []),
    ],
    ids=str,
)
def test_lines_are_narrowed(cli: Cli, folder: Path, asked: tuple[str, ...], shown: list[str]) -> None:
    assert messages(cli, *asked) == shown


def test_people_read_one_line_and_then_the_exception(cli: Cli, folder: Path) -> None:
    shown = cli("logs", "--level", "ERROR").out.splitlines()
    assert [line.split(" ", 2)[2] for line in shown[:1]] == ["ERROR   worker tasks.usage: a failure"]
    assert shown[1:] == ["    Trace", "    back"]
    assert f"today requestId={REQUEST}" in cli("logs", "--process", "api").out


def test_no_secret_and_no_control_character_comes_out(cli: Cli, folder: Path) -> None:
    at = utc_now()
    path = folder / f"usage-billing-{at:%Y%m%d}.log"
    path.write_text(entry(at, "url postgresql://u:pw-1@db/x \x1b[2J", token="pw-2", note="secret=pw-3"))
    for asked in ((), ("--json",)):
        answer = cli("logs", "--since", "1h", *asked)
        assert "[hidden]" in answer.out
        assert "pw-" not in answer.out
        assert "\x1b" not in answer.out


def test_what_is_refused(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("logs", "--since", "soon").code == 2
    assert cli("logs", "--level", "LOUD").code == 2
    monkeypatch.setenv("USAGE_BILLING_LOGS", str(folder / "nothing"))
    nothing = cli("logs", "--json")
    assert (nothing.code, json.loads(nothing.err)["exitCode"]) == (3, 3)


@pytest.fixture
def following(settings: Settings, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """``usage-billing logs --follow --process cli`` as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "usage_billing", "logs", "-f", "--process", "cli"],
        env={"PYTHONPATH": str(ROOT), "USAGE_BILLING_LOGS": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_following_sees_new_lines_new_days_and_new_files(
    following: subprocess.Popen[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert following.stdout is not None
    now = utc_now()
    today, tomorrow = (folder / f"usage-billing-{day:%Y%m%d}.log" for day in (now, now + timedelta(days=1)))
    with today.open("a") as file:
        file.write(entry(now, "first", process="cli") + entry(now, "not asked for"))
        file.flush()
        assert following.stdout.readline().rstrip().endswith("first")
        whole = entry(now, "in two writes", process="cli")
        file.write(whole[:30])
        file.flush()
        time.sleep(0.5)
        file.write(whole[30:])
    assert following.stdout.readline().rstrip().endswith("in two writes")
    today.rename(folder / "moved-away")
    today.write_text(entry(now, "in a new file", process="cli"))
    assert following.stdout.readline().rstrip().endswith("in a new file")
    tomorrow.write_text(entry(now + timedelta(days=1), "the next day", process="cli"))
    assert following.stdout.readline().rstrip().endswith("the next day")


def test_a_process_that_is_none_is_refused(cli: Cli, folder: Path) -> None:
    answer = cli("logs", "--process", "bogus")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "'bogus' is not one of 'api', 'worker', 'beat', 'up', 'cli'" in answer.err


def test_it_reads_what_the_processes_really_write(
    cli: Cli, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_BILLING_LOGS", str(tmp_path))
    logs.configure(replace(settings, logs=tmp_path), "api", stderr=False)
    with logs.bind(request_id=REQUEST):
        logging.getLogger("api.access").warning("Authorization: Bearer %s", "k" * 30, extra={"status": 200})
    wait_until(lambda: any(tmp_path.glob("usage-billing-*.log")))
    shown = cli("logs", "--id", REQUEST).out
    assert f"WARNING api api.access: Authorization: Bearer [hidden] requestId={REQUEST} status=200" in shown
