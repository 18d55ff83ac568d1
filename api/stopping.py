"""Whether this server was asked to end. From then on it is not ready, though it still answers."""

import mmap

# A byte of shared memory: gunicorn's main process imports this module, and the processes that it forks share it.
_asked = mmap.mmap(-1, 1)


def ask() -> None:
    """Tell all processes of this server that it is about to end."""
    _asked[0] = 1


def asked() -> bool:
    """Whether this server is about to end."""
    return _asked[0] != 0
