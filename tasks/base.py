"""What every task needs: the settings, an engine and an inbox of this process, and whether it is to end."""

import mmap
from functools import lru_cache

from sqlalchemy import Engine

import usage_billing.all_models  # noqa: F401  what the mapper's tables point to
from tasks.inbox.factory import open_inbox
from tasks.inbox.protocol import Inbox
from usage_billing.db.session import make_engine
from usage_billing.settings import Settings

# A prefork process runs one task at a time. A drain and a dry run hold two connections.
_POOL_SIZE = 2
_INBOX_TIMEOUT = 10.0

# One byte that a worker's main process shares with those it forks: unlike a lock, nobody can die holding it.
_stopping = mmap.mmap(-1, 1)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The configuration of this process."""
    return Settings.from_environment()


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The database of this process."""
    return make_engine(settings().require_database(), pool_size=_POOL_SIZE)


@lru_cache(maxsize=1)
def inbox() -> Inbox:
    """The durable inbox."""
    return open_inbox(settings(), timeout=_INBOX_TIMEOUT)


def after_fork() -> None:
    """Leave the parent's connections to the parent: shared sockets would mix up answers."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
    engine.cache_clear()
    inbox.cache_clear()


def ask_to_stop() -> None:
    """Let every process of this worker end what it is at and begin nothing more."""
    _stopping[0] = 1


def stopping() -> bool:
    """Whether this worker was asked to end."""
    return _stopping[0] != 0
