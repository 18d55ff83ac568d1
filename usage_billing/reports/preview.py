"""What a price would charge for a quantity, with the arithmetic; nothing is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import sum_of
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.currency import is_currency
from usage_billing.rating.engine import rate
from usage_billing.rating.price import parse_price
from usage_billing.rating.pricing.base import Line

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A price as a caller spells it, and the ``quantity`` to rate, reported in ``recordings`` recordings, or in one.

    ``quantities``, given instead of both, has the quantity of each recording.
    """

    price: Mapping[str, Any]
    currency: str
    quantity: Decimal | None = None
    quantities: Sequence[Decimal] | None = None
    recordings: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a price charges: ``breakdown`` adds up to ``exact``, which is rounded once to ``amount`` in ``currency``."""

    amount: Decimal
    exact: Decimal
    currency: str
    breakdown: tuple[Line, ...]


def preview(trial: Trial) -> Preview:
    """Rate what is tried; raises InvalidInput with a pointer to a field of ``Trial``.

    A price with a rule for each recording needs ``quantities``, unless there is only one recording.
    """
    currency, quantity, quantities = trial.currency, trial.quantity, trial.quantities
    if not is_currency(currency):
        raise InvalidInput.field("/currency", "must be an ISO 4217 currency code such as USD", code="unknown_currency")
    parsed = parse_price(trial.price)
    if (quantity is None) == (quantities is None):
        raise InvalidInput.field("/quantity", "is required, or quantities in its place", code="required")
    if quantities is not None and trial.recordings is not None:
        message = "is not for several quantities: each of them is a recording"
        raise InvalidInput.field("/recordings", message, code="contradiction")
    if quantities is None:
        recordings = 1 if trial.recordings is None else trial.recordings
        if parsed.reads_each and recordings != 1:
            message = "are required: the price charges recording by recording"
            raise InvalidInput.field("/quantities", message, code="required")
        quantities, count = [quantity or _NOTHING], recordings
    else:
        count = len(quantities)
    each = [one for one in quantities if one]
    rated = rate(parsed, sum_of(quantities), recordings=count, currency=currency, each=each)
    return Preview(amount=rated.amount, exact=rated.exact, currency=currency, breakdown=tuple(rated.lines))
