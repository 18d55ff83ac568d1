"""How PostgreSQL went about a statement."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session


@contextmanager
def scans_of(session: Session, table: str) -> Iterator[list[dict[str, Any]]]:
    """What each statement of the block that reads ``table`` did there: the node of its plan, with its figures."""
    found: list[dict[str, Any]] = []
    bind = session.get_bind()

    def explain(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if re.search(rf"\bFROM {table}\s", statement) and not statement.startswith("EXPLAIN"):
            with session.connection().connection.driver_connection.cursor() as own:  # type: ignore[union-attr]
                own.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
                found.extend(_scans(own.fetchone()[0][0]["Plan"], table))

    event.listen(bind, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(bind, "before_cursor_execute", explain)


def index_of(scan: dict[str, Any]) -> str | None:
    """The index that a scan goes by, itself or for its bitmap; None when it reads the table."""
    name: str | None = scan.get("Index Name")
    return name or next((index_of(inner) for inner in scan.get("Plans", ())), None)


def analyze(engine: Engine, table: str) -> None:
    """Let the planner know what is in the table by now."""
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"ANALYZE {table}"))


def _scans(plan: dict[str, Any], table: str) -> Iterator[dict[str, Any]]:
    if plan.get("Relation Name") == table:
        yield plan
    for inner in plan.get("Plans", ()):
        yield from _scans(inner, table)
