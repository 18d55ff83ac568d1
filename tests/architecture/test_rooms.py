"""Every room has the same shape, says what it owns, and each table has one owner."""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from usage_billing.all_models import Base

DOMAIN = ROOT / "usage_billing"
# What is no room: the cellar, the hall, the door, the window, and what starts processes.
OTHERS = {"core", "db", "flows", "reports", "cli", "embedded", "supervisor"}
ROOMS = sorted(p.name for p in DOMAIN.iterdir() if (p / "__init__.py").is_file() and p.name not in OTHERS)
PURE_ROOMS = {"rating"}


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


@pytest.mark.parametrize("room", sorted(set(ROOMS) - PURE_ROOMS))
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
    assert modules == {f"usage_billing.{room}.models" for room in set(ROOMS) - PURE_ROOMS}


@pytest.mark.parametrize("folder", sorted(OTHERS))
def test_what_is_no_room_says_what_it_is_too(folder: str) -> None:
    assert _docstring(DOMAIN / folder)
