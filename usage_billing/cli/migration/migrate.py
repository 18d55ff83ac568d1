"""Bringing a database to the present schema: used by ``migrate``, ``up`` and the tests."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from usage_billing.cli.migration.migrating import NOTHING


def alembic_config(url: str) -> Config:
    """Alembic's configuration for ``url`` (``postgresql+psycopg://``), wherever the package is installed."""
    found = find_spec("migrations")
    if found is None or found.origin is None:
        raise RuntimeError("the migrations package is not installed")
    config = Config()
    config.set_main_option("script_location", str(Path(found.origin).parent).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def is_known(revision: str) -> bool:
    """Whether this version has the migration ``revision``, and so can go on from there."""
    scripts = ScriptDirectory.from_config(alembic_config(""))
    return revision in {script.revision for script in scripts.walk_revisions()}


@dataclass(frozen=True, slots=True)
class Move:
    """Where a database stood, and where it stands; between the two this process alone changed its schema."""

    before: str
    after: str


def upgrade(url: str, revision: str = "head") -> Move:
    """Apply the migrations that are missing. Of two at once, one waits for the other and then finds nothing to do."""
    config = alembic_config(url)
    command.upgrade(config, revision)
    return _move_of(config)


def downgrade(url: str, revision: str) -> Move:
    """Take migrations back until ``revision`` (``base`` for an empty database)."""
    config = alembic_config(url)
    command.downgrade(config, revision)
    return _move_of(config)


def _move_of(config: Config) -> Move:
    return Move(before=config.attributes["before"] or NOTHING, after=config.attributes["after"] or NOTHING)
