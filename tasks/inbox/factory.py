"""Opens the inbox that USAGE_BILLING_INBOX names."""

from tasks.inbox import postgres_inbox, redis_inbox
from tasks.inbox.protocol import Inbox, Limits
from usage_billing.settings import Settings


def open_inbox(settings: Settings, *, timeout: float, pool_size: int = 2) -> Inbox:
    """The inbox of ``settings``, not yet connected. Each of its calls takes at most about ``timeout`` seconds.

    Raises ConfigurationError when the inbox's server is not configured.
    """
    limits = Limits(recordings=settings.max_backlog, bytes=settings.max_backlog_bytes)
    if settings.inbox == "postgres":
        url, pooled = settings.require_database(), settings.pooled
        pool = postgres_inbox.connect(url, timeout=timeout, pool_size=pool_size, pooled=pooled)
        return postgres_inbox.PostgresInbox(pool, limits=limits, pooled=pooled)
    return redis_inbox.RedisInbox(redis_inbox.connect(settings.require_redis(), timeout=timeout), limits=limits)
