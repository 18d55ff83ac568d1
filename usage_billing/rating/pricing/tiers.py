"""Tiers, as graduated and volume prices have them: ``[{upTo, unitPrice, flatFee}]``, the last without an end."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Self

from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.base import Fields, Line, read_price, read_quantity

MAX_TIERS = 100
_FIELDS = frozenset({"upTo", "unitPrice", "flatFee"})
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: from the end of the tier before, up to and including ``up_to``, which is None for the last."""

    up_to: Decimal | None
    unit_price: Decimal
    flat_fee: Decimal

    def lines(self, quantity: Decimal, number: int) -> list[Line]:
        """What ``quantity`` (> 0) of this tier costs, the tier with this ``number``."""
        amount, which = EXACT.multiply(quantity, self.unit_price), Decimal(number)
        found = [Line("tier {}: {} x {}", quantity, amount, (which, quantity, self.unit_price))]
        if self.flat_fee:
            found.append(Line("tier {}: flat fee", _NOTHING, self.flat_fee, (which,)))
        return found

    def divided(self, part: Callable[[Decimal], Decimal]) -> Self:
        """With ``part`` of its flat fee."""
        return replace(self, flat_fee=part(self.flat_fee))


def parse_tiers(fields: Fields, *, pointer: str) -> tuple[Tier, ...]:
    """Read ``fields["tiers"]``: at least one tier, in rising order, each with a price.

    ``upTo`` is null in the last tier, and only there. Raises InvalidInput.
    """
    given = fields.get("tiers")
    where = f"{pointer}/tiers"
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_TIERS:
        raise InvalidInput.field(where, f"must be a list of 1 to {MAX_TIERS} tiers", code="required")
    tiers: list[Tier] = []
    for index, tier in enumerate(given):
        tiers.append(_parse_tier(tier, f"{where}/{index}", last=index == len(given) - 1))
        if index and not _rises(tiers[-2], tiers[-1]):
            raise InvalidInput.field(
                f"{where}/{index}/upTo", "must be greater than that of the tier before", code="out_of_order"
            )
    return tuple(tiers)


def tier_fields(tiers: tuple[Tier, ...]) -> dict[str, Any]:
    """The tiers as they are stored and sent."""
    return {
        "tiers": [
            {
                "upTo": None if tier.up_to is None else plain(tier.up_to),
                "unitPrice": plain(tier.unit_price),
                "flatFee": plain(tier.flat_fee),
            }
            for tier in tiers
        ]
    }


def _parse_tier(tier: object, where: str, *, last: bool) -> Tier:
    if not isinstance(tier, dict):
        raise InvalidInput.field(where, "must be an object", code="not_an_object")
    for unknown in sorted(tier.keys() - _FIELDS):
        raise InvalidInput.field(f"{where}/{unknown}", "is not a field of a tier", code="unknown")
    up_to = tier.get("upTo")
    if last != (up_to is None):
        message = "must be null in the last tier" if last else "may be null in the last tier only"
        raise InvalidInput.field(f"{where}/upTo", message, code="unbounded")
    if tier.get("unitPrice") is None and tier.get("flatFee") is None:
        raise InvalidInput.field(f"{where}/unitPrice", "is required", code="required")
    if up_to is not None and read_quantity(tier, "upTo", pointer=where) == 0:
        raise InvalidInput.field(f"{where}/upTo", "must be greater than zero", code="out_of_range")
    return Tier(
        up_to=None if up_to is None else read_quantity(tier, "upTo", pointer=where),
        unit_price=read_price(tier, "unitPrice", pointer=where, default=_NOTHING),
        flat_fee=read_price(tier, "flatFee", pointer=where, default=_NOTHING),
    )


def _rises(before: Tier, after: Tier) -> bool:
    return after.up_to is None or (before.up_to is not None and after.up_to > before.up_to)
