"""Advisory locks: agreements between writers that no row can express.

They end with the transaction. A transaction that takes several takes them in ascending order.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.bulk import BY_INDEX

_SHARDS = 0x5542_0001  # the first of a lock's two keys; the second is the shard
_FIRST_START = 0x5542_0002
_DRAINS = 0x5542_0004
_FOLDS = 0x5542_0005
_RELAY = 0x5542_0006
_PROOFS = 0x5542_0007
# PostgreSQL reads the array in order, and so takes the locks in order; it looks at the clock once it has each.
_LOCK_SHARDS = """
    SELECT pg_advisory_xact_lock(:space, shard), clock_timestamp() AS now %s
    FROM unnest(CAST(:shards AS int[])) AS shard
"""
_LOCK = text(_LOCK_SHARDS % "")
_LOCK_AND_FIND_BY_INDEX = text(_LOCK_SHARDS % f", {BY_INDEX}")


def lock_shards(session: Session, shards: Iterable[int], *, by_index: bool = False) -> datetime:
    """Wait until this transaction is the only writer of usage in ``shards``, of which there is at least one.

    Returns when that was, by the database's clock: of two writers of one shard the later has the later time. With
    ``by_index`` it does what ``find_by_index`` does, and saves its round trip.
    """
    statement = _LOCK_AND_FIND_BY_INDEX if by_index else _LOCK
    times = session.execute(statement, {"space": _SHARDS, "shards": sorted(set(shards))}).all()
    now: datetime = times[-1].now
    return now


def lock_first_start(session: Session) -> None:
    """Wait until this transaction is the only one that fills an empty database."""
    session.execute(text("SELECT pg_advisory_xact_lock(:space, 0)"), {"space": _FIRST_START})


def try_lock_drain(session: Session, shard: int) -> bool:
    """Make this transaction the only one that drains ``shard`` until it ends; False when another is it already."""
    statement = text("SELECT pg_try_advisory_xact_lock(:space, :shard)")
    return bool(session.scalar(statement, {"space": _DRAINS, "shard": shard}))


def try_lock_folds(session: Session) -> bool:
    """Make this transaction the only one that folds in the background until it ends; False when another is already."""
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:space, 0)"), {"space": _FOLDS}))


def try_lock_request(session: Session, name: str) -> bool:
    """Become the only one who answers the request called ``name`` until the transaction ends; False if another does.

    Its lock is one number of 64 bits: those of one number are none of those of two.
    """
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}))


def try_lock_relay(session: Session) -> bool:
    """Make this transaction the only one that numbers events until it ends; False when another is it already."""
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:space, 0)"), {"space": _RELAY}))


def try_lock_proofs(session: Session) -> bool:
    """Make this transaction the only one that proves what changed until it ends; False when another is it already."""
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:space, 0)"), {"space": _PROOFS}))
