"""Each tier charges the part of the quantity that falls in it, and its flat fee once a unit does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar, Self

from usage_billing.core.decimals import EXACT
from usage_billing.rating.pricing.base import Fields, Line, ReadsSums
from usage_billing.rating.pricing.tiers import Tier, parse_tiers, tier_fields


@dataclass(frozen=True, slots=True)
class Graduated(ReadsSums):
    """The sum over the tiers that the quantity reaches."""

    name: ClassVar[str] = "graduated"
    field_names: ClassVar[frozenset[str]] = frozenset({"tiers"})
    tiers: tuple[Tier, ...]

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """Read ``{"tiers": [{"upTo": "10", "unitPrice": "5", "flatFee": "0"}, {"upTo": null, ...}]}``.

        Raises InvalidInput.
        """
        return cls(tiers=parse_tiers(fields, pointer=pointer))

    def fields(self) -> dict[str, Any]:
        """The model's fields: ``{"tiers": [{"upTo": "10", "unitPrice": "5", "flatFee": "0"}, ...]}``."""
        return tier_fields(self.tiers)

    def divided(self, part: Callable[[Decimal], Decimal]) -> Self:
        """The flat fees of its tiers are divided."""
        return replace(self, tiers=tuple(tier.divided(part) for tier in self.tiers))

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:  # noqa: ARG002
        """The steps of each tier that a unit falls in."""
        found: list[Line] = []
        floor = Decimal(0)
        for number, tier in enumerate(self.tiers, start=1):
            reached = quantity if tier.up_to is None else min(quantity, tier.up_to)
            if reached <= floor:
                break
            found += tier.lines(EXACT.subtract(reached, floor), number)
            floor = reached
        return found
