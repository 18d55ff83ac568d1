"""A PostgreSQL of our own: made by initdb with a password, fsync on, loopback only."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM
from typing import ClassVar

import psycopg
from psycopg import sql

from usage_billing.core.errors import ConfigurationError, Unavailable
from usage_billing.embedded.accounts import account_for_initdb
from usage_billing.embedded.binaries import postgres_programs
from usage_billing.embedded.files import read_or_make, sync_directory, write_private
from usage_billing.embedded.ports import LOOPBACK
from usage_billing.embedded.server import EmbeddedServer
from usage_billing.supervisor.process import Account, Step, spawn

SUPERUSER = "postgres"
APPLICATION = "usage_billing"
"""The role that URLs name (it may make databases, and is no superuser), and its database."""

CONNECT_SECONDS = 5
INITDB_SECONDS = 120
LOCALES = ("C.UTF-8", "C")
# The log names what an operator needs and leaves out the everyday. Nearly all other settings are PostgreSQL's defaults,
# but not shared_buffers: with its default, a tenth of the recordings of a subscription that has a million wait for a
# page of the unique index.
ALWAYS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_buffers": "256MB",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on 127.0.0.1, from the wheel or from PG_BIN; the database ``usage_billing`` is there once started.

    >>> with EmbeddedPostgres(Path(".usage-billing")) as postgres:
    ...     psycopg.connect(postgres.url())
    """

    name: ClassVar[str] = "postgres"
    # SIGINT is a fast shutdown: roll back and close. SIGQUIT is an immediate one: stop now, recover at the next start.
    stop_steps: ClassVar[Sequence[Step]] = (Step(SIGINT, 20.0), Step(SIGQUIT, 5.0))

    def url(self, database: str = APPLICATION) -> str:
        """``postgresql://user:password@127.0.0.1:port/database`` for the application's role."""
        return self._url(APPLICATION, database)

    def superuser_url(self, database: str = APPLICATION) -> str:
        """``postgresql://...`` for the superuser, for tests that need rights which no application should have."""
        return self._url(SUPERUSER, database)

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@{LOOPBACK}:{self.port}/{database}"

    def _password(self, role: str) -> str:
        return read_or_make(self.ground.place / f"password-{role}", f"{secrets.token_urlsafe(32)}\n")

    def _prepare(self) -> None:
        self._programs = postgres_programs(self.ground)
        if not self.ground.data.exists():
            self._initialise()
        version = self.ground.data / "PG_VERSION"
        if not version.exists():
            raise ConfigurationError(f"{self.ground.data} is not a PostgreSQL data directory")
        held, ours = version.read_text().strip(), self._major_version()
        if held != ours:
            raise ConfigurationError(
                f"{self.ground.data} holds data of PostgreSQL {held}, the programs are PostgreSQL {ours}:"
                f" set PG_BIN to a PostgreSQL {held}, or give another USAGE_BILLING_HOME"
            )

    def _major_version(self) -> str:
        done = subprocess.run([self._programs / "postgres", "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"\s(\d+)", done.stdout)
        if found is None:
            raise ConfigurationError(f"{self._programs / 'postgres'} does not run: {done.stderr.strip()}")
        return found[1]

    def _initialise(self) -> None:
        """Make the data directory under another name first: an interrupted initdb leaves nothing half made."""
        fresh = self.ground.place / "data-fresh"
        password = self.ground.place / "password-for-initdb"
        account = account_for_initdb(self.ground.account)
        write_private(password, self._password(SUPERUSER), owner=account)
        try:
            for locale in LOCALES:
                shutil.rmtree(fresh, ignore_errors=True)
                fresh.mkdir(mode=0o700)
                if account is not None:
                    os.chown(fresh, account.uid, account.gid)
                failure = self._initdb(fresh, password, locale=locale, account=account)
                if failure is None:
                    break
            else:
                raise Unavailable(f"initdb failed:\n{failure}")
        finally:
            password.unlink(missing_ok=True)
        fresh.rename(self.ground.data)
        sync_directory(self.ground.place)

    def _initdb(self, target: Path, password: Path, *, locale: str, account: Account | None) -> str | None:
        """Run initdb; returns what it said when it failed."""
        command = [
            *(str(self._programs / "initdb"), "--pgdata", str(target), "--username", SUPERUSER),
            *("--auth", "scram-sha-256", "--pwfile", str(password)),
            *("--encoding", "UTF8", "--locale", locale, "--no-instructions"),
            *(() if self.durable else ("--no-sync",)),
        ]
        process = spawn(
            command,
            env=self._environment(),
            cwd=self.ground.place,
            account=account,
            on_parent_death=SIGTERM,
            stdout=subprocess.PIPE,
        )
        output, _ = process.communicate(timeout=INITDB_SECONDS)
        return None if process.returncode == 0 else output.decode("utf-8", "replace").strip()

    def _command(self, port: int) -> list[str]:
        settings = ALWAYS | {"port": str(port)} | ({} if self.durable else NOT_DURABLE)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.ground.data), *options]

    def _answers(self, port: int) -> bool:
        """Connect as the superuser, and see to it that the application's role and database are there."""
        try:
            with psycopg.connect(
                host=LOOPBACK,
                port=port,
                user=SUPERUSER,
                password=self._password(SUPERUSER),
                dbname="postgres",
                connect_timeout=CONNECT_SECONDS,
                autocommit=True,
            ) as connection:
                self._ensure_application(connection)
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Unavailable(f"{self.ground.place} lost its password-{SUPERUSER}: {error}") from None
            return False
        return True

    def _ensure_application(self, connection: psycopg.Connection) -> None:
        role, password = sql.Identifier(APPLICATION), sql.Literal(self._password(APPLICATION))
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (APPLICATION,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, password))
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (APPLICATION,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
