"""The Celery application. ``celery -A tasks.celery worker`` starts a worker, ``... beat`` the schedule."""

import gc
import logging
import os
import signal
import sys
import threading
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init, worker_shutting_down

from tasks import base
from tasks.inbox.durability import warn_of_loss
from usage_billing import logs
from usage_billing.core.errors import Unavailable

# A batch makes tens of thousands of objects and hardly a cycle.
_GC_EVERY = 50_000

app = Celery("usage-billing")
app.config_from_object("celeryconfig")
# A server that is away is no mistake of ours: a line, not a page. The sweeps come back to what was not done.
app.Task.throws = (Unavailable,)
app.conf.include = ["tasks.usage", "tasks.billing", "tasks.outbox"]


@setup_logging.connect
def _log_our_way(**_: Any) -> None:
    logs.configure(base.settings(), "beat" if "beat" in sys.argv else "worker")
    # A line for every wake-up says nothing; what a task did, it says itself.
    for noisy in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@worker_process_init.connect
def _forget_inherited_connections(**_: Any) -> None:
    base.after_fork()
    # What is imported stays, and a task's many rows go when it ends, without any collector: to look through them all
    # again and again took a fifth of its time.
    gc.freeze()
    gc.set_threshold(_GC_EVERY, 20, 20)


@worker_init.connect
def _say_what_could_be_lost(**_: Any) -> None:
    warn_of_loss(base.settings())


@worker_shutting_down.connect
def _end_in_order(how: str, **_: Any) -> None:
    """TERM: drains end with the batch they are at. What is still running at the end of the time is handed back."""
    base.ask_to_stop()
    if how == "Warm":
        hurry = threading.Timer(base.settings().stop_seconds, os.kill, (os.getpid(), signal.SIGQUIT))
        hurry.daemon = True
        hurry.start()
