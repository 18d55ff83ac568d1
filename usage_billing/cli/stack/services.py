"""The services that `up` starts beside the servers: their commands, and the environment that configures them."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from usage_billing.embedded.ports import LOOPBACK
from usage_billing.embedded.secrets import Secrets
from usage_billing.queues import QueueName
from usage_billing.settings import DEVELOPMENT_PREFIX, Settings

# Seconds that a process gets beyond its own time to end, before it is killed.
MARGIN_SECONDS = 5.0
FLOWER_USER = "admin"
FIGURES_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of the API add up their figures; api.metrics_folder says what is in it."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the stack. It gets SIGTERM, and ``stop_seconds`` to end in order."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    stop_seconds: float


def stack_environment(settings: Settings, *, secrets: Secrets) -> dict[str, str]:
    """The environment of every process of the stack; what the operator gave takes precedence over ``secrets``."""
    values = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CELERY_BROKER_URL": settings.broker_url,
        "PORT": str(settings.port),
        "USAGE_BILLING_HOME": str(settings.home),
        "USAGE_BILLING_LOGS": str(settings.logs),
        "USAGE_BILLING_SECRET": settings.secret or secrets.secret,
        # glibc gives every thread a heap of its own, each as large as the largest batch that it ever read.
        "MALLOC_ARENA_MAX": "2",
    }
    if not settings.public_url:
        values["USAGE_BILLING_PUBLIC_URL"] = f"http://{LOOPBACK}:{settings.port}"
    if settings.api_workers > 1 and not os.environ.get(FIGURES_FOLDER):
        values[FIGURES_FOLDER] = str(settings.home / "metrics")
    if not settings.jwt_public_key:
        values["JWT_SECRET"] = settings.jwt_secret or secrets.jwt_secret
    if any(value.startswith(DEVELOPMENT_PREFIX) for value in values.values()):
        values["USAGE_BILLING_DEVELOPMENT"] = "1"
    return values


def services(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    flower_port: int | None = None,
    flower_password: str = "",
    with_web: bool = True,
) -> list[Service]:
    """The services in the order of their start. They stop in the reverse order, so the API stops first.

    ``with_web``: the processes of the API serve the pages too.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}
    base = {**inherited, **environment, "PYTHONUNBUFFERED": "1"}
    if flower_port is not None:
        base["USAGE_BILLING_TASK_EVENTS"] = "1"
    quiet = dict(base)
    if os.geteuid() == 0:  # Celery would print five lines about root at each start; `up` says it in one
        quiet["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser privileges"
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "tasks.celery"]
    worker = [*celery, "worker", "-P", "prefork", "--without-gossip", "--without-mingle", "-Q", ",".join(QueueName)]
    found = [
        Service("worker", worker, quiet, settings.stop_seconds + MARGIN_SECONDS),
        Service("beat", [*celery, "beat"], base, 10.0),
        Service(
            "api",
            _api(settings, with_web=with_web),
            base,
            settings.unready_seconds + settings.stop_seconds + MARGIN_SECONDS,
        ),
    ]
    if flower_port is not None:
        command = [*celery, "flower", f"--address={LOOPBACK}", f"--port={flower_port}"]
        password = {"FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{flower_password}"}  # not on the command line
        found.insert(2, Service("flower", command, base | password, 5.0))
    return found


# The keys themselves are for callers; the services know their hashes.
_NOT_FOR_CHILDREN = frozenset({"USAGE_BILLING_ADMIN_KEY", "INTERNAL_API_KEY", "FLOWER_BASIC_AUTH"})


def _api(settings: Settings, *, with_web: bool) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn", "--bind", f"{LOOPBACK}:{settings.port}"),
        *("-c", "python:api.gunicorn_config"),
        *("--workers", str(settings.api_workers), "--threads", str(settings.api_threads)),
        "web:create_app()" if with_web else "api:create_app()",
    ]
