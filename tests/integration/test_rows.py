"""Rows become values by the names of their columns."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows, reader


class Pair(NamedTuple):
    """Two fields."""

    first: int
    second: str


@dataclass
class Marked:
    """Two fields, and one that no statement gives."""

    first: int
    second: str
    changed: bool = False


@pytest.mark.parametrize("columns", ["1 AS first, 'b' AS second", "'b' AS second, 'c' AS third, 1 AS first"])
def test_columns_are_found_by_their_names_wherever_they_stand(session: Session, columns: str) -> None:
    statement = text(f"SELECT {columns} FROM generate_series(1, 2)")
    assert read_rows(session.execute(statement), Pair) == [Pair(1, "b")] * 2
    assert read_rows(session.execute(statement), Marked) == [Marked(1, "b")] * 2


def test_a_field_with_a_default_is_not_read(session: Session) -> None:
    result = session.execute(text("SELECT true AS changed, 1 AS first, 'b' AS second"))
    assert read_rows(result, Marked) == [Marked(1, "b", changed=False)]


def test_a_field_without_a_column_is_told_before_a_row_is_read(session: Session) -> None:
    with pytest.raises(LookupError, match="no column for second of"):
        reader(session.execute(text("SELECT 1 AS first")), Pair)
