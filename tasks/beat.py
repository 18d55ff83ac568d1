"""Beat's schedulers: they outlive a restart of Redis, and show that they tick.

At their start each entry is due once. So a tick that was missed while no beat ran is looked for at once, and each task
of the schedule may run twice.
"""

import logging
import socket
from contextlib import suppress
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from celery.beat import Scheduler
from celery.signals import beat_init
from redbeat.schedulers import (  # type: ignore[import-untyped]
    RedBeatScheduler,
    acquire_distributed_beat_lock,
)
from redis.exceptions import RedisError

from tasks import base
from tasks.heart import Heart
from usage_billing.core.clock import utc_now
from usage_billing.processes.models import Role

# In seconds, before a Redis that does not answer is asked again.
_PAUSE_SECONDS = 1.0
_LONG_AGO = datetime(2000, 1, 1, tzinfo=utc_now().tzinfo)

_log = logging.getLogger(__name__)
_hearts: list[Heart] = []


@beat_init.connect
def _show_life(**_: Any) -> None:
    heart = Heart(base.settings(), Role.BEAT, socket.gethostname())
    heart.start()
    _hearts.append(heart)


def _note() -> None:
    for heart in _hearts:
        heart.note()


def _end() -> None:
    while _hearts:
        _hearts.pop().stop()


class RedisScheduler(RedBeatScheduler):  # type: ignore[misc]
    """RedBeat, for which a Redis that does not answer is no reason to end.

    The schedule and beat's lock are kept in Redis. One beat holds the lock and ticks, the others wait for it.
    """

    lock: Any = None
    _written_under: Any = None

    def __init__(self, app: Any, **options: Any) -> None:
        app.conf.redbeat_redis_url = base.settings().require_redis()
        super().__init__(app, **options)

    def setup_schedule(self) -> None:
        """Write nothing yet: a tick does that, once this beat has the lock.

        Celery calls this when it makes the scheduler, and again for a signal that comes meanwhile. To wait here for a
        Redis that is away would keep beat from ending.
        """

    def tick(self, *args: Any, **options: Any) -> Any:
        """Send what is due; returns after how many seconds to tick again. First get the lock, if it was lost."""
        try:
            if self.lock is None:
                acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
            if self.lock is not self._written_under:
                # Whatever lost the lock before, a Redis that forgot it has forgotten the schedule too.
                super().setup_schedule()
                self._written_under = self.lock
            seconds = super().tick(*args, **options)
        except RedisError as error:
            _log.warning("beat does not tick, Redis does not answer or gave its lock away: %s", error)
            self.lock = None
            return _PAUSE_SECONDS
        _note()
        return seconds

    def close(self) -> None:
        """Give the lock back, if Redis answers."""
        _end()
        with suppress(RedisError):
            super().close()


class MemoryScheduler(Scheduler):
    """The schedule of a beat without Redis: it needs no file and no folder. Two such beats tick both."""

    def setup_schedule(self) -> None:
        """Take the schedule from the configuration, every entry being due."""
        super().setup_schedule()
        for entry in self.schedule.values():
            entry.last_run_at = _LONG_AGO

    def tick(self, *args: Any, **options: Any) -> Any:
        """Send what is due; returns after how many seconds to tick again."""
        seconds = super().tick(*args, **options)
        _note()
        return seconds

    def close(self) -> None:
        """End in order."""
        _end()
        super().close()
