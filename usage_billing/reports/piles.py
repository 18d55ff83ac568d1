"""What one series, or several together, come to in windows and in all of them, by the meter's function. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.periods import Period
from usage_billing.meters.across import value_across
from usage_billing.meters.definition import Function, Per
from usage_billing.meters.levels import Change, Stretch, stretch_of, value_of_level
from usage_billing.meters.values import State, together, value_together
from usage_billing.reports.series_pieces import Pieces

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class LevelWindows:
    """The windows in which a level is told, ``per`` time, as of now: what has not passed costs nothing yet."""

    per: Per
    windows: Sequence[Period]
    now: datetime


@dataclass(slots=True)
class Pile:
    """Piles up what is kept of recordings, window by window; or, where values are told apart, their digests.

    Of a meter with windows of its own it is ``pieces`` by which they are piled up. ``turns`` has of values that are
    carried where each comes (1) and goes (-1). ``sums`` has what adds up: a number for each window is enough there.
    """

    function: Function
    level: LevelWindows | None = None
    pieces: Pieces | None = None
    states: dict[int, list[State]] = field(default_factory=dict)
    digests: dict[int, set[bytes]] = field(default_factory=dict)
    turns: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    sums: dict[int, Decimal] = field(default_factory=dict)
    adds_up: bool = field(init=False)

    def __post_init__(self) -> None:
        self.adds_up = self.function.adds_up and self.level is None and self.pieces is None

    def add(self, place: int, state: State) -> None:
        """Add recordings of the window ``place``."""
        if self.adds_up:
            self._sum(place, state.total if self.function == Function.SUM else Decimal(state.events))
        else:
            self.states.setdefault(place, []).append(state)

    def tell(self, place: int, digest: bytes) -> None:
        """Add a value of the window ``place``."""
        self.digests.setdefault(place, set()).add(digest)

    def stand(self, digest: bytes, runs: Iterable[tuple[int, int]]) -> None:
        """Add a value that stands in these runs of windows: (first, number after the last)."""
        for start, end in runs:
            self.turns.setdefault(start, []).append((digest, 1))
            self.turns.setdefault(end, []).append((digest, -1))

    def add_all(self, others: Iterable["Pile"]) -> None:
        """Add what others have piled up."""
        for other in others:
            for place, amount in other.sums.items():
                self._sum(place, amount)
            for place, states in other.states.items():
                self.states.setdefault(place, []).extend(states)
            for place, digests in other.digests.items():
                self.digests.setdefault(place, set()).update(digests)
            for place, turns in other.turns.items():
                self.turns.setdefault(place, []).extend(turns)

    def values(self, windows: int) -> list[Decimal | None]:
        """The value of each window; None where the function has none without recordings."""
        if self.adds_up:
            return [self.sums.get(place, _NOTHING) for place in range(1, windows + 1)]
        if self.level is not None:
            return [value_of_level(self.level.per, [one]) for one in self._stretches(self.level)]
        if self.pieces is not None:
            return self._across_each(self.pieces)
        if self.turns:
            return self._standing(windows)
        if self.function == Function.UNIQUE_COUNT:
            return [self._value((place,)) for place in range(1, windows + 1)]
        nothing, found = self._value(()), map(self.states.get, range(1, windows + 1))
        return [nothing if states is None else value_together(self.function, states) for states in found]

    @property
    def total(self) -> Decimal | None:
        """The function over all windows together, which is not the sum of their values."""
        if self.adds_up:
            return sum_of(self.sums.values())
        if self.level is not None:
            return value_of_level(self.level.per, self._stretches(self.level))
        if self.pieces is not None:
            return self._across(self.pieces, {place: found[2] for place, found in self._found(self.pieces)})
        if self.turns:
            return Decimal(len({digest for turns in self.turns.values() for digest, _ in turns}))
        return self._value(self.states.keys() | self.digests.keys())

    def _sum(self, place: int, amount: Decimal) -> None:
        sums = self.sums
        sums[place] = EXACT.add(sums[place], amount) if place in sums else amount

    def _standing(self, windows: int) -> list[Decimal | None]:
        stands, found = Counter[bytes](), list[Decimal | None]()
        for place in range(1, windows + 1):
            for digest, by in self.turns.get(place, ()):
                stands[digest] += by
                if not stands[digest]:
                    del stands[digest]
            found.append(Decimal(len(stands)))
        return found

    def _found(self, pieces: Pieces) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """The pieces, from 1, in which there is something, and where they are."""
        for place in self.states.keys() | self.digests.keys():
            found = pieces.places[place - 1]
            if found is not None:
                yield place, found

    def _across_each(self, pieces: Pieces) -> list[Decimal | None]:
        inside: list[dict[int, int]] = [{} for _ in pieces.asked]
        for place, (number, window, _) in self._found(pieces):
            inside[number - 1][place] = window
        return [self._across(pieces, found, windows) for found, windows in zip(inside, pieces.asked, strict=True)]

    def _across(
        self, pieces: Pieces, places: Mapping[int, int], windows: Sequence[Period] | None = None
    ) -> Decimal | None:
        """What windows come to; ``places`` has by piece the window that it is in."""
        together_in: dict[int, list[int]] = {}
        for place, window in places.items():
            together_in.setdefault(window, []).append(place)
        states = {window: self._state(found) for window, found in together_in.items()}
        return value_across(self.function, pieces.windowing, states, pieces.windows if windows is None else windows)

    def _state(self, places: Sequence[int]) -> State:
        if self.function != Function.UNIQUE_COUNT:
            return together(self._states(places))
        number = len(set[bytes]().union(*(self.digests.get(place, ()) for place in places)))
        return State(events=number, distinct_values=number)

    def _stretches(self, level: LevelWindows) -> list[Stretch]:
        found, stands = list[Stretch](), Decimal(0)
        for place, window in enumerate(level.windows, start=1):
            state = together(self.states.get(place, ()))
            change = Change(state.total, state.weighted)
            found.append(stretch_of(window.start, window.end, level=stands, change=change, as_of=level.now))
            stands = found[-1].level
        return found

    def _value(self, places: Collection[int]) -> Decimal | None:
        if self.function == Function.UNIQUE_COUNT:
            return Decimal(len(set[bytes]().union(*(self.digests.get(place, ()) for place in places))))
        return value_together(self.function, self._states(places))

    def _states(self, places: Collection[int]) -> Sequence[State]:
        if len(places) == 1:
            (place,) = places
            return self.states.get(place, ())
        return [state for place in places for state in self.states.get(place, ())]
