"""Small files that only their owner may read, written whole or not at all."""

import os
import secrets
from pathlib import Path

from usage_billing.supervisor.process import Account

PRIVATE = 0o600


def write_private(path: Path, text: str, *, owner: Account | None = None) -> None:
    """Replace ``path`` by ``text`` in one step, mode 0600; after a power cut it holds the old text or the new one."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if owner is not None:
                os.fchown(file.fileno(), owner.uid, owner.gid)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, mode: int, owner: Account | None = None) -> None:
    """Make ``path`` and its missing parents with ``mode``; directories that exist keep theirs."""
    if path.is_dir():
        return
    make_directory(path.parent, mode=mode)
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)


def read_or_make(path: Path, text: str) -> str:
    """The text of the file ``path``; a missing file is made first, readable by its owner alone, with ``text`` in it."""
    if not path.exists():
        write_private(path, text)
    return path.read_text(encoding="utf-8").strip()
