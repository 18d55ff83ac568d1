"""Packages and purchases on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import NOT_NULL, REQUIRED, Schema, ValueSchema
from api.schemas.fields import (
    Amount,
    Choice,
    CurrencyCode,
    Identifier,
    Instant,
    Key,
    NewIdentifier,
    Text,
    Whole,
)
from api.schemas.paging import PageQuery
from usage_billing.core.choices import INTERVALS
from usage_billing.core.decimals import MAX_PRICE
from usage_billing.core.limits import MAX_COUNT, MAX_UNIT_NAME
from usage_billing.flows.administration.buy_package import NewPurchase
from usage_billing.flows.administration.manage_packages import (
    NewPackage,
    NewPackageVersion,
    Validity,
)
from usage_billing.packages.models import ChargedBy
from usage_billing.prepaid.burn_down import MAX_PRIORITY, USUAL_PRIORITY
from usage_billing.rating.tax.categories import TaxCategory

_NEEDED: Any = {"required": REQUIRED, "null": NOT_NULL}
_EITHER: Any = {"anyOf": [{"required": ["unitName", "usageTypes"]}, {"required": ["currency"]}]}  # the flow checks it
_FIRST = ("amount", "price", "validity", "priority", "tax_category", "payment_days")


class PackageUnitSchema(Schema):
    """What is sold: units of usage types that are counted in them, or money in the currency of the price."""

    unit_name = Text(maximum=MAX_UNIT_NAME)
    usage_types = ma.fields.List(Identifier(), metadata={"minItems": 1, "uniqueItems": True})
    holds = CurrencyCode(data_key="currency")


class ValiditySchema(ValueSchema):
    """How long what is bought holds, from the purchase on."""

    builds = Validity

    interval = Choice(*INTERVALS, required=True)
    interval_count = Whole(minimum=1, maximum=MAX_COUNT, load_default=1)


class _VersionSchema(ValueSchema):
    """What is sold: ``amount`` units, or as much money, for ``price``, before tax; without ``validity`` for ever."""

    amount = Amount(positive=True, required=True)
    price = Amount(maximum=MAX_PRICE, positive=True, required=True)
    validity = ma.fields.Nested(ValiditySchema, allow_none=True, load_default=None)
    priority = Whole(maximum=MAX_PRIORITY, load_default=USUAL_PRIORITY)
    tax_category = Choice(*TaxCategory, load_default=TaxCategory.STANDARD)
    payment_days = Whole(maximum=MAX_COUNT, load_default=30)


class NewPackageVersionSchema(_VersionSchema):
    """The next version of a package, sold from ``effectiveFrom`` on, or at once. What was bought stays as it was."""

    builds = NewPackageVersion

    effective_from = Instant(allow_none=True, load_default=None)


class NewPackageSchema(_VersionSchema):
    """A package as it is made, with its first version. ``paymentDays`` is of an invoice that charges it at once."""

    builds = NewPackage

    id = NewIdentifier(required=True)
    name = Text(required=True)
    unit = ma.fields.Nested(PackageUnitSchema, required=True, error_messages=_NEEDED, metadata=_EITHER)
    currency = CurrencyCode(required=True)

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        first = NewPackageVersion(**{name: data.pop(name) for name in _FIRST})
        unit = data.pop("unit")
        return {**data, **unit, "first": first}


class NewPurchaseSchema(ValueSchema):
    """A purchase for a customer. It fills the wallet that is named, or one that fits, or makes one.

    ``charge`` is `next_invoice` (of the subscription that is named, or the only one that can), `now` (an invoice of its
    own), or `paid` (elsewhere). The ``idempotencyKey`` buys once, for ever.
    """

    builds = NewPurchase

    customer_id = Identifier(data_key="userId", required=True)
    subscription_id = Identifier(allow_none=True, load_default=None)
    wallet_id = Identifier(allow_none=True, load_default=None)
    count = Whole(minimum=1, maximum=MAX_COUNT, load_default=1)
    charge = Choice(*ChargedBy, required=True)
    reference = Text(allow_none=True, load_default=None)
    idempotency_key = Key(required=True)


class PurchasesQuery(PageQuery):
    """Which purchases."""

    customer_id = Identifier(data_key="userId", load_default=None)
    package_id = Identifier(load_default=None)
