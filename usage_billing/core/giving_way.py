"""Work on many things that lets other work of its process go first between two of them.

A process whose threads are green ones works on one request until that waits. A request that computes for long without
waiting would hold up all others of the process. Where it goes through many things it does so ``in_turns``, and a server
says by ``let_others_go`` how a thread gives way. Where no server has said it, as in a worker, nothing is done.
"""

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter_ns
from typing import TypeVar

Thing = TypeVar("Thing")

SLICE_NANOSECONDS = 500_000
"""How long a thread works on before it gives way: half of what a recording costs."""

_give_way: Callable[[], object] | None = None


def let_others_go(give_way: Callable[[], object] | None) -> None:
    """Let ``in_turns`` call ``give_way`` in this process from now on; None: let it give way no more."""
    global _give_way  # noqa: PLW0603 - how threads of this process give way is a fact of the process.
    _give_way = give_way


def in_turns(things: Iterable[Thing]) -> Iterable[Thing]:
    """``things`` as they are; the thread that goes through them gives way after each slice of time."""
    return things if _give_way is None else _sliced(things, _give_way)


def _sliced(things: Iterable[Thing], give_way: Callable[[], object]) -> Iterator[Thing]:
    ends = perf_counter_ns() + SLICE_NANOSECONDS
    for thing in things:
        yield thing
        if perf_counter_ns() >= ends:
            give_way()
            ends = perf_counter_ns() + SLICE_NANOSECONDS
