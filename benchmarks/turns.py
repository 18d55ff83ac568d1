"""Measurements in turns: a machine's speed changes from minute to minute, so what is compared is measured together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Turns(Generic[Found]):
    """The measurements of each round, by name."""

    rounds: list[dict[str, Found]]

    def of(self, part: Callable[[Found], float]) -> "Turns[float]":
        """The same rounds with one figure of each measurement: what ``part`` takes from it."""
        return Turns([{name: part(found) for name, found in turn.items()} for turn in self.rounds])

    def middle(self: "Turns[float]", name: str) -> float:
        """The median over the rounds of the measurement ``name``."""
        return median([found[name] for found in self.rounds])

    def ratio(self: "Turns[float]", name: str, beside: str) -> float:
        """The median of the ratios ``name`` to ``beside``, each of one round, whose measurements lie close in time."""
        return median([found[name] / found[beside] for found in self.rounds])


def in_turns(number: int, measures: Mapping[str, Callable[[], Found]]) -> Turns[Found]:
    """Take every measurement once in each of ``number`` rounds, every other round backwards: none is always last."""
    found = []
    for turn in range(number):
        order = list(measures)[:: -1 if turn % 2 else 1]
        found.append({name: measures[name]() for name in order})
    return Turns(found)
