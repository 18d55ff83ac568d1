"""The worker's app, of which each process counts 50 recordings a second and no more."""

import time
from typing import Any

from tasks.celery import app
from usage_billing.flows import record_usage

__all__ = ["app"]

RATE = 50

_count = record_usage.count


def _slowly(session: Any, recordings: Any, **options: Any) -> Any:
    time.sleep(len(recordings) / RATE)
    return _count(session, recordings, **options)


record_usage.count = _slowly
