"""What every task needs: the settings, an engine and an inbox of this process."""

from functools import lru_cache

from sqlalchemy import Engine

from tasks.inbox import Inbox
from tasks.redis_inbox import RedisInbox, connect
from usage_billing.db.session import make_engine
from usage_billing.settings import Settings

# A prefork process runs one task at a time, and a dry run holds two connections.
_POOL_SIZE = 2


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
    return RedisInbox(connect(settings().require_redis(), timeout=10), max_backlog=settings().max_backlog)


def after_fork() -> None:
    """Leave the parent's connections to the parent: shared sockets would mix up answers."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
    engine.cache_clear()
    inbox.cache_clear()
