"""What going back to an earlier schema would delete, found in the statements of the way back before they run."""

import re
from collections.abc import Mapping
from io import StringIO

from sqlalchemy import Connection, create_engine, inspect, text

from usage_billing.core.errors import Conflict

# What builds before a revision do not know, and cannot be left without: a question, and what it finds.
_NO_WAY_BACK = {
    "0061": (
        "SELECT EXISTS (SELECT FROM meter_definitions WHERE function = 'unique_count' AND carry)",
        "meters of distinct values that are carried",
    ),
    "0063": ("SELECT EXISTS (SELECT FROM packages WHERE unit_name IS NULL)", "packages of money"),
}
_COUNTED = 1_000_000
_TABLE = re.compile(r"^DROP TABLE (?:IF EXISTS )?(\w+)", re.MULTILINE)
_FILLED = re.compile(r"^INSERT INTO (\w+)", re.MULTILINE)
_COLUMN = re.compile(r"^ALTER TABLE (\w+) DROP COLUMN (?:IF EXISTS )?(\w+)", re.MULTILINE)
_RENAMED = re.compile(r"^ALTER TABLE (\w+) RENAME COLUMN (\w+) TO (\w+)", re.MULTILINE)


def check_way_back(url: str, *, before: str, target: str) -> None:
    """Raises Conflict where the books hold what ``target`` has no place for and what is not deleted either.

    Raises OperationalError.
    """
    revisions = [one for one in _NO_WAY_BACK if (target == "base" or target < one) and one <= before]
    if not revisions:
        return
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            for question, what in (_NO_WAY_BACK[one] for one in revisions):
                if connection.scalar(text(question)):
                    raise Conflict(f"there is no way back to {target}, because it does not know {what}")
    finally:
        engine.dispose()


def find_losses(url: str, *, before: str, target: str) -> dict[str, int]:
    """Tables, and columns as ``table.column``, that hold something and that ``before`` has but ``target`` has not.

    The number is that of their rows, counted up to a million. Tables that migrations fill themselves, such as the
    counter of invoice numbers, are left out: what is worth keeping in them stands in others too. Raises
    OperationalError.
    """
    statements, filled = _statements("downgrade", before, target), _statements("upgrade", target, before)
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            there = set(inspect(connection).get_table_names()) - set(_FILLED.findall(filled))
            dropped = [name for name in _TABLE.findall(statements) if name in there]
            found = {name: _rows(connection, name) for name in dropped}
            # On the way a column may get the name that it had before, and go by that.
            names = {(table, earlier): now for table, now, earlier in _RENAMED.findall(statements)}
            for table, earlier in _COLUMN.findall(statements):
                column = names.get((table, earlier), earlier)
                if table in there and table not in found:
                    plain = _constant_default(connection, table, column)
                    found[f"{table}.{column}"] = _rows(connection, table, filled=column, plain=plain)
    finally:
        engine.dispose()
    return {name: rows for name, rows in found.items() if rows}


def losses_in_words(losses: Mapping[str, int]) -> str:
    """``usage (53 rows), invoices (1 row)``."""
    return ", ".join(f"{name} ({_words(rows)})" for name, rows in losses.items())


def _words(rows: int) -> str:
    if rows > _COUNTED:
        return f"over {_COUNTED:,} rows"
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _constant_default(connection: Connection, table: str, column: str) -> str:
    """The default of a column, as SQL, if it is a constant; null otherwise."""
    columns = inspect(connection).get_columns(table)
    default = next((one["default"] for one in columns if one["name"] == column), None)
    return "NULL" if default is None or "(" in default else default


def _rows(connection: Connection, table: str, *, filled: str | None = None, plain: str = "NULL") -> int:
    """How many rows ``table`` has, at most _COUNTED + 1.

    Of a column ``filled`` only those where it is neither null nor ``plain``, which it had without being said.
    """
    where = f' WHERE "{filled}" IS NOT NULL AND "{filled}" IS DISTINCT FROM {plain}' if filled else ""
    found = connection.scalar(
        text(f'SELECT count(*) FROM (SELECT FROM "{table}"{where} LIMIT {_COUNTED + 1}) counted')  # noqa: S608
    )
    return int(found or 0)


def _statements(way: str, start: str, end: str) -> str:
    """The SQL that Alembic's ``way``, ``upgrade`` or ``downgrade``, would run from ``start`` to ``end``."""
    from alembic import command

    from usage_billing.cli.migration.migrate import alembic_config

    config, written = alembic_config(""), StringIO()
    config.output_buffer = written
    getattr(command, way)(config, f"{start}:{end}", sql=True)
    return written.getvalue()
