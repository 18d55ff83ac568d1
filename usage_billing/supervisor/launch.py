"""Become another program that ends when its parent does, and that may run as another account.

Run by :func:`usage_billing.supervisor.process.spawn` as a script, ``python -I -S launch.py SIGNAL PARENT UID GID
COMMAND...``. A script and no ``preexec_fn``: code between fork and exec in a process with threads can deadlock.
It imports nothing of ours. It imports everything before it switches accounts: the account ``nobody`` may not be able
to read even Python's own files.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
KEEP = "-"
CANNOT_START = 127


def main(death_signal: int, parent: int, uid: str, gid: str, command: list[str]) -> int:
    """Switch account, tie our end to ``parent``'s, and exec ``command``; returns only when that failed."""
    library = ctypes.CDLL(None)
    if uid != KEEP:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After setuid: the kernel drops this setting when credentials change.
        library.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked to be told
            return 0
    # Python ignores SIGPIPE, and a shell's background job SIGINT. Ignored signals survive exec; the command gets both.
    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606  no shell is meant
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
    return CANNOT_START


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]))
