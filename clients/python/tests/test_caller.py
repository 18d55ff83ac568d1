"""The caller is never held up and never broken."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE, MakeClient
from usage_service import Service

from usage_billing_client import NotAllowed, Refused, Stats, Tuning, Undelivered, UsageClient


@pytest.mark.parametrize("mode", ["hang", "503", "ok"])
def test_record_returns_at_once(mode: str, service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"timeout": 5.0})
    service.mode = mode
    slowest = 0.0
    began = time.monotonic()
    for _ in range(3000):
        before = time.monotonic()
        client.record("user123", "sub456", "report", 1, {"reportId": "abc123"})
        slowest = max(slowest, time.monotonic() - before)
    assert time.monotonic() - began < 4.5
    assert slowest < 1
    assert client.stats.recorded == 3000


WRONG: list[tuple[Any, ...]] = [
    (5, "sub456", "report"),
    ("user123", None, "report"),
    ("user123", "sub456", "report", "many"),
    ("user123", "sub456", "report", float("nan")),
    ("user123", "sub456", "report", 1, {"x": object()}),
    ("user123", "sub456", "report", 1, "no mapping"),
]


@pytest.mark.parametrize("arguments", WRONG)
def test_mistakes_are_logged(arguments: Any, client: UsageClient, caplog: pytest.LogCaptureFixture) -> None:
    assert client.record(*arguments) is None
    assert "NOT recorded" in caplog.text
    assert client.stats == Stats(refused=1)


@pytest.mark.parametrize("arguments", WRONG)
def test_mistakes_are_raised_when_strict(arguments: Any, make_client: MakeClient) -> None:
    with pytest.raises((TypeError, ValueError)):
        make_client(strict=True).record(*arguments)


def test_metadata_that_raises_breaks_nobody(client: UsageClient) -> None:
    class Evil(Mapping[str, object]):
        def __getitem__(self, name: str) -> object:
            raise KeyError("evil")

        def __iter__(self) -> Iterator[str]:
            raise KeyError("evil")

        def __len__(self) -> int:
            raise KeyError("evil")

        def __repr__(self) -> str:
            raise KeyError("evil")

    assert client.record("user123", "sub456", "report", 1, Evil()) is None
    assert client.record("user123", Evil(), "report") is None  # type: ignore[arg-type]


def test_strict_is_not_about_delivery(service: Service, make_client: MakeClient) -> None:
    client = make_client(strict=True)
    service.mode = "503"
    client.record("user123", "sub456", "report")
    service.wait_for_requests(2)
    client.record("user123", "sub456", "report")


def test_own_time_and_key(service: Service, client: UsageClient) -> None:
    when = datetime.fromisoformat("2026-01-31T14:00:00+02:00")
    for _ in range(2):
        assert client.record("u", "s", "t", Decimal("0.5"), timestamp=when, idempotency_key="mine") == "mine"
    assert client.flush()
    assert service.accepted["mine"]["timestamp"] == "2026-01-31T12:00:00.000000Z"
    assert service.copies == 1


def test_a_client_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="api_key"):
        UsageClient("http://payment-service:5003", api_key="")
    with pytest.raises(ValueError, match="address"):
        UsageClient("payment-service:5003", api_key="key")
    with pytest.raises(ValueError, match="linger"):
        Tuning(linger=0)


def test_the_context_manager_sends_everything(service: Service, make_client: MakeClient) -> None:
    with make_client(tuning={"linger": 5.0}) as client:
        for _ in range(1500):
            client.record("user123", "sub456", "report")
    assert len(service.accepted) == 1500
    client.close()


def test_what_comes_after_the_end_goes_to_the_file(service: Service, folder: Path, make_client: MakeClient) -> None:
    client = make_client()
    client.close()
    key = client.record("user123", "sub456", "report")
    assert not client.flush(0.1)
    make_client()
    service.wait_for(1)
    assert service.order == [key]


def test_the_end_does_not_wait_for_a_service_that_is_away(service: Service, make_client: MakeClient) -> None:
    client = make_client(tuning={"exit_timeout": 10.0})
    service.mode = "503"
    client.record("user123", "sub456", "report")
    service.wait_for_requests(5)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 4


def test_the_end_cuts_a_request_that_hangs(service: Service, folder: Path, make_client: MakeClient) -> None:
    client = make_client(tuning={"timeout": 15.0, "exit_timeout": 0.3})
    service.mode = "hang"
    client.record("user123", "sub456", "report")
    service.wait_for_requests(1)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 4
    assert len(list(folder.glob("spill-*"))) == 1


def test_the_end_does_not_wait_for_a_connection_that_never_comes(base: Path, make_client: MakeClient) -> None:
    with socket.socket() as full, contextlib.ExitStack() as others:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # the server accepts no connection: once the backlog is full, connecting hangs
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        client = make_client(url=f"http://127.0.0.1:{full.getsockname()[1]}", tuning={"timeout": 4.0})
        for _ in range(5):
            client.record("user123", "sub456", "report")
        time.sleep(0.2)
        began = time.monotonic()
        client.close(timeout=0.2)
        assert time.monotonic() - began < 3.5
    assert sum(path.read_bytes().count(b"\n") for path in base.glob("*/spill-*")) == 5
    assert client.stats.spilled == 5


def test_lost_at_the_end_is_said(service: Service, make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    client = make_client(spill=False)
    service.mode = "503"
    client.record("user123", "sub456", "report")
    client.close(timeout=0.1)
    assert client.stats.dropped == 1
    assert "LOST" in caplog.text


def test_a_signal_in_the_midst_of_recording_may_record_too(service: Service, client: UsageClient) -> None:
    done = 0

    def handler(_number: int, _frame: object) -> None:
        nonlocal done
        done += 1
        client.record("user123", "sub456", "signal")

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for _ in range(5000):
            client.record("user123", "sub456", "report")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert client.flush()
    assert len(service.accepted) == 5000 + done
    assert done > 10


def test_recording_from_a_finalizer(service: Service, client: UsageClient) -> None:
    class Used:
        def __del__(self) -> None:
            client.record("user123", "sub456", "finalizer")

    for _ in range(500):
        cycle: list[Any] = [Used()]
        cycle.append(cycle)
        client.record("user123", "sub456", "report", 1, {"x": [1, 2, 3]})
    del cycle
    deadline = time.monotonic() + 5
    while client.stats.recorded < 1000 and time.monotonic() < deadline:
        gc.collect()  # does nothing while another thread collects
    assert client.flush()
    assert len(service.accepted) == 1000


def test_one_trouble_fills_no_log(service: Service, make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client()
    service.mode = "503"
    for _ in range(500):
        client.record("user123", "sub456", "report")
    service.wait_for_requests(10)
    assert len(caplog.records) <= 2


def test_the_lines_of_the_readme(service: Service, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", "test-key")
    monkeypatch.setenv("USAGE_BILLING_SPILL", str(base))
    first, second, celery, signals = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    assert len([line for line in first.splitlines() if line]) == 3
    names: dict[str, Any] = {"os": os}
    exec((first + second).replace("http://payment-service:5003", service.url), names)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        exec(signals, names)
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, handler)
    if importlib.util.find_spec("celery") is None:
        names["usage"].close()
    else:
        exec(celery, names)
        names["worker_process_shutdown"].send(None)
    assert sorted(map(len, service.accepted.values())) == [6, 7], "the one with metadata, the other without"


def test_record_now_returns_the_id(service: Service, client: UsageClient) -> None:
    assert client.record_now("user123", "sub456", "report", 2, idempotency_key="k1") == "id-k1"
    service.script.extend(["503", "drop", "cut"])
    assert client.record_now("user123", "sub456", "report", 2, idempotency_key="k2") == "id-k2"
    assert service.order == ["k1", "k2"]
    assert {path for _, path, _ in service.requests} == {"/api/usage/record"}


def test_record_now_says_no(service: Service, client: UsageClient) -> None:
    with pytest.raises(Refused) as refused:
        client.record_now("user123", "sub456", "bad")
    assert (refused.value.status, refused.value.code) == (422, "invalid_request")
    assert refused.value.errors[0]["pointer"] == "/usageType"
    with pytest.raises(ValueError, match="quantity"):
        client.record_now("user123", "sub456", "report", "x")
    service.mode = "403"
    with pytest.raises(NotAllowed, match="usage:write"):
        client.record_now("user123", "sub456", "report")
    service.mode = "html"
    with pytest.raises(Undelivered, match="address"):
        client.record_now("user123", "sub456", "report")


@pytest.mark.parametrize("mode", ["hang", "503"])
def test_record_now_ends_in_time(mode: str, service: Service, client: UsageClient) -> None:
    service.mode = mode
    began = time.monotonic()
    with pytest.raises(Undelivered) as undelivered:
        client.record_now("user123", "sub456", "report", idempotency_key="k1", timeout=0.3)
    assert time.monotonic() - began < 4
    assert undelivered.value.key == "k1"


def test_record_now_from_many_threads(service: Service, client: UsageClient) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.extend(client.record_now("u", "s", "t") for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 160
