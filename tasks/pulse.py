"""Ties a worker's heart to its loop: it beats while the loop goes round and the broker answers."""

from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_ready, worker_shutdown

from tasks import base
from tasks.heart import BEAT_SECONDS, Heart
from usage_billing.processes.models import Role

_hearts: list[Heart] = []


class Pulse(bootsteps.StartStopStep):
    """The part of a worker's consumer that says every ``BEAT_SECONDS`` that the loop goes round.

    The consumer stops it when the broker is lost, and starts it again when the broker is back.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    _timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin to note."""
        _note()
        self._timer = consumer.timer.call_repeatedly(BEAT_SECONDS, _note)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002  Celery gives it
        """Note no more."""
        if self._timer is not None:
            self._timer.cancel()


def give_pulse(app: Celery) -> None:
    """Let every worker of ``app`` have a heart."""
    app.steps["consumer"].add(Pulse)


def _note() -> None:
    for heart in _hearts:
        heart.note()


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    heart = Heart(base.settings(), Role.WORKER, sender.hostname)
    heart.start()
    _hearts.append(heart)


@worker_shutdown.connect
def _end(**_: Any) -> None:
    while _hearts:
        _hearts.pop().stop()
