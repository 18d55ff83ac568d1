"""gunicorn's settings, each with its reason: ``gunicorn -c python:api.gunicorn_config "api:create_app()"``.

Addresses, workers and threads are given on the command line.
"""

# ruff: noqa: E402 - nothing may have looked at what is replaced here.
import gevent.monkey  # type: ignore[import-untyped]

# Threads become green ones: a request that waits for the inbox or the database hands over to the next in a
# microsecond, where threads of the system would fight for the interpreter. Processes and signals stay gunicorn's.
gevent.monkey.patch_all(os=False, signal=False, subprocess=False)

import ctypes
import gc
import logging
import signal
from contextlib import suppress
from types import FrameType
from typing import Any

import gevent
import gunicorn.http.wsgi  # type: ignore[import-untyped]
import gunicorn.util  # type: ignore[import-untyped]

from api import stopping
from api.gunicorn_problems import write_problem
from usage_billing import logs
from usage_billing.settings import Settings

_settings = Settings.from_environment()
# The header Server shall not tell what the service is made of. It cannot be left out, but it can say something else.
gunicorn.http.wsgi.SERVER = "usage-billing"
# What is not HTTP at all never reaches the application, and is told so in the same form as everything else.
gunicorn.util.write_error = write_problem

worker_class = "api.gunicorn_worker.Worker"
# Loaded once and forked: a worker that died is replaced in milliseconds, and no client can connect before the app is
# there to answer. Nothing is connected and no thread is started when the app is made, only on its first use.
preload_app = True
# Requests that were begun have this long when the server is asked to end; new connections are refused at once.
graceful_timeout = _settings.stop_seconds
# A worker that shows no sign of life for so long is replaced. Its threads may all wait for a server that hangs, and
# each of those waits is bounded by less.
timeout = 60
# A connection is closed between two requests only when no request came for so long. Most clients and gateways give
# up an idle connection of their own later, so keep this above theirs or they meet a closed one: nginx waits 60 s.
keepalive = 75
loglevel = "warning"
# A request makes some hundred objects and hardly a cycle: looking for cycles after every 700 takes a tenth of its time.
GC_EVERY = 20_000
# Two instances on one machine would share its path.
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Log as all processes of the service do: to the day's file and to stderr, without secrets.

    gunicorn's own lines go there too, such as that a worker was given up.
    """
    logs.configure(_settings, "api")
    server_log = logging.getLogger("gunicorn.error")
    server_log.handlers.clear()
    server_log.propagate = True


def post_fork(_server: Any, _worker: Any) -> None:
    """A process has its own loop of events."""
    gevent.reinit()


def when_ready(server: Any) -> None:
    """On TERM say first that we are not ready, and end when load balancers had the time to see it."""
    # What was loaded stays: the collector need not look through it in every process that is forked from here.
    gc.collect()
    gc.freeze()
    # Loading left holes; glibc, where that is what we run on, gives a tenth of the memory back.
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    gc.set_threshold(GC_EVERY, 20, 20)

    def leave(number: int, _frame: FrameType | None) -> None:
        stopping.ask()
        gevent.spawn_later(_settings.unready_seconds, server.signal, number, None)

    signal.signal(signal.SIGTERM, leave)
