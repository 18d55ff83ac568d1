"""Work on many things that lets other work of its process go first between two of them.

A process whose threads are green ones works on one request until that waits. A request that computes for long without
waiting would hold up all others of the process. Where it goes through many things it does so ``in_turns``, and a server
says by ``let_others_go`` how a thread gives way. Where no server has said it, as in a worker, nothing is done.

What counts is how long the thread has worked since it gave way or waited, over however many passes that are short.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import local
from time import perf_counter_ns
from typing import TypeVar

Thing = TypeVar("Thing")

SLICE_NANOSECONDS = 500_000
"""How long a thread works on before it gives way: half of what a recording costs."""

PIECE = 200
"""So many things that take a microsecond or two each are a part of a slice."""

_give_way: Callable[[], object] | None = None


class _Slice(local):
    """When the slice of this thread ends."""

    ends = 0


_slice = _Slice()


def let_others_go(give_way: Callable[[], object] | None) -> None:
    """Let ``in_turns`` call ``give_way`` in this process from now on; None: let it give way no more."""
    global _give_way  # noqa: PLW0603 - how threads of this process give way is a fact of the process.
    _give_way = give_way


def in_turns(things: Iterable[Thing]) -> Iterable[Thing]:
    """``things`` as they are; the thread that goes through them gives way after each slice of time."""
    return things if _give_way is None else _sliced(things, _give_way)


def pieces_in_turns(things: Sequence[Thing]) -> Iterable[Sequence[Thing]]:
    """``things`` in pieces of ``PIECE``, as ``in_turns`` has them: for work of a microsecond on each.

    To look at the clock after each of them would cost as much as the work.
    """
    return in_turns([things[start : start + PIECE] for start in range(0, len(things), PIECE)])


def rested() -> None:
    """Begin a slice: this thread has waited, and the others have had their time."""
    if _give_way is not None:
        _slice.ends = perf_counter_ns() + SLICE_NANOSECONDS


def _sliced(things: Iterable[Thing], give_way: Callable[[], object]) -> Iterator[Thing]:
    for thing in things:
        yield thing
        if perf_counter_ns() >= _slice.ends:
            give_way()
            rested()
