"""gunicorn's settings, each with its reason: ``gunicorn -c python:api.gunicorn_config "web:create_app()"``.

Addresses, workers and threads are given on the command line.
"""

# ruff: noqa: E402 - the patch must come before any import of what it replaces.
import gevent.monkey  # type: ignore[import-untyped]

# Threads become green threads. A request that waits for the inbox or the database hands over to the next within a
# microsecond, whereas system threads would compete for the interpreter. Processes and signals stay gunicorn's.
gevent.monkey.patch_all(os=False, signal=False, subprocess=False)

import ctypes
import gc
import logging
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

import gevent
import gunicorn.http.wsgi  # type: ignore[import-untyped]
import gunicorn.util  # type: ignore[import-untyped]
from gunicorn.systemd import sd_notify  # type: ignore[import-untyped]

from api import green, processes, stopping
from api.gunicorn_problems import write_problem
from api.metrics_folder import fold_the_dead, make_folder
from usage_billing import logs
from usage_billing.access.tokens import check_public_key
from usage_billing.brand.reading import read_brand
from usage_billing.core.errors import ConfigurationError
from usage_billing.core.giving_way import let_others_go
from usage_billing.db.bounded import look_by
from usage_billing.db.pooling import refuse_lossy_session
from usage_billing.settings import settings_of_service

_settings = settings_of_service()
try:
    check_public_key(_settings.jwt_public_key)
    _settings.require_secret()
    _settings.require_database()
    if _settings.inbox == "redis":
        _settings.require_redis()
    read_brand(_settings.brand_file)
    make_folder()
except ConfigurationError as error:
    raise SystemExit(f"usage-billing: {error.message}") from None
except OSError as error:
    raise SystemExit(f"usage-billing: PROMETHEUS_MULTIPROC_DIR must be a folder to write in: {error}") from None
if _settings.jwt_secret and not _settings.jwt_public_key:
    # Tokens under a shared secret need no cryptography, which takes 10 MiB of each process: PyJWT does without it where
    # it is not there. What seals secrets of endpoints loads it when it has to.
    sys.modules["cryptography"] = None  # type: ignore[assignment]
    import jwt  # noqa: F401

    del sys.modules["cryptography"]
# The header Server shall not tell which software serves. It cannot be left out, so it names the product.
gunicorn.http.wsgi.SERVER = "usage-billing"
# Bytes that are not HTTP never reach the application; this answers them in the form of all other errors.
gunicorn.util.write_error = write_problem

worker_class = "api.gunicorn_worker.Worker"
# Loaded once and forked: a worker that died is replaced in milliseconds, and no client can connect before the app is
# there to answer. Nothing is connected and no thread is started when the app is made, only on its first use.
preload_app = True
# Seconds for requests under way to end when the server is asked to stop; new connections are refused at once.
graceful_timeout = _settings.stop_seconds
# Seconds after which a worker without a sign of life is replaced. All its threads may wait for a server that hangs,
# but each such wait is shorter than this.
timeout = 60
# Seconds without a request after which a connection is closed. Keep it above the time after which clients and gateways
# close an idle connection themselves (nginx: 60 s), or their next request meets a closed one.
keepalive = 75
loglevel = "warning"
# A request makes some hundred objects and hardly a cycle: looking for cycles after every 700 takes a tenth of its time.
GC_EVERY = 20_000
# Until then the processes of a successor, forked with the application loaded, have failed or serve.
SERVES_AFTER_SECONDS = 1.0
# Two instances on one machine would share its path.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Log as all processes of the service do: to the day's file and to stderr, without secrets.

    gunicorn's own lines go there too, such as that a worker was given up.
    """
    if sys.argv[0].endswith("__main__.py"):
        # Started as `python -m gunicorn`, gunicorn would start a successor by that file's path, whose folder would then
        # be searched for modules: gunicorn.http would stand in for Python's http.
        server.START_CTX["args"] = [sys.executable, "-m", "gunicorn", *sys.argv[1:]]
    logs.configure(_settings, "api")
    try:
        refuse_lossy_session(_settings.require_database(), pooled=_settings.pooled)
    except ConfigurationError as error:
        raise SystemExit(f"usage-billing: {error.message}") from None
    processes.number = server.cfg.workers
    server_log = logging.getLogger("gunicorn.error")
    server_log.handlers.clear()
    server_log.propagate = True


def child_exit(_server: Any, _worker: Any) -> None:
    """A process has ended: its counts go to the archive, its files are deleted."""
    fold_the_dead()


def post_fork(_server: Any, _worker: Any) -> None:
    """Give the forked process an event loop of its own, and let its green threads give way when they compute long."""
    gevent.reinit()
    let_others_go(green.give_way)
    # gevent's own looks once around its loop, which takes 0.1 ms, although this one does not wait.
    look_by(gevent.monkey.get_original("select", "poll"))


def when_ready(server: Any) -> None:
    """On TERM answer /health/ready with 503 first, and end when load balancers have had the time to see it.

    On HUP start the program anew, which takes over without a gap.
    """
    fold_the_dead()  # those of an earlier start
    # Loaded modules stay for ever: frozen, the collector does not walk them in every forked process.
    gc.collect()
    gc.freeze()
    # Loading left holes in the heap. glibc, where it is the C library, gives a tenth of the memory back.
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    gc.set_threshold(GC_EVERY, 20, 20)

    def leave(number: int, _frame: FrameType | None) -> None:
        # Where a successor answers on the same socket, a load balancer has nothing to see.
        if not server.reexec_pid:
            stopping.ask()
        seconds = 0 if server.reexec_pid else _settings.unready_seconds
        gevent.spawn_later(seconds, server.signal, number, None)

    def succeed(_number: int, _frame: FrameType | None) -> None:
        # gunicorn's own HUP forks new processes with the code that was loaded before. USR2 starts the program anew, on
        # the sockets of this one.
        server.maybe_promote_master()  # gunicorn looks once a second, and a program with a predecessor has no successor
        server.signal(signal.SIGUSR2, None)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, succeed)
    if server.master_pid:
        gevent.spawn_later(SERVES_AFTER_SECONDS, _take_over, server)


def _take_over(server: Any) -> None:
    """End the program that this one was started by, which serves the same sockets: this one's processes serve now."""
    if server.WORKERS and server.master_pid == os.getppid():
        sd_notify(f"MAINPID={os.getpid()}", server.log)  # systemd watches this program from now on
        if server.pidfile is not None:
            _take_over_file(server.pidfile, server.cfg.pidfile)
        os.kill(server.master_pid, signal.SIGTERM)


def _take_over_file(ours: Any, name: str) -> None:
    """Put this program's file in the place of its predecessor's, which then leaves it alone: it is always there."""
    os.replace(ours.fname, name)
    ours.fname = name
    # gunicorn would delete it and write it anew when the predecessor has ended.
    ours.rename = lambda _name: None
