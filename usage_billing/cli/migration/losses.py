"""What going back to an earlier schema would delete, found in the statements of the way back before they run."""

import re
from collections.abc import Mapping
from io import StringIO

from sqlalchemy import Connection, create_engine, inspect, text

_COUNTED = 1_000_000
_TABLE = re.compile(r"^DROP TABLE (?:IF EXISTS )?(\w+)", re.MULTILINE)
_FILLED = re.compile(r"^INSERT INTO (\w+)", re.MULTILINE)
_COLUMN = re.compile(r"^ALTER TABLE (\w+) DROP COLUMN (?:IF EXISTS )?(\w+)", re.MULTILINE)
_RENAMED = re.compile(r"^ALTER TABLE (\w+) RENAME COLUMN (\w+) TO (\w+)", re.MULTILINE)


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
                    found[f"{table}.{column}"] = _rows(connection, table, filled=column)
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


def _rows(connection: Connection, table: str, *, filled: str | None = None) -> int:
    """How many rows ``table`` has, or only those where the column ``filled`` is not null; at most _COUNTED + 1."""
    where = f' WHERE "{filled}" IS NOT NULL' if filled else ""
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
