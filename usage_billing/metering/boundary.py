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

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT

_NOTHING = Decimal(0)
_FIRST_PAGE, _LARGEST_PAGE = 8, 8192

_COUNTED = (
    "SELECT w.summary_id, u.id, u.ordinal, u.quantity, u.beyond_limit"
    " FROM unnest(CAST(:summaries AS bigint[]), CAST(:places AS bigint[])) AS w (summary_id, place)"
    " CROSS JOIN LATERAL (SELECT id, ordinal, quantity, beyond_limit FROM usage WHERE summary_id = w.summary_id"
    " AND ordinal {} AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = usage.id)"
    " ORDER BY ordinal {} LIMIT :size) AS u ORDER BY u.ordinal {}"
)
_ONWARDS = text(_COUNTED.format(">= w.place", "", ""))
_BACKWARDS = text(_COUNTED.format("<= w.place", "DESC", "DESC"))
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


def move_boundaries(session: Session, wanted: Sequence[tuple[Marked, Decimal | None]]) -> None:
    """Divide the recordings of each locked summary at the allowance beside it, and let it say so; the caller saves it.

    However many summaries these are, what lies at their boundaries is read together and written together.
    """
    moves = find_moves(session, wanted)
    marks = {id: beyond for move in moves for id, beyond in move.marks.items()}
    if marks:
        session.execute(_MARK, {"ids": list(marks), "beyonds": list(marks.values())})
    for (summary, allowance), move in zip(wanted, moves, strict=True):
        summary.allowance = allowance
        summary.beyond_limit, summary.beyond_events = move.beyond_limit, move.beyond_events
        summary.boundary = move.boundary


def find_moves(session: Session, wanted: Sequence[tuple[Marked, Decimal | None]]) -> list[Move]:
    """What would have to change for the total of each summary to be divided at its allowance; nothing is written."""
    moves: list[Move] = []
    walks: dict[bool, list[_Walk]] = {True: [], False: []}
    for summary, allowance in wanted:
        beyond = _NOTHING if allowance is None else max(_NOTHING, EXACT.subtract(summary.total, allowance))
        moves.append(Move({}, beyond, summary.beyond_events, summary.boundary))
        if beyond != summary.beyond_limit:
            missing = EXACT.subtract(beyond, summary.beyond_limit).copy_abs()
            walks[beyond < summary.beyond_limit].append(_Walk(summary, moves[-1], missing))
    _walk_onwards(session, walks[True])
    _walk_backwards(session, walks[False])
    for move in moves:
        if not move.beyond_limit:
            move.boundary = None
    return moves


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


@dataclass(slots=True)
class _Walk:
    """From the boundary of a summary on or back, until ``missing`` units are found that lie on the other side of it."""

    summary: Marked
    move: Move
    missing: Decimal


def _walk_onwards(session: Session, walks: Sequence[_Walk]) -> None:
    """So much more is within: from the boundary on, recording by recording."""
    places = [_boundary_of(session, walk.summary) for walk in walks]
    for walk, rows in _rows(session, _ONWARDS, walks, places):
        move, missing = walk.move, walk.missing
        for row in rows:
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


def _walk_backwards(session: Session, walks: Sequence[_Walk]) -> None:
    """So much less is within: from the boundary back, recording by recording."""
    places = [
        walk.summary.events if not walk.summary.beyond_limit else _boundary_of(session, walk.summary) for walk in walks
    ]
    for walk, rows in _rows(session, _BACKWARDS, walks, places):
        move, missing = walk.move, walk.missing
        for row in rows:
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


def _rows(
    session: Session, statement: TextClause, walks: Sequence[_Walk], places: Sequence[int]
) -> Iterator[tuple[_Walk, Iterator[Row[Any]]]]:
    """For each walk what counts in its summary, from its place on or back from it."""
    if walks:
        first = _page(session, statement, [walk.summary.id for walk in walks], places, _FIRST_PAGE)
        for walk in walks:
            yield walk, _pages(session, statement, walk.summary.id, first.get(walk.summary.id, []))


def _pages(session: Session, statement: TextClause, summary_id: int, page: list[Row[Any]]) -> Iterator[Row[Any]]:
    """The rows of a summary, of which ``page`` are the first; further pages, each larger, are read when needed."""
    size, step = _FIRST_PAGE, 1 if statement is _ONWARDS else -1
    while page:
        yield from page
        if len(page) < size:
            return
        size = min(4 * size, _LARGEST_PAGE)
        page = _page(session, statement, [summary_id], [page[-1].ordinal + step], size).get(summary_id, [])


def _page(
    session: Session, statement: TextClause, summaries: Sequence[int], places: Sequence[int], size: int
) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in session.execute(statement, {"summaries": list(summaries), "places": list(places), "size": size}):
        found.setdefault(row.summary_id, []).append(row)
    return found
