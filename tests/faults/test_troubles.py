"""One server in one kind of trouble at a time, under load: a 202 that holds or a 503 in time, and it ends by itself."""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.faults.bystanders import bill
from tests.faults.checker import judge
from tests.faults.conftest import Figures
from tests.faults.disk import COMPILER, PostgresOnDisk, ValkeyOnDisk
from tests.faults.load import Load, Told
from tests.faults.system import BROKER_DATABASE, System
from usage_billing.cli.migration.migrate import downgrade, upgrade
from usage_billing.core.errors import Unavailable

pytestmark = pytest.mark.faults

# No answer within two socket timeouts of 0.9 s would mean that a process hung; a loaded machine adds its part.
IN_TIME = 3.5


def flush_the_broker(system: System) -> None:
    """Its database is emptied again and again: wake-ups, beat's messages, bindings."""
    client = system.redis(BROKER_DATABASE)
    for _ in range(30):
        client.flushdb()
        time.sleep(0.1)
    client.close()


def fill_the_memory_of_redis(system: System) -> None:
    """It has more than it may, and evicts nothing."""
    client = system.redis()
    client.config_set("maxmemory", "1")
    time.sleep(3)
    client.config_set("maxmemory", "0")
    client.close()


def fill_the_disk_of_redis(system: System) -> None:
    """What it appends does not fit; it gives up, and another start fails too."""
    assert isinstance(system.valkey, ValkeyOnDisk)
    system.valkey.disk.full()
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        with suppress(Unavailable):
            system.pick_up()
        time.sleep(0.2)
    system.valkey.disk.free()


def fill_the_disk_of_postgres(system: System) -> None:
    """What it logs does not fit; it ends, and is started again when there is room."""
    assert isinstance(system.postgres, PostgresOnDisk)
    system.postgres.disk.full()
    time.sleep(3)
    system.postgres.disk.free()
    system.pick_up()


def stop_redis(system: System) -> None:
    """It is there and says nothing, for ten seconds."""
    system.pause("valkey")
    time.sleep(10)
    system.resume("valkey")


def stop_postgres(system: System) -> None:
    """It is there and says nothing, for five."""
    system.pause("postgres")
    time.sleep(5)
    system.resume("postgres")


def terminate_connections(system: System) -> None:
    """All of them, once a second."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'usage_billing'"
    for _ in range(5):
        system.sql(others)
        time.sleep(1)


def take_every_connection(system: System) -> None:
    """Take every connection that PostgreSQL has as soon as it is free, as another program would."""
    ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'usage-billing'"
    with ExitStack() as held:
        ends = time.monotonic() + 4
        while time.monotonic() < ends:
            try:
                held.enter_context(psycopg.connect(system.postgres.url(), connect_timeout=2))
            except psycopg.OperationalError:
                system.sql(ours)
                time.sleep(0.1)


def migrate(system: System) -> None:
    """The last migration is taken back and applied again, twice."""
    url = system.postgres.url().replace("postgresql://", "postgresql+psycopg://")
    for _ in range(2):
        downgrade(url, "-1")
        time.sleep(0.5)
        upgrade(url)


# Whether clients notice: what they may be told beside 202, and whether they have to be.
TROUBLES: dict[Callable[[System], None], tuple[set[str], bool]] = {
    flush_the_broker: (set(), False),
    terminate_connections: ({"503"}, False),
    stop_postgres: ({"503"}, False),
    take_every_connection: ({"503"}, False),
    migrate: ({"503"}, False),
    fill_the_disk_of_postgres: ({"503"}, False),
    fill_the_memory_of_redis: ({"503"}, True),
    fill_the_disk_of_redis: ({"503"}, True),
    stop_redis: ({"503"}, True),
}


def test_no_trouble_of_a_server_loses_or_doubles_and_each_ends_by_itself(
    home: Path, seed: int, figures: Figures
) -> None:
    told, numbers = Told(), count(seed * 100)
    with System(
        home, **({"valkey": ValkeyOnDisk(home), "postgres": PostgresOnDisk(home)} if COMPILER else {})
    ) as system:
        system.start()
        system.wait_ready()
        for trouble, (allowed, expected) in TROUBLES.items():
            name = trouble.__name__
            if "disk" in name and COMPILER is None:
                figures(f"{name}: not tried, for it needs a C compiler")
                continue
            system.say("TROUBLE", name)
            with Load(home / name, system.url, seed=next(numbers), processes=1, threads=6, pause=0.01) as load:
                time.sleep(0.5)
                trouble(system)
                time.sleep(0.5)
            system.wait_ready(30)
            now = load.told
            figures(f"{name}: answers {dict(now.answers)}, slowest {now.worst:.2f} s")
            assert {"202"} <= set(now.answers) <= {"202"} | allowed, name
            assert not expected or "503" in now.answers, name
            assert now.worst < IN_TIME, name
            told.add(now)
        figures(f"{len(told.acknowledged)} acknowledged, drained {system.wait_drained(60):.1f} s after")
        bill(system)
        assert judge(told, system.sql) == []
