"""Which inbox it is: USAGE_BILLING_INBOX decides."""

from tasks.inbox import postgres_inbox, redis_inbox
from tasks.inbox.protocol import Inbox, Limits
from usage_billing.settings import Settings


def open_inbox(settings: Settings, *, timeout: float, pool_size: int = 2) -> Inbox:
    """The inbox of ``settings``, whose every answer takes at most about ``timeout`` seconds; not yet connected.

    Raises ConfigurationError when the server that it is on is not configured.
    """
    limits = Limits(recordings=settings.max_backlog, bytes=settings.max_backlog_bytes)
    if settings.inbox == "postgres":
        pool = postgres_inbox.connect(settings.require_database(), timeout=timeout, pool_size=pool_size)
        return postgres_inbox.PostgresInbox(pool, limits=limits)
    return redis_inbox.RedisInbox(redis_inbox.connect(settings.require_redis(), timeout=timeout), limits=limits)
