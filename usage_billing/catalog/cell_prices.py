"""Prices by dimension: for which usage types they are."""

from decimal import Decimal

from usage_billing.catalog.models import UsageType
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.by_dimension import BY_LIMIT, ByDimension

_ADDING_UP = {"sum", "count", "level"}
"""The ways to count by which what the series of a meter come to adds up to its total."""


def check_by_dimension(model: ByDimension, usage_type: UsageType, *, limit: Decimal | None) -> None:
    """Raises InvalidInput where a price of a quota with ``limit`` is not for its usage type."""
    if usage_type.of is None:
        message = f"{usage_type.id} is no meter, and has no dimensions"
        raise InvalidInput.field("/price/model", message, code="not_supported")
    if usage_type.aggregation not in _ADDING_UP:
        message = f"the series of a meter with {usage_type.aggregation} do not add up to its total"
        raise InvalidInput.field("/price/model", message, code="not_supported")
    if model.allowance == BY_LIMIT and limit != 0:
        message = "must be 0: each cell of the price has its own limit"
        raise InvalidInput.field("/monthlyLimit", message, code="contradiction")
