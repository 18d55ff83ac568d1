"""What one series, or several together, come to in windows and in all of them, by the meter's function. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from usage_billing.meters.definition import Function
from usage_billing.meters.values import State, together, value_of


@dataclass(slots=True)
class Pile:
    """Piles up what is kept of recordings, window by window; or, where values are told apart, their digests."""

    function: Function
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
        return [self._value([place]) for place in range(1, windows + 1)]

    @property
    def total(self) -> Decimal | None:
        """The function over all windows together, which is not the sum of their values."""
        return self._value(self.states.keys() | self.digests.keys())

    def _value(self, places: Iterable[int]) -> Decimal | None:
        if self.function == Function.UNIQUE_COUNT:
            return Decimal(len(set[bytes]().union(*(self.digests.get(place, ()) for place in places))))
        return value_of(self.function, together(self.states.get(place, State()) for place in places))
