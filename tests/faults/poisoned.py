"""The worker's app, with recordings that do harm when they are counted: by their idempotency key they end the process
that counts them, hang it, or raise what no recording should be able to. ``celery -A tests.faults.poisoned worker``.

Time limits, wake-ups and the sweep are quick here, so that the test is.
"""

import os
import signal
import time
from dataclasses import replace
from typing import Any

from tasks import usage
from tasks.celery import app
from tasks.inbox import redis_inbox
from usage_billing.flows.recording import record_usage

__all__ = ["app"]

_count = record_usage.count

app.conf.update(task_soft_time_limit=4, task_time_limit=6)
usage.TUNING = replace(usage.TUNING, turn_seconds=3.0)
app.conf.beat_schedule["sweep-inbox"]["schedule"] = 1.0
redis_inbox.WAKE_SECONDS = 2


def _harm(session: Any, recordings: Any, **options: Any) -> Any:
    for recording in recordings:
        kind = recording.key.partition("-")[0]
        if kind == "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "hangs":
            time.sleep(60)
        elif kind == "blocks":  # not even the soft time limit gets through
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
            time.sleep(60)
        elif kind == "raises":
            raise RuntimeError("this one cannot be counted")
    return _count(session, recordings, **options)


record_usage.count = _harm
