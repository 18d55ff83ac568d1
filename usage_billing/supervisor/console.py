"""Lines of several programs on one terminal, each with its program's name in front."""

import io
import itertools
import sys
import threading
from typing import TextIO

COLOURS = (36, 32, 35, 33, 34, 96, 92, 95)
RESET = "\x1b[0m"


class Console:
    """Prints whole lines from any thread, in colour only on a terminal. A closed terminal stops no thread."""

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None, width: int = 10) -> None:
        self._stream = sys.stdout if stream is None else stream
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8
        self.on_terminal = not self._stream.closed and self._stream.isatty()
        self._colour = self.on_terminal if colour is None else colour
        self._width = width
        self._next = itertools.cycle(COLOURS)
        self._colours: dict[str, int] = {}
        self._lock = threading.Lock()

    def say(self, name: str, line: str) -> None:
        """Print ``line`` as one of ``name``'s."""
        with self._lock:
            label = f"{name:<{self._width}} |"
            if self._colour:
                if name not in self._colours:
                    self._colours[name] = next(self._next)
                label = f"\x1b[{self._colours[name]}m{label}{RESET}"
            self._print(f"{label} {line}")

    def plain(self, text: str) -> None:
        """Print ``text`` without a name in front."""
        with self._lock:
            self._print(text)

    def _print(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader went away; the services go on
