"""The Celery application. ``celery -A tasks.celery worker`` starts a worker, ``... beat`` the schedule."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from decimal import Decimal
from typing import Any

from celery import Celery
from celery.signals import (
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from tasks import base, tally
from tasks.inbox.durability import warn_of_loss
from tasks.pulse import give_pulse
from usage_billing import logs
from usage_billing.core.errors import ConfigurationError, UsageBillingError
from usage_billing.db.pooling import refuse_lossy_session

# Allocations between two garbage collections. A batch makes tens of thousands of objects and hardly any cycles.
_GC_EVERY = 50_000
CANNOT_START = 2
"""The exit status of a worker that is configured wrongly, as that of a command."""

_log = logging.getLogger(__name__)

app = Celery("usage-billing")
app.config_from_object("celeryconfig")
# A server that does not answer and a body that is wrong are no bugs of ours: one line for each, and no traceback. The
# sweeps take the work up again.
app.Task.throws = (UsageBillingError,)
give_pulse(app)
app.conf.include = [
    "tasks.usage",
    "tasks.billing",
    "tasks.outbox",
    "tasks.webhooks",
    "tasks.mail",
    "tasks.documents",
    "tasks.housekeeping",
    "tasks.wallets",
    "tasks.alerts",
]


@setup_logging.connect
def _log_our_way(**_: Any) -> None:
    logs.configure(base.settings(), "beat" if "beat" in sys.argv else "worker")
    # Celery logs a line for every wake-up, which says nothing: each task logs what it did.
    for noisy in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@task_failure.connect
def _say_what_a_task_fails_of(sender: Any, exception: BaseException, **_: Any) -> None:
    # Celery's own line for these has the level INFO, at which its loggers are silent here.
    if isinstance(exception, UsageBillingError):
        _log.warning("%s failed: %s", sender.name, exception.message)


@task_prerun.connect
def _begin_task(task: Any, **_: Any) -> None:
    task.request.usage_billing_began = time.perf_counter()


@task_postrun.connect
def _count_task(task: Any, state: str, **_: Any) -> None:
    began = getattr(task.request, "usage_billing_began", None)
    if began is not None:
        seconds = Decimal(f"{time.perf_counter() - began:.6f}")
        tally.count(task.name, state.lower(), seconds=seconds)
    tally.tell(base.engine())


@worker_process_shutdown.connect
def _tell_the_rest(**_: Any) -> None:
    tally.tell(base.engine(), at_once=True)


@worker_process_init.connect
def _forget_inherited_connections(**_: Any) -> None:
    base.after_fork()
    # Imported modules live as long as the process. A task's rows are freed by their reference counts when it ends.
    # When the collector looked through all of them again and again, it took a fifth of a task's time.
    gc.freeze()
    gc.set_threshold(_GC_EVERY, 20, 20)


@worker_init.connect
def _refuse_what_could_not_work(**_: Any) -> None:
    """End the worker at once if it has no database, no inbox or a broken template or brand: its tasks would fail."""
    try:
        refuse_lossy_session(base.settings().require_database(), pooled=base.settings().pooled)
        if base.settings().inbox == "redis":
            base.settings().require_redis()
        for note in base.layout().brand.notes:
            _log.warning("%s", note)
    except ConfigurationError as error:
        sys.stderr.write(f"usage-billing worker: {error.message}\n")
        # Celery logs an Exception of a signal's receiver and goes on.
        raise SystemExit(CANNOT_START) from None


@worker_init.connect
def _say_what_could_be_lost(**_: Any) -> None:
    warn_of_loss(base.settings())


@worker_shutting_down.connect
def _end_in_order(how: str, **_: Any) -> None:
    """On TERM each drain ends after its present batch. After ``stop_seconds`` QUIT hands running tasks back."""
    base.ask_to_stop()
    if how == "Warm":
        hurry = threading.Timer(base.settings().stop_seconds, os.kill, (os.getpid(), signal.SIGQUIT))
        hurry.daemon = True
        hurry.start()
