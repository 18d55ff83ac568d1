"""The supervisor on real processes that stand for anything: order, restarts, stubborn ones, sudden death."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.processes import gone, wait_until
from usage_billing.supervisor.child import Child, describe
from usage_billing.supervisor.console import Console
from usage_billing.supervisor.supervisor import LONGEST_DELAY, Supervisor

REPOSITORY = Path(__file__).parents[2]
WAITS = "import time; print('here', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + WAITS


class Heard:
    """Collects what children say."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def wait_for(self, line: str, times: int = 1) -> None:
        wait_until(lambda: [said for _, said in self.lines].count(line) >= times)


def child(name: str, code: str, say: Heard, **options: object) -> Child:
    return Child(name, [sys.executable, "-c", code], env=dict(os.environ), say=say, **options)  # type: ignore[arg-type]


class FakePart:
    """A part whose life is told to it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log, self.lives, self.fails = name, log, False, False

    def start(self) -> None:
        self.log.append(f"start {self.name}")
        if self.fails:
            raise OSError("not today")
        self.lives = True

    def alive(self) -> bool:
        return self.lives

    def status(self) -> str:
        return "exit status 1"

    def stop(self) -> None:
        self.log.append(f"stop {self.name}")
        if self.fails:
            raise OSError("will not")
        self.lives = False

    def hasten(self) -> None:
        self.log.append(f"hasten {self.name}")


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def turns(supervisor: Supervisor, clock: Clock, *, seconds: float) -> None:
    """One look of the supervisor after so many seconds."""
    clock.now += seconds
    supervisor.run(seconds=0)


def test_parts_stop_in_the_reverse_order_of_their_start() -> None:
    log: list[str] = []
    supervisor = Supervisor()
    for name in ("postgres", "valkey", "api"):
        supervisor.add(FakePart(name, log))
    supervisor.stop()
    supervisor.stop()
    assert log == ["start postgres", "start valkey", "start api", "stop api", "stop valkey", "stop postgres"]


def test_one_that_cannot_be_stopped_does_not_keep_the_others() -> None:
    log: list[str] = []
    supervisor = Supervisor()
    parts = [FakePart(name, log) for name in ("one", "two")]
    for part in parts:
        supervisor.add(part)
    parts[1].fails = True
    supervisor.stop()
    assert log[-2:] == ["stop two", "stop one"]


def test_one_that_fails_to_start_is_stopped_with_the_others() -> None:
    log: list[str] = []
    supervisor = Supervisor()
    supervisor.add(FakePart("one", log))
    bad = FakePart("two", log)
    bad.fails = True
    with pytest.raises(OSError, match="not today"):
        supervisor.add(bad)
    supervisor.stop()
    assert log == ["start one", "start two", "stop two", "stop one"]


def test_restarts_back_off_up_to_a_bound_and_begin_anew_after_a_steady_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    clock = Clock()
    supervisor = Supervisor(clock=clock)
    part = FakePart("api", log)
    supervisor.add(part)
    waits = []
    for _ in range(9):
        part.lives = False
        turns(supervisor, clock, seconds=1)
        waits.append(float(caplog.messages[-1].rpartition(" in ")[2].split()[0]))
        before = len(log)
        turns(supervisor, clock, seconds=waits[-1] - 0.1)
        assert len(log) == before, "not before its time"
        turns(supervisor, clock, seconds=0.2)
        assert log[-1] == "start api"
    assert waits == [0.5, 1, 2, 4, 8, 16, LONGEST_DELAY, LONGEST_DELAY, LONGEST_DELAY]
    assert "api ended (exit status 1), starting it again in 0.5 s" in caplog.messages
    turns(supervisor, clock, seconds=100)
    part.lives = False
    turns(supervisor, clock, seconds=1)
    assert caplog.messages[-1].endswith("in 0.5 s")


def test_a_restart_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    clock = Clock()
    supervisor = Supervisor(clock=clock)
    part = FakePart("postgres", log)
    supervisor.add(part)
    part.lives, part.fails = False, True
    turns(supervisor, clock, seconds=1)
    turns(supervisor, clock, seconds=1)
    assert "postgres does not start (not today), trying again in 1 s" in caplog.messages
    part.fails = False
    turns(supervisor, clock, seconds=1.1)
    assert part.lives


def test_a_killed_child_is_started_again_and_its_fork_with_it() -> None:
    heard = Heard()
    forks = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {WAITS!r}]); print(p.pid); {WAITS}"
    one = child("one", "import sys; sys.stdout.reconfigure(line_buffering=True);" + forks, heard)
    supervisor = Supervisor()
    supervisor.add(one)
    heard.wait_for("here", times=2)
    forked = int(next(line for _, line in heard.lines if line.isdigit()))
    first = one.pid
    assert first
    os.kill(first, signal.SIGKILL)
    supervisor.run(until=lambda: one.pid != first, seconds=10)
    assert one.alive()
    wait_until(lambda: gone(forked))
    supervisor.stop()
    assert not one.alive()


def test_a_child_that_ignores_term_is_killed_after_its_time() -> None:
    heard = Heard()
    stubborn = child("stubborn", STUBBORN, heard, stop_seconds=0.5)
    stubborn.start()
    heard.wait_for("here")
    began = time.monotonic()
    stubborn.stop()
    assert 0.4 < time.monotonic() - began < 5
    assert stubborn.status() == "signal SIGKILL"


def test_output_comes_line_by_line_whatever_it_is() -> None:
    heard = Heard()
    code = r"import sys; sys.stdout.buffer.write(b'one\n\xff\xfe\n' + b'x' * 20000 + b'\nlast')"
    talker = child("talker", code, heard)
    talker.start()
    wait_until(lambda: not talker.alive())
    talker.stop()
    texts = [line for _, line in heard.lines]
    assert texts[0] == "one"
    assert texts[1] == "\ufffd\ufffd"
    assert sum(line.count("x") for line in texts) == 20000
    assert texts[-1] == "last"


def test_a_command_that_does_not_exist_is_said_so() -> None:
    heard = Heard()
    missing = Child("missing", ["/no/such/program"], env={}, say=heard)
    missing.start()
    wait_until(lambda: not missing.alive())
    missing.stop()
    assert missing.status() == "exit status 127"
    assert "cannot start /no/such/program: No such file or directory" in [line for _, line in heard.lines]


SCRIPT = f"""
import os, signal, sys
from usage_billing.supervisor.child import Child
from usage_billing.supervisor.supervisor import Supervisor
import logging
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
say = lambda name, line: print(name, line, flush=True)
supervisor = Supervisor()
with supervisor.signals():
    for name, code in (("one", {WAITS!r}), ("two", {STUBBORN!r})):
        child = Child(name, [sys.executable, "-c", code], env=dict(os.environ), say=say, stop_seconds=30.0)
        supervisor.add(child)
        print("pid", child.pid, flush=True)
    supervisor.run()
    print("stopping", flush=True)
    supervisor.stop()
print("clean", flush=True)
"""


class Script:
    """A supervising process of its own, with one child that obeys and one that is stubborn."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: len([line for line in self.lines if line.endswith("here")]) == 2)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.strip())

    @property
    def pids(self) -> list[int]:
        return sorted({int(line.split()[1]) for line in self.lines if line.startswith("pid ")})


def test_the_second_ctrl_c_ends_the_stubborn_at_once() -> None:
    script = Script()
    os.killpg(script.process.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
    wait_until(lambda: "stopping two" in script.lines)
    time.sleep(0.3)
    assert script.process.poll() is None
    os.killpg(script.process.pid, signal.SIGINT)
    assert script.process.wait(timeout=10) == 0
    assert all(gone(pid) for pid in script.pids)
    wait_until(lambda: "clean" in script.lines)


def test_children_end_when_their_supervisor_is_killed_with_9() -> None:
    script = Script()
    script.process.kill()
    script.process.wait()
    one, two = script.pids
    wait_until(lambda: gone(one))
    os.kill(two, signal.SIGKILL)  # it ignores what the kernel sent it


def test_the_console_names_each_line_and_survives_a_closed_pipe() -> None:
    stream = io.StringIO()
    console = Console(stream, colour=False)
    console.say("api", "ready")
    console.plain("now type")
    assert stream.getvalue() == "api        | ready\nnow type\n"
    coloured = io.StringIO()
    console = Console(coloured, colour=True)
    console.say("api", "ready")
    assert re.fullmatch("\x1b\\[\\d+mapi        \\|\x1b\\[0m ready\n", coloured.getvalue())
    stream.close()
    Console(stream, colour=False).say("api", "nobody hears it")


def test_a_status_is_said_in_words() -> None:
    assert [describe(status) for status in (0, 3, -9, None)] == [
        "exit status 0",
        "exit status 3",
        "signal SIGKILL",
        "not ended",
    ]
