"""Every unit costs the same: the founding document's bare ``unitPrice``."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Self

from usage_billing.core.decimals import EXACT, plain
from usage_billing.rating.pricing.base import read_price


@dataclass(frozen=True, slots=True)
class PerUnit:
    """``quantity x unit_price``."""

    name: ClassVar[str] = "per_unit"
    unit_price: Decimal

    @classmethod
    def parse(cls, fields: Mapping[str, object], *, pointer: str) -> Self:
        """``{"unitPrice": "10"}``."""
        return cls(unit_price=read_price(fields, "unitPrice", pointer=pointer))

    def fields(self) -> dict[str, str]:
        """``{"unitPrice": "10"}``."""
        return {"unitPrice": plain(self.unit_price)}

    def charge(self, quantity: Decimal) -> Decimal:
        """Exact; no digit is lost."""
        return EXACT.multiply(quantity, self.unit_price)
