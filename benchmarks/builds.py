"""This build beside another one: both record batches of 1,000 in turns, each on servers of its own.

Once over the subscriptions that ``batches`` has, and once spread over ``MANY``: there each recording of a drain touches
a summary of its own. What a recording costs more there is what a touched summary costs.

The other build is a checkout with its environment, named by ``BESIDE``: ``make bench ARGS=builds BESIDE=FOLDER``.
"""

import os
from contextlib import ExitStack
from pathlib import Path

from benchmarks.batches import SUBSCRIPTIONS
from benchmarks.report import Figure, rate
from benchmarks.served import HERE, served_build
from benchmarks.turns import Turns, in_turns

BATCH = 1000
MANY = 10_000
TYPES = 3  # how many usage types the events name: so many summaries has a subscription


def run(*, quick: bool) -> list[Figure]:
    """Measure both builds in turns. A ratio compares the two measurements of one round, which lie close in time."""
    other = Path(os.environ.get("BESIDE", "")).resolve()
    if not (other / ".venv" / "bin" / "python").exists() or other == HERE:
        raise SystemExit("set BESIDE to the folder of another build that has its .venv")
    number, rounds, many = (10_000, 1, 1_000) if quick else (100_000, 5, MANY)
    few = _in_turns(other, SUBSCRIPTIONS, number, rounds=rounds)
    spread = _in_turns(other, many, number, rounds=rounds)
    cpu, more = _cpu(few, number), _cpu(spread, number)
    touched = {name: more.middle(name) - cpu.middle(name) for name in ("ours", "theirs")}
    return [
        _rate(few, number, what=f"batches of 1,000 over {SUBSCRIPTIONS} subscriptions, end to end", at_least=0.95),
        Figure(
            what="CPU of all processes a recording",
            measured=f"{cpu.middle('ours'):.1f} us",
            yardstick=f"{cpu.middle('theirs'):.1f} us by the other build",
            value=cpu.ratio("theirs", "ours"),
            at_least=0.95,
        ),
        _rate(spread, number, what=f"batches of 1,000 over {many:,} subscriptions, end to end", at_least=1.3),
        Figure(
            what="CPU of all processes a touched summary",
            measured=f"{touched['ours']:.1f} us ({more.middle('ours'):.1f} a recording)",
            yardstick=f"{touched['theirs']:.1f} us by the other build ({more.middle('theirs'):.1f} a recording)",
            value=touched["ours"] / touched["theirs"],
            at_most=0.5,
        ),
    ]


def _in_turns(other: Path, subscriptions: int, number: int, *, rounds: int) -> Turns[dict[str, float]]:
    """Both builds record ``number`` in each round. Before the first, each summary is made."""
    with ExitStack() as stack:
        builds = (served_build(folder, "rounds.py", subscriptions) for folder in (HERE, other))
        ours, theirs = map(stack.enter_context, builds)
        for build in (ours, theirs):
            build.ask(max(5_000, subscriptions * TYPES), BATCH)
        return in_turns(rounds, {"ours": lambda: ours.ask(number, BATCH), "theirs": lambda: theirs.ask(number, BATCH)})


def _cpu(turns: Turns[dict[str, float]], number: int) -> Turns[float]:
    """Microseconds of CPU a recording."""
    return turns.of(lambda found: found["cpu"] / number * 1e6)


def _rate(turns: Turns[dict[str, float]], number: int, *, what: str, at_least: float) -> Figure:
    clock = turns.of(lambda found: number / found["seconds"])
    return Figure(
        what=f"{what}, by the clock",
        measured=rate(clock.middle("ours"), 1),
        yardstick=f"{rate(clock.middle('theirs'), 1)} by the other build",
        value=clock.ratio("ours", "theirs"),
        at_least=at_least,
    )
