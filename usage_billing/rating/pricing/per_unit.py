"""Every unit costs the same: the founding document's bare ``unitPrice``."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

from usage_billing.core.decimals import EXACT, plain
from usage_billing.rating.pricing.base import Fields, Line, ReadsSums, read_price


@dataclass(frozen=True, slots=True)
class PerUnit(ReadsSums):
    """``quantity x unitPrice``."""

    name: ClassVar[str] = "per_unit"
    field_names: ClassVar[frozenset[str]] = frozenset({"unitPrice"})
    unit_price: Decimal

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """Read ``{"unitPrice": "10"}``; raises InvalidInput."""
        return cls(unit_price=read_price(fields, "unitPrice", pointer=pointer))

    def fields(self) -> dict[str, Any]:
        """``{"unitPrice": "10"}``."""
        return {"unitPrice": plain(self.unit_price)}

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:  # noqa: ARG002
        """One step: all units at the one price."""
        amount = EXACT.multiply(quantity, self.unit_price)
        return [Line("{} x {}", quantity, amount, (quantity, self.unit_price))]
