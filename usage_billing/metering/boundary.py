"""The boundary between within and beyond in a summary: where it lies, and moving it.

What is within is a prefix in the order recorded. A locked summary keeps the ordinal of the recording at the boundary:
those before it are within, those after it beyond. When the allowance or the total changes, only the recordings between
the old boundary and the new are read and written, however many others there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT

_NOTHING = Decimal(0)
_FIRST_PAGE, _LARGEST_PAGE = 64, 8192

_COUNTED = (
    "SELECT id, ordinal, quantity, beyond_limit FROM usage WHERE summary_id = :summary AND ordinal {}"
    " AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = usage.id) ORDER BY ordinal {} LIMIT :size"
)
_ONWARDS = text(_COUNTED.format(">= :place", ""))
_BACKWARDS = text(_COUNTED.format("<= :place", "DESC"))
_FIND = text("SELECT ordinal FROM usage WHERE summary_id = :summary AND beyond_limit > 0 ORDER BY ordinal LIMIT 1")
_MARK = text(
    "UPDATE usage AS u SET beyond_limit = v.beyond FROM unnest(CAST(:ids AS uuid[]), CAST(:beyonds AS numeric[]))"
    " AS v (id, beyond) WHERE u.id = v.id"
)
_PARTS = text(
    "SELECT summary_id, id, beyond_limit FROM usage WHERE summary_id = ANY(CAST(:ids AS bigint[]))"
    " AND beyond_limit > 0 ORDER BY summary_id, ordinal"
)


class Marked(Protocol):
    """A summary whose recordings are marked by ``allowance``; ``boundary`` is None while nothing lies beyond."""

    id: int
    allowance: Decimal | None
    total: Decimal
    beyond_limit: Decimal
    beyond_events: int
    events: int
    boundary: int | None


@dataclass(slots=True)
class Move:
    """What moving a boundary does: the new marks by recording, and where it lies then."""

    marks: dict[UUID, Decimal] = field(default_factory=dict)
    beyond_limit: Decimal = _NOTHING
    beyond_events: int = 0
    boundary: int | None = None


def move_boundary(session: Session, summary: Marked, *, allowance: Decimal | None) -> None:
    """Divide a locked summary's recordings at ``allowance``, and let the summary say so; the caller saves it."""
    move = find_move(session, summary, allowance=allowance)
    if move.marks:
        session.execute(_MARK, {"ids": list(move.marks), "beyonds": list(move.marks.values())})
    summary.allowance = allowance
    summary.beyond_limit, summary.beyond_events = move.beyond_limit, move.beyond_events
    summary.boundary = move.boundary


def find_move(session: Session, summary: Marked, *, allowance: Decimal | None) -> Move:
    """What would have to change for the summary's total to be divided at ``allowance``; nothing is written."""
    move = Move({}, summary.beyond_limit, summary.beyond_events, summary.boundary)
    beyond = _NOTHING if allowance is None else max(_NOTHING, EXACT.subtract(summary.total, allowance))
    if beyond < summary.beyond_limit:
        _move_onwards(session, summary, move, EXACT.subtract(summary.beyond_limit, beyond))
    elif beyond > summary.beyond_limit:
        _move_backwards(session, summary, move, EXACT.subtract(beyond, summary.beyond_limit))
    move.beyond_limit = beyond
    if not beyond:
        move.boundary = None
    return move


def unmark(session: Session, usage_ids: Sequence[UUID]) -> None:
    """Recordings that were taken back lie neither within nor beyond."""
    if usage_ids:
        session.execute(_MARK, {"ids": list(usage_ids), "beyonds": [_NOTHING] * len(usage_ids)})


def parts_beyond(session: Session, summary_ids: list[int]) -> dict[int, dict[UUID, Decimal]]:
    """How much of each recording of these summaries lies beyond, in the order recorded."""
    found: dict[int, dict[UUID, Decimal]] = {id: {} for id in summary_ids}
    for row in session.execute(_PARTS, {"ids": summary_ids}):
        found[row.summary_id][row.id] = row.beyond_limit
    return found


def _move_onwards(session: Session, summary: Marked, move: Move, missing: Decimal) -> None:
    """So much more is within: from the boundary on, recording by recording."""
    for row in _rows(session, _ONWARDS, summary, _boundary_of(session, summary)):
        move.boundary = row.ordinal
        if not missing:
            break
        taken = min(missing, row.beyond_limit)
        if taken:
            move.marks[row.id] = left = EXACT.subtract(row.beyond_limit, taken)
            move.beyond_events -= not left
            missing = EXACT.subtract(missing, taken)
            if left:
                break


def _move_backwards(session: Session, summary: Marked, move: Move, missing: Decimal) -> None:
    """So much less is within: from the boundary back, recording by recording."""
    start = summary.events if not summary.beyond_limit else _boundary_of(session, summary)
    for row in _rows(session, _BACKWARDS, summary, start):
        if not missing:
            break
        taken = min(missing, EXACT.subtract(row.quantity, row.beyond_limit))
        if taken:
            move.boundary = row.ordinal
            move.marks[row.id] = EXACT.add(row.beyond_limit, taken)
            move.beyond_events += not row.beyond_limit
            missing = EXACT.subtract(missing, taken)


def _boundary_of(session: Session, summary: Marked) -> int:
    """Where it lies; looked for once where an earlier version of the books did not keep it."""
    if summary.boundary is not None:
        return summary.boundary
    found: int | None = session.scalar(_FIND, {"summary": summary.id})
    return summary.events if found is None else found


def _rows(session: Session, statement: Any, summary: Marked, place: int) -> Iterator[Any]:
    """What counts, from a place on or back from it, in pages that double."""
    size, step = _FIRST_PAGE, 1 if statement is _ONWARDS else -1
    while page := session.execute(statement, {"summary": summary.id, "place": place, "size": size}).all():
        yield from page
        if len(page) < size:
            return
        place, size = page[-1].ordinal + step, min(2 * size, _LARGEST_PAGE)
