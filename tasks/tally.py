"""What a worker's process did since it last told, by name and outcome; every few seconds it is added to the rows."""

import logging
import time
from collections import defaultdict
from decimal import Decimal

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from usage_billing.core.errors import Unavailable
from usage_billing.db.session import transaction
from usage_billing.processes.models import WorkDone
from usage_billing.processes.service import add_work

TELL_SECONDS = 5.0
RECORDINGS = "recordings"

_log = logging.getLogger(__name__)

_number: dict[tuple[str, str], int] = defaultdict(int)
_seconds: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
_told = time.monotonic()


def count(name: str, outcome: str, *, number: int = 1, seconds: Decimal = Decimal(0)) -> None:
    """Add ``number`` things done that ended as ``outcome`` and took ``seconds``."""
    if number:
        _number[name, outcome] += number
        _seconds[name, outcome] += seconds


def tell(engine: Engine, *, at_once: bool = False) -> None:
    """Add what was counted to the rows, if ``TELL_SECONDS`` have passed since the last time or it is asked ``at_once``.

    While the database does not answer it is kept. A process that is killed takes a few seconds' worth with it.
    """
    global _told  # noqa: PLW0603  one process, one tally
    if not _number or (time.monotonic() - _told < TELL_SECONDS and not at_once):
        return
    _told = time.monotonic()
    done = [WorkDone(*key, number=_number[key], seconds=_seconds[key]) for key in sorted(_number)]
    try:
        with transaction(engine) as session:
            add_work(session, done)
    except (Unavailable, SQLAlchemyError) as error:  # figures never hold up work
        _log.debug("the figures could not be told: %s", error)
        return
    _number.clear()
    _seconds.clear()
