"""Bringing a database to the present schema: used by ``migrate``, ``up`` and the tests."""

from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(url: str) -> Config:
    """Alembic's configuration for ``url`` (``postgresql+psycopg://``), wherever the package is installed."""
    found = find_spec("migrations")
    if found is None or found.origin is None:
        raise RuntimeError("the migrations package is not installed")
    config = Config()
    config.set_main_option("script_location", str(Path(found.origin).parent).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Apply the migrations that are missing. Of two at once, one waits for the other and then finds nothing to do."""
    command.upgrade(alembic_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take migrations back until ``revision`` (``base`` for an empty database)."""
    command.downgrade(alembic_config(url), revision)
