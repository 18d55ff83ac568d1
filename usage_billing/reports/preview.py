"""What a price would charge for a quantity, with the arithmetic; nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage_billing.core.errors import InvalidInput
from usage_billing.rating.currency import is_currency
from usage_billing.rating.engine import rate
from usage_billing.rating.price import parse_price
from usage_billing.rating.pricing.base import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """``breakdown`` adds up to ``exact``, which is rounded once to ``amount`` in ``currency``."""

    amount: Decimal
    exact: Decimal
    currency: str
    breakdown: tuple[Line, ...]


def preview(price: Mapping[str, Any], quantity: Decimal, *, currency: str, recordings: int = 1) -> Preview:
    """Rate ``quantity``, reported in so many ``recordings``, by a price as a caller spells it.

    Raises InvalidInput with a pointer into ``{price, quantity, currency}``.
    """
    if not is_currency(currency):
        raise InvalidInput.field("/currency", "must be an ISO 4217 currency code such as USD", code="unknown_currency")
    rated = rate(parse_price(price), quantity, recordings=recordings, currency=currency)
    return Preview(amount=rated.amount, exact=rated.exact, currency=currency, breakdown=tuple(rated.lines))
