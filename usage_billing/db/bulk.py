"""Many rows at once: COPY writes a row at a tenth of the cost of a statement, and indexes find rows by their keys.

psycopg makes an array of a list element by element, in Python. What every drain asks for sends its arrays as one text.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import Connection, Copy
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

_SEPARATOR = "\x1f"

BY_INDEX = "set_config('enable_seqscan', 'off', true)"
"""An expression that does what ``find_by_index`` does, in a statement that is sent anyway."""


def joined(names: Iterable[str]) -> str:
    """Names as one text, for ``string_to_array(:names, chr(31))``: no name contains this control character."""
    return _SEPARATOR.join(names)


def array_of(values: Iterable[int | Decimal | str | None]) -> str:
    """Numbers, or times in ISO 8601, as the text of one array, to be CAST to its type. None becomes NULL."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def copy_rows(session: Session, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Append ``rows`` to ``table`` by COPY. ``columns`` gives PostgreSQL's type by column name, in the rows' order.

    COPY sends text, which for a decimal costs a quarter of binary. A time costs more as text: give times as texts that
    many rows share. Raises SQLAlchemy's IntegrityError and the like.
    """
    session.flush()
    with copying(session, f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


@contextmanager
def copying(session: Session, statement: str) -> Iterator[Copy]:
    """A COPY in the session's transaction.

    COPY goes past SQLAlchemy. Its errors are raised as SQLAlchemy's, IntegrityError and the like, so a caller that
    catches those catches the errors of COPY too.
    """
    connection: Connection[object] = session.connection().connection.driver_connection  # type: ignore[assignment]
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            yield copy
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error) from error


def find_by_index(session: Session) -> None:
    """Let the statements of this transaction find their rows, some hundreds at a time, by an index.

    PostgreSQL plans by a table's statistics. While a table has just begun to grow, these make it read the whole table
    for each statement.
    """
    session.execute(text(f"SELECT {BY_INDEX}"))


def plan_anew(session: Session) -> None:
    """Let the statements of this connection be planned for the tables as they are now.

    A connection keeps the plan of a statement that it repeats. A plan from when a table was empty reads the whole table
    each time once it is full, until PostgreSQL gathers statistics anew.
    """
    session.execute(text("DISCARD PLANS"))
