"""Many rows at once: written by COPY, which costs a tenth of a statement for each, and found by their keys."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, Copy
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session


def copy_rows(session: Session, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Append ``rows`` to ``table``, their values in the order of ``columns``: names, and PostgreSQL's types.

    In text, which for a decimal costs a quarter of binary. Not so for times: give them as text, once for many rows.
    """
    session.flush()
    with copying(session, f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


@contextmanager
def copying(session: Session, statement: str) -> Iterator[Copy]:
    """A COPY in the session's transaction.

    It goes past SQLAlchemy; whoever catches its IntegrityError and the like catches those of COPY too.
    """
    connection: Connection[object] = session.connection().connection.driver_connection  # type: ignore[assignment]
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            yield copy
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error) from error


def find_by_index(session: Session) -> None:
    """Let the statements of this transaction look up what they want some hundreds of.

    Plans follow statistics: those of a table that has just begun to grow call for reading all of it, each time.
    """
    session.execute(text("SET LOCAL enable_seqscan = off"))


def plan_anew(session: Session) -> None:
    """Let the statements of this connection be planned for the tables as they are now.

    It keeps the plan of what it repeats: one made while a table was empty reads all of it once it is full, each time,
    until the statistics are taken anew.
    """
    session.execute(text("DISCARD PLANS"))
