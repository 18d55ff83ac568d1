"""From a price as it is stored to an amount: read the model, charge the quantity, round once."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from usage_billing.core.errors import InvalidInput
from usage_billing.core.money import round_to_minor_unit
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.pricing import MODELS
from usage_billing.rating.pricing.base import PricingModel


def parse_price(price: Mapping[str, object], *, pointer: str = "/price") -> PricingModel:
    """Read ``{"model": ..., ...}``, decimals as text; raises InvalidInput with a pointer to what is wrong."""
    name = price.get("model")
    model = MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        known = ", ".join(sorted(MODELS))
        raise InvalidInput.field(f"{pointer}/model", f"must be one of: {known}", code="not_supported")
    parsed = model.parse(price, pointer=pointer)
    for unknown in sorted(price.keys() - parsed.fields().keys() - {"model"}):
        raise InvalidInput.field(f"{pointer}/{unknown}", f"is not a field of a {model.name} price", code="unknown")
    return parsed


def stored_price(model: PricingModel) -> dict[str, str]:
    """The price as it is kept with a quota and an invoice item."""
    return {"model": model.name, **model.fields()}


def amount_for(price: Mapping[str, str], quantity: Decimal, *, currency: str) -> Decimal:
    """What ``quantity`` beyond the allowance costs, rounded half up to ``currency``'s minor unit."""
    model = _parsed(tuple(sorted(price.items())))
    return round_to_minor_unit(model.charge(quantity), minor_unit(currency))


@lru_cache(maxsize=1024)
def _parsed(items: tuple[tuple[str, str], ...]) -> PricingModel:
    return parse_price(dict(items))
