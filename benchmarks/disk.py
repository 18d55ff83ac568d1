"""What a recording takes of the disk, beside another build: its row and its entries in the indexes.

Once where few summaries have many recordings each, and once where many have few: the indexes grow at as many points as
there are summaries, and leave their pages less full. Both builds record the same through their own processes.

The other build is a checkout with its environment, named by ``BESIDE``: ``make bench ARGS=disk BESIDE=FOLDER``.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.served import HERE, served_build

BATCH = 1000
# Each subscription has three summaries: the events name three usage types, and three divides neither number.
FEW, MANY = 67, 6_667
TYPES = 3


def run(*, quick: bool) -> list[Figure]:
    """Record with each build in turn, over few summaries and over many."""
    other = Path(os.environ.get("BESIDE", "")).resolve()
    if not (other / ".venv" / "bin" / "python").exists() or other == HERE:
        raise SystemExit("set BESIDE to the folder of another build that has its .venv")
    number = 20_000 if quick else 200_000
    return [_figure(other, subscriptions, number) for subscriptions in (FEW, MANY)]


def _figure(other: Path, subscriptions: int, number: int) -> Figure:
    ours, theirs = (_parts(folder, subscriptions, number) for folder in (HERE, other))
    return Figure(
        what=f"disk for each of {number:,} recordings in {subscriptions * TYPES:,} summaries",
        measured=_in_words(ours),
        yardstick=f"{_in_words(theirs)} by the other build",
        value=sum(ours.values()) / sum(theirs.values()),
        at_most=0.75,
    )


def _parts(folder: Path, subscriptions: int, number: int) -> dict[str, float]:
    """Bytes a recording of the table and of each of its indexes."""
    with served_build(folder, "sizes.py", subscriptions) as build:
        return build.ask(number, BATCH)


def _in_words(parts: Mapping[str, float]) -> str:
    listed = ", ".join(f"{name} {size:.0f}" for name, size in parts.items())
    return f"{sum(parts.values()):.0f} bytes: {listed}"
