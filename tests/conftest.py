"""Fixtures for every test: a real PostgreSQL and a real Valkey, a clean database each, the app and its callers.

A test that takes ``session`` leaves nothing behind; one that takes ``engine`` or ``app`` finds the tables empty.
"""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.support.servers import Servers, running_servers

# Under nohup, and in the background of a shell script, SIGINT is ignored, and every process started from here would
# inherit that; tests send Ctrl-C to such processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# celeryconfig is read at import and chooses by the scheme; the address is set once the server is up.
os.environ.update({"REDIS_URL": "redis://127.0.0.1:1/0", "CELERY_BROKER_URL": "", "DATABASE_URL": ""})

from tasks import base
from tasks.celery import app as celery_app
from tasks.draining.drain import drain_shard
from tasks.draining.tuning import TUNING
from tasks.inbox.protocol import Inbox, Limits
from tasks.inbox.redis_inbox import RedisInbox, connect
from tests.factories import make_world
from tests.support.callers import Keys, sign_token
from tests.support.databases import Databases, databases_on, empty
from tests.support.kept import kept
from usage_billing.db.session import make_engine, rolled_back, transaction
from usage_billing.metering.recording import SHARDS
from usage_billing.settings import Settings

Drain = Callable[[], int]
MakeToken = Callable[..., str]
As = Callable[[str], FlaskClient]


# The files that take longest. ``make test`` hands whole files to three processes; one of these at the end would keep
# the others waiting for it.
LONGEST_FIRST = (
    "e2e/test_founding_document.py",
    "e2e/test_up.py",
    "api/test_fuzz.py",
    "integration/test_embedded.py",
    "tasks/test_beat.py",
    "integration/test_billing_kills.py",
    "tasks/test_handed_over.py",
    "tasks/test_billing_chain.py",
    "api/test_real_server.py",
    "tasks/test_worker.py",
    "webhooks/test_deliveries.py",
    "migrations/test_dry_run.py",
    "integration/test_simulate.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; all others stay in the order of their names."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of this test process."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    with running_servers(tmp_path_factory.mktemp("servers"), worker=int(worker)) as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Iterator[Databases]:
    """For tests that need a database of their own: ``databases.migrated()``, ``databases.bare()``."""
    with databases_on(servers.database_url, prefix=f"usage_billing_test_{os.getpid()}") as made:
        yield made


@pytest.fixture(scope="session")
def settings(servers: Servers, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The service's configuration in tests; also put into the environment, where tasks find it."""
    database = databases.migrated().replace("postgresql+psycopg", "postgresql")
    environment = {
        "DATABASE_URL": database,
        "REDIS_URL": servers.redis_url,
        "USAGE_BILLING_HOME": str(tmp_path_factory.mktemp("home")),
        "USAGE_BILLING_LOGS": str(tmp_path_factory.mktemp("logs")),
        "USAGE_BILLING_SECRET": "a-secret-for-tests-of-32-characters-or-more",
        "JWT_SECRET": "a-token-secret-for-tests-long-enough-for-every-algorithm-that-is-tried",
    }
    if servers.pooler is not None:
        environment["DATABASE_DIRECT_URL"] = database
        environment["DATABASE_URL"] = servers.pooler.url(database)
        environment["USAGE_BILLING_POOLER"] = "transaction"
    os.environ.update(environment)
    made = Settings.from_environment()
    celery_app.conf.update(broker_url=made.broker_url)
    for cached in (base.settings, base.engine, base.inbox):
        cached.cache_clear()
    return made


@pytest.fixture(scope="session")
def _engine(settings: Settings) -> Iterator[Engine]:
    made = make_engine(settings.require_database(), pooled=settings.pooled)
    yield made
    made.dispose()


@pytest.fixture
def engine(_engine: Engine) -> Engine:
    """The database, empty."""
    empty(_engine)
    return _engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session whose work is undone."""
    with rolled_back(engine) as undone:
        yield undone


@pytest.fixture
def inbox(settings: Settings) -> Iterator[Inbox]:
    """The real inbox, empty; the broker beside it as well."""
    client = connect(settings.require_redis(), timeout=5)
    client.flushdb()
    yield RedisInbox(client, limits=Limits(settings.max_backlog, settings.max_backlog_bytes))
    client.close()


@pytest.fixture
def now() -> datetime:
    """The present: the middle of a month, so that an hour more or less is in the same period."""
    return datetime(2026, 11, 15, 12, 30, 45, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clocks_agree(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The present that a test gives stands for the database's as well, but for tests marked ``real_clock``."""
    if request.node.get_closest_marker("real_clock") is None:
        monkeypatch.setattr("usage_billing.db.clock.agreed_now", lambda _session, here: here)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        """Move on by ``hours=1`` and the like."""
        self.now += timedelta(**span)


@pytest.fixture
def clock(now: datetime) -> Clock:
    """The app's clock."""
    return Clock(now)


@pytest.fixture
def world(engine: Engine) -> Engine:
    """The founding document's world."""
    kept(engine, "world", lambda: _make_world(engine))
    return engine


def _make_world(engine: Engine) -> None:
    with transaction(engine) as session:
        make_world(session)


@pytest.fixture
def drain(inbox: Inbox, engine: Engine) -> Drain:
    """Record what waits in the inbox, as the workers would; returns how many recordings."""
    impatient = replace(TUNING, linger_seconds=0)  # no other sender is there to wait for

    def run() -> int:
        return sum(drain_shard(shard, inbox=inbox, engine=engine, tuning=impatient) for shard in range(SHARDS))

    return run


@pytest.fixture
def keys(engine: Engine, settings: Settings, clock: Clock) -> Keys:
    """API keys of each kind."""
    return Keys(engine, settings=settings, clock=clock)


@pytest.fixture
def make_token(settings: Settings) -> MakeToken:
    """Tokens, good and bad: ``make_token("user123", exp=...)``."""

    def make(subject: str = "user123", **changes: Any) -> str:
        return sign_token(settings, subject, **changes)

    return make


@pytest.fixture(scope="session")
def _app(settings: Settings) -> Iterator[Flask]:
    from api import create_app
    from api.state import state_of

    made = create_app(settings)
    yield made
    state_of(made).engine.dispose()


@pytest.fixture
def app(_app: Flask, engine: Engine, inbox: Inbox, clock: Clock) -> Flask:
    """The API on an empty database and an empty inbox, with a clock that stands."""
    from api.state import state_of

    state_of(_app).start_over(clock=clock)
    return _app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A caller without credentials."""
    return app.test_client()


@pytest.fixture
def call_as(app: Flask) -> As:
    """A caller with a bearer credential: ``call_as(keys.admin)``, ``call_as(make_token("user123"))``."""

    def make(credential: str) -> FlaskClient:
        caller = app.test_client()
        caller.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {credential}"
        return caller

    return make


@pytest.fixture
def admin(call_as: As, keys: Keys) -> FlaskClient:
    """An administrator."""
    return call_as(keys.admin)


@pytest.fixture
def writer(call_as: As, keys: Keys) -> FlaskClient:
    """A service that may record and nothing else."""
    return call_as(keys.writer)


@pytest.fixture
def reader(call_as: As, keys: Keys) -> FlaskClient:
    """A service that may read usage and invoices."""
    return call_as(keys.reader)
