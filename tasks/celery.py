"""The Celery application. ``celery -A tasks.celery worker`` starts a worker, ``... beat`` the schedule."""

from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from tasks import base
from usage_billing import logs

app = Celery("usage-billing")
app.config_from_object("celeryconfig")
app.conf.include = ["tasks.usage", "tasks.billing", "tasks.outbox"]


@setup_logging.connect
def _log_our_way(**_: Any) -> None:
    logs.configure(base.settings(), "worker")


@worker_process_init.connect
def _forget_inherited_connections(**_: Any) -> None:
    base.after_fork()
