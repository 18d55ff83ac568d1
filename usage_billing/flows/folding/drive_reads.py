"""Counts what meters have left of some subscriptions before their usage is read, so that every reader sees one figure.

A fold lags by about a second. Usage lines, the upcoming invoice, previews and what-if all read what folds have stored.
So that what was just recorded is in each of them, it is counted then, by the fold itself, and stays counted.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from usage_billing.core.errors import Unavailable
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.folding.fold_meters import fold_pairs
from usage_billing.meters.progress import Behind, behind_of
from usage_billing.meters.queries import folded_types, has_meters, new_to_fold_of
from usage_billing.meters.series import MAX_TAIL

LOOK_EVERY_SECONDS = 1
"""A process looks as often whether there are meters; reads of books without any pay nothing else."""
_A_MOMENT = text("SET LOCAL lock_timeout = '1s'")

_known: WeakKeyDictionary[Any, tuple[int, bool]] = WeakKeyDictionary()
_log = logging.getLogger(__name__)


CustomerOf = Callable[[Session], str]
"""Finds the customer whose usage is to be counted; it is asked only where there are meters."""


@contextmanager
def counted(
    engine: Engine,
    *,
    customer_id: str | None = None,
    subscription_id: str | None = None,
    customer_of: CustomerOf | None = None,
) -> Iterator[tuple[Session, int]]:
    """Read one moment, after what is left of a subscription, or a customer's all, was counted; raises Unavailable.

    The customer is ``customer_id`` or whom ``customer_of`` finds. The number is that of the recordings which are left
    all the same: more than ``MAX_TAIL``, or held by another writer.
    """
    with read_only(engine) as session:
        behind = left_to_count(
            session, customer_id=customer_id, subscription_id=subscription_id, customer_of=customer_of
        )
        if not behind:
            yield session, 0
            return
    left = catch_up(engine, behind)
    with read_only(engine) as session:
        yield session, left


@contextmanager
def foreseeing(engine: Engine, subscription_id: str, *, takes_back: bool = False) -> Iterator[Session]:
    """A session for a dry run of a change, after what is left of the subscription was counted; raises Unavailable.

    It reads one moment. A change that ``takes_back`` recordings does so in it: then it writes, and is rolled back.
    """
    if not takes_back:
        with counted(engine, subscription_id=subscription_id) as (session, _):
            yield session
        return
    with read_only(engine) as session:
        behind = left_to_count(session, subscription_id=subscription_id)
    if behind:
        catch_up(engine, behind)
    with rolled_back(engine) as session:
        yield session
        session.expunge_all()  # what was read is shown after it


def left_to_count(
    session: Session,
    *,
    customer_id: str | None = None,
    subscription_id: str | None = None,
    customer_of: CustomerOf | None = None,
) -> Mapping[str, Behind]:
    """What meters have not counted of a subscription, or of a customer's all, by subscription; as ``counted``."""
    engine = session.get_bind().engine
    until, has_any = _known.get(engine, (0, False))
    if time.monotonic_ns() >= until:
        has_any = has_meters(session)
        _known[engine] = time.monotonic_ns() + LOOK_EVERY_SECONDS * 10**9, has_any
    if not has_any:
        return {}
    named = customer_id if customer_of is None else customer_of(session)
    return behind_of(session, customer_id=named, subscription_id=subscription_id)


def has_none_to_count(engine: Engine) -> bool:
    """Whether a look of this process that is not a second old found no meters at all."""
    until, has_any = _known.get(engine, (0, True))
    return not has_any and time.monotonic_ns() < until


def look_again(engine: Engine) -> None:
    """Forget whether there are meters."""
    _known.pop(engine, None)


def catch_up(engine: Engine, behind: Mapping[str, Behind]) -> int:
    """Count what is left of these subscriptions, unless that is too much or does not go; returns how much stays left.

    A database that takes no writes, or another writer that holds a subscription for longer, hinders no read.
    """
    near = [name for name, one in behind.items() if one.recordings <= MAX_TAIL]
    far = sum(one.recordings for one in behind.values() if one.recordings > MAX_TAIL)
    if not near:
        return far
    try:
        with transaction(engine) as session:
            session.execute(_A_MOMENT)
            meters = folded_types(session, hold=True)
            if pairs := new_to_fold_of(session, near):
                fold_pairs(session, pairs, meters)
    except (Unavailable, DBAPIError) as error:
        _log.info("what is left is not counted before it is read: %s", type(error).__name__)
        return far + sum(behind[name].recordings for name in near)
    return far
