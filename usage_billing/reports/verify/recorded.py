"""The facts of all recordings in the order of their summaries, read by connections of their own where that is possible.

A read-only session that sees one moment of large books lends that moment to two more connections. These add up one
part of the summaries after the other, while the session looks at the parts before. In any other session the facts are
read in the session itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from secrets import randbits
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.drive_readers import FETCH, Reader
from usage_billing.reports.verify.facts import ALL, OF_ONE, OF_THESE

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_MANY = 50_000  # recordings: fewer are added up before another connection is there
# How many summaries are added up by other connections; null where the session does it itself.
_LENDS = text("""
    SELECT CASE WHEN current_setting('transaction_isolation') = 'repeatable read'
        AND current_setting('transaction_read_only') = 'on'
        AND sum(events) > :many THEN count(*) END
    FROM usage_summaries
""")
_BOUNDS = text("""
    SELECT percentile_disc(CAST(:shares AS float8[])) WITHIN GROUP (ORDER BY id)
    FROM usage_summaries
""")
_READERS = 2
_PART = 20_000  # summaries: each part reads the whole table, and its sums have to fit into memory


class Stream:
    """Facts in the order of the summaries' ids, taken up to an id at a time."""

    def __init__(self, facts: Iterator[Any]) -> None:
        self._facts = facts
        self._next: Any | None = None
        self._is_begun = False

    def up_to(self, id: int | None) -> Iterator[Any]:
        """The next facts, of summaries up to this one; all that are left where it is None."""
        if not self._is_begun:
            self._next, self._is_begun = next(self._facts, None), True
        while (facts := self._next) is not None and (id is None or facts.summary_id <= id):
            self._next = next(self._facts, None)
            yield facts


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded. ``seed`` is of the hashes, and anew in each proof."""

    seed: int
    stream: Stream


@contextmanager
def recorded_in(session: Session, *, only: str | None, ids: Sequence[int] | None = None) -> Iterator[Recorded]:
    """What was recorded in all summaries, in those of the subscription ``only``, or in those of these ``ids``.

    Within the block it is read.
    """
    seed = randbits(62)
    engine, asked = session.get_bind(), dict[str, Any]()
    lent = session.scalar(_LENDS, {"many": _MANY}) if only is None and ids is None else None
    if lent is not None and isinstance(engine, Engine):
        snapshot = session.scalar(text("SELECT pg_export_snapshot()"))
        number = _READERS * ceil(lent / (_READERS * _PART))
        parts = [{"above": above, "upto": upto, "seed": seed} for above, upto in _parts(session, number)]
        readers = [Reader(engine, snapshot, ALL, parts[first::_READERS]) for first in range(_READERS)]
        try:
            facts = (row for number in range(len(parts)) for row in readers[number % _READERS].part())
            yield Recorded(seed, Stream(facts))
        finally:
            for reader in readers:
                reader.end()
        return
    if ids is not None:
        statement, asked = OF_THESE, {"ids": list(ids)}
    elif only is not None:
        statement, asked = OF_ONE, {"only": only}
    else:
        statement, asked = ALL, {"above": _LOWEST, "upto": _HIGHEST}
    rows = session.execute(statement, {**asked, "seed": seed}, execution_options={"yield_per": FETCH})
    yield Recorded(seed, Stream(iter(rows)))


def _parts(session: Session, number: int) -> list[tuple[int, int]]:
    """Spans of ids, each above its first and up to its second, with about as many summaries each."""
    bounds = session.scalar(_BOUNDS, {"shares": [part / number for part in range(1, number)]}) or []
    return list(pairwise([_LOWEST, *bounds, _HIGHEST]))
