"""Where the settings of a command come from: the environment, ``.env``, and the stack that `up` runs here."""

import os
from collections.abc import Mapping
from pathlib import Path

from usage_billing.core.errors import ConfigurationError

DOTENV = ".env"
RUNNING = "running.env"
DEFAULT_HOME = ".usage-billing"
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


def load_environment(*, running: bool = True) -> None:
    """Fill in variables that the environment does not set, so that a second terminal needs no settings.

    They come from ``.env`` in the current folder and then, with ``running``, from the stack that `usage-billing up`
    runs in this home. A stack whose addresses differ from the given ones belongs to another set-up, and nothing of it
    is taken. Raises ConfigurationError for a file that exists but cannot be read.
    """
    _add(_read(Path(DOTENV)))
    if running:
        stack = _read(Path(os.environ.get("USAGE_BILLING_HOME") or DEFAULT_HOME) / RUNNING)
        if all(os.environ.get(name) in (None, "", stack.get(name)) for name in ADDRESSES):
            _add(stack)


def write_running(home: Path, values: Mapping[str, str]) -> None:
    """Write the variables of a running stack to a file in ``home`` that its owner alone may read."""
    from usage_billing.embedded.files import write_private

    write_private(home / RUNNING, "".join(f"{name}='{_escape(value)}'\n" for name, value in values.items()))


def forget_running(home: Path) -> None:
    """Remove the file that ``write_running`` wrote: the stack has ended."""
    (home / RUNNING).unlink(missing_ok=True)


def _add(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if not os.environ.get(name):
            os.environ[name] = value


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        found = dotenv_values(path, interpolate=False, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    return {name: value for name, value in found.items() if value is not None}


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
