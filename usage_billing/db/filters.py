"""What a list is narrowed to, in the words of the caller."""

from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from usage_billing.core.spans import Span

Row = TypeVar("Row")


def within(statement: Select[Row], column: InstrumentedAttribute[Any], span: Span) -> Select[Row]:
    """Those rows of ``statement`` whose ``column`` is in ``span``: from its start to before its end."""
    if span.start is not None:
        statement = statement.where(column >= span.start)
    if span.end is not None:
        statement = statement.where(column < span.end)
    return statement


def equal(statement: Select[Row], asked: dict[InstrumentedAttribute[Any], Any]) -> Select[Row]:
    """Those rows of ``statement`` that have what is ``asked`` of each column; None asks nothing."""
    for column, value in asked.items():
        if value is not None:
            statement = statement.where(column == value)
    return statement


def begins_with(statement: Select[Row], column: InstrumentedAttribute[Any], prefix: str) -> Select[Row]:
    """Only rows whose ``column``, an identifier, begins with ``prefix``: a range of its index. All rows for none."""
    if not prefix:
        return statement
    # Identifiers are compared as bytes, and none has a character after the tilde.
    return statement.where(column >= prefix, column < f"{prefix}\x7f")
