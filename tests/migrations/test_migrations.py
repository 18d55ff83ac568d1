"""Migrations go up, down and up again, two at once, and end where the models are."""

import ast
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.architecture.sources import ROOT, sources
from tests.migrations.schema import read_schema
from tests.support.databases import Databases
from tests.support.processes import wait_until
from usage_billing.all_models import Base
from usage_billing.cli.migration.migrate import alembic_config, downgrade, upgrade

SCRIPTS = ScriptDirectory.from_config(alembic_config("postgresql+psycopg://"))
OF_ROWS = {"0087"}
"""They change rows and no schema; what they mark is right for the build before too, so the way back does nothing."""
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


def test_there_is_one_line_of_numbered_migrations() -> None:
    assert [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert SCRIPTS.get_heads() == [REVISIONS[-1]]


def test_up_then_down_leaves_nothing_and_up_again_makes_the_same(databases: Databases) -> None:
    url = databases.bare()
    empty = read_schema(url)
    upgrade(url)
    first = read_schema(url)
    downgrade(url, "base")
    assert read_schema(url) == empty
    upgrade(url)
    assert read_schema(url) == first


def test_each_step_can_be_taken_back(databases: Databases) -> None:
    url = databases.bare()
    for revision in REVISIONS:
        before = read_schema(url)
        upgrade(url, revision)
        after = read_schema(url)
        assert (after == before) == (revision in OF_ROWS), revision
        downgrade(url, "-1")
        assert read_schema(url) == before, revision
        upgrade(url, revision)
        # A column that was dropped leaves its place empty: the next one stands behind it.
        assert _placeless(read_schema(url)) == _placeless(after), revision


def test_the_models_are_what_the_migrations_made(databases: Databases) -> None:
    engine = create_engine(databases.migrated())
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_tables_made_from_the_models_are_the_same_to_the_last_constraint(databases: Databases) -> None:
    """Alembic compares neither checks nor exclusions nor storage options; PostgreSQL's catalogue does."""
    url = databases.bare()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION btree_gist"))
        for name in ("usage_place", "usage_key_digest"):
            connection.execute(text(_function(databases.migrated(), name)))
        Base.metadata.create_all(connection)
    engine.dispose()
    made, migrated = read_schema(url, code=False), read_schema(databases.migrated(), code=False)
    for part, lines in migrated.items():
        assert _without_position(made[part]) == _without_position(lines), part


def _function(url: str, name: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        definition: str = connection.scalar(text("SELECT pg_get_functiondef(CAST(:name AS regproc))"), {"name": name})
    engine.dispose()
    return definition


def _placeless(schema: dict[str, list[str]]) -> dict[str, list[str]]:
    return schema | {"columns": _without_position(schema["columns"])}


def _without_position(lines: list[str]) -> list[str]:
    """A column added later stands last in the table, wherever the model has it."""
    return sorted(line.rsplit(", ", 1)[0] for line in lines)


def test_three_starts_at_once_migrate_once_and_each_tells_what_it_did(databases: Databases) -> None:
    url = databases.bare()
    environment = {**os.environ, "DATABASE_URL": url.replace("+psycopg", ""), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "usage_billing", "migrate"]
    starts = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = sorted(start.communicate(timeout=90)[0] for start in starts)
    head = REVISIONS[-1]
    nothing = f"Nothing to do: the database is at {head}.\n"
    assert told == [f"Migrated from base to {head}.\n", nothing, nothing]
    assert read_schema(url) == read_schema(databases.migrated())


def test_a_migration_gives_up_rather_than_queue_behind_a_long_transaction(databases: Databases) -> None:
    """Everything that comes after it would queue behind it."""
    url = databases.bare()
    upgrade(url, "0005")
    before = read_schema(url)
    engine = create_engine(url)
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM audit_log"))
        with pytest.raises(OperationalError, match="lock timeout"):
            downgrade(url, "base")
    engine.dispose()
    assert read_schema(url) == before


@pytest.mark.parametrize("revision", ["0008", "0009", "0010", "0011", "0012", "0013"])
def test_a_drain_that_has_read_and_will_write_and_a_migration_get_by_each_other(
    databases: Databases, revision: str
) -> None:
    """A migration that holds a lock and asks for a stronger one would end in a deadlock, again and again."""
    url = databases.bare()
    upgrade(url, f"{int(revision) - 1:04d}")
    engine = create_engine(url)
    locks = text("SELECT count(*) FROM pg_locks WHERE relation = 'usage'::regclass AND NOT granted")
    with ThreadPoolExecutor(1) as beside, engine.connect() as drain, engine.connect() as looking:
        drain.execute(text("SELECT count(*) FROM usage"))
        migration = beside.submit(upgrade, url, revision)
        wait_until(lambda: migration.done() or looking.scalar(locks) == 1)
        drain.execute(text("LOCK TABLE usage IN ROW EXCLUSIVE MODE"))
        drain.commit()
        migration.result(20)
    engine.dispose()


@pytest.mark.parametrize("file", sources("migrations/versions"), ids=lambda file: file.name)
def test_a_migration_has_a_way_back_and_says_what_it_does(file: object) -> None:
    tree = file.tree  # type: ignore[attr-defined]
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if not functions:  # the package's own file
        return
    assert ast.get_docstring(tree)
    of_rows = any(f"/{revision}_" in file.name for revision in OF_ROWS)  # type: ignore[attr-defined]
    for name in ("upgrade",) if of_rows else ("upgrade", "downgrade"):
        assert not isinstance(functions[name].body[0], ast.Pass | ast.Raise), name


def test_a_period_that_is_still_to_be_cut_is_looked_at_again(databases: Databases) -> None:
    """What an average came to before the cut is rated, and nothing follows yet; a greatest value has no such part."""
    url = databases.bare()
    upgrade(url, "0086")
    engine = create_engine(url)
    with engine.begin() as books:
        keys = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = '{}'::regclass"
        for table in ("meter_definitions", "usage_summaries"):
            for name in books.scalars(text(keys.format(table))).all():
                books.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for name, function in (("mean", "average"), ("most", "max")):
            books.execute(
                text("INSERT INTO meter_definitions (usage_type_id, version, function, effective_from, series_limit,"
                     " dimensions) VALUES (:name, 1, :function, now(), 10, '[]')"),
                {"name": name, "function": function},
            )  # fmt: skip
            for subscription, closes in (("runs", "3 days"), ("over", "-1 day")):
                books.execute(
                    text("INSERT INTO usage_summaries (subscription_id, usage_type_id, period_start, period_end,"
                         " bills_at, total, beyond_limit, events, beyond_events, voids, events_hash, frozen, to_rate)"
                         " VALUES (:name, :type, now() - interval '9 days', now() - interval '5 days',"
                         " now() + CAST(:closes AS interval), 0, 0, 0, 0, 0, decode(repeat('00', 32), 'hex'), false,"
                         " false)"),
                    {"name": subscription, "type": name, "closes": closes},
                )  # fmt: skip
    upgrade(url)
    with engine.connect() as books:
        marked = books.execute(text("SELECT subscription_id, usage_type_id FROM usage_summaries WHERE to_rate"))
        assert [tuple(row) for row in marked] == [("runs", "mean")]
    engine.dispose()
