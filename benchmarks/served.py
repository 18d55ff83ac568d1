"""A build that runs in another process and answers questions: this one, or a checkout with its environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent.parent


class Served:
    """A script of ``benchmarks`` in the folder of a build. It answers each line with a line of JSON."""

    def __init__(self, serving: "subprocess.Popen[str]") -> None:
        self._serving = serving
        self._answer()

    def ask(self, *words: object) -> dict[str, float]:
        """Send a line of ``words``; what the script says to it. Raises RuntimeError if it ended."""
        assert self._serving.stdin
        print(*words, file=self._serving.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._serving.stdout
        line = self._serving.stdout.readline()
        if not line:
            raise RuntimeError("a build ended before it answered")
        answer: dict[str, float] = json.loads(line)
        return answer


@contextmanager
def served_build(folder: Path, script: str, *arguments: object) -> Iterator[Served]:
    """Start ``script`` of this build's benchmarks in ``folder``; within the block it is ready to be asked."""
    command = [folder / ".venv" / "bin" / "python", HERE / "benchmarks" / script, *arguments]
    with subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    ) as serving:
        try:
            yield Served(serving)
        finally:
            assert serving.stdin
            serving.stdin.close()
            serving.wait(60)
