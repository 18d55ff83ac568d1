"""Proving the books by ``usage-billing verify``: two usage types of many subscriptions, billed, and nothing differs.

The yardstick is another build with the same books, a checkout with its environment that ``BESIDE`` names: ``make bench
ARGS=verify BESIDE=FOLDER``. Without one it is reading the recordings out of the server by COPY.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.turns import in_turns

HERE = Path(__file__).parent.parent
SUBSCRIPTIONS, RECORDINGS = 10_000, 1_000_000


class Books:
    """Books in another process, which proves them when it is asked."""

    def __init__(self, serving: "subprocess.Popen[str]") -> None:
        self._serving = serving
        self._answer()

    def ask(self, what: str) -> dict[str, float]:
        """``verify``: ``seconds``, ``cpu`` seconds and MiB of ``memory``; ``copy``: ``seconds``."""
        assert self._serving.stdin
        print(what, file=self._serving.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._serving.stdout
        line = self._serving.stdout.readline()
        if not line:
            raise RuntimeError("a build ended before it answered")
        answer: dict[str, float] = json.loads(line)
        return answer


def run(*, quick: bool) -> list[Figure]:
    """Prove the same books by both builds in turns, and a quarter of them for the memory."""
    subscriptions, number, rounds = (200, 20_000, 1) if quick else (SUBSCRIPTIONS, RECORDINGS, 5)
    beside = os.environ.get("BESIDE")
    with ExitStack() as stack:
        ours = stack.enter_context(_books(HERE, subscriptions, number))
        few = stack.enter_context(_books(HERE, subscriptions // 4, number // 4))
        theirs = stack.enter_context(_books(Path(beside).resolve(), subscriptions, number)) if beside else ours
        turns = in_turns(
            rounds,
            {
                "ours": lambda: ours.ask("verify"),
                "theirs": lambda: theirs.ask("verify" if beside else "copy"),
                "few": lambda: few.ask("verify"),
            },
        )
    clock, memory = turns.of(lambda found: found["seconds"]), turns.of(lambda found: found.get("memory", 1))
    yardstick = "by the other build" if beside else "to read them out by COPY"
    return [
        Figure(
            what=f"proving {number:,} recordings in {2 * subscriptions:,} summaries",
            measured=f"{clock.middle('ours'):.1f} s",
            yardstick=f"{clock.middle('theirs'):.1f} s {yardstick}",
            value=clock.ratio("ours", "theirs"),
            at_most=0.3 if beside else 5,
        ),
        Figure(
            what="memory of the command",
            measured=f"{memory.middle('ours'):.0f} MiB",
            yardstick=f"{memory.middle('few'):.0f} MiB with a quarter of them",
            value=memory.ratio("ours", "few"),
            at_most=1.15,
        ),
    ]


@contextmanager
def _books(folder: Path, subscriptions: int, recordings: int) -> Iterator[Books]:
    """Start the build in ``folder``; within the block its books are ready to be proven."""
    python = folder / ".venv" / "bin" / "python"
    command = [str(python), str(HERE / "benchmarks" / "proofs.py"), str(subscriptions), str(recordings)]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    ) as serving:
        try:
            yield Books(serving)
        finally:
            assert serving.stdin
            serving.stdin.close()
            serving.wait(60)
