"""``pg_dump`` and ``pg_restore``: those that fit the server, with their progress shown and no password visible."""

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from usage_billing.cli.frame.output import progress
from usage_billing.core.errors import ConfigurationError, Unavailable
from usage_billing.embedded.binaries import postgres_folders
from usage_billing.redaction import redact

_VERSION = re.compile(r"\s(\d+)")
# What they say, with --verbose, of each table's rows.
_TABLE = re.compile(r"(dumping contents of|processing data for) table")
# From this version on pg_restore sets a parameter that servers before it do not know.
_SETS_TRANSACTION_TIMEOUT = 17
_TAIL = 5


def find_tool(name: str, *, server: int) -> Path:
    """The program ``name`` of the oldest version that is not older than the server's major version ``server``.

    It is looked for in PG_BIN, in the embedded server's programs and on the PATH. Raises ConfigurationError.
    """
    folders = [*postgres_folders(), *([Path(on_path).parent] if (on_path := shutil.which(name)) else [])]
    versions = {folder / name: _major(folder / name) for folder in folders if os.access(folder / name, os.X_OK)}
    fitting = [path for path, version in versions.items() if _fits(name, version, server)]
    if not fitting:
        raise ConfigurationError(
            f"there is no {name} for PostgreSQL {server}: install the client programs of PostgreSQL {server},"
            " or set PG_BIN to a folder that has them"
        )
    return min(fitting, key=lambda path: versions[path])


def run_tool(tool: Path, url: str, *words: str, what: str, tables: int) -> None:
    """Run ``tool`` on the database at ``url`` (``postgresql://``); the bar ``what`` counts its ``tables``.

    Raises Unavailable with the tool's own last words when it fails.
    """
    address, password = _without_password(url)
    command = [str(tool), f"--dbname={address}", "--no-password", "--verbose", *words]
    last: deque[str] = deque(maxlen=_TAIL)
    environment = {**os.environ, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}
    with (
        progress() as bar,
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as running,
    ):
        task = bar.add_task(what, total=tables)
        for line in running.stderr or ():
            last.append(line.strip())
            if _TABLE.search(line):
                bar.advance(task)
    if running.returncode:
        raise Unavailable(f"{tool.name} failed: {redact(_failure(last))}", code="database_unavailable")


def _fits(name: str, version: int, server: int) -> bool:
    if name == "pg_restore" and server < _SETS_TRANSACTION_TIMEOUT:
        return server <= version < _SETS_TRANSACTION_TIMEOUT
    return version >= server


def _failure(lines: Sequence[str]) -> str:
    return next((line for line in lines if "error:" in line), " ".join(lines))


def _major(program: Path) -> int:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout)
    return int(found[1]) if found else 0


def _without_password(url: str) -> tuple[str, str | None]:
    """The address as the tools take it, and the password, which every user could read on a command line."""
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), None if password is None else str(password)
