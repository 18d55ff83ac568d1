"""What a backup asks of a database, and how a database is emptied for one."""

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from usage_billing.core.errors import Conflict, NotFound, Unavailable
from usage_billing.redaction import redact

_CONNECT_SECONDS = 5
# The connections of a process that has just ended are seen for a moment longer.
_GONE_SECONDS = 3.0
_LOOK = """
    SELECT current_setting('server_version_num')::int AS server,
           (SELECT count(*) FROM pg_class AS it
            WHERE it.relnamespace = 'public'::regnamespace AND it.relkind IN ('r', 'p')) AS tables,
           to_regclass('public.alembic_version') IS NOT NULL AS migrated
"""
_OTHERS = """
    SELECT coalesce(nullif(application_name, ''), 'a program') || ' (process ' || pid || ')' AS name
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid
"""


@dataclass(frozen=True, slots=True)
class Found:
    """The database: PostgreSQL's version number, its tables, and the schema's revision, '' without one."""

    server: int
    tables: int
    schema: str

    @property
    def major(self) -> int:
        """PostgreSQL's major version."""
        return self.server // 10_000

    def require_schema(self) -> None:
        """Raises NotFound for a database without our tables."""
        if not self.schema:
            raise NotFound("the database has no tables of this service: there is nothing to save")


def look_at(url: str) -> Found:
    """What is at ``url`` (``postgresql://``). Raises Unavailable."""
    with _connected(url) as connection:
        (found,) = connection.execute(_LOOK).fetchall()
        rows = connection.execute("SELECT version_num FROM public.alembic_version") if found.migrated else ()
        return Found(found.server, found.tables, "".join(row.version_num for row in rows))


def require_unused(url: str) -> None:
    """Raises Conflict as long as another program is connected to the database at ``url``."""
    deadline = time.monotonic() + _GONE_SECONDS
    with _connected(url) as connection:
        while others := [row.name for row in connection.execute(_OTHERS).fetchall()]:
            if time.monotonic() > deadline:
                raise Conflict(
                    f"the database is in use by {', '.join(others[:3])}: stop the API, workers and beat"
                    " (or `usage-billing up`) first",
                    code="in_use",
                )
            time.sleep(0.2)


def clear(url: str) -> None:
    """Delete everything in the schema ``public`` of the database at ``url``."""
    with _connected(url) as connection:
        connection.execute("SET LOCAL lock_timeout = '10s'")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def _connected(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(
            url, connect_timeout=_CONNECT_SECONDS, application_name="usage-billing backup", row_factory=namedtuple_row
        )
    except psycopg.Error as error:
        reason = redact(str(error).strip().splitlines()[0])
        raise Unavailable(f"the database does not answer ({reason})", code="database_unavailable") from None
