"""Free TCP ports on the loopback interface."""

import secrets
import socket
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that a server
# finds its own port again when it restarts.
LOWEST, HIGHEST = 20_000, 32_000
TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on ``127.0.0.1:port`` now."""
    return obstacle(port) is None


def obstacle(port: int) -> OSError | None:
    """Why no server of ours could listen on ``127.0.0.1:port`` now; None if one could.

    A PermissionError says that the port is kept for privileged users, any other that another program has it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def noted_port(note: Path) -> int | None:
    """The port that the file ``note`` names; None if there is none, or nothing that is a port."""
    with suppress(OSError, ValueError):
        port = int(note.read_text())
        return port if 0 < port < 2**16 else None
    return None


def free_port() -> int:
    """A port that was free a moment ago; a caller that uses it must be ready to find it taken."""
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if is_free(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
