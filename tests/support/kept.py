"""What fixtures put into the tables: made once by the product, kept as rows, and put back for each further test."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from tests.support.databases import GUARDED, TABLES

Made = TypeVar("Made")
_TABLES_IN_ORDER = tuple(reversed(TABLES))
_kept: dict[tuple[str, str], tuple[Any, dict[str, bytes], int]] = {}


def kept(engine: Engine, name: str, make: Callable[[], Made]) -> Made:
    """Fill the empty tables as ``make`` does; from the second call of that ``name`` on, with the very rows it made.

    Returns what ``make`` returned the first time, so ``make`` must return nothing that a test changes. A test process
    asks once in each database.
    """
    key = (engine.url.render_as_string(), name)
    if key not in _kept:
        value = make()
        with engine.begin() as connection:
            number = connection.exec_driver_sql("SELECT last FROM invoice_numbers").scalar_one()
            _kept[key] = value, _read(connection), number
        return value
    value, rows, number = _kept[key]
    with engine.begin() as connection:
        _write(connection, rows)
        connection.exec_driver_sql(f"UPDATE invoice_numbers SET last = {number} WHERE last <> {number}")
    made: Made = value
    return made


def _read(connection: Connection) -> dict[str, bytes]:
    """The rows of each table that has any, as COPY writes them."""
    found = {}
    for name in _TABLES_IN_ORDER:
        with _driver(connection).cursor().copy(f'COPY "{name}" TO STDOUT') as copy:
            rows = b"".join(copy)
        if rows:
            found[name] = rows
    return found


def _write(connection: Connection, rows: dict[str, bytes]) -> None:
    """Put the rows back: triggers, which the product's statements fired when they were made, look away."""
    guarded = [name for name in GUARDED if name in rows]
    for name in guarded:
        connection.exec_driver_sql(f"ALTER TABLE {name} DISABLE TRIGGER USER")
    for name, text in rows.items():
        with _driver(connection).cursor().copy(f'COPY "{name}" FROM STDIN') as copy:
            copy.write(text)
    for name in guarded:
        connection.exec_driver_sql(f"ALTER TABLE {name} ENABLE TRIGGER USER")


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
