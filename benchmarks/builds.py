"""This build beside another one: both record batches of 1,000 in turns, each on servers of its own.

The other build is a checkout with its environment, named by ``BESIDE``: ``make bench ARGS=builds BESIDE=FOLDER``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.batches import SUBSCRIPTIONS
from benchmarks.report import Figure, rate
from benchmarks.turns import in_turns

HERE = Path(__file__).parent.parent
BATCH = 1000


class Build:
    """A build that runs in another process; :meth:`round` makes it record and tells what that took."""

    def __init__(self, serving: "subprocess.Popen[str]") -> None:
        self._serving = serving
        self._answer()

    def round(self, number: int) -> dict[str, float]:
        """Record ``number`` more: ``seconds`` by the clock and ``cpu`` seconds until the books hold them."""
        assert self._serving.stdin
        print(number, BATCH, file=self._serving.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._serving.stdout
        line = self._serving.stdout.readline()
        if not line:
            raise RuntimeError("a build ended before it answered")
        answer: dict[str, float] = json.loads(line)
        return answer


def run(*, quick: bool) -> list[Figure]:
    """Measure both builds in turns. A ratio compares the two measurements of one round, which lie close in time."""
    other = Path(os.environ.get("BESIDE", "")).resolve()
    if not (other / ".venv" / "bin" / "python").exists() or other == HERE:
        raise SystemExit("set BESIDE to the folder of another build that has its .venv")
    number, rounds = (10_000, 1) if quick else (100_000, 5)
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(_serving(folder)) for folder in (HERE, other))
        for build in (ours, theirs):
            build.round(5_000)
        turns = in_turns(rounds, {"ours": lambda: ours.round(number), "theirs": lambda: theirs.round(number)})
    clock, cpu = turns.of(lambda found: number / found["seconds"]), turns.of(lambda found: found["cpu"] / number * 1e6)
    return [
        Figure(
            what="batches of 1,000, end to end, by the clock",
            measured=rate(clock.middle("ours"), 1),
            yardstick=f"{rate(clock.middle('theirs'), 1)} by the other build",
            value=clock.ratio("ours", "theirs"),
            at_least=0.95,
        ),
        Figure(
            what="CPU of all processes a recording",
            measured=f"{cpu.middle('ours'):.1f} us",
            yardstick=f"{cpu.middle('theirs'):.1f} us by the other build",
            value=cpu.ratio("theirs", "ours"),
            at_least=0.95,
        ),
    ]


@contextmanager
def _serving(folder: Path) -> Iterator[Build]:
    """Start the build in ``folder``; within the block it is ready to record."""
    python = folder / ".venv" / "bin" / "python"
    command = [str(python), str(HERE / "benchmarks" / "rounds.py"), str(SUBSCRIPTIONS)]
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
            yield Build(serving)
        finally:
            assert serving.stdin
            serving.stdin.close()
            serving.wait(60)
