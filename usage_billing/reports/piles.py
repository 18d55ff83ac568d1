"""What one series, or several together, come to in windows and in all of them, by the meter's function. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from usage_billing.core.periods import Period
from usage_billing.meters.definition import Function, Per
from usage_billing.meters.levels import Change, Stretch, stretch_of, value_of_level
from usage_billing.meters.values import State, together, value_of


@dataclass(frozen=True, slots=True)
class LevelWindows:
    """The windows in which a level is told, ``per`` time, as of now: what has not passed costs nothing yet."""

    per: Per
    windows: Sequence[Period]
    now: datetime


@dataclass(slots=True)
class Pile:
    """Piles up what is kept of recordings, window by window; or, where values are told apart, their digests."""

    function: Function
    level: LevelWindows | None = None
    states: dict[int, State] = field(default_factory=dict)
    digests: dict[int, set[bytes]] = field(default_factory=dict)

    def add(self, place: int, state: State) -> None:
        """Add recordings of the window ``place``."""
        self.states[place] = together([self.states.get(place, State()), state])

    def tell(self, place: int, digest: bytes) -> None:
        """Add a value of the window ``place``."""
        self.digests.setdefault(place, set()).add(digest)

    def add_all(self, others: Iterable["Pile"]) -> None:
        """Add what others have piled up."""
        for other in others:
            for place, state in other.states.items():
                self.add(place, state)
            for place, digests in other.digests.items():
                self.digests.setdefault(place, set()).update(digests)

    def values(self, windows: int) -> list[Decimal | None]:
        """The value of each window; None where the function has none without recordings."""
        if self.level is not None:
            return [value_of_level(self.level.per, [one]) for one in self._stretches(self.level)]
        return [self._value([place]) for place in range(1, windows + 1)]

    @property
    def total(self) -> Decimal | None:
        """The function over all windows together, which is not the sum of their values."""
        if self.level is not None:
            return value_of_level(self.level.per, self._stretches(self.level))
        return self._value(self.states.keys() | self.digests.keys())

    def _stretches(self, level: LevelWindows) -> list[Stretch]:
        found, stands = list[Stretch](), Decimal(0)
        for place, window in enumerate(level.windows, start=1):
            state = self.states.get(place, State())
            change = Change(state.total, state.weighted)
            found.append(stretch_of(window.start, window.end, level=stands, change=change, as_of=level.now))
            stands = found[-1].level
        return found

    def _value(self, places: Iterable[int]) -> Decimal | None:
        if self.function == Function.UNIQUE_COUNT:
            return Decimal(len(set[bytes]().union(*(self.digests.get(place, ()) for place in places))))
        return value_of(self.function, together(self.states.get(place, State()) for place in places))
