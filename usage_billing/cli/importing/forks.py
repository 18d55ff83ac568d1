"""Works that processes forked from this one do at once.

Threads of one process take turns at computing. A forked process computes on a core of its own, and has all that this
one has read without a copy.
"""

import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from mmap import mmap
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Generic, NamedTuple, TypeVar, cast

from usage_billing.core.errors import Unavailable

Told = TypeVar("Told")
Work = Callable[[], Iterable[Told]]

_FORKING = get_context("fork")


class _End(NamedTuple):
    """The last that a process tells: why it failed, if it did."""

    error: Exception | None = None
    cause: BaseException | None = None


class Forks(Generic[Told]):
    """Processes that do ``works``, at most 256. Each process takes the next work that no other has taken.

    What a work yields is told to their parent, the process that made them. It may have no database connection open,
    which they would share. A process stops once it has told something, if another failed, or if the parent was
    interrupted or killed. It is deaf to Ctrl-C itself, which a terminal sends to all of them.
    """

    def __init__(self, works: Sequence[Work[Told]], *, processes: int) -> None:
        # One byte that all of them share. Unlike a lock, it cannot stay held by a process that was killed.
        self._works, self._stopping = works, mmap(-1, 1)
        self._waiting = _filled_pipe(bytes(range(len(works))))
        pipes = [_FORKING.Pipe(duplex=False) for _ in range(min(processes, len(works)))]
        self._receivers = [receiver for receiver, _ in pipes]
        ends = [end for pipe in pipes for end in pipe]
        self._processes = [_FORKING.Process(target=self._run, args=(sender, ends), daemon=True) for _, sender in pipes]
        for process in self._processes:
            process.start()
        for _, sender in pipes:
            sender.close()
        os.close(self._waiting)

    def gather(self, take: Callable[[Told], None]) -> None:
        """Give ``take`` what is told until all processes have ended, and raise what made the first of them fail.

        Ctrl-C is raised at the end too, or at once if it comes again. Raises Unavailable for a process that was killed.
        """
        problem: BaseException | None = None
        interrupted = False
        while self._receivers:
            try:
                for receiver in wait(self._receivers):
                    self._receive(receiver, take)  # type: ignore[arg-type]
            except BaseException as error:
                self._stopping[0] = 1
                problem = problem or error
                if isinstance(error, KeyboardInterrupt):
                    if interrupted:
                        raise
                    interrupted = True
        for process in self._processes:
            process.join()
        if problem is not None:
            raise problem

    def _receive(self, receiver: "Connection[object, object]", take: Callable[[Told], None]) -> None:
        try:
            told = receiver.recv()
        except EOFError:
            told = _End(Unavailable("a process of this command was killed"))
        if not isinstance(told, _End):
            take(cast("Told", told))
            return
        self._receivers.remove(receiver)
        if told.error is not None:
            raise told.error from told.cause

    def _run(self, sender: "Connection[object, object]", ends: Sequence["Connection[object, object]"]) -> None:
        """What a forked process does. It keeps one end of its pipe alone, and so learns when the parent has gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for end in ends:
            if end is not sender:
                end.close()
        with suppress(BrokenPipeError):
            try:
                for told in self._work():
                    sender.send(told)
                    if self._stopping[0]:
                        break
                sender.send(_End())
            except BrokenPipeError:
                raise
            except Exception as error:
                sender.send(_end_with(error))

    def _work(self) -> Iterator[Told]:
        while taken := os.read(self._waiting, 1):  # two processes never read the same byte
            yield from self._works[taken[0]]()


def _end_with(error: Exception) -> _End:
    end = _End(error, error.__cause__)
    try:
        pickle.loads(pickle.dumps(end))  # noqa: S301  what this process has written
    except Exception:  # an error may hold anything, and be made of other arguments than it keeps
        return _End(RuntimeError("".join(traceback.format_exception(error))))
    return end


def _filled_pipe(data: bytes) -> int:
    """A pipe that holds ``data`` and no more."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading
