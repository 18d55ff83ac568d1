"""The heart of a worker or of beat: a thread that writes every few seconds that the process is at work.

The process' own loop says that it goes round (``note``). When the loop stands still, so does the heart, although the
thread lives.
"""

import logging
import threading
import time

from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import make_engine, transaction
from usage_billing.processes.models import Role
from usage_billing.processes.service import beat, end, forget_the_dead
from usage_billing.settings import Settings

BEAT_SECONDS = 2.0
# If the loop was not round for so many seconds, the process is not at work.
QUIET_SECONDS = 8.0
_ANSWER_TIMEOUT = 5

_log = logging.getLogger(__name__)


class Heart:
    """The sign of life of one process, which is called ``name``. It has a database connection of its own."""

    def __init__(self, settings: Settings, role: Role, name: str) -> None:
        self._engine = make_engine(
            settings.require_database(), pooled=settings.pooled, pool_size=1, answer_timeout=_ANSWER_TIMEOUT
        )
        self._id, self._role, self._name = new_id(), role, name
        self._noted = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        """Begin to beat, now and every ``BEAT_SECONDS``."""
        self._thread.start()

    def note(self) -> None:
        """Say that the loop of the process goes round."""
        self._noted = time.monotonic()

    def stop(self) -> None:
        """End in order: the row of the process is deleted."""
        self._ended.set()
        self._thread.join(timeout=_ANSWER_TIMEOUT)
        try:
            with transaction(self._engine) as session:
                end(session, self._id)
        except Unavailable:
            _log.debug("the row of this process stays for a day")
        self._engine.dispose()

    def _run(self) -> None:
        first = True
        while True:
            if time.monotonic() - self._noted <= QUIET_SECONDS:
                first = not self._beat(first=first) and first
            if self._ended.wait(BEAT_SECONDS):
                return

    def _beat(self, *, first: bool) -> bool:
        try:
            with transaction(self._engine) as session:
                if first:
                    forget_the_dead(session)
                beat(session, self._id, role=self._role, name=self._name, here=utc_now())
        except Exception as error:  # whatever it is, the next beat may succeed
            _log.debug("no sign of life could be written: %s", error)
            return False
        return True
