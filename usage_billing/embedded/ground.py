"""Where a server's files lie and who it runs as.

PostgreSQL refuses to run as root, and a database should not have root's rights anyway. Started by root, each server
runs as a user id of its own. A folder below ``/root`` (mode 0700) is closed to that id; then the data go to a folder of
their own below ``/var/lib``, and a note in the home names it. Giving the server the capability to enter every folder
would open every other file to it too.
"""

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from usage_billing.core.errors import ConfigurationError
from usage_billing.embedded.accounts import account_of
from usage_billing.embedded.files import make_directory, write_private
from usage_billing.supervisor.process import Account

NOTE = "data-is-in"
PRIVATE, PASSABLE, PUBLIC = 0o700, 0o711, 0o755
"""Modes of folders: for us alone; as root, for the servers to pass through; readable by all."""
OUTSIDE = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108  mkdtemp makes the folder, for us alone


@dataclass(frozen=True, slots=True)
class Ground:
    """``place`` belongs to one server and holds ``data`` (the server's own), its log, port and password.

    ``account`` is whom the server runs as, None for ourselves; ``inside`` is False when it is not in the home.
    """

    place: Path
    account: Account | None
    inside: bool

    @property
    def data(self) -> Path:
        """The directory that the server owns."""
        return self.place / "data"


def make_home(home: Path) -> None:
    """Make the folder that holds everything; one that exists keeps its mode."""
    make_directory(home, mode=PASSABLE if os.geteuid() == 0 else PRIVATE)


def prepare(home: Path, name: str) -> Ground:
    """The ground for the server ``name`` of ``home``, made if it is missing; a later start gets the same one."""
    if os.geteuid() != 0:
        make_directory(home / name, mode=PRIVATE)
        _refuse_foreign(home / name / "data")
        return Ground(home / name, None, inside=True)
    inside, note = home / name, home / NOTE
    account = account_of((_noted(home, note) / name if note.exists() else inside) / "data")
    make_home(home)
    if inside.is_dir() and not can_pass(home, account):
        raise ConfigurationError(
            f"{inside} is out of reach for {account.name}, which the server runs as;"
            " move it to where it was made, or give another USAGE_BILLING_HOME"
        )
    if not note.exists() and can_pass(home, account):
        make_directory(inside, mode=PASSABLE)
        return Ground(inside, account, inside=True)
    base = _outside(home, note)
    make_directory(base / name, mode=PASSABLE)
    return Ground(base / name, account, inside=False)


def can_pass(path: Path, account: Account) -> bool:
    """Whether ``account`` may go through ``path`` and all folders above it (by their mode bits)."""
    resolved = path.resolve()
    return all(_may_enter(folder.stat(), account) for folder in (resolved, *resolved.parents))


def _may_enter(folder: os.stat_result, account: Account) -> bool:
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == account.gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def _refuse_foreign(data: Path) -> None:
    if data.exists() and data.stat().st_uid != os.geteuid():
        raise ConfigurationError(
            f"{data} belongs to another user (root started here before?):"
            " start as that user, or give another USAGE_BILLING_HOME"
        )


def _noted(home: Path, note: Path) -> Path:
    """The folder that ``note`` names; raises ConfigurationError when it is gone."""
    base = Path(note.read_text(encoding="utf-8").strip())
    if not base.is_dir():
        raise ConfigurationError(
            f"the data of {home} were in {base}, which is gone; delete {note} to start with empty ones"
        )
    return base


def _outside(home: Path, note: Path) -> Path:
    """The folder that ``note`` names; without a note a new one, which the note names from now on."""
    if note.exists():
        return _noted(home, note)
    parent = next((folder for folder in OUTSIDE if os.access(folder, os.W_OK)), None)
    if parent is None:
        raise ConfigurationError(
            f"no place for the data: {home} is closed to the account `nobody`, /var/lib is read-only"
        )
    base = Path(tempfile.mkdtemp(prefix="usage-billing-", dir=parent))
    base.chmod(PUBLIC)
    write_private(base / "belongs-to", f"{home.resolve()}\n")
    write_private(note, f"{base}\n")
    return base
