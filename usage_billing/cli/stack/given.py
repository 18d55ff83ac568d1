"""Checks that each server given by URL answers, before `up` starts anything that needs it."""

import psycopg

from usage_billing.core.errors import ConfigurationError, Unavailable
from usage_billing.embedded.probe import knock, ping_redis, without_password
from usage_billing.settings import Settings

SECONDS = 5
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def check_given(settings: Settings) -> None:
    """Raises Unavailable or ConfigurationError naming the first variable whose server does not answer."""
    if settings.database_url:
        _check_database("DATABASE_URL", settings.require_database())
        _check_database("DATABASE_DIRECT_URL", settings.require_direct_database())
    if settings.redis_url:
        _check_redis("REDIS_URL", settings.require_redis())
    if settings.celery_broker_url.startswith(REDIS_SCHEMES):
        _check_redis("CELERY_BROKER_URL", settings.celery_broker_url)
    elif settings.celery_broker_url:
        try:
            knock(settings.celery_broker_url, seconds=SECONDS)
        except (OSError, ValueError) as error:
            raise _silent("CELERY_BROKER_URL", settings.celery_broker_url, error) from None


def _check_database(variable: str, address: str) -> None:
    url = address.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        psycopg.connect(url, connect_timeout=SECONDS).close()
    except psycopg.OperationalError as error:
        raise _silent(variable, url, error) from None
    except (psycopg.Error, ValueError):  # the driver's words repeat the URL
        raise ConfigurationError(f"{variable}={_shown(url)} is no valid PostgreSQL URL") from None


def _check_redis(variable: str, url: str) -> None:
    try:
        ping_redis(url, seconds=SECONDS)
    except (OSError, ValueError) as error:
        raise _silent(variable, url, error) from None


def _silent(variable: str, url: str, error: Exception) -> Unavailable:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0].removeprefix("connection failed: ")
    return Unavailable(
        f"{variable}={_shown(url)} does not answer ({reason}): start that server, correct {variable},"
        " or remove it to use an embedded one"
    )


def _shown(url: str) -> str:
    try:
        return without_password(url)
    except ValueError:
        return "..."
