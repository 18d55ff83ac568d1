"""One amount for any use at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar, Self

from usage_billing.core.decimals import plain
from usage_billing.rating.pricing.base import Fields, Line, ReadsSums, read_price


@dataclass(frozen=True, slots=True)
class Flat(ReadsSums):
    """Charges ``amount`` once there is any quantity."""

    name: ClassVar[str] = "flat"
    field_names: ClassVar[frozenset[str]] = frozenset({"amount"})
    amount: Decimal

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """Read ``{"amount": "99"}``; raises InvalidInput."""
        return cls(amount=read_price(fields, "amount", pointer=pointer))

    def fields(self) -> dict[str, Any]:
        """The model's fields: ``{"amount": "99"}``."""
        return {"amount": plain(self.amount)}

    def divided(self, part: Callable[[Decimal], Decimal]) -> Self:
        """Its amount is divided."""
        return replace(self, amount=part(self.amount))

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:  # noqa: ARG002
        """One step: the amount."""
        return [Line("flat amount", quantity, self.amount)]
