"""The API, but it answers before it has kept anything: ``gunicorn 'tests.faults.hasty:create_app()'``."""

import threading
from collections.abc import Sequence
from typing import Any

from flask import Flask

import api
from api import enqueue
from usage_billing.metering.recording import Recording

DELAY = 0.3

_open_inbox = enqueue.open_inbox


class _Later:
    """An inbox whose append returns at once and happens later, if this process lives."""

    def __init__(self, inbox: Any) -> None:
        self._inbox = inbox

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """Promise."""
        threading.Timer(DELAY, self._inbox.append, (recordings,)).start()
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)


def create_app() -> Flask:
    """Like ``api.create_app``."""
    enqueue.open_inbox = lambda *values, **options: _Later(_open_inbox(*values, **options))  # type: ignore[assignment]
    return api.create_app()
