"""What every task needs: the settings, this process's engine and inbox, and whether the worker is to stop."""

import math
import mmap
import time
from functools import lru_cache

from sqlalchemy import Engine

import usage_billing.all_models  # noqa: F401  the mapper needs every table that a foreign key names
from tasks.inbox.factory import open_inbox
from tasks.inbox.protocol import Inbox
from usage_billing.db.session import make_engine
from usage_billing.documents.layout import Layout, layout_of
from usage_billing.settings import Settings

# A prefork process runs one task at a time. A drain and a dry run hold two connections.
_POOL_SIZE = 2
_INBOX_TIMEOUT = 10.0

# One byte that a worker's main process shares with the processes it forks. Unlike a lock, it cannot stay held by a
# process that died.
_stopping = mmap.mmap(-1, 1)
# When a drain of this worker was at work last, in seconds of the monotonic clock, shared in the same way.
_drained = memoryview(mmap.mmap(-1, 8)).cast("d")
_drained[0] = -math.inf
# Longer than turns of other tasks keep a drain waiting.
_DRAINED_LATELY_SECONDS = 10


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The configuration of this process, read from the environment at the first call."""
    return Settings.from_environment()


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The engine of this process, made at the first call. Raises ConfigurationError when no database is configured."""
    return make_engine(settings().require_database(), pooled=settings().pooled, pool_size=_POOL_SIZE)


@lru_cache(maxsize=1)
def inbox() -> Inbox:
    """The durable inbox of this process, opened at the first call."""
    return open_inbox(settings(), timeout=_INBOX_TIMEOUT)


@lru_cache(maxsize=1)
def layout() -> Layout:
    """How documents look. Looked at first in a worker's main process, which its processes have it from.

    Raises ConfigurationError.
    """
    return layout_of(settings())


def after_fork() -> None:
    """Give a forked process connections of its own. On sockets shared with its parent the answers would mix."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
    engine.cache_clear()
    inbox.cache_clear()


def ask_to_stop() -> None:
    """Ask every process of this worker to finish its present batch or slice and to begin no more."""
    _stopping[0] = 1


def stopping() -> bool:
    """Whether this worker was asked to stop."""
    return _stopping[0] != 0


def note_drain() -> None:
    """Let every process of this worker know that a drain is at work."""
    _drained[0] = time.monotonic()


def recordings_come() -> bool:
    """Whether a drain of this worker was at work within the last 10 s: what can wait leaves the machine to others."""
    return time.monotonic() - _drained[0] < _DRAINED_LATELY_SECONDS
