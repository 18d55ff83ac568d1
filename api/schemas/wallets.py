"""Wallets and grants on the wire."""

from typing import Any, ClassVar

import marshmallow as ma

from api.schemas.base import NOT_NULL, REQUIRED, Schema, ValueSchema
from api.schemas.fields import (
    Amount,
    Choice,
    CurrencyCode,
    Flag,
    Identifier,
    Instant,
    Key,
    NewIdentifier,
    Text,
    Whole,
)
from api.schemas.paging import PageQuery
from usage_billing.core.decimals import MAX_PRICE
from usage_billing.core.limits import MAX_UNIT_NAME
from usage_billing.flows.prepaid.grant_life import Refund
from usage_billing.flows.prepaid.manage_grants import NewGrant
from usage_billing.flows.prepaid.manage_wallets import NewWallet
from usage_billing.flows.prepaid.reset_wallet import Reset
from usage_billing.prepaid.burn_down import MAX_PRIORITY, USUAL_PRIORITY
from usage_billing.wallets.models import GrantCategory, GrantStatus

_NEEDED: Any = {"required": REQUIRED, "null": NOT_NULL}
_NAMES: Any = {"minItems": 1, "uniqueItems": True}  # for the document; the flows check it

_EITHER: Any = {"anyOf": [{"required": ["unitName", "usageTypes"]}, {"required": ["currency"]}]}  # as above


class NewUnitSchema(Schema):
    """What a wallet holds: units of usage types that are counted in them, or money in a currency."""

    unit_name = Text(maximum=MAX_UNIT_NAME)
    usage_types = ma.fields.List(Identifier(), metadata=_NAMES)
    currency = CurrencyCode()


class NewWalletSchema(ValueSchema):
    """A wallet as it is made; without a subscription it is for all of the customer's.

    One in money pays charges in its currency, and with ``fees`` base fees too. What no grant pays for is charged, or
    owed up to the ``overdraft``.
    """

    builds = NewWallet

    id = NewIdentifier(required=True)
    customer_id = Identifier(data_key="userId", required=True)
    subscription_id = Identifier(allow_none=True, load_default=None)
    unit = ma.fields.Nested(NewUnitSchema, required=True, error_messages=_NEEDED, metadata=_EITHER)
    fees = Flag(load_default=False)
    uncovered = Choice("charge", "owe", load_default="charge")
    overdraft = Amount(positive=True, allow_none=True, load_default=None)

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        unit = data.pop("unit")
        return {**data, **unit}


class NewGrantSchema(ValueSchema):
    """A grant as it is made; the ``idempotencyKey`` makes it once, for ever."""

    builds = NewGrant

    amount = Amount(positive=True, required=True)
    idempotency_key = Key(required=True)
    category = Choice(*GrantCategory, allow_none=True, load_default=None)
    cost = Amount(maximum=MAX_PRICE, allow_none=True, load_default=None)
    cost_currency = CurrencyCode(allow_none=True, load_default=None)
    priority = Whole(maximum=MAX_PRIORITY, load_default=USUAL_PRIORITY)
    usage_types = ma.fields.List(Identifier(), allow_none=True, load_default=None, metadata=_NAMES)
    subscription_ids = ma.fields.List(Identifier(), allow_none=True, load_default=None, metadata=_NAMES)
    effective_at = Instant(allow_none=True, load_default=None)
    expires_at = Instant(allow_none=True, load_default=None)
    covers_since = Instant(allow_none=True, load_default=None)
    pending_until_paid = Flag(load_default=False)


class VoidGrantSchema(Schema):
    """With ``used`` also what the grant pays for and is not posted is taken back."""

    used = Flag(load_default=False)
    body_optional = True


class CloseSchema(Schema):
    """With ``settle`` what is left of the wallet is handed back or expires, and what is owed is charged."""

    settle = Flag(load_default=False)
    body_optional = True


class KeepSchema(Schema):
    """How much of what is left a reset keeps, at most."""

    max = Amount(required=True)


class ResetSchema(ValueSchema):
    """The instant at which the grants of a wallet end, now unless said, and how much of what is left is kept.

    The ``idempotencyKey`` keeps once, for ever; without one the instant does.
    """

    builds = Reset

    at = Instant(allow_none=True, load_default=None)
    keep = ma.fields.Nested(KeepSchema, allow_none=True, load_default=None)
    idempotency_key = Key(allow_none=True, load_default=None)
    body_optional = True

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        keep = data.pop("keep")
        return {**data, "keep": None if keep is None else keep["max"]}


class RefundSchema(ValueSchema):
    """How many units are refunded; without an amount all that is left. With one, the ``idempotencyKey`` is required."""

    builds = Refund
    openapi: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"required": ["idempotencyKey"], "properties": {"idempotencyKey": {"type": "string"}}},
            {"properties": {"amount": {"type": "null"}}},
        ]
    }

    amount = Amount(positive=True, allow_none=True, load_default=None)
    idempotency_key = Key(allow_none=True, load_default=None)
    body_optional = True


class _Asked(Flag):
    """A flag of a query that 1 and 0 stand for too."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> bool:
        said = {"1": "true", "0": "false"}.get(value, value)
        return super()._deserialize(said, attr, data, **more)


class EntriesQuery(PageQuery):
    """With ``provisional`` the page has all that is not posted too."""

    provisional = _Asked(load_default=False)


class GrantsQuery(PageQuery):
    """Which grants of a wallet."""

    status = Choice(*GrantStatus, load_default=None)


class WalletsQuery(PageQuery):
    """Which wallets."""

    customer_id = Identifier(data_key="userId", load_default=None)
