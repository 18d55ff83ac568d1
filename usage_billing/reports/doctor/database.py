"""Can the database be reached, with these credentials, and is it what the program expects?"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import scalar_row

from usage_billing.core.clock import utc_now
from usage_billing.reports.doctor.clocks import compare_clocks
from usage_billing.reports.doctor.finding import FAIL, WARN, Finding, fine

SECONDS = 5
MINIMUM_VERSION = 15

# Pieces of what PostgreSQL says; connection errors carry no code.
_REFUSED = (
    "password authentication failed",
    "no password supplied",
    "authentication failed",
    "no pg_hba.conf entry",
    "role ",
    "permission denied for database",
)
_CURE_URL = "start that server, or correct DATABASE_URL"


def connect(url: str) -> psycopg.Connection[Any] | Finding:
    """A connection in autocommit, or why there is none. ``url`` is a ``postgresql+psycopg://`` one."""
    try:
        return psycopg.connect(
            url.replace("postgresql+psycopg://", "postgresql://", 1),
            connect_timeout=SECONDS,
            autocommit=True,
            prepare_threshold=None,  # each question is asked once, perhaps of a pooler
            application_name="usage-billing doctor",
        )
    except psycopg.OperationalError as error:
        return _why(str(error))
    except (psycopg.Error, ValueError):  # the driver's words may repeat the URL
        return Finding(
            "database",
            FAIL,
            "database_url_invalid",
            "DATABASE_URL is no valid PostgreSQL URL",
            "write postgresql://user:password@host:5432/database, with @ : / in a password as %40 %3A %2F",
        )


def look(connection: psycopg.Connection[Any], *, head: str) -> Iterator[Finding]:
    """What a reachable database says about itself; ``head`` is the revision that this version needs."""
    version = connection.info.server_version // 10_000
    if version < MINIMUM_VERSION:
        yield Finding(
            "database",
            FAIL,
            "database_too_old",
            f"the server is PostgreSQL {version}",
            f"use {MINIMUM_VERSION} or later",
        )
    else:
        yield fine("database", f"PostgreSQL {version} answers as {connection.info.user}")
    yield durability_of(connection)
    yield from _clock(connection)
    yield _migrations(connection, head)


def _why(said: str) -> Finding:
    lines = said.strip().splitlines() or ["no reason given"]
    reason = lines[0].removeprefix("connection failed: ").strip()
    if any(piece in said for piece in _REFUSED):
        return Finding(
            "database",
            FAIL,
            "database_credentials_refused",
            f"the database refuses the user or password of DATABASE_URL ({reason})",
            "correct user and password in DATABASE_URL; that the server answers is proven",
        )
    if 'database "' in said and "does not exist" in said:
        return Finding(
            "database",
            FAIL,
            "database_missing",
            f"the server answers, but has no such database ({reason})",
            "create it with `createdb`, or correct DATABASE_URL",
        )
    return Finding("database", FAIL, "database_unreachable", f"the database cannot be reached ({reason})", _CURE_URL)


def durability_of(connection: psycopg.Connection[Any]) -> Finding:
    """Whether what this server committed is on disk. Our sessions set synchronous_commit themselves."""
    off = [name for name in ("fsync", "full_page_writes") if _show(connection, name) == "off"]
    if off:
        return Finding(
            "durability",
            WARN,
            "database_not_durable",
            f"a power cut can lose what was recorded: {', '.join(off)} is off",
            f"set {', '.join(off)} = on in postgresql.conf",
        )
    return fine("durability", "what is committed survives a power cut")


def oldest_waiting(connection: psycopg.Connection[Any]) -> datetime | None:
    """Since when the oldest entry of the inbox on PostgreSQL waits."""
    oldest: datetime | None = _one_value(connection, "SELECT min(appended_at) FROM inbox_entries")
    return oldest


def _clock(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    theirs: datetime = _one_value(connection, "SELECT clock_timestamp()")
    yield compare_clocks("this machine's", utc_now() - theirs)


def _migrations(connection: psycopg.Connection[Any], head: str) -> Finding:
    try:
        found = _one_value(connection, "SELECT version_num FROM alembic_version") or "none"
    except psycopg.errors.UndefinedTable:
        found = "none"
    except psycopg.errors.InsufficientPrivilege:
        return Finding(
            "migrations",
            FAIL,
            "database_permission",
            f"the user {connection.info.user} may not read the tables",
            "use the user that ran `usage-billing migrate`, or GRANT it the tables",
        )
    if found == head:
        return fine("migrations", f"the schema is the present one ({head})")
    return Finding(
        "migrations",
        FAIL,
        "not_migrated",
        f"the schema is at {found}, this version needs {head}",
        "run `usage-billing migrate`",
    )


def _show(connection: psycopg.Connection[Any], name: str) -> str:
    return str(_one_value(connection, "SELECT current_setting(%s)", name))


def _one_value(connection: psycopg.Connection[Any], statement: LiteralString, *values: str) -> Any:
    """The one column of the first row; None without a row."""
    return connection.cursor(row_factory=scalar_row).execute(statement, values).fetchone()
