"""What is sent to the database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event


@contextmanager
def statements_of(engine: Engine) -> Iterator[list[str]]:
    """The statements within the block; those that go past SQLAlchemy are not among them."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def after_each_statement(act: Callable[[str], None]) -> Iterator[None]:
    """Call ``act`` with each statement that this process has sent, once it has run, but not with those of ``act``."""
    run, acting = psycopg.Cursor.execute, False

    def noted(cursor: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal acting
        found = run(cursor, query, *arguments, **named)
        if not acting:
            acting = True
            try:
                act(str(query))
            finally:
                acting = False
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", noted)
        yield
