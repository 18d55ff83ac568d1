"""Rows as typed values: each field takes the column of its own name, wherever that stands in the statement."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter, signature
from operator import itemgetter
from typing import Any, Protocol, TypeVar, cast

import psycopg
from sqlalchemy import CursorResult, Result, Select, TextClause
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

from usage_billing.core.giving_way import in_turns
from usage_billing.db.session import Reader

Value = TypeVar("Value")

# Rows of which things are made at once: some 30 us each, after which a thread can give way.
_AT_ONCE = 30
_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Found(Protocol):
    """Rows, and the names of their columns: SQLAlchemy's, or ``DriverRows``."""

    def keys(self) -> Iterable[str]:
        """The names of the columns, in order."""

    def __iter__(self) -> Iterator[Sequence[Any]]:
        """The rows that are left."""


@dataclass(frozen=True, slots=True)
class DriverRows:
    """What a statement found, as the driver has it."""

    names: Sequence[str]
    rows: Sequence[tuple[Any, ...]]

    def keys(self) -> Sequence[str]:
        """The names of the columns, in order."""
        return self.names

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)


def things_of(session: Session, statement: Select[Value]) -> Iterable[Value]:
    """The mapped things that ``statement`` selects, made of their rows a few at a time."""
    return in_turns(session.scalars(statement).yield_per(_AT_ONCE))


def read_rows(result: Found, kind: Callable[..., Value]) -> list[Value]:
    """One ``kind`` for each row that is left in ``result``. Raises LookupError as ``reader`` does."""
    read = reader(result, kind)
    return [read(row) for row in in_turns(result)]


def rows_of_driver(result: Result[Any]) -> Sequence[Any]:
    """What is left in the ``result`` of a statement in SQL, as the driver has it: SQLAlchemy's rows cost 1 us more.

    ``reader`` reads these too, if it was asked before: this closes the result.
    """
    rows = cast("CursorResult[Any]", result).cursor.fetchall()
    result.close()
    return rows


def driver_rows(reader: Reader, statement: TextClause, asked: Mapping[str, Any]) -> DriverRows:
    """What a statement in SQL finds, asked past SQLAlchemy, which costs 0.1 ms a statement.

    It does not see what a session has not flushed yet. Raises psycopg's errors, which what opened ``reader`` knows.
    """
    connection = reader.connection() if isinstance(reader, Session) else reader
    driver = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)
    try:
        with driver.cursor() as cursor:
            rows = cursor.execute(_spelled(statement), asked).fetchall()
            return DriverRows([column.name for column in cursor.description or ()], rows)
    except BaseException:  # what interrupts the waiting closes the connection too
        if driver.closed:
            connection.invalidate()  # the pool is not to be given it back
        raise


def reader(result: Found, kind: Callable[..., Value]) -> Callable[[Sequence[Any]], Value]:
    """How a row of ``result`` becomes a ``kind``: a class of at least two fields, each a column or with a default.

    A field with a default is not read, and a column without a field is passed over. The names are looked up here,
    once for all rows. Raises LookupError when a field has neither column nor default.
    """
    places = {name: place for place, name in enumerate(result.keys())}
    missing = [name for name in _fields(kind) if name not in places]
    if missing:
        raise LookupError(f"no column for {', '.join(missing)} of {kind}")
    pick = itemgetter(*[places[name] for name in _fields(kind)])
    return lambda row: kind(*pick(row))


@lru_cache(maxsize=256)
def _spelled(statement: TextClause) -> str:
    """The statement as the driver takes it."""
    return str(statement.compile(dialect=_DIALECT))


@lru_cache
def _fields(kind: Callable[..., object]) -> tuple[str, ...]:
    given = signature(kind).parameters.values()
    return tuple(field.name for field in given if field.default is Parameter.empty)
