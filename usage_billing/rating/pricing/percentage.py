"""A share of what was reported, such as a payment's volume, and a fixed fee for each recording."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

from usage_billing.core.decimals import EXACT, plain
from usage_billing.rating.pricing.base import Fields, Line, read_price, read_quantity

MAX_RATE = Decimal(1000)
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Percentage:
    """``rate x (quantity - freeUnits) + fixedFee x recordings``; the rate of 2.9 % is ``0.029``."""

    name: ClassVar[str] = "percentage"
    field_names: ClassVar[frozenset[str]] = frozenset({"rate", "fixedFee", "freeUnits"})
    rate: Decimal
    fixed_fee: Decimal
    free_units: Decimal

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """``{"rate": "0.029", "fixedFee": "0.30", "freeUnits": "0"}``."""
        return cls(
            rate=read_price(fields, "rate", pointer=pointer, maximum=MAX_RATE),
            fixed_fee=read_price(fields, "fixedFee", pointer=pointer, default=Decimal(0)),
            free_units=read_quantity(fields, "freeUnits", pointer=pointer, default=Decimal(0)),
        )

    def fields(self) -> dict[str, Any]:
        """The same."""
        return {"rate": plain(self.rate), "fixedFee": plain(self.fixed_fee), "freeUnits": plain(self.free_units)}

    def lines(self, quantity: Decimal, *, recordings: int) -> list[Line]:
        """The share, and the fees."""
        charged = max(_NOTHING, EXACT.subtract(quantity, self.free_units))
        share = EXACT.multiply(charged, self.rate)
        found = [Line("{} x {}", charged, share, (charged, self.rate))]
        if self.fixed_fee:
            count = Decimal(recordings)
            fees = EXACT.multiply(count, self.fixed_fee)
            found.append(Line("{} recordings x {}", _NOTHING, fees, (count, self.fixed_fee)))
        return found
