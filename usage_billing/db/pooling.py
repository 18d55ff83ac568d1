"""What a session is set to: by the options of its connection, or, behind a pooler, by each of its transactions.

A pooler in transaction mode, such as PgBouncer, gives a client a session for the length of a transaction. It refuses
the options of a connection or drops them in silence, and a statement that was prepared in one session is unknown in
the next.
"""

from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import scalar_row

from usage_billing.core.errors import ConfigurationError

# A server may be configured to answer before a commit is on disk. The inbox deletes what we say is committed, so here
# each commit waits for the disk.
OUR_SESSION = {"timezone": "UTC", "synchronous_commit": "on"}
_DURABLE = {"on", "remote_apply"}
_CONNECT_SECONDS = 2
_MARK = 12_345
"""Milliseconds that no server has as its statement_timeout."""


def arguments(session: Mapping[str, str], *, pooled: bool) -> dict[str, Any]:
    """The arguments of ``psycopg.connect`` for a session that is set to ``session``, or for one behind a pooler."""
    if pooled:
        return {"prepare_threshold": None}
    return {"options": " ".join(f"-c {name}={value}" for name, value in session.items())}


def set_local(session: Mapping[str, str]) -> LiteralString:
    """The statements, for one round trip, that set a transaction to ``session``, all of which is ours."""
    return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in session.items())


def refuse_lossy_session(url: str, *, pooled: bool) -> None:
    """Raises ConfigurationError if commits at ``url`` are not durable, or a pooler drops what a connection asks for.

    ``url`` is a ``postgresql+psycopg://`` one. A server that does not answer is not judged.
    """
    asked = OUR_SESSION | {"statement_timeout": str(_MARK)}
    address = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with psycopg.connect(
            address, connect_timeout=_CONNECT_SECONDS, autocommit=True, **arguments(asked, pooled=pooled)
        ) as connection:
            durable = _show(connection, "synchronous_commit") in _DURABLE
            kept = pooled or _show(connection, "statement_timeout") == f"{_MARK}ms"
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" not in str(error):
            return
        durable, kept = True, False
    if not kept:
        raise ConfigurationError(
            "a pooler at DATABASE_URL does not pass the connection's options on:"
            " set USAGE_BILLING_POOLER=transaction, and DATABASE_DIRECT_URL to the database itself"
        )
    if not durable:
        raise ConfigurationError(
            "synchronous_commit is not on at DATABASE_URL, so a commit may be lost that was answered:"
            " ALTER ROLE ... SET synchronous_commit = on, and let the pooler connect anew"
        )


def _show(connection: psycopg.Connection[Any], name: LiteralString) -> str:
    cursor = connection.cursor(row_factory=scalar_row)
    (value,) = cursor.execute("SELECT current_setting(%s)", (name,)).fetchall()
    return str(value)
