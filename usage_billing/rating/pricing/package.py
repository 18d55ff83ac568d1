"""Units are sold in packages; a package begun is a package sold."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.base import Fields, Line, ReadsSums, read_price, read_quantity


@dataclass(frozen=True, slots=True)
class Package(ReadsSums):
    """``ceil((quantity - freeUnits) / packageSize) x packagePrice``."""

    name: ClassVar[str] = "package"
    field_names: ClassVar[frozenset[str]] = frozenset({"packageSize", "packagePrice", "freeUnits"})
    size: Decimal
    price: Decimal
    free_units: Decimal

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """Read ``{"packageSize": "100", "packagePrice": "5", "freeUnits": "0"}``; raises InvalidInput."""
        size = read_quantity(fields, "packageSize", pointer=pointer)
        if size == 0:
            raise InvalidInput.field(f"{pointer}/packageSize", "must be greater than zero", code="out_of_range")
        return cls(
            size=size,
            price=read_price(fields, "packagePrice", pointer=pointer),
            free_units=read_quantity(fields, "freeUnits", pointer=pointer, default=Decimal(0)),
        )

    def fields(self) -> dict[str, Any]:
        """The model's fields: ``{"packageSize": "100", "packagePrice": "5", "freeUnits": "0"}``."""
        return {
            "packageSize": plain(self.size),
            "packagePrice": plain(self.price),
            "freeUnits": plain(self.free_units),
        }

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:  # noqa: ARG002
        """One step, or none while the free units last."""
        charged = EXACT.subtract(quantity, self.free_units)
        if charged <= 0:
            return []
        packages = EXACT.divide_int(charged, self.size)
        if EXACT.remainder(charged, self.size):
            packages = EXACT.add(packages, Decimal(1))
        amount = EXACT.multiply(packages, self.price)
        return [Line("{} packages of {} x {}", charged, amount, (packages, self.size, self.price))]
