"""Every setting, read once from the environment. A wrong setting stops the start, and the error names it.

``docs/configuration.md`` describes each setting for the operator; a test keeps the two in step.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from usage_billing.core.errors import ConfigurationError
from usage_billing.core.identifiers import MAXIMUM_KEY_LENGTH, MINIMUM_KEY_LENGTH, is_key
from usage_billing.core.limits import MAX_RATE
from usage_billing.core.schedule import Schedule
from usage_billing.setting_values import (
    MailServer,
    check_address,
    check_choice,
    postgres_url,
    read_mail_server,
    read_networks,
    read_origins,
    read_public_address,
    read_schedule,
    read_value,
)

PREFIX = "USAGE_BILLING_"
DEVELOPMENT_PREFIX = "dev-"
MINIMUM_SECRET_LENGTH = 32
INBOXES = ("redis", "postgres")
POOLERS = ("transaction",)
ADJUSTMENT_DAYS = 31
MAX_FIRST_INVOICES = 500
_YEAR = 366 * 24 * 3600


def _setting(env: str, default: Any = None, *, secret: bool = False, of: tuple[int, int] | None = None) -> Any:
    """A dataclass field bound to the environment variable ``env``; secrets stay out of ``repr``.

    ``of`` are the least and the largest value of a whole number.
    """
    return field(default=default, repr=not secret, metadata={"env": env, "secret": secret, "of": of})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of one process. Durations are in seconds, sizes in bytes."""

    database_url: str = _setting("DATABASE_URL", "", secret=True)
    database_direct_url: str = _setting("DATABASE_DIRECT_URL", "", secret=True)
    pooler: str = _setting("USAGE_BILLING_POOLER", "")
    redis_url: str = _setting("REDIS_URL", "", secret=True)
    celery_broker_url: str = _setting("CELERY_BROKER_URL", "", secret=True)
    port: int | None = _setting("PORT", of=(1, 65_535))
    home: Path = _setting("USAGE_BILLING_HOME", Path(".usage-billing"))
    logs: Path = _setting("USAGE_BILLING_LOGS", Path("logs"))
    log_level: str = _setting("USAGE_BILLING_LOG_LEVEL", "INFO")
    schedule: str = _setting("USAGE_BILLING_SCHEDULE", "0 0 * * *")
    grace_seconds: int = _setting("USAGE_BILLING_GRACE_SECONDS", 3600, of=(0, _YEAR))
    adjustment_days: int = _setting("USAGE_BILLING_ADJUSTMENT_DAYS", ADJUSTMENT_DAYS, of=(0, 3660))
    max_first_invoices: int = _setting("USAGE_BILLING_MAX_FIRST_INVOICES", MAX_FIRST_INVOICES, of=(1, 1_000_000))
    max_batch: int = _setting("USAGE_BILLING_MAX_BATCH", 1000, of=(1, 100_000))
    max_body_bytes: int = _setting("USAGE_BILLING_MAX_BODY_BYTES", 4 * 1024 * 1024, of=(1024, 2**30))
    inbox: str = _setting("USAGE_BILLING_INBOX", "redis")
    max_backlog: int = _setting("USAGE_BILLING_MAX_BACKLOG", 1_000_000, of=(1, 10**10))
    max_backlog_bytes: int = _setting("USAGE_BILLING_MAX_BACKLOG_BYTES", 512 * 1024 * 1024, of=(2**20, 2**50))
    rate_limit: int = _setting("USAGE_BILLING_RATE_LIMIT", 120_000, of=(1, MAX_RATE))
    key_cache_seconds: int = _setting("USAGE_BILLING_KEY_CACHE_SECONDS", 5, of=(0, 3600))
    api_workers: int = _setting("USAGE_BILLING_API_WORKERS", 1, of=(1, 1000))
    api_threads: int = _setting("USAGE_BILLING_API_THREADS", 16, of=(1, 1000))
    worker_processes: int = _setting("USAGE_BILLING_WORKER_PROCESSES", 2, of=(1, 1000))
    stop_seconds: int = _setting("USAGE_BILLING_STOP_SECONDS", 10, of=(1, 3600))
    unready_seconds: int = _setting("USAGE_BILLING_UNREADY_SECONDS", 0, of=(0, 3600))
    trusted_proxies: str = _setting("USAGE_BILLING_TRUSTED_PROXIES", "127.0.0.0/8,::1")
    secret: str = _setting("USAGE_BILLING_SECRET", "", secret=True)
    admin_key: str = _setting("USAGE_BILLING_ADMIN_KEY", "", secret=True)
    internal_api_key: str = _setting("INTERNAL_API_KEY", "", secret=True)
    jwt_secret: str = _setting("JWT_SECRET", "", secret=True)
    jwt_public_key: str = _setting("JWT_PUBLIC_KEY", "")
    jwt_audience: str = _setting("JWT_AUDIENCE", "usage-billing")
    jwt_issuer: str = _setting("JWT_ISSUER", "usage-billing")
    jwt_role_claim: str = _setting("JWT_ROLE_CLAIM", "role")
    jwt_max_seconds: int = _setting("JWT_MAX_SECONDS", 86_400, of=(1, 10 * _YEAR))
    jwt_admin: bool = _setting("JWT_ADMIN", True)
    public_url: str = _setting("USAGE_BILLING_PUBLIC_URL", "")
    cors_origins: str = _setting("USAGE_BILLING_CORS_ORIGINS", "")
    portal_origins: str = _setting("USAGE_BILLING_PORTAL_ORIGINS", "")
    metrics_token: str = _setting("USAGE_BILLING_METRICS_TOKEN", "", secret=True)
    invoice_template: str = _setting("USAGE_BILLING_INVOICE_TEMPLATE", "")
    brand: str = _setting("USAGE_BILLING_BRAND", "")
    webhook_networks: str = _setting("USAGE_BILLING_WEBHOOK_NETWORKS", "")
    smtp_url: str = _setting("USAGE_BILLING_SMTP_URL", "", secret=True)
    mail_from: str = _setting("USAGE_BILLING_MAIL_FROM", "")
    task_events: bool = _setting("USAGE_BILLING_TASK_EVENTS", False)
    development: bool = _setting("USAGE_BILLING_DEVELOPMENT", False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read every setting; raises ConfigurationError naming the first variable that is wrong."""
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for item in fields(cls):
            text = environment.get(item.metadata["env"], "").strip()
            if text:
                values[item.name] = read_value(item.metadata["env"], text, item.default, item.metadata["of"])
        if "jwt_public_key" in values:  # many tools can keep a value of several lines only with escapes
            values["jwt_public_key"] = values["jwt_public_key"].replace("\\n", "\n")
        settings = cls(**values)
        settings._check_secrets()
        check_choice("USAGE_BILLING_INBOX", settings.inbox, INBOXES)
        check_choice("USAGE_BILLING_POOLER", settings.pooler, ("", *POOLERS))
        for name, value in vars(
            cls
        ).items():  # what is made of settings is read once, so that a wrong one stops the start
            if isinstance(value, property):
                getattr(settings, name)
        return settings

    @property
    def own_template(self) -> Path | None:
        """The operator's own template of invoices, if there is one."""
        return Path(self.invoice_template).absolute() if self.invoice_template else None

    @property
    def brand_file(self) -> Path | None:
        """The file that says whose pages and documents these are, if there is one."""
        return Path(self.brand).absolute() if self.brand else None

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of gateways whose X-Forwarded-For is believed; raises ConfigurationError for what is none."""
        return read_networks("USAGE_BILLING_TRUSTED_PROXIES", self.trusted_proxies)

    @property
    def webhook_networks_allowed(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks beside the public ones that endpoints may be in; loopback too in development.

        Raises ConfigurationError for what is no network.
        """
        loopback = "127.0.0.0/8,::1/128" if self.development else ""
        return read_networks("USAGE_BILLING_WEBHOOK_NETWORKS", f"{self.webhook_networks},{loopback}")

    @property
    def mail_server(self) -> MailServer | None:
        """Where mail is handed over; None: no mail is sent. Raises ConfigurationError."""
        return read_mail_server("USAGE_BILLING_SMTP_URL", self.smtp_url, "USAGE_BILLING_MAIL_FROM", self.mail_from)

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins whose pages may ask the API; raises ConfigurationError for what is none."""
        return read_origins("USAGE_BILLING_CORS_ORIGINS", self.cors_origins)

    @property
    def framing_origins(self) -> frozenset[str]:
        """The origins whose pages may frame the portal; raises ConfigurationError for what is none."""
        return read_origins("USAGE_BILLING_PORTAL_ORIGINS", self.portal_origins)

    @property
    def public_address(self) -> str:
        """What addresses in answers begin with, without a slash at its end, or nothing; raises ConfigurationError."""
        return read_public_address("USAGE_BILLING_PUBLIC_URL", self.public_url)

    @property
    def daily_schedule(self) -> Schedule:
        """When beat starts the daily chain; raises ConfigurationError for what is no schedule."""
        return read_schedule("USAGE_BILLING_SCHEDULE", self.schedule)

    @property
    def adjust_within(self) -> timedelta:
        """How long an adjustment may wait for the running period's invoice."""
        return timedelta(days=self.adjustment_days)

    @property
    def pooled(self) -> bool:
        """Whether DATABASE_URL is a pooler's, which gives a session for the length of a transaction alone."""
        return bool(self.pooler)

    @property
    def broker_url(self) -> str:
        """Where Celery's messages go: CELERY_BROKER_URL, or Redis when that is not given."""
        return self.celery_broker_url or self.redis_url

    def require_database(self) -> str:
        """The SQLAlchemy URL; raises ConfigurationError when DATABASE_URL is missing or not PostgreSQL."""
        if not self.database_url:
            raise ConfigurationError(
                "DATABASE_URL is not set: give postgresql://user:password@host/database,"
                " or start everything with `usage-billing up`"
            )
        return postgres_url("DATABASE_URL", self.database_url)

    def require_direct_database(self) -> str:
        """The SQLAlchemy URL past a pooler: for migrations, backups and what else holds a session.

        It is DATABASE_URL unless DATABASE_DIRECT_URL is given. Raises ConfigurationError as ``require_database`` does.
        """
        if not self.database_direct_url:
            return self.require_database()
        return postgres_url("DATABASE_DIRECT_URL", self.database_direct_url)

    def require_redis(self) -> str:
        """The Redis URL; raises ConfigurationError when REDIS_URL is missing or of another kind."""
        if not self.redis_url:
            raise ConfigurationError(
                "REDIS_URL is not set: give redis://:password@host:6379/0, or start everything with `usage-billing up`"
            )
        if urlsplit(self.redis_url).scheme not in {"redis", "rediss", "unix"}:
            raise ConfigurationError("REDIS_URL must start with redis://, rediss:// or unix://")
        check_address("REDIS_URL", self.redis_url)
        return self.redis_url

    def require_secret(self) -> str:
        """The secret under which API keys are hashed; raises ConfigurationError when it is missing."""
        if not self.secret:
            raise ConfigurationError(
                "USAGE_BILLING_SECRET is not set: API keys are hashed with it;"
                " make one with `openssl rand -hex 32` and keep it as long as the database"
            )
        return self.secret

    def _check_secrets(self) -> None:
        for name, value in (("USAGE_BILLING_SECRET", self.secret), ("JWT_SECRET", self.jwt_secret)):
            if value.startswith(DEVELOPMENT_PREFIX) and not self.development:
                raise ConfigurationError(
                    f"{name} is a development secret, made by `usage-billing up` for itself; set one of your own"
                )
            if value and len(value) < MINIMUM_SECRET_LENGTH:
                raise ConfigurationError(f"{name} must have at least {MINIMUM_SECRET_LENGTH} characters")
        keys = {"USAGE_BILLING_ADMIN_KEY": self.admin_key, "INTERNAL_API_KEY": self.internal_api_key}
        for name, value in {**keys, "USAGE_BILLING_METRICS_TOKEN": self.metrics_token}.items():
            if value and not is_key(value):
                raise ConfigurationError(
                    f"{name} must have {MINIMUM_KEY_LENGTH} to {MAXIMUM_KEY_LENGTH} printable ASCII characters;"
                    " make one with `openssl rand -hex 32`"
                )
        if self.jwt_secret and self.jwt_public_key:
            raise ConfigurationError("set JWT_SECRET or JWT_PUBLIC_KEY, not both")


def settings_of_service() -> Settings:
    """The settings of a process that runs for long: with a wrong one it ends, with one line that names it."""
    try:
        return Settings.from_environment()
    except ConfigurationError as error:
        raise SystemExit(f"usage-billing: {error.message}") from None
