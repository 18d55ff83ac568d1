"""What a pricing model is."""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Protocol, Self

from usage_billing.core.decimals import MAX_PRICE, NotADecimal, parse_decimal
from usage_billing.core.errors import InvalidInput


class PricingModel(Protocol):
    """One way to charge for a quantity. Frozen, pure, exact: rounding is the engine's, once."""

    name: ClassVar[str]

    @classmethod
    def parse(cls, fields: Mapping[str, object], *, pointer: str) -> Self:
        """Read the model's own fields; raises InvalidInput pointing below ``pointer``."""
        ...

    def fields(self) -> dict[str, str]:
        """The same fields as they are stored and sent, decimals as text."""
        ...

    def charge(self, quantity: Decimal) -> Decimal:
        """The exact amount for ``quantity`` (>= 0), unrounded; never falls as the quantity grows."""
        ...


def read_price(fields: Mapping[str, object], name: str, *, pointer: str) -> Decimal:
    """The decimal in ``fields[name]``, given as its text; raises InvalidInput when it is none or missing."""
    value = fields.get(name)
    if value is None:
        raise InvalidInput.field(f"{pointer}/{name}", "is required", code="required")
    if not isinstance(value, str):
        raise InvalidInput.field(f"{pointer}/{name}", "must be a decimal number", code="not_a_decimal")
    try:
        return parse_decimal(value, maximum=MAX_PRICE)
    except NotADecimal as error:
        raise InvalidInput.field(f"{pointer}/{name}", str(error), code="not_a_decimal") from error
