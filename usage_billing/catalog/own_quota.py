"""A quota that a subscription is given when it is made, and how a command spells one."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage_billing.catalog.service import NewQuota
from usage_billing.core.choices import Effective
from usage_billing.core.decimals import MAX_PRICE, MAX_QUANTITY, NotADecimal, parse_decimal, plain
from usage_billing.core.errors import InvalidInput

_NAMES = frozenset({"usageType", "monthlyLimit", "unitPrice", "price", "currency", "unitName"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnQuota:
    """An allowance per period, None for no end of it, and the price beyond it, in the plan's currency."""

    usage_type: str
    limit: Decimal | None
    price: dict[str, object]
    currency: str | None = None
    unit_name: str | None = None

    def of(self, *, plan_id: str, subscription_id: str) -> NewQuota:
        """The quota of a subscription on a plan, which holds from its start."""
        return NewQuota(
            plan_id=plan_id,
            usage_type=self.usage_type,
            limit=self.limit,
            price=self.price,
            unit_name=self.unit_name,
            subscription_id=subscription_id,
            effective=Effective.START,
            currency=self.currency,
        )


def own_quota_from(fields: dict[str, Any]) -> OwnQuota:
    """Read ``{usageType, monthlyLimit, unitPrice | price, currency?, unitName?}``; raises InvalidInput."""
    strangers = sorted(fields.keys() - _NAMES)
    if strangers:
        raise InvalidInput.field(f"/{strangers[0]}", "is not a field of a quota", code="unknown")
    for name in ("usageType", "monthlyLimit"):
        if name not in fields:
            raise InvalidInput.field(f"/{name}", "is required", code="required")
    if ("unitPrice" in fields) == ("price" in fields):
        raise InvalidInput.field("/unitPrice", "give unitPrice or price, one of them", code="contradiction")
    limit = fields["monthlyLimit"]
    price = fields.get("price") or {
        "model": "per_unit",
        "unitPrice": plain(_decimal(fields["unitPrice"], "/unitPrice", maximum=MAX_PRICE)),
    }
    return OwnQuota(
        usage_type=str(fields["usageType"]),
        limit=None if limit is None else _decimal(limit, "/monthlyLimit", maximum=MAX_QUANTITY),
        price=price,
        currency=fields.get("currency"),
        unit_name=fields.get("unitName"),
    )


def _decimal(value: object, pointer: str, *, maximum: Decimal) -> Decimal:
    try:
        return parse_decimal(str(value), maximum=maximum)
    except NotADecimal as error:
        raise InvalidInput.field(pointer, str(error), code="not_a_decimal") from error
