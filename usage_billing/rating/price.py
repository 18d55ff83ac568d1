"""A whole price: a model, and what may be added to any: a rounding, a discount, a minimum, a maximum. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing import MODELS
from usage_billing.rating.pricing.base import Fields, Line, PricingModel, read_price, total_of
from usage_billing.rating.pricing.by_dimension import ByDimension, nested_prices
from usage_billing.rating.pricing.per_unit import PerUnit
from usage_billing.rating.pricing.percentage import Percentage
from usage_billing.rating.rounding import QuantityRounding

DISCOUNT = "discount of {} %"
MINIMUM = "up to the minimum of {}"
MAXIMUM = "down to the maximum of {}"
_HUNDRED = Decimal(100)
_NOTHING = Decimal(0)
_MODIFIERS = frozenset({"discountPercent", "minimumAmount", "maximumAmount", "roundQuantity"})


@dataclass(frozen=True, slots=True)
class Price:
    """The quantity is rounded, ``model`` charges it; then discount, minimum and maximum apply, in that order.

    Two prices that charge alike are equal, however their decimals were spelled.
    """

    model: PricingModel
    discount_percent: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    rounding: QuantityRounding | None = None

    @property
    def reads_each(self) -> bool:
        """Whether it looks at the quantity of each recording, and not only at their sum."""
        return self.model.reads_each

    @property
    def bears_minimum(self) -> bool:
        """Whether it, or a cell of it, asks for something even when nothing is used."""
        if self.minimum is not None:
            return True
        return isinstance(self.model, ByDimension) and any(one.bears_minimum for one in self.model.prices.values())

    @property
    def of_the_whole(self) -> "Price | None":
        """By this what all cells come to is charged once more, as money; None where nothing is added to the cells."""
        if self.discount_percent is None and self.minimum is None and self.maximum is None:
            return None
        return replace(self, model=PerUnit(Decimal(1)))

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:
        """Every step from ``quantity`` to the exact amount. Nothing used costs nothing, but for a minimum.

        Nor does what is paid for beforehand, which has recordings and no quantity, but for their fees.

        ``each``: what of the quantity is whose recording's, in the order recorded, for a price that ``reads_each``.
        """
        counted = quantity if self.rounding is None else self.rounding.apply(quantity)
        # A cell may have a minimum; and what recordings report may be paid for beforehand, which their fees are not.
        fees = not quantity and recordings and isinstance(self.model, Percentage) and not self.reads_each
        is_due = counted or fees or isinstance(self.model, ByDimension)
        found = self.model.lines(counted, recordings=recordings, each=each) if is_due else []
        if counted != quantity:
            found.insert(0, Line("{} counted as {}", _NOTHING, _NOTHING, (quantity, counted)))
        if self.discount_percent is None and self.minimum is None and self.maximum is None:
            return found
        total = total_of(found)
        if self.discount_percent and total:
            discount = EXACT.multiply(EXACT.multiply(total, self.discount_percent), Decimal("-0.01"))
            found.append(Line(DISCOUNT, _NOTHING, discount, (self.discount_percent,)))
            total = EXACT.add(total, discount)
        if self.minimum is not None and total < self.minimum:
            missing = EXACT.subtract(self.minimum, total)
            found.append(Line(MINIMUM, _NOTHING, missing, (self.minimum,)))
            total = self.minimum
        if self.maximum is not None and total > self.maximum:
            excess = EXACT.subtract(self.maximum, total)
            found.append(Line(MAXIMUM, _NOTHING, excess, (self.maximum,)))
        return found

    def divided(self, part: Callable[[Decimal], Decimal]) -> "Price":
        """The price of a part of a period: its minimum and its flat amounts are ``part`` of the whole ones."""
        minimum = None if self.minimum is None else part(self.minimum)
        return replace(self, model=self.model.divided(part), minimum=minimum)

    def capped(self, maximum: Decimal | None) -> "Price":
        """The price with another maximum, or with none; a minimum above it comes down to it."""
        minimum = self.minimum
        if minimum is not None and maximum is not None:
            minimum = min(minimum, maximum)
        return replace(self, minimum=minimum, maximum=maximum)

    def fields(self) -> dict[str, Any]:
        """The price as it is stored with a quota and an invoice item: ``{"model": ..., ...}``, decimals as text."""
        modifiers = {
            "discountPercent": self.discount_percent,
            "minimumAmount": self.minimum,
            "maximumAmount": self.maximum,
        }
        given: dict[str, Any] = {name: plain(value) for name, value in modifiers.items() if value is not None}
        if self.rounding is not None:
            given["roundQuantity"] = self.rounding.fields()
        return {"model": self.model.name, **self.model.fields(), **given}


def has_minimum(price: Fields) -> bool:
    """Whether a price as it is stored or given asks for something even when nothing is used."""
    return price.get("minimumAmount") is not None or any(map(has_minimum, nested_prices(price)))


def parse_price(fields: Fields, *, pointer: str = "/price") -> Price:
    """Read ``{"model": ..., ...}``; raises InvalidInput with a pointer to what is wrong."""
    name = fields.get("model")
    model = MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        known = ", ".join(sorted(MODELS))
        raise InvalidInput.field(f"{pointer}/model", f"must be one of: {known}", code="not_supported")
    for unknown in sorted(fields.keys() - model.field_names - _MODIFIERS - {"model"}):
        raise InvalidInput.field(f"{pointer}/{unknown}", f"is not a field of a {model.name} price", code="unknown")
    rounding = fields.get("roundQuantity")
    price = Price(
        model=model.parse(fields, pointer=pointer),
        discount_percent=_optional(fields, "discountPercent", pointer, maximum=_HUNDRED),
        minimum=_optional(fields, "minimumAmount", pointer),
        maximum=_optional(fields, "maximumAmount", pointer),
        rounding=None if rounding is None else QuantityRounding.parse(rounding, pointer=f"{pointer}/roundQuantity"),
    )
    if price.minimum is not None and price.maximum is not None and price.minimum > price.maximum:
        raise InvalidInput.field(
            f"{pointer}/maximumAmount", "must not be less than minimumAmount", code="contradiction"
        )
    if price.rounding is not None and (price.reads_each or isinstance(price.model, ByDimension)):
        message = "rounds the sum, and the price charges recording by recording"
        if isinstance(price.model, ByDimension):
            message = "rounds one quantity, and each cell has its own: say it in the cells"
        raise InvalidInput.field(f"{pointer}/roundQuantity", message, code="contradiction")
    return price


def _optional(fields: Fields, name: str, pointer: str, **bounds: Decimal) -> Decimal | None:
    return None if fields.get(name) is None else read_price(fields, name, pointer=pointer, **bounds)
