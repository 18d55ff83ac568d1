"""Who else uses the system during the chaos: billing is started over HTTP, and callers read."""

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any

import psycopg

from tests.faults.checker import final_invoices
from tests.faults.client import SLOW_SECONDS
from tests.faults.load import Told
from tests.faults.system import ADMIN_KEY, System

_READS = ("/api/usage/subscription/sub1", "/api/usage/user/user2", "/api/invoices?limit=5", "/health/ready", "/metrics")
_FINE = {200, 202, 503}


def ask(url: str, *, body: dict[str, Any] | None = None, timeout: float = 10) -> tuple[int, Any]:
    """Status and body of an answer; (0, None) when there was none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"x-api-key": ADMIN_KEY})
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    except (OSError, ValueError):
        return 0, None
    with contextlib.suppress(ValueError):
        return status, json.loads(text)
    return status, text


class Bystanders(threading.Thread):
    """Starts a run every few seconds, reads in between, and keeps what each finalized invoice was when first seen."""

    def __init__(self, system: System, told: Told, *, every: float = 3.0) -> None:
        super().__init__(name="bystanders")
        self.system, self.told, self.every = system, told, every
        self.seen: dict[str, str] = {}
        self.runs = 0
        self._enough = threading.Event()

    def __enter__(self) -> "Bystanders":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self.join()

    def run(self) -> None:
        """Until the block ends."""
        turn = 0
        while not self._enough.wait(self.every / 4):
            turn += 1
            if turn % 4 == 0:
                status, _ = self._ask("/api/usage/process-billing", body={})
                self.runs += status == 202
                self.look()
            else:
                self._ask(_READS[turn % len(_READS)])

    def look(self) -> None:
        """Remember the invoices that are final now."""
        with contextlib.suppress(psycopg.Error):
            for name, fingerprint in final_invoices(self.system.sql).items():
                self.seen.setdefault(name, fingerprint)

    def _ask(self, path: str, *, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        started = time.monotonic()
        status, answer = ask(f"http://127.0.0.1:{self.system.port}{path}", body=body)
        seconds = time.monotonic() - started
        if status and status not in _FINE:
            self.told.bad.append({"path": path, "status": status, "answer": answer})
        if status and seconds > SLOW_SECONDS:
            at = time.strftime("%H:%M:%S")
            self.told.slow.append({"path": path, "status": status, "seconds": round(seconds, 2), "at": at})
        return status, answer


def bill(system: System, *, seconds: float = 150) -> None:
    """One run over everything, and wait until it is complete; one whose messages are lost is taken up in 90 s."""
    status, answer = ask(f"http://127.0.0.1:{system.port}/api/usage/process-billing", body={})
    assert status == 202, answer
    run = answer["runId"]
    system.wait_until(
        lambda: system.sql("SELECT status FROM billing_runs WHERE id = %s", run) == [("completed",)],
        seconds,
        "the last run is not complete",
    )
