"""Squawk reads the SQL of every migration for what would lock a table or break a running version."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command

from migrations import versions
from usage_billing.cli.migration.migrate import alembic_config

FOLDER = Path(versions.__file__).parent
REVISIONS = sorted(path.name.partition("_")[0] for path in FOLDER.glob("[0-9]*.py"))
SQUAWK = Path(sys.executable).parent / "squawk"
# What migrations/env.py sets on every connection and SQL for a file cannot show.
SESSION = "SET lock_timeout = '5s';\nSET statement_timeout = '10min';\n"
IGNORED = {
    # Identifiers have a length on the wire; the database keeps to it too, and none will ever be widened.
    "prefer-text-field",
    # Versions of a quota, slices of a run, requests a minute: two thousand million are enough.
    "prefer-bigint-over-int",
}


def squawk(file: Path) -> subprocess.CompletedProcess[str]:
    """Lint one file of SQL as for the oldest PostgreSQL that is supported."""
    arguments = ["--pg-version=15", "--reporter=gcc", f"--exclude={','.join(sorted(IGNORED))}", file]
    return subprocess.run([SQUAWK, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_migration_is_safe_to_run_beside_the_service(revision: str, tmp_path: Path) -> None:
    config = alembic_config("postgresql+psycopg://")
    config.output_buffer = io.StringIO()
    before = "base" if revision == REVISIONS[0] else f"{int(revision) - 1:04d}"
    command.upgrade(config, f"{before}:{revision}", sql=True)
    file = tmp_path / f"{revision}.sql"
    file.write_text(SESSION + config.output_buffer.getvalue(), encoding="utf-8")
    result = squawk(file)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "usage" ADD COLUMN colour text NOT NULL;',
        'CREATE INDEX ix_usage_source ON "usage" (source);',
        'ALTER TABLE "usage" ALTER COLUMN quantity TYPE numeric(40, 12);',
        'ALTER TABLE "usage" ADD CONSTRAINT ck_usage_source CHECK (length(source) > 0);',
    ],
)
def test_the_lint_sees_what_would_hold_up_the_service(statement: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.sql"
    file.write_text(f"{SESSION}BEGIN;\n{statement}\nCOMMIT;\n", encoding="utf-8")
    assert squawk(file).returncode == 1
