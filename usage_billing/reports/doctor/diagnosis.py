"""All checks, in the order in which troubles cause each other."""

from collections.abc import Iterator
from datetime import datetime

from usage_billing.core.errors import UsageBillingError
from usage_billing.db.session import make_engine, rolled_back
from usage_billing.embedded.resp import open_redis
from usage_billing.reports.doctor.books import check_books
from usage_billing.reports.doctor.credentials import check_credentials
from usage_billing.reports.doctor.database import connect, look, oldest_waiting
from usage_billing.reports.doctor.database import durability_of as durability_of_database
from usage_billing.reports.doctor.finding import FAIL, Finding
from usage_billing.reports.doctor.inbox import check_broker, check_inbox, waiting_since
from usage_billing.reports.doctor.inbox import durability_of as durability_of_redis
from usage_billing.reports.doctor.processes import check_processes
from usage_billing.reports.doctor.webhooks import check_mail
from usage_billing.settings import Settings

_CURE = "set it in the environment or in .env; `usage-billing up` sets all of them for commands beside it"


def diagnose(settings: Settings, *, head: str, test_token: str, now: datetime) -> Iterator[Finding]:
    """Run every check. ``head`` is the newest migration, ``test_token`` the caller's TEST_AUTH_TOKEN or ''."""
    yield from _database(settings, head=head, test_token=test_token, now=now)
    yield from _inbox(settings, now)


def _database(settings: Settings, *, head: str, test_token: str, now: datetime) -> Iterator[Finding]:
    try:
        url = settings.require_database()
    except UsageBillingError as error:
        yield Finding("database", FAIL, "database_not_configured", error.message, _CURE)
        return
    connection = connect(url)
    if isinstance(connection, Finding):
        yield connection
        return
    with connection:
        found = list(look(connection, head=head))
        if settings.inbox == "postgres" and all(finding.state != FAIL for finding in found):
            found.append(waiting_since(oldest_waiting(connection), now=now))
    yield from found
    if all(finding.state != FAIL for finding in found):
        engine = make_engine(url, pooled=settings.pooled, pool_size=1)
        try:
            with rolled_back(engine) as session:
                yield from check_credentials(session, settings, test_token=test_token, now=now)
                yield from check_processes(session)
                yield from check_books(session, now=now)
                yield from check_mail(session, settings)
        finally:
            engine.dispose()


def check_durability(settings: Settings) -> Iterator[Finding]:
    """Whether an accepted recording could be lost; workers log it at their start. Raises OSError, UsageBillingError."""
    connection = connect(settings.require_database())
    if isinstance(connection, Finding):
        yield connection
    else:
        with connection:
            yield durability_of_database(connection)
    if settings.inbox == "redis":
        with open_redis(settings.require_redis()) as redis:
            yield from durability_of_redis(redis)


def _inbox(settings: Settings, now: datetime) -> Iterator[Finding]:
    if settings.inbox == "postgres":
        if settings.broker_url:
            yield check_broker(settings.broker_url)
        return
    try:
        url = settings.require_redis()
    except UsageBillingError as error:
        yield Finding("redis", FAIL, "redis_not_configured", error.message, _CURE)
        return
    yield from check_inbox(url, now=now)
    if settings.celery_broker_url:
        yield check_broker(settings.celery_broker_url)
