"""``--help`` of every command is quick: it loads no database driver, no table printer, and little of Python's own.

It takes at most four times the CPU of ``python -c pass``. Times differ between runs, so this looks at what is loaded.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from usage_billing.cli.group import COMMANDS

ROOT = Path(__file__).parents[2]
SLOW = (
    *("alembic", "babel", "dotenv", "iso4217", "jwt", "msgspec", "psycopg", "rich", "sqlalchemy"),
    # Of Python's own, a millisecond or more each; and what reads the settings needs several of them.
    *("difflib", "fractions", "hashlib", "hmac", "json", "logging", "secrets", "zoneinfo", "usage_billing.settings"),
)

# Help of a command and of each command below it; on stderr, what all of it loaded.
LOOK = f"""
import sys
import click
from usage_billing.cli.group import run, usage_billing

name = sys.argv[1]
found = usage_billing.get_command(click.Context(usage_billing), name)
below = list(found.commands) if isinstance(found, click.Group) else []
codes = [run([name, "--help"]), *(run([name, inner, "--help"]) for inner in below)]
assert not any(codes), codes
print(*(module for module in {SLOW!r} if module in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_loads_nothing_that_takes_long(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, name], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == ""
    assert "Usage: usage-billing" in done.stdout
