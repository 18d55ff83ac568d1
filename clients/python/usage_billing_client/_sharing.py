"""One engine for all clients of a process that are made alike: one thread, one connection, one file."""

from __future__ import annotations

import os
import sys
import threading

from usage_billing_client._engine import Engine
from usage_billing_client._options import Setup

_lock = threading.RLock()
_engines: list[Engine] = []

if sys.platform != "win32":
    # No other thread makes a client while the process forks: in the child its lock would never be released.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def acquire(setup: Setup) -> Engine:
    """The engine of this process for ``setup``, made if there is none; ``release`` it once."""
    with _lock:
        _engines[:] = [engine for engine in _engines if engine.pid == os.getpid()]
        found = next((engine for engine in _engines if engine.setup == setup), None)
        if found is None:
            found = Engine(setup)
            _engines.append(found)
        found.users += 1
        return found


def release(engine: Engine) -> bool:
    """Give an engine up; True if no other client uses it, so that it must be closed."""
    with _lock:
        engine.users -= 1
        if engine.users == 0 and engine in _engines:
            _engines.remove(engine)
        return engine.users == 0
