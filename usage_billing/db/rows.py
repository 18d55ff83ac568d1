"""Rows as typed values: each field takes the column of its own name, wherever that stands in the statement."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from inspect import Parameter, signature
from operator import itemgetter
from typing import Any, TypeVar, cast

from sqlalchemy import CursorResult, Result, Select
from sqlalchemy.orm import Session

from usage_billing.core.giving_way import in_turns

Value = TypeVar("Value")

# Rows of which things are made at once: some 30 us each, after which a thread can give way.
_AT_ONCE = 30


def things_of(session: Session, statement: Select[Value]) -> Iterable[Value]:
    """The mapped things that ``statement`` selects, made of their rows a few at a time."""
    return in_turns(session.scalars(statement).yield_per(_AT_ONCE))


def read_rows(result: Result[Any], kind: Callable[..., Value]) -> list[Value]:
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


def reader(result: Result[Any], kind: Callable[..., Value]) -> Callable[[Sequence[Any]], Value]:
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


@lru_cache
def _fields(kind: Callable[..., object]) -> tuple[str, ...]:
    given = signature(kind).parameters.values()
    return tuple(field.name for field in given if field.default is Parameter.empty)
