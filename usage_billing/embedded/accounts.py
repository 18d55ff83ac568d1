"""Which account an embedded server runs as when root starts it.

A server gets a user id of its own that no account and no process has. The account ``nobody`` would do as well but for
one thing: every other program that runs as it could read the server's files. The owner of the data folder says which id
a server has, so it keeps its id as long as its data.
"""

import grp
import os
import pwd
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from usage_billing.core.errors import ConfigurationError
from usage_billing.supervisor.process import Account

UNPRIVILEGED = "nobody"
FIRST_ID, IDS = 59_000, 1_000
"""The ids to choose from: below 60000, where systems allot accounts of their own, and far above the first users."""
_PROCESSES, _MAPPED = Path("/proc"), Path("/proc/self/uid_map")


def account_of(data: Path) -> Account:
    """Whom the server of ``data`` runs as: the folder's owner, or an own id where that is root or ``nobody``.

    A user's own folder so stays that user's when root goes on with it.
    """
    owner = data.stat().st_uid if data.exists() else 0
    if owner in {0, _nobody_id()} and not _is_nobodys(data):
        return _free_account(str(data))
    return _named(owner, data.stat().st_gid)


def account_for_initdb(account: Account | None) -> Account | None:
    """Whom initdb runs as for a server that runs as ``account``: initdb refuses an id that has no account."""
    if account is None or _known(pwd.getpwuid, account.uid):
        return account
    return _unprivileged()


def hand_over(data: Path, account: Account) -> None:
    """Give ``data`` to ``account``, its top folder last: as long as that is the former owner's, it is done again."""
    if not data.exists() or data.stat().st_uid == account.uid:
        return
    for folder, _, names in os.walk(data, topdown=False):
        for path in (*(Path(folder) / name for name in names), Path(folder)):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _free_account(seed: str) -> Account:
    """The first free id from one that ``seed`` decides, so that two homes seldom want the same; else ``nobody``."""
    start = crc32(seed.encode())
    for step in range(IDS):
        number = FIRST_ID + (start + step) % IDS
        if _is_free(number):
            return Account(f"user id {number}", number, number)
    return _unprivileged()


def _is_free(number: int) -> bool:
    """Whether this system knows the id, and no account, group or process has it."""
    if not _is_mapped(number) or _known(pwd.getpwuid, number) or _known(grp.getgrgid, number):
        return False
    for entry in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError):
            if entry.stat().st_uid == number:
                return False
    return True


def _is_mapped(number: int) -> bool:
    """Whether the id exists here: a container may have fewer ids than a machine."""
    try:
        ranges = [line.split() for line in _MAPPED.read_text().splitlines()]
    except OSError:
        return True
    return any(int(first) <= number < int(first) + int(count) for first, _, count in ranges)


def _is_nobodys(data: Path) -> bool:
    """Whether ``nobody`` itself is the user whose home the data are in."""
    return data.exists() and data.parents[1].stat().st_uid == data.stat().st_uid == _nobody_id()


def _named(uid: int, gid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(f"user id {uid}", uid, gid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _unprivileged() -> Account:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ConfigurationError(
            "running as root needs the account `nobody` for the embedded servers:"
            " run as a normal user, or set DATABASE_URL and REDIS_URL"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _nobody_id() -> int:
    """The user id of ``nobody``; 0, which is root's, where there is none."""
    return pwd.getpwnam(UNPRIVILEGED).pw_uid if _known(pwd.getpwnam, UNPRIVILEGED) else 0


def _known(look: Callable[..., object], name: int | str) -> bool:
    try:
        look(name)
    except KeyError:
        return False
    return True
