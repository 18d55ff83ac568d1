"""Real processes: that end, are killed, fork, and share a folder."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Callable

import pytest
from conftest import PACKAGE, MakeClient
from usage_service import Service

START = """
import os, signal, sys, threading, time
from usage_billing_client import Tuning, UsageClient
url, folder = sys.argv[1:3]
def make(linger=0.02, timeout=5.0, **options):
    tuning = Tuning(linger=linger, timeout=timeout, backoff_base=0.01, backoff_cap=0.05, adopt_every=0.1,
                    exit_timeout=1.0)
    return UsageClient(url, api_key="test-key", spill=folder, tuning=tuning, **options)
def record(client, amount, start=1):
    for number in range(start, start + amount):
        client.record("user123", "sub456", "report", number)
def say(text):
    print(text, flush=True)
"""

Process = subprocess.Popen[str]
Run = Callable[[str], Process]


@pytest.fixture
def run(service: Service, base: Path) -> Iterator[Run]:
    """Start a process with a client of the service."""
    started: list[Process] = []

    def start(script: str) -> Process:
        environment = dict(os.environ, PYTHONPATH=str(PACKAGE))
        command = [sys.executable, "-c", START + script, service.url, str(base)]
        process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            pipe.close()


def ended(process: Process, *, within: float = 20.0) -> int:
    """Its exit code."""
    return process.wait(within)


def said(process: Process) -> str:
    """Its next line."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 20)[0], "it said nothing"
    return process.stdout.readline().strip()


def left(folder: Path) -> int:
    """How many recordings wait in files."""
    amount = 0
    for path in folder.glob("spill-*"):
        with suppress(FileNotFoundError):  # all in it was sent while we looked
            amount += path.read_bytes().count(b"\n")
    return amount


def wait_until_nothing_is_left(folder: Path) -> None:
    """A file goes after the answer has come, a little later than the service has what was in it."""
    deadline = time.monotonic() + 5
    while left(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left(folder) == 0


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise RuntimeError('crash')", 1),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); os.kill(os.getpid(), signal.SIGTERM)", 4),
    ],
)
def test_what_was_recorded_is_sent_at_the_exit(end: str, code: int, service: Service, run: Run) -> None:
    assert ended(run(f"record(make(linger=60.0), 1500)\n{end}")) == code
    assert len(service.accepted) == 1500


@pytest.mark.parametrize("mode", ["503", "hang", "401"])
def test_the_exit_is_bounded_and_keeps_what_cannot_be_sent(
    mode: str, service: Service, folder: Path, run: Run, make_client: MakeClient
) -> None:
    service.mode = mode
    began = time.monotonic()
    assert ended(run("record(make(timeout=30.0), 1500)")) == 0
    assert time.monotonic() - began < 10
    assert left(folder) == 1500
    service.mode = "ok"
    make_client()
    service.wait_for(1500)
    assert service.quantities() == [str(number) for number in range(1, 1501)]


def test_killed_while_the_service_was_away(service: Service, folder: Path, run: Run, make_client: MakeClient) -> None:
    service.mode = "503"
    process = run(
        "client = make(); record(client, 300)\n"
        "while client.stats.spilled < 300: time.sleep(0.01)\n"
        "say('spilled'); time.sleep(60)"
    )
    assert said(process) == "spilled"
    process.kill()
    ended(process)
    assert left(folder) == 300
    service.mode = "ok"
    client = make_client()
    service.wait_for(300)
    assert service.quantities() == [str(number) for number in range(1, 301)]
    assert service.copies == 0
    assert client.flush()
    assert client.stats.refused == 0


def test_killed_between_sending_and_removing(service: Service, folder: Path, run: Run, make_client: MakeClient) -> None:
    service.mode = "accept-hang"
    process = run("record(make(write_ahead=True), 50); time.sleep(60)")
    service.wait_for(50)
    process.kill()
    ended(process)
    assert left(folder) == 50
    service.mode = "ok"
    make_client()
    wait_until_nothing_is_left(folder)
    assert len(service.accepted) == 50
    assert service.copies == 50, "sent again with the same keys"


def test_nothing_that_was_written_ahead_is_lost_to_kills(
    service: Service, folder: Path, run: Run, make_client: MakeClient
) -> None:
    seed = 4
    dice = random.Random(seed)
    service.script.extend(dice.choice(["ok", "ok", "503", "drop", "cut"]) for _ in range(200))
    recorded: set[str] = set()
    for _ in range(4):
        process = run(
            "client = make(write_ahead=True)\n"
            "while True: say(client.record('user123', 'sub456', 'report')); time.sleep(0.0005)"
        )
        recorded.add(said(process))
        time.sleep(dice.uniform(0.05, 0.3))
        process.kill()
        output, _ = process.communicate()
        recorded.update(line for line in output.splitlines() if len(line) == 32)
    service.script.clear()
    make_client()
    service.wait_for(len(recorded))
    wait_until_nothing_is_left(folder)
    assert recorded <= set(service.accepted), f"seed {seed}"
    assert len(recorded) > 100


def test_processes_that_share_a_folder_and_die(
    service: Service, folder: Path, run: Run, make_client: MakeClient
) -> None:
    service.mode = "503"
    processes = [
        run(f"client = make(write_ahead=True); record(client, 200, {start}); say('recorded'); time.sleep(60)")
        for start in (1, 201, 401)
    ]
    assert {said(process) for process in processes} == {"recorded"}
    processes[0].kill()
    ended(processes[0])
    service.mode = "ok"
    service.wait_for(600)  # one of the others takes over what the dead one left
    assert sorted(map(int, service.quantities())) == list(range(1, 601))
    wait_until_nothing_is_left(folder)


def test_a_child_starts_empty_with_a_thread_of_its_own(service: Service, run: Run) -> None:
    script = """
client = make(linger=0.3)
record(client, 5)
child = os.fork()
if child == 0:
    assert client.stats.recorded == 0
    record(client, 3, 101)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
record(client, 5, 6)
assert client.flush()
assert client.stats.accepted == 10
"""
    assert ended(run(script)) == 0
    assert sorted(map(int, service.quantities())) == [*range(1, 11), 101, 102, 103]
    assert service.copies == 0


def test_a_child_leaves_the_files_of_its_parent_alone(service: Service, folder: Path, run: Run) -> None:
    service.mode = "503"
    script = """
client = make(write_ahead=True)
record(client, 20)
child = os.fork()
if child == 0:
    record(client, 10, 101)
    client.close()
    os._exit(0)
os.waitpid(child, 0)
record(client, 20, 21)
say('recorded')
sys.stdin.readline()
assert client.flush()
"""
    process = run(script)
    assert said(process) == "recorded"
    assert left(folder) == 50
    service.mode = "ok"
    service.wait_for(50)
    assert sorted(map(int, service.quantities())) == [*range(1, 41), *range(101, 111)]
    assert service.copies == 0


@pytest.mark.parametrize("mode", ["hang", "stall"])
def test_a_fork_while_an_answer_is_awaited(mode: str, service: Service, run: Run) -> None:
    # A thread of the parent holds the lock of what it reads from; in the child no thread will ever release it.
    service.script.append(mode)
    script = """
client = make(timeout=60.0)
record(client, 1)
sys.stdin.readline()
child = os.fork()
if child == 0:
    record(client, 1, 2)
    os._exit(0 if client.flush(8.0) else 1)
say(os.waitpid(child, 0)[1])
os._exit(0)
"""
    process = run(script)
    service.wait_for_requests(1)
    time.sleep(0.1)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert said(process) == "0"
    assert service.quantities()[-1] == "2"


def test_forks_in_the_midst_of_recording(service: Service, run: Run) -> None:
    script = """
client = make()
stop = threading.Event()
def hammer():
    while not stop.is_set():
        client.record("user123", "sub456", "parent")
        time.sleep(0.0003)
threads = [threading.Thread(target=hammer, daemon=True) for _ in range(3)]
for thread in threads: thread.start()
for number in range(15):
    child = os.fork()
    if child == 0:
        client.record("user123", "sub456", "child", number)
        flushed = client.flush(5.0)
        if not flushed: say(client.stats)
        os._exit(0 if flushed else 1)
    status = os.waitpid(child, 0)[1]
    assert status == 0, status
stop.set()
for thread in threads: thread.join()
assert client.flush(10.0)
assert client.stats.accepted == client.stats.recorded
say(client.stats.recorded)
"""
    process = run(script)
    amount = int(said(process))
    assert ended(process) == 0
    types = [event["usageType"] for event in service.accepted.values()]
    assert types.count("child") == 15
    assert types.count("parent") == amount


def test_sending_imports_nothing(service: Service, run: Run) -> None:
    # A fork while a thread imports leaves the child with that module's lock taken for ever.
    service.script.extend(["503", "drop", "cut"])
    service.retry_after = "0"
    script = """
client = make()
before = set(sys.modules)
record(client, 2)
client.record("user123", "sub456", "bad")
assert client.flush()
client.record_now("user123", "sub456", "report")
say(sorted(set(sys.modules) - before))
"""
    process = run(script)
    assert said(process) == "[]"
    assert ended(process) == 0


def test_children_of_multiprocessing_send_before_they_end(service: Service, run: Run) -> None:
    script = """
import multiprocessing
client = make(linger=30.0)
record(client, 2)
children = [multiprocessing.get_context("fork").Process(target=record, args=(client, 10, 100 * n)) for n in (1, 2, 3)]
for child in children: child.start()
for child in children: child.join()
assert all(child.exitcode == 0 for child in children)
"""
    assert ended(run(script)) == 0
    assert len(service.accepted) == 32
    assert service.copies == 0


def test_a_terminated_process_can_close_in_its_handler(service: Service, run: Run) -> None:
    script = """
client = make(linger=30.0)
def end(*_):
    client.close()
    os._exit(7)
signal.signal(signal.SIGTERM, end)
record(client, 30)
say('ready')
while True: client.record("user123", "sub456", "report"); time.sleep(0.001)
"""
    process = run(script)
    said(process)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 7
    assert len(service.accepted) >= 30


@pytest.mark.parametrize("end", ["terminate", "close"])
def test_what_a_pool_recorded_is_counted_however_it_ends(end: str, service: Service, run: Run) -> None:
    script = f"""
import multiprocessing
client = make(linger=30.0)
def work(number):
    client.record("user123", "sub456", "report", number)
with multiprocessing.get_context("fork").Pool(4) as pool:
    pool.map(work, range(1, 101))
    if {end!r} == "close":
        pool.close()
        pool.join()
"""
    assert ended(run(script)) == 0
    assert sorted(map(int, service.quantities())) == list(range(1, 101))


def test_a_child_that_is_killed_loses_nothing(service: Service, run: Run) -> None:
    script = """
import multiprocessing
client = make(linger=30.0)
context = multiprocessing.get_context("fork")
recorded = context.Event()
def work():
    record(client, 50)
    recorded.set()
    time.sleep(60)
child = context.Process(target=work)
child.start()
recorded.wait(20)
child.kill()
child.join()
"""
    assert ended(run(script)) == 0
    assert sorted(map(int, service.quantities())) == list(range(1, 51))


def test_a_pool_of_fresh_processes_keeps_what_it_recorded(service: Service, tmp_path: Path, base: Path) -> None:
    script = tmp_path / "program.py"
    main = """
import multiprocessing
def work(number):
    global client
    if "client" not in globals(): client = make(linger=30.0)
    client.record("user123", "sub456", "report", number)
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool: pool.map(work, range(1, 21))
    assert make().flush()
"""
    script.write_text(START + main)
    environment = dict(os.environ, PYTHONPATH=str(PACKAGE))
    done = subprocess.run(
        [sys.executable, str(script), service.url, str(base)], env=environment, timeout=30, check=False
    )
    assert done.returncode == 0
    assert sorted(map(int, service.quantities())) == list(range(1, 21))


def test_a_child_without_a_folder_says_what_it_risks(service: Service, run: Run) -> None:
    script = """
import logging
logging.basicConfig(stream=sys.stdout, format="%(message)s")
client = UsageClient(url, api_key="test-key", spill=False)
child = os.fork()
client.record("user123", "sub456", "report")
client.close()
if child == 0: os._exit(0)
os.waitpid(child, 0)
"""
    process = run(script)
    assert "child process without a folder" in said(process)
    assert ended(process) == 0
    assert len(service.accepted) == 2


def test_flush_waits_for_what_a_dead_process_left(service: Service, folder: Path, run: Run) -> None:
    service.mode = "503"
    process = run("client = make(write_ahead=True); record(client, 50); say('recorded'); time.sleep(60)")
    assert said(process) == "recorded"
    other = run("client = make(); say('made'); sys.stdin.readline(); say(client.flush())")
    assert said(other) == "made"
    process.kill()
    ended(process)
    service.mode = "ok"
    assert other.stdin is not None
    other.stdin.write("\n")
    other.stdin.flush()
    assert said(other) == "True"
    assert len(service.accepted) == 50
    assert left(folder) == 0


def test_clients_that_are_made_alike_share_one_sender_in_a_child_too(service: Service, run: Run) -> None:
    script = """
clients = [make(linger=0.3), make(linger=0.3)]
for client in clients: record(client, 5)
child = os.fork()
if child == 0:
    before = threading.active_count()
    for client in clients: record(client, 3, 101)
    assert clients[1].stats.recorded == 6
    assert threading.active_count() == before + 1
    for client in clients: client.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert clients[0].flush()
assert clients[1].stats.accepted == 10
"""
    assert ended(run(script)) == 0
    assert len(service.accepted) == 16
    assert service.copies == 0


def test_a_child_of_celery_writes_ahead(
    service: Service, folder: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    pytest.importorskip("billiard")
    script = """
import os, signal, sys
from billiard import get_context
def work():
    from usage_billing_client import Tuning, UsageClient  # in the child alone, as a task may
    client = UsageClient(sys.argv[1], api_key="test-key", spill=sys.argv[2], tuning=Tuning(linger=60.0))
    for number in range(20): client.record("user123", "sub456", "report", number + 1)
    os.kill(os.getpid(), signal.SIGKILL)
child = get_context("fork").Process(target=work)
child.start()
child.join()
"""
    environment = dict(os.environ, PYTHONPATH=str(PACKAGE))
    command = [sys.executable, "-c", script, service.url, str(folder.parent)]
    subprocess.run(command, env=environment, timeout=60, check=True)
    assert left(folder) == 20
    assert make_client().flush()
    assert sorted(map(int, service.quantities())) == list(range(1, 21))
