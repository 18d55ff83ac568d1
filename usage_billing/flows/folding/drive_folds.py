"""Drives folding: piece by piece, each in a transaction of its own, until nothing is left or its turn is over.

What is new goes first, and between its pieces one of history: a meter that looks back over millions of recordings
holds up no other, and gets there in the end.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from usage_billing.db.locks import try_lock_folds
from usage_billing.db.session import transaction
from usage_billing.flows.folding.fold_meters import FoldOutcome, fold_pairs
from usage_billing.meters.queries import ActiveMeter, Pair, folded_types, new_to_fold, old_to_fold
from usage_billing.meters.service import has_looked_back
from usage_billing.subscriptions.openings import lock_free

PIECE = 20_000
"""About how many recordings are counted in one transaction: some tenths of a second of PostgreSQL's time."""
_PAIRS = 2_000
_WAIT_SECONDS = 1

_log = logging.getLogger(__name__)


def fold_new(engine: Engine, *, seconds: int, stopping: Callable[[], bool] = lambda: False) -> bool:
    """Fold for up to about so many seconds; returns whether something is left. Raises Unavailable.

    While another process folds, this one does nothing: the other looks again before it rests. What is left of
    subscriptions that are billed or changed meanwhile waits for the next fold.
    """
    ends = time.monotonic() + seconds
    while not stopping():
        done = _round(engine)
        if done is None or not done.more or done.waits:
            return False
        if time.monotonic() >= ends:
            return True
    return True


def fold_all(engine: Engine, *, on_progress: Callable[[int], None] = lambda _: None) -> FoldOutcome:
    """Fold until nothing is left, beside another process that folds; ``on_progress`` is told of recordings so far."""
    total = FoldOutcome()
    while True:
        done = _round(engine)
        if done is None or (done.waits and not done.outcome.recordings):
            time.sleep(_WAIT_SECONDS)
            continue
        total.recordings += done.outcome.recordings
        total.skipped += done.outcome.skipped
        on_progress(total.recordings)
        if not done.more:
            return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """What was folded, and whether there may be more.

    ``waits``: of what is left, other transactions have locked the subscriptions.
    """

    outcome: FoldOutcome
    more: bool = False
    waits: bool = False


def _round(engine: Engine) -> _Piece | None:
    """Fold a piece of what is new, and then, unless more than that is new, one of history; None while another folds.

    Something is new at any moment while usage comes, and history is not to wait for ever.
    """
    new = _piece(engine, _new)
    if new is None or new.outcome.recordings >= PIECE:
        return new
    old = _piece(engine, _history)
    if old is None:
        return new
    found = FoldOutcome(
        recordings=new.outcome.recordings + old.outcome.recordings, skipped=new.outcome.skipped + old.outcome.skipped
    )
    goes_on = (new.more and not new.waits) or (old.more and not old.waits)
    return _Piece(outcome=found, more=new.more or old.more, waits=(new.waits or old.waits) and not goes_on)


def _piece(engine: Engine, find: Callable[[Session, dict[str, ActiveMeter]], list[Pair]]) -> _Piece | None:
    """Fold one piece of what ``find`` finds; None while another process folds."""
    with transaction(engine) as session:
        if not try_lock_folds(session):
            return None
        meters = folded_types(session, hold=True)
        pairs = find(session, meters) if meters else []
        if not pairs:
            return _Piece(outcome=FoldOutcome())
        # Those who bill or change a subscription fold it themselves, or are done soon: nothing waits for them here.
        free = lock_free(session, {pair.subscription for pair in pairs})
        pairs = [pair for pair in pairs if pair.subscription in free]
        if not pairs:
            return _Piece(outcome=FoldOutcome(), more=True, waits=True)
        outcome = fold_pairs(session, pairs, meters, at_most=PIECE)
    _log.info("folded %d recordings, %d without a value", outcome.recordings, outcome.skipped)
    return _Piece(outcome=outcome, more=True)


def _new(session: Session, _: dict[str, ActiveMeter]) -> list[Pair]:
    """What was recorded or taken back since folds looked last."""
    return new_to_fold(session, size=_PAIRS)


def _history(session: Session, meters: dict[str, ActiveMeter]) -> list[Pair]:
    """What a meter has to look back on, the newest periods first."""
    for name, meter in meters.items():
        if not meter.looked_back:
            pairs = old_to_fold(session, name, size=_PAIRS)
            if pairs:
                return pairs
            has_looked_back(session, name)
    return []
