"""Databases for tests: made from one migrated template, emptied in a millisecond."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ProgrammingError

from usage_billing.all_models import Base
from usage_billing.cli.migration.migrate import upgrade

# What refuses deletion for good reason is told to look away, in the transaction that empties the tables.
GUARDED = (
    "alert_firings",
    "audit_log",
    "invoice_documents",
    "invoice_prepaid",
    "invoices",
    "usage_invoice_items",
    "wallet_grants",
    "wallet_transfers",
)
TABLES = [table.name for table in reversed(Base.metadata.sorted_tables) if table.name != "invoice_numbers"]
_TRIES = 20
_FILLED = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in TABLES)


def empty(engine: Engine) -> None:
    """Delete every row. It needs the tables for itself: a transaction that a test left open fails it."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '5s'; LOCK TABLE {', '.join(GUARDED)}")
        filled = set(connection.exec_driver_sql(_FILLED).scalars())
        guarded = [name for name in GUARDED if name in filled]
        statements = [
            *(f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in guarded),
            *(f"DELETE FROM {name}" for name in TABLES if name in filled),
            *(f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in guarded),
            "UPDATE invoice_numbers SET last = 0 WHERE last <> 0",
        ]
        connection.exec_driver_sql(";".join(statements))


class Databases:
    """Makes databases on the server of ``url``, which must allow it; all are dropped at the end."""

    def __init__(self, url: str, *, prefix: str) -> None:
        self._url = make_url(url)
        self._prefix = prefix
        self._names: list[str] = []
        self._template: str | None = None

    def migrated(self) -> str:
        """The URL of a new database with the present schema."""
        if self._template is None:
            url = self.bare()
            upgrade(url)
            self._template = self._names[-1]
        return self._create(template=self._template)

    def bare(self) -> str:
        """The URL of a new database without any table."""
        return self._create(template="template1")

    def drop_all(self) -> None:
        """Drop the databases that were made here, even with sessions still connected to them."""
        while self._names:
            self._drop(self._names.pop())

    def _create(self, *, template: str) -> str:
        name = f"{self._prefix}_{len(self._names)}"
        self._drop(name)
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._names.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _drop(self, name: str) -> None:
        """Drop a database, trying again while the server's own autovacuum, which we may not end, is at work in it."""
        for _ in range(_TRIES):
            try:
                return self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            except ProgrammingError as error:
                if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
                    raise
                time.sleep(0.5)
        return self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, *statements: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def databases_on(url: str, *, prefix: str) -> Iterator[Databases]:
    """Databases that are gone when the block ends."""
    made = Databases(url, prefix=prefix)
    try:
        yield made
    finally:
        made.drop_all()
