"""A stack of parts: started in order, watched, restarted when they die, stopped in reverse.

It has one thread, the caller's: the kernel ends children when the thread that started them ends.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from usage_billing.supervisor.child import Part

log = logging.getLogger(__name__)

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY_AFTER = 60.0
LOOK_EVERY = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(eq=False)
class _WatchedChild:
    part: Part
    started: float
    delay: float = FIRST_DELAY
    due: float | None = None  # when to start it again; None while it runs

    def fail(self, now: float) -> float:
        """Note a death; returns the seconds until the next start. Steady parts begin at the first delay again."""
        if now - self.started > STEADY_AFTER:
            self.delay = FIRST_DELAY
        wait, self.delay = self.delay, min(self.delay * 2, LONGEST_DELAY)
        self.due = now + wait
        return wait


class Supervisor:
    """Starts parts one by one (:meth:`add`), keeps them running (:meth:`run`), ends them (:meth:`stop`)."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._watched: list[_WatchedChild] = []
        self._stopping = threading.Event()
        self._hurry = False
        self._ending: Part | None = None

    @property
    def stopping(self) -> bool:
        """Whether an operator or a signal asked the stack to stop."""
        return self._stopping.is_set()

    def add(self, part: Part) -> None:
        """Start ``part`` and watch it from now on. If its start raises, so does this; :meth:`stop` still stops it."""
        self._watched.append(_WatchedChild(part, self._clock()))
        part.start()

    def ask_to_stop(self) -> None:
        """Make :meth:`run` return; a second time: end everything at once. Safe in a signal handler."""
        self._hurry = self._hurry or self._stopping.is_set()
        self._stopping.set()
        if self._hurry and self._ending is not None:
            self._ending.hasten()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Within the block SIGINT, SIGTERM and SIGHUP ask to stop, even where a shell had them ignored."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            self.ask_to_stop()

        before = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def run(self, *, until: Callable[[], bool] | None = None, seconds: float | None = None) -> bool:
        """Watch until asked to stop, until ``until()`` is true, or for ``seconds``; whether ``until()`` was true."""
        deadline = None if seconds is None else self._clock() + seconds
        while not self._stopping.is_set():
            for watched in self._watched:
                self._look_after(watched)
            if until is not None and until():
                return True
            if deadline is not None and self._clock() >= deadline:
                return False
            self._stopping.wait(LOOK_EVERY)
        return False

    def stop(self) -> None:
        """End every part, the last started first. A part that fails to stop is logged, the others still end."""
        self._stopping.set()
        while self._watched:
            part = self._ending = self._watched.pop().part
            log.info("stopping %s", part.name)
            try:
                if self._hurry:
                    part.hasten()
                part.stop()
            except Exception:
                log.exception("%s could not be stopped", part.name)
        self._ending = None

    def _look_after(self, watched: _WatchedChild) -> None:
        now = self._clock()
        if watched.due is None:
            if not watched.part.alive():
                wait = watched.fail(now)
                log.warning("%s ended (%s), starting it again in %g s", watched.part.name, watched.part.status(), wait)
        elif now >= watched.due and not self._stopping.is_set():
            self._start_again(watched)

    def _start_again(self, watched: _WatchedChild) -> None:
        watched.due, watched.started = None, self._clock()
        try:
            watched.part.start()
        except Exception as error:
            wait = watched.fail(self._clock())
            log.warning("%s does not start (%s), trying again in %g s", watched.part.name, error, wait)
        else:
            log.info("%s is running again", watched.part.name)
