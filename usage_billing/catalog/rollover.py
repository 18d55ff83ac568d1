"""What of an allowance that a period leaves is carried over to the next ones. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from usage_billing.core.decimals import MAX_QUANTITY
from usage_billing.core.errors import InvalidInput
from usage_billing.core.limits import MAX_COUNT
from usage_billing.rating.price import Price
from usage_billing.rating.pricing.by_dimension import ByDimension

_WHOLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRollover:
    """What is left of an allowance holds for ``periods`` more: at most ``max``, and ``max_percent`` of the allowance.

    None: no such bound. What did not pay expires ``grace_seconds`` after that.
    """

    max: Decimal | None = None
    max_percent: int | None = None
    periods: int = 1
    grace_seconds: int = 0


def check_rollover(found: QuotaRollover | None, *, limit: Decimal | None, price: Price, is_meter: bool) -> None:
    """Raises InvalidInput, with pointers below ``/rollover``, for bounds that are none, and where no grant would pay.

    ``limit`` and ``price`` are those of the quota, which is for a meter with ``is_meter``.
    """
    if found is None:
        return
    if found.max is not None and not 0 < found.max <= MAX_QUANTITY:
        message = f"must be more than 0 and at most {MAX_QUANTITY:f}"
        raise InvalidInput.field("/rollover/max", message, code="out_of_range")
    if found.max_percent is not None and not 1 <= found.max_percent <= _WHOLE:
        raise InvalidInput.field("/rollover/maxPercent", "must be from 1 to 100", code="out_of_range")
    if not 1 <= found.periods <= MAX_COUNT:
        raise InvalidInput.field("/rollover/periods", f"must be from 1 to {MAX_COUNT}", code="out_of_range")
    if limit is None:
        message = "needs a limit: of an allowance without an end nothing is left"
        raise InvalidInput.field("/rollover", message, code="contradiction")
    if is_meter:
        message = "is of what is recorded: what a meter leaves is not carried over"
        raise InvalidInput.field("/rollover", message, code="not_supported")
    if price.reads_each or isinstance(price.model, ByDimension):
        message = "is a grant, and none pays at a price with a rule for each recording or cell"
        raise InvalidInput.field("/rollover", message, code="not_supported")


def rollover_columns(found: QuotaRollover | None) -> dict[str, Decimal | int | None]:
    """As a row of a quota has it."""
    return {
        "rollover_periods": None if found is None else found.periods,
        "rollover_max": None if found is None else found.max,
        "rollover_percent": None if found is None else found.max_percent,
        "rollover_grace_seconds": None if found is None else found.grace_seconds,
    }
