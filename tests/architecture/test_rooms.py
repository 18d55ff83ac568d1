"""Every room has the same shape, says what it owns, and each table has one owner."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from usage_billing.all_models import Base

DOMAIN = ROOT / "usage_billing"
# What is no room: the cellar, the hall, the door, the window, and what starts processes.
OTHERS = {"core", "db", "flows", "reports", "cli", "embedded", "supervisor"}
ROOMS = sorted(p.name for p in DOMAIN.iterdir() if (p / "__init__.py").is_file() and p.name not in OTHERS)
# Pure ones, and one that only reads.
WITHOUT_TABLES = {"brand", "exports", "expressions", "prepaid", "rating", "wire"}
# What makes an engine, and what else it has imported by then.
DOORS = {
    "api": "import api.app",
    "a worker": "from tasks.celery import app; app.loader.import_default_modules()",
    "a command": "from usage_billing.cli.frame.database import connected; connected().__enter__()",
    "doctor": "import usage_billing.reports.doctor.diagnosis",
}


def _docstring(folder: Path) -> str:
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    return ast.get_docstring(tree) or ""


def test_the_rooms_are_found() -> None:
    assert {"metering", "invoicing", "catalog", "rating"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_owns_and_what_not(room: str) -> None:
    words = _docstring(DOMAIN / room)
    assert words.startswith("Owns ")
    assert "oes not own" in words


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_front_door_imports_nothing(room: str) -> None:
    tree = ast.parse((DOMAIN / room / "__init__.py").read_text(encoding="utf-8"))
    assert [type(node).__name__ for node in tree.body] == ["Expr"]


@pytest.mark.parametrize("room", sorted(set(ROOMS) - WITHOUT_TABLES))
def test_a_room_owns_the_tables_that_it_names(room: str) -> None:
    owned = {
        mapper.local_table.name
        for mapper in Base.registry.mappers
        if mapper.class_.__module__ == f"usage_billing.{room}.models"
    }
    assert owned
    words = _docstring(DOMAIN / room)
    assert [table for table in sorted(owned) if f"``{table}``" not in words] == []


def test_every_table_lives_in_a_room() -> None:
    modules = {mapper.class_.__module__ for mapper in Base.registry.mappers}
    assert modules == {f"usage_billing.{room}.models" for room in set(ROOMS) - WITHOUT_TABLES}


@pytest.mark.parametrize("door", DOORS)
def test_whoever_writes_knows_every_table_that_one_of_his_points_to(door: str) -> None:
    """In a process of its own: this one has imported them all."""
    look = "from usage_billing.db.base import Base; [key.column for t in Base.metadata.tables.values()"
    code = f"{DOORS[door]}; {look} for key in t.foreign_keys]; print(len(Base.metadata.tables))"
    environment = os.environ | {"DATABASE_URL": "postgresql://nothing.connects.yet/usage"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


@pytest.mark.parametrize("folder", sorted(OTHERS))
def test_what_is_no_room_says_what_it_is_too(folder: str) -> None:
    assert _docstring(DOMAIN / folder)
