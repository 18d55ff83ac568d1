"""Bad input: what is refused over HTTP and at the terminal alike, and that no table was touched."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.integration.conftest import Cli
from tests.support.books import rows
from tests.support.databases import TABLES

TYPED = "wrong_arguments"
"""What is said of an argument that is refused before its command begins."""
# A key says when it was last used; that is all that a refused request may leave.
_LOOKED_AT = [name for name in TABLES if name != "api_keys"]
_WRITTEN = " UNION ALL ".join(
    f"SELECT '{name}' AS name, count(*) AS n, coalesce(sum(CAST(CAST(xmin AS text) AS numeric)), 0) AS written"
    f' FROM "{name}"'
    for name in _LOOKED_AT
)


def written(engine: Engine) -> list[Any]:
    """Of each table the number of its rows, and the sum of the transactions that wrote them: each change moves it."""
    return rows(engine, _WRITTEN)


@dataclass(frozen=True)
class Row:
    """What is sent, what is typed, and what both answer: the status, the pointer or code, and the exit code.

    ``typed`` is None for what no option says. ``typed_says`` is what the terminal says, where that differs.
    """

    sent: Any
    typed: tuple[str, ...] | None
    says: str
    status: int = 422
    code: int = 2
    typed_says: str = ""
    path: str = ""


@dataclass(frozen=True)
class Doors:
    """Both doors to one database."""

    engine: Engine
    admin: FlaskClient
    cli: Cli

    def try_each(
        self, given: Mapping[str, Row], path: str = "", *, method: str = "POST", begins: tuple[str, ...] = ()
    ) -> None:
        """Send and type each row: it is refused as it says, and no table is touched."""
        wrong: list[Any] = []
        before = written(self.engine)
        for name, row in given.items():
            answer = self.admin.open(row.path or path, method=method, json=row.sent)
            if (answer.status_code, says(answer.json)) != (row.status, row.says):
                wrong.append((name, "sent", answer.status_code, answer.json))
            if row.typed is not None:
                typed = self.cli(*begins, *row.typed, "--json")
                if typed.out or (typed.code, _said(typed.err)) != (row.code, row.typed_says or row.says):
                    wrong.append((name, "typed", typed))
            if (after := written(self.engine)) != before:
                wrong.append((name, "something was written"))
                before = after
        assert not wrong, "\n".join(map(str, wrong))


def says(problem: Any) -> str:
    """Where a problem is, or its code where it names no field."""
    first = (problem.get("errors") or [problem])[0]
    return str(first.get("pointer") or first.get("parameter") or first["code"])


def _said(err: str) -> str:
    """Where a problem is that a command wrote to stderr with ``--json``; all it wrote, if that is not one line."""
    return says(json.loads(err)) if err.count("\n") == 1 else err
