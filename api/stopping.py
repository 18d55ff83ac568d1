"""Whether this server was asked to end: then it is not ready any more, though it still answers."""

import mmap

# One byte that gunicorn's main process, which imports this for its configuration, shares with those it forks.
_asked = mmap.mmap(-1, 1)


def ask() -> None:
    """Say in every process of this server that it is about to end."""
    _asked[0] = 1


def asked() -> bool:
    """Whether this server was said to be about to end."""
    return _asked[0] != 0
