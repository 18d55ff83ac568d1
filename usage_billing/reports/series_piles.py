"""Puts what is known of usage over time onto piles, one for each series that an answer tells apart."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import plain
from usage_billing.core.giving_way import pieces_in_turns
from usage_billing.meters.definition import Definition
from usage_billing.meters.stored import WindowState
from usage_billing.meters.told import WindowValue
from usage_billing.reports.piles import Pile
from usage_billing.reports.seen_windows import SeenValue

LUMPED = ("other",)
"""The key of what is lumped beyond the limit of series."""


class Piles:
    """The piles of an answer: one for each series that is told apart, by what it shows of its dimensions.

    ``wanted`` has the values that are wanted, by name of a dimension; of all others nothing is piled up.
    """

    def __init__(
        self, new: Callable[[], Pile], *, group_by: Sequence[str], wanted: Mapping[str, Sequence[Any]]
    ) -> None:
        self.new = new
        self._group_by, self._wanted = group_by, wanted
        self.by_key: dict[tuple[str, ...], Pile] = defaultdict(new)
        self.shown: dict[tuple[str, ...], dict[str, Any]] = {}

    def stand(self, found: Iterable[SeenValue]) -> None:
        """Pile up values that are carried."""
        for seen in found:
            if (pile := self._of(seen.definition, seen.dimensions)) is not None:
                pile.stand(seen.digest, seen.runs)

    def tell(self, found: Iterable[tuple[Definition, WindowValue]]) -> None:
        """Pile up values that are told apart."""
        for definition, told in found:
            if (pile := self._of(definition, told.dimensions)) is not None:
                pile.tell(told.place, told.digest)

    def add(self, found: Sequence[WindowState], definition_of: Callable[[datetime], Definition]) -> None:
        """Pile up states; ``definition_of`` says which holds in a billing period, by when that begins."""
        known: dict[tuple[datetime, int], Pile | None] = {}
        for piece in pieces_in_turns(found):
            for one in piece:
                # Most states of a series share their dimensions, which are then looked at once.
                series = one.period_start, id(one.dimensions)
                if series not in known:
                    known[series] = self._of(definition_of(one.period_start), one.dimensions)
                if (pile := known[series]) is not None:
                    pile.add(one.place, one.state)

    def _of(self, definition: Definition, values: Any) -> Pile | None:
        """The pile of a series; None if it is not wanted."""
        named = _named(definition, values)
        if not all(any(named.get(name) == value for value in values) for name, values in self._wanted.items()):
            return None
        dimensions = {name: named.get(name) for name in self._group_by}
        key = LUMPED if named == {"other": True} else tuple(map(repr, dimensions.values()))
        self.shown.setdefault(key, dimensions)
        return self.by_key[key]


def _named(definition: Definition, values: Any) -> dict[str, Any]:
    """A series by the names of its dimensions; numbers as texts, so that none is ever a float."""
    if isinstance(values, dict):
        return values
    return {
        one.name: plain(Decimal(value)) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value
        for one, value in zip(definition.dimensions, values, strict=True)
    }
