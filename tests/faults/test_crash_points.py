"""A process dies at each named point of accepting, draining and billing: the books are those of a system that lived."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.sources import sources
from tests.faults.bystanders import ask, bill
from tests.faults.checker import final_invoices, judge
from tests.faults.conftest import Figures
from tests.faults.load import Load
from tests.faults.system import System

pytestmark = pytest.mark.faults

ACCEPT = ("accept.appending", "accept.appended", "accept.woken")
DRAIN = ("drain.taken", "drain.committing", "drain.recorded", "drain.deleted")
# Tried in tests/meters/test_fold_killed.py.
FOLD = ("fold.claimed", "fold.counted", "fold.committing")
# Tried in tests/api/test_documents_ahead.py.
DOCUMENTS = ("documents.rendered",)
# Tried in tests/prepaid/.
PREPAID = (
    "prepaid.posted",
    "prepaid.closing",
    "prepaid.activated",
    "prepaid.refunded",
    "prepaid.bought",
    "prepaid.asked",
    "prepaid.topped_up",
    "prepaid.opening",
)
# Tried in tests/integration/test_outbox.py.
RELAY = ("relay.numbered", "relay.before_commit")
# Tried in tests/webhooks/test_deliveries.py.
DELIVER = ("deliver.noted", "deliver.claimed")
# Tried in tests/alerts.
ALERTS = (
    "alerts.judged",
    "alerts.fired",
    "alerts.balanced",
    "alerts.projected",
    "alerts.compared",
    "alerts.hour",
)
BILL = ("bill.opened", "bill.planned", "bill.claimed", "bill.committing", "bill.done")
EVERY = (*ACCEPT, *DRAIN, *FOLD, *DOCUMENTS, *PREPAID, *RELAY, *DELIVER, *ALERTS, *BILL)


def test_these_are_all_the_points() -> None:
    texts = [file.text for file in sources()]
    assert all(any(f'crash.point("{name}")' in text for text in texts) for name in EVERY)
    assert sum(text.count("crash.point(") for text in texts) == len(EVERY)


def test_a_death_at_any_point_changes_nothing(home: Path, seed: int, figures: Figures) -> None:
    crashes = home / "crashes"
    crashes.mkdir()
    with System(home, environment={"CRASH_AT": str(crashes)}) as system:
        system.start()
        system.wait_ready()
        with Load(home, system.url, seed=seed, processes=1, threads=3, pause=0.05, batches=0.02) as load:
            for point in (*ACCEPT, *DRAIN):
                die_at(system, crashes / point)
            for point in BILL:
                with asked_to_bill(system.url):
                    die_at(system, crashes / point)
            seen = final_invoices(system.sql)
        system.wait_ready()
        system.wait_drained(90)
        bill(system)
        told = load.told
        figures(f"{len(told.acknowledged)} acknowledged, answers {dict(told.answers)}, {len(seen)} invoices were final")
        assert judge(told, system.sql, seen) == []


@contextmanager
def asked_to_bill(url: str) -> Iterator[None]:
    """Ask for runs every two seconds: a process that died before may have taken a request or a message along."""
    ended = threading.Event()

    def ask_again() -> None:
        pause = 0.3
        while not ended.wait(pause):
            ask(f"{url}/api/usage/process-billing", body={})
            pause = 2.0

    asking = threading.Thread(target=ask_again)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


def die_at(system: System, file: Path) -> None:
    """Ask for a death, wait until a process has died it, and let the system recover."""
    file.touch()
    system.wait_until(lambda: not file.exists(), 45, f"no process came to {file.name}")
    system.say("CRASH", file.name)
    time.sleep(0.5)
