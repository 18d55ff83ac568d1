"""The books as they were, to do the same to them again. Usage stays: neither a run nor the yardstick writes there."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.machine import Machine

_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND relname NOT IN ('usage', 'alembic_version') ORDER BY relname
"""


def keep(made: Machine) -> None:
    """Remember the rows of every table."""
    with _superuser(made) as connection:
        connection.execute("CREATE SCHEMA kept")
        for table in _tables(connection):
            connection.execute(SQL("CREATE TABLE kept.{0} AS TABLE {0}").format(table))


def restore(made: Machine) -> None:
    """Let there be those rows and no others, where they were before; no page is left to write or to vacuum."""
    with _superuser(made) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger, and foreign keys hold as they did
        tables = _tables(connection)
        with connection.transaction():
            connection.execute(SQL("TRUNCATE {}").format(SQL(", ").join(tables)))
            for table in tables:
                connection.execute(SQL("INSERT INTO {0} OVERRIDING SYSTEM VALUE TABLE kept.{0}").format(table))
        made.vacuum()


@contextmanager
def _superuser(made: Machine) -> Iterator[psycopg.Connection]:
    with psycopg.connect(made.postgres.superuser_url("usage_billing"), autocommit=True) as connection:
        yield connection


def _tables(connection: psycopg.Connection) -> list[Identifier]:
    return [Identifier(name) for (name,) in connection.execute(_TABLES)]
