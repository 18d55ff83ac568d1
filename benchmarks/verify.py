"""Proving the books by ``usage-billing verify``: two usage types of many subscriptions, billed, and nothing differs.

The yardstick is another build with the same books, a checkout with its environment that ``BESIDE`` names: ``make bench
ARGS=verify BESIDE=FOLDER``. Without one it is reading the recordings out of the server by COPY.
"""

import os
from contextlib import ExitStack
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.served import HERE, Served, served_build
from benchmarks.turns import in_turns

SUBSCRIPTIONS, RECORDINGS = 10_000, 1_000_000


def run(*, quick: bool) -> list[Figure]:
    """Prove the same books by both builds in turns, and a quarter of them for the memory."""
    subscriptions, number, rounds = (200, 20_000, 1) if quick else (SUBSCRIPTIONS, RECORDINGS, 5)
    beside = os.environ.get("BESIDE")
    with ExitStack() as stack:

        def served(folder: Path, part: int = 1) -> Served:
            return stack.enter_context(served_build(folder, "proofs.py", subscriptions // part, number // part))

        ours, few = served(HERE), served(HERE, 4)
        theirs = served(Path(beside).resolve()) if beside else ours
        ours.ask("verify", "--changed")
        turns = in_turns(
            rounds,
            {
                "ours": lambda: ours.ask("verify"),
                "changed": lambda: ours.ask("verify", "--changed"),
                "theirs": lambda: theirs.ask("verify" if beside else "copy"),
                "few": lambda: few.ask("verify"),
            },
        )
    cpu, clock = turns.of(lambda found: found["cpu"]), turns.of(lambda found: found["seconds"])
    memory = turns.of(lambda found: found.get("memory", 1))
    yardstick = "by the other build" if beside else "to read them out by COPY"
    return [
        Figure(
            what=f"proving {number:,} recordings in {2 * subscriptions:,} summaries, CPU of command and PostgreSQL",
            measured=f"{cpu.middle('ours'):.1f} s",
            yardstick=f"{cpu.middle('theirs'):.1f} s {yardstick}",
            value=cpu.ratio("ours", "theirs"),
            at_most=0.3 if beside else None,
        ),
        Figure(
            what="the same by the clock",
            measured=f"{clock.middle('ours'):.1f} s",
            yardstick=f"{clock.middle('theirs'):.1f} s {yardstick}",
            value=clock.ratio("ours", "theirs"),
            at_most=0.3 if beside else 5,
        ),
        Figure(
            what="again by `--changed`, when nothing has changed, CPU",
            measured=f"{cpu.middle('changed'):.1f} s",
            yardstick=f"{cpu.middle('theirs'):.1f} s {yardstick}",
            value=cpu.ratio("changed", "theirs"),
            at_most=0.12 if beside else None,
        ),
        Figure(
            what="memory of the command",
            measured=f"{memory.middle('ours'):.0f} MiB",
            yardstick=f"{memory.middle('few'):.0f} MiB with a quarter of them",
            value=memory.ratio("ours", "few"),
            at_most=1.15,
        ),
    ]
