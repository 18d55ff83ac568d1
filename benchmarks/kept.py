"""Keeping a copy of the books, so that a run can be measured again on the same ones.

The table ``usage`` is left out: neither a run nor the yardstick writes to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.machine import Machine

_TRIES = 10
_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND relname NOT IN ('usage', 'alembic_version') ORDER BY relname
"""


def keep(made: Machine) -> None:
    """Copy the rows of every table but ``usage`` to a schema of its own."""
    with _superuser(made) as connection:
        connection.execute("CREATE SCHEMA kept")
        for table in _tables(connection):
            connection.execute(SQL("CREATE TABLE kept.{0} AS TABLE {0}").format(table))


def restore(made: Machine) -> None:
    """Put the kept rows back and remove all others; then vacuum and write all pages, so that nothing is left to do.

    Workers may still be relaying what the run told: where they and this wait for each other, this begins again.
    """
    with _superuser(made) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger, and foreign keys hold as they did
        for left in reversed(range(_TRIES)):
            try:
                _put_back(connection)
            except psycopg.errors.DeadlockDetected:
                if not left:
                    raise
            else:
                break
        made.vacuum()


def _put_back(connection: psycopg.Connection) -> None:
    tables = _tables(connection)
    with connection.transaction():
        connection.execute(SQL("TRUNCATE {}").format(SQL(", ").join(tables)))
        for table in tables:
            connection.execute(SQL("INSERT INTO {0} OVERRIDING SYSTEM VALUE TABLE kept.{0}").format(table))


@contextmanager
def _superuser(made: Machine) -> Iterator[psycopg.Connection]:
    with psycopg.connect(made.postgres.superuser_url("usage_billing"), autocommit=True) as connection:
        yield connection


def _tables(connection: psycopg.Connection) -> list[Identifier]:
    return [Identifier(name) for (name,) in connection.execute(_TABLES)]
