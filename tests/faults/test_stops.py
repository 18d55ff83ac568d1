"""Orderly ends: no request under way is dropped, and a rolling restart loses and doubles nothing."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.faults.bystanders import ask, bill
from tests.faults.checker import judge
from tests.faults.conftest import Figures
from tests.faults.load import Load
from tests.faults.processes import tree
from tests.faults.system import SERVICE_KEY, System
from tests.faults.test_poison import event
from tests.support.processes import gone

pytestmark = pytest.mark.faults


def test_workers_are_restarted_one_after_the_other_under_load(home: Path, seed: int, figures: Figures) -> None:
    with System(home, workers=2) as system:
        system.start()
        system.wait_ready()
        took = []
        with Load(home, system.url, seed=seed, threads=4) as load:
            time.sleep(1)
            for turn in range(10):
                name = ("worker", "worker2")[turn % 2]
                started = time.monotonic()
                system.parts[name].stop()
                took.append(time.monotonic() - started)
                system.parts[name].start()
                time.sleep(0.7)
        system.wait_drained(90)
        bill(system)
        told = load.told
        figures(f"{len(told.acknowledged)} acknowledged; workers took {min(took):.1f} to {max(took):.1f} s to end")
        assert judge(told, system.sql) == []
        assert max(took) < 10, "a worker was killed, for it did not end in its time"
        assert set(told.answers) == {"202"}


def test_a_worker_that_cannot_end_hands_back_what_it_has(home: Path) -> None:
    with System(home, celery="tests.faults.poisoned", environment={"USAGE_BILLING_STOP_SECONDS": "1"}) as system:
        system.start("api", "worker", "beat")
        system.wait_ready()
        assert ask(f"{system.url}/api/usage/record", body=event("hangs-0", 1))[0] == 202
        system.wait_until(lambda: held(system), 20, "no worker took it")
        pids = tree(system.pid("worker"))
        started = time.monotonic()
        os.kill(system.pid("worker"), signal.SIGTERM)
        system.wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids[1:]), 8, "it did not end")
        assert time.monotonic() - started < 8
        assert system.waiting() == 1


def held(system: System) -> bool:
    """Whether any shard is being tried."""
    client = system.redis()
    return any(client.hget(f"usage-billing:hand:{shard}", "tries") for shard in range(8))


def test_the_api_says_that_it_is_not_ready_and_answers_whom_it_began_with(home: Path) -> None:
    environment = {"USAGE_BILLING_UNREADY_SECONDS": "2", "USAGE_BILLING_STOP_SECONDS": "5"}
    with System(home, environment=environment) as system:
        system.start("api")
        system.wait_ready()
        pid = system.pid("api")
        stop = threading.Event()
        answers: list[tuple[float, int | str]] = []
        threads = [threading.Thread(target=keep_recording, args=(system.port, answers, stop, n)) for n in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        asked = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        status, body = ask(f"{system.url}/health/ready")
        assert (status, body["parts"]["process"]) == (503, "stopping")
        assert ask(f"{system.url}/api/usage/record", body=event("late", 2))[0] == 202
        time.sleep(1.2)
        stop.set()  # as a load balancer does that has seen the 503
        for thread in threads:
            thread.join()
        system.parts["api"]._process.wait(12)  # type: ignore[attr-defined]
        assert system.parts["api"].status() == "exit status 0"
        assert {status for _, status in answers} == {202}
        assert any(at > asked + 1 for at, _ in answers)
        assert system.waiting() == len(answers) + 1


def test_the_api_is_replaced_under_load_without_a_gap(home: Path, seed: int, figures: Figures, tmp_path: Path) -> None:
    told_systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told_systemd.bind(str(tmp_path / "notify"))
    told_systemd.settimeout(90)
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "USAGE_BILLING_UNREADY_SECONDS": "20"}
    with System(home, environment=environment) as system:
        system.start()
        system.wait_ready()
        first = pid = system.pid("api")
        system.wanted.discard("api")  # its successors replace it, not the test
        assert told_systemd.recv(100).startswith(b"READY=1")
        with Load(home, system.url, seed=seed, threads=4, pause=0.02) as load:
            for _ in range(2):
                time.sleep(1)
                os.kill(pid, signal.SIGHUP)
                assert told_systemd.recv(100).startswith(b"READY=1")
                main, successor = told_systemd.recv(100).split(b"=")
                assert main == b"MAINPID"
                system.wait_until(partial(gone, pid), 60, "the one before does not end")
                pid = int(successor)
        assert pid != first
        system.wait_drained(90)
        bill(system)
        told = load.told
        figures(f"{len(told.acknowledged)} acknowledged, answers {dict(told.answers)}, slowest {told.worst:.2f} s")
        assert judge(told, system.sql) == []
        assert set(told.answers) == {"202"}
        assert told.worst < 5


def test_a_successor_is_ready_all_the_time_and_has_the_file_of_its_id(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "api.pid"
    with System(
        home, environment={"GUNICORN_CMD_ARGS": f"--pid '{file}'", "USAGE_BILLING_UNREADY_SECONDS": "5"}
    ) as system:
        system.start("api")
        system.wait_ready()
        system.wanted.discard("api")
        for _ in range(2):
            before = int(file.read_text())
            assert before != 0
            os.kill(before, signal.SIGHUP)
            deadline = time.monotonic() + 60
            while not gone(before):
                assert ask(f"{system.url}/health/ready")[0] == 200
                int(file.read_text())  # it is there at every moment
                assert time.monotonic() < deadline, system.tail()
            assert int(file.read_text()) != before
            assert not (home / "api.pid.2").exists()
        os.kill(int(file.read_text()), signal.SIGTERM)


def test_a_successor_that_cannot_start_changes_nothing(home: Path) -> None:
    installed = home / "installed"
    installed.mkdir()
    environment = {"PYTHONPATH": f"{installed}:{Path(__file__).parents[2]}"}
    with System(home, environment=environment) as system:
        system.start("api")
        system.wait_ready()
        pid = system.pid("api")
        (installed / "gevent.py").write_text("raise SystemExit('half an installation')")
        os.kill(pid, signal.SIGHUP)
        system.wait_until(lambda: "half an installation" in system.tail(), 90, "no successor was tried")
        for number in range(20):
            assert ask(f"{system.url}/api/usage/record", body=event(f"still-{number}", 1))[0] == 202
            time.sleep(0.1)
        assert system.parts["api"].alive()
        assert system.pid("api") == pid


def keep_recording(port: int, answers: list[tuple[float, int | str]], stop: threading.Event, number: int) -> None:
    """Record on one connection until told to stop."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json", "x-api-key": SERVICE_KEY}
    count = 0
    while not stop.is_set():
        count += 1
        body = json.dumps(event(f"{number}-{count}", number))
        try:
            connection.request("POST", "/api/usage/record", body, headers)
            response = connection.getresponse()
            response.read()
            answers.append((time.monotonic(), response.status))
        except (OSError, http.client.HTTPException) as error:
            answers.append((time.monotonic(), type(error).__name__))
            connection.close()
    connection.close()
