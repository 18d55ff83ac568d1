"""gunicorn's settings, each with its reason: ``gunicorn -c python:api.gunicorn_config "api:create_app()"``.

Addresses, workers and threads are given on the command line.
"""

import gc
import signal
import threading
from types import FrameType
from typing import Any

import gunicorn.http.wsgi  # type: ignore[import-untyped]

from api import stopping
from usage_billing.settings import Settings

_settings = Settings.from_environment()
# What it is made of is nobody's business: the header cannot be left out, but it can say something else.
gunicorn.http.wsgi.SERVER = "usage-billing"

worker_class = "api.gunicorn_worker.Worker"
# Loaded once and forked: a worker that died is replaced in milliseconds, and nobody can connect before the app is
# there to answer. Nothing is connected and no thread is started when the app is made, only on its first use.
preload_app = True
# Requests that were begun have this long when the server is asked to end; new connections are refused at once.
graceful_timeout = _settings.stop_seconds
# A worker that shows no sign of life for so long is replaced. Its threads may all wait for a server that hangs, and
# each of those waits is bounded by less.
timeout = 60
# A connection is closed between two requests only when nobody used it for so long. Most clients and gateways give
# up an idle connection of their own later, so keep this above theirs or they meet a closed one: nginx waits 60 s.
keepalive = 75
loglevel = "warning"
# A request makes some hundred objects and hardly a cycle: looking for cycles after every 700 takes a tenth of its time.
GC_EVERY = 20_000
# Two instances on one machine would share its path.
control_socket_disable = True


def when_ready(server: Any) -> None:
    """On TERM say first that we are not ready, and end when load balancers had the time to see it."""
    # What was loaded stays: the collector need not look through it in every process that is forked from here.
    gc.freeze()
    gc.set_threshold(GC_EVERY, 20, 20)

    def leave(number: int, _frame: FrameType | None) -> None:
        stopping.ask()
        timer = threading.Timer(_settings.unready_seconds, server.signal, (number, None))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, leave)
