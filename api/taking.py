"""How long a client may take over an answer: as long as its length takes over a slow line, and a while longer."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# Over a line of 0.3 Mbit/s: the least that a client has to take of an answer.
BYTES_A_SECOND = 35_000


class Taking:
    """An answer that is being written, piece by piece, and how far behind its client is.

    An export of the books has any length, so it cannot have a time for the whole. A client that takes at least
    ``BYTES_A_SECOND`` is never behind, whatever the length. The application's own time for a piece is not the client's.
    """

    def __init__(self, answer: Iterable[bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._answer = answer
        self._pieces = iter(answer)
        self._clock = clock
        # When a client at that speed would have begun what this one has not taken yet.
        self._since = clock()
        self._length = 0
        self._makes = False

    def behind(self) -> float:
        """For how many seconds the client has taken less than it has to; 0 while the next piece is made."""
        return 0.0 if self._makes else self._clock() - self._since

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next piece. That it is asked for says that the one before was taken, at least by the kernel."""
        began = self._clock()
        self._since = min(began, self._since + self._length / BYTES_A_SECOND)
        self._makes = True
        try:
            piece = next(self._pieces)
        finally:
            self._makes = False
            self._since += self._clock() - began
        self._length = len(piece)
        return piece

    def close(self) -> None:
        """End the application's answer, whether all of it was written or not."""
        close: Any = getattr(self._answer, "close", None)
        if close is not None:
            close()
