"""Counting in steps: a quantity rounded before it is charged, such as up to whole thousands. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.base import Fields, read_quantity

_FIELDS = frozenset({"to", "mode"})
_NOTHING, _ONE, _TWO = Decimal(0), Decimal(1), Decimal(2)


class Mode(StrEnum):
    """Which step is taken for a quantity between two: the next, the one before, or the nearer, at the half the next."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class QuantityRounding:
    """To multiples of ``step``."""

    step: Decimal
    mode: Mode

    @classmethod
    def parse(cls, given: object, *, pointer: str) -> Self:
        """``{"to": "1000", "mode": "up"}``; raises InvalidInput with a pointer to what is wrong."""
        if not isinstance(given, dict):
            raise InvalidInput.field(pointer, "must be an object", code="not_an_object")
        for unknown in sorted(given.keys() - _FIELDS):
            raise InvalidInput.field(f"{pointer}/{unknown}", "is not a field of a rounding", code="unknown")
        fields: Fields = given
        step = read_quantity(fields, "to", pointer=pointer)
        if step == 0:
            raise InvalidInput.field(f"{pointer}/to", "must be greater than zero", code="out_of_range")
        try:
            return cls(step=step, mode=Mode(str(given.get("mode"))))
        except ValueError:
            known = ", ".join(Mode)
            raise InvalidInput.field(f"{pointer}/mode", f"must be one of: {known}", code="not_supported") from None

    def fields(self) -> dict[str, Any]:
        """The rounding as it is stored and sent: ``{"to": "10", "mode": "up"}``."""
        return {"to": plain(self.step), "mode": str(self.mode)}

    def apply(self, quantity: Decimal) -> Decimal:
        """``quantity`` (0 or more) in whole steps."""
        steps, rest = EXACT.divide_int(quantity, self.step), EXACT.remainder(quantity, self.step)
        if self.mode is Mode.UP:
            further = rest > _NOTHING
        else:
            further = self.mode is Mode.NEAREST and EXACT.multiply(rest, _TWO) >= self.step
        return EXACT.multiply(EXACT.add(steps, _ONE if further else _NOTHING), self.step)
