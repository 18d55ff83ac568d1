"""What fixtures put into the tables: made once by the product, kept as rows, and put back for each further test."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from tests.support.databases import GUARDED, TABLES

Made = TypeVar("Made")
# Putting terms back writes a stamp of its own, as it should.
_TABLES_IN_ORDER = tuple(name for name in reversed(TABLES) if name != "term_stamps")
_kept: dict[tuple[str, str], tuple[Any, dict[str, bytes], int]] = {}


def kept(engine: Engine, name: str, make: Callable[[], Made]) -> Made:
    """Add to the tables what ``make`` adds; from the second call of that ``name`` on, the very rows of the first.

    Returns what ``make`` returned the first time, so ``make`` must return nothing that a test changes, and it must
    change no row that is there already. A test process asks once in each database.
    """
    key = (engine.url.render_as_string(), name)
    if key not in _kept:
        before, last = _read(engine)
        value = make()
        after, number = _read(engine)
        # What was there before, of another fixture, is not there again when these rows are put back.
        _kept[key] = value, _added(before, after), number if number != last else 0
        return value
    value, rows, number = _kept[key]
    with engine.begin() as connection:
        _write(connection, rows)
        if number:
            connection.exec_driver_sql(f"UPDATE invoice_numbers SET last = {number} WHERE last <> {number}")
    made: Made = value
    return made


def _read(engine: Engine) -> tuple[dict[str, list[bytes]], int]:
    """The rows of each table, as COPY writes them, and the last number of an invoice."""
    found = {}
    with engine.connect() as connection:
        for name in _TABLES_IN_ORDER:
            with _driver(connection).cursor().copy(f'COPY "{name}" TO STDOUT') as copy:
                found[name] = b"".join(copy).splitlines(keepends=True)
        return found, connection.exec_driver_sql("SELECT last FROM invoice_numbers").scalar_one()


def _added(before: dict[str, list[bytes]], after: dict[str, list[bytes]]) -> dict[str, bytes]:
    """The new rows of each table that has any."""
    added = {}
    for name, rows in after.items():
        there = set(before[name])
        assert there <= set(rows), f"a row of {name} was changed, which cannot be done again by adding rows"
        if new := b"".join(row for row in rows if row not in there):
            added[name] = new
    return added


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
