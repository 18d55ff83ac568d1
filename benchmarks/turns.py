"""What is compared is measured in turns, and round by round: a machine changes its speed from minute to minute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Turns(Generic[Found]):
    """What each round found, by name."""

    rounds: list[dict[str, Found]]

    def of(self, part: Callable[[Found], float]) -> "Turns[float]":
        """A part of what they found."""
        return Turns([{name: part(found) for name, found in turn.items()} for turn in self.rounds])

    def middle(self: "Turns[float]", name: str) -> float:
        """What it came to in the middle of all rounds."""
        return median([found[name] for found in self.rounds])

    def ratio(self: "Turns[float]", name: str, beside: str) -> float:
        """The middle of the rounds' ratios: those of neighbours in time, where that of the middles is of any two."""
        return median([found[name] / found[beside] for found in self.rounds])


def in_turns(number: int, measures: Mapping[str, Callable[[], Found]]) -> Turns[Found]:
    """Measure each once in each of so many rounds, every other one backwards, so that none is always the later."""
    found = []
    for turn in range(number):
        order = list(measures)[:: -1 if turn % 2 else 1]
        found.append({name: measures[name]() for name in order})
    return Turns(found)
