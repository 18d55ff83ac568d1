"""A request that reads many things lets others go first between them, in every pass over the things."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api.state import state_of
from tests.api.conftest import Bill
from tests.factories import make_quota, make_recording, make_usage_type, make_world, record
from usage_billing.core import giving_way
from usage_billing.db.session import transaction

TYPES = 40
# By request: how many passes over the usage types it makes, from rows to what is shown.
READS = {
    "/api/usage/user/user123": 7,
    "/api/usage/subscription/sub456": 7,
    "/api/subscriptions/sub456/upcoming-invoice": 12,
    "/api/quotas?limit=100": 3,
    "/api/usage-types?limit=100": 3,
    "/api/usage/subscription/sub456/records?limit=100": 2,
}


@pytest.fixture
def wide(engine: Engine, app: Flask) -> None:
    """A subscription with so many usage types, each with a quota and used beyond it."""
    now = state_of(app).clock()
    names = [f"type{number}" for number in range(TYPES)]
    with transaction(engine) as session:
        make_world(session)
        for name in names:
            make_usage_type(session, id=name)
            make_quota(session, usage_type=name, limit=1)
        record(session, *(make_recording(now=now, usage_type=name, quantity=3, key=name) for name in names))


@pytest.fixture
def given(wide: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The times at which a request gave way, where it does so after each thing."""
    monkeypatch.setattr(giving_way, "SLICE_NANOSECONDS", 0)
    times: list[str] = []
    giving_way.let_others_go(lambda: times.append("gave way"))
    yield times
    giving_way.let_others_go(None)


@pytest.mark.parametrize("path", READS)
def test_a_read_of_many_gives_way_in_each_pass(admin: FlaskClient, given: list[str], path: str) -> None:
    assert admin.get(path).status_code == 200
    assert len(given) >= READS[path] * TYPES


def test_so_does_a_list_of_invoices(admin: FlaskClient, bill: Bill, given: list[str]) -> None:
    bill()
    given.clear()
    items = admin.get("/api/invoices").json["data"][0]["items"]
    assert len(items) == TYPES
    assert len(given) >= 2 * TYPES  # rows, what is shown of them


GREEN = """
import gevent.monkey
gevent.monkey.patch_all(os=False, signal=False, subprocess=False)
import sys
import gevent
from flask import Flask
from api import green
from usage_billing.core import giving_way

app, order = Flask("asked"), []
giving_way.SLICE_NANOSECONDS = 0
giving_way.let_others_go(green.give_way)

@app.route("/", methods=["GET", "POST"])
def look():
    for thing in giving_way.in_turns(range(3)):
        order.append(thing)
    return ""

def other():
    order.append("other")
    if busy:
        gevent.spawn(other)
        gevent.sleep(0)

for method, busy in (("GET", False), ("POST", False), ("GET", True)):
    order.clear()
    gevent.spawn(other)
    with gevent.Timeout(10):
        app.test_client().open("/", method=method)
    busy = False
    gevent.sleep(0.01)
    print(method, [thing for thing in order if thing != "other"], order.index("other"))

def appends():
    with green.goes_first():
        gevent.sleep(seconds)
    order.append("appended")

for seconds, green.STANDS_BACK_SECONDS in ((0.5, 10), (60, 0.005)):
    order.clear()
    thread = gevent.spawn(appends)
    gevent.sleep(0)
    with gevent.Timeout(30):
        app.test_client().get("/")
    thread.kill()
    print(seconds, order)
"""


def test_others_go_first_while_a_read_computes_or_they_wait_but_not_for_ever_and_not_while_a_write_does() -> None:
    done = subprocess.run([sys.executable, "-c", GREEN], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *("GET [0, 1, 2] 1", "POST [0, 1, 2] 3", "GET [0, 1, 2] 1"),
        *("0.5 [0, 'appended', 1, 2]", "60 [0, 1, 2]"),
    ]
