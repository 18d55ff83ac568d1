"""A file of usage in random order over many subscriptions, imported by this build and by another one in turns.

The other build is a checkout with its environment, named by ``BESIDE``: ``make bench ARGS=imports BESIDE=FOLDER``. Each
line is a recording with a time, a key and metadata, and each file is of a month that has no summaries yet.
"""

import os
from contextlib import ExitStack
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.served import HERE, served_build
from benchmarks.turns import in_turns

SUBSCRIPTIONS, LINES = 10_000, 100_000


def run(*, quick: bool) -> list[Figure]:
    """Import files in turns: by the clock, by CPU, and a tenth of the lines for the memory."""
    other = Path(os.environ.get("BESIDE", "")).resolve()
    if not (other / ".venv" / "bin" / "python").exists() or other == HERE:
        raise SystemExit("set BESIDE to the folder of another build that has its .venv")
    subscriptions, lines, rounds = (200, 4_000, 1) if quick else (SUBSCRIPTIONS, LINES, 5)
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(served_build(one, "imported.py", subscriptions)) for one in (HERE, other))
        few = ours.ask(lines // 10)
        turns = in_turns(rounds, {"ours": lambda: ours.ask(lines), "theirs": lambda: theirs.ask(lines)})
    clock = turns.of(lambda found: found["seconds"])
    cpu = turns.of(lambda found: found["cpu"] + found["postgres"])
    memory = turns.of(lambda found: found["memory"])
    what = f"importing {lines:,} lines in random order over {subscriptions:,} subscriptions"
    return [
        Figure(
            what=f"{what}, by the clock",
            measured=f"{clock.middle('ours'):.1f} s",
            yardstick=f"{clock.middle('theirs'):.1f} s by the other build",
            value=clock.ratio("ours", "theirs"),
            at_most=0.4,
        ),
        Figure(
            what="CPU of command and PostgreSQL",
            measured=f"{cpu.middle('ours'):.1f} s",
            yardstick=f"{cpu.middle('theirs'):.1f} s by the other build",
            value=cpu.ratio("ours", "theirs"),
        ),
        Figure(
            what="memory of the command",
            measured=f"{memory.middle('ours'):.0f} MiB",
            yardstick=f"{few['memory']:.0f} MiB with a tenth of the lines",
            value=memory.middle("ours") / few["memory"],
            at_most=1.5,
        ),
    ]
