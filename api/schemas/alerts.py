"""Alerts on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import NOT_NULL, REQUIRED, ChangesSchema, Schema, ValueSchema, wrong
from api.schemas.fields import Amount, Choice, CurrencyCode, Flag, Identifier, NewIdentifier
from api.schemas.paging import PageQuery
from usage_billing.flows.alerting.alert_checks import MOST_LINES, NewAlert
from usage_billing.wire.alert import BASES, LATE, REARMS, WATCHED

_NEEDED: Any = {"required": REQUIRED, "null": NOT_NULL}
_ONE: Any = {"minProperties": 1, "maxProperties": 1}
_LINES: Any = {
    "minItems": 1,
    "maxItems": MOST_LINES,
    "uniqueItems": True,
    "description": "They ascend, and rearmAbove is more than each. 0 is a line of balances alone. A percentage of what "
    "was granted is at most 100.",
}
_IDS: Any = {"minItems": 1, "uniqueItems": True}


def _lines() -> ma.fields.Field[Any]:
    return ma.fields.List(Amount(), allow_none=True, load_default=None, metadata=_LINES)


class NewAlertScopeSchema(Schema):
    """What an alert is for: one of these."""

    subscription_id = Identifier()
    plan_id = Identifier()
    customer_id = Identifier(data_key="userId")
    wallet_id = Identifier()
    everything = Flag(data_key="all")

    @ma.validates_schema
    def one(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse none, several, and ``all`` that is false."""
        if len(data) != 1 or data.get("everything") is False:
            raise wrong("must name one: subscriptionId, planId, userId, walletId or all: true", "contradiction")


class NewAlertSchema(ValueSchema):
    """An alert as it is made: with ``thresholds``, which ascend, or with ``every``.

    ``currency`` is needed for money of several plans, and where the balances of several wallets have no unit in common.
    """

    builds = NewAlert

    id = NewIdentifier(allow_none=True, load_default=None)
    scope = ma.fields.Nested(NewAlertScopeSchema, required=True, error_messages=_NEEDED, metadata=_ONE)
    watches = Choice(*WATCHED, data_key="on", required=True)
    usage_type = Identifier(allow_none=True, load_default=None)
    basis = Choice(*BASES, allow_none=True, load_default=None)
    amount = Amount(positive=True, allow_none=True, load_default=None)
    currency = CurrencyCode(allow_none=True, load_default=None)
    thresholds = _lines()
    every = Amount(positive=True, allow_none=True, load_default=None)
    resolve = Flag(load_default=False)
    rearm = Choice(*REARMS, allow_none=True, load_default=None)
    rearm_above = Amount(positive=True, allow_none=True, load_default=None)
    late = Choice(*LATE, load_default="tell")
    to = ma.fields.List(Identifier(), allow_none=True, load_default=None, metadata=_IDS)

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        scope = data.pop("scope")
        return {**data, **scope}


class ChangedAlertSchema(ChangesSchema):
    """What changes of an alert; the rest stays. Lines are given whole: ``thresholds`` or ``every``."""

    builds = dict

    thresholds = ma.fields.List(Amount(), metadata=_LINES)
    every = Amount(positive=True)
    resolve = Flag()
    rearm = Choice(*REARMS)
    rearm_above = Amount(positive=True, allow_none=True)
    late = Choice(*LATE)
    to = ma.fields.List(Identifier(), allow_none=True, metadata=_IDS)


class AlertsQuery(PageQuery):
    """Which alerts."""

    subscription_id = Identifier(load_default=None)
    customer_id = Identifier(data_key="userId", load_default=None)
    ended = Flag(load_default=None)


class FiringsQuery(PageQuery):
    """Which firings."""

    unresolved = Flag(load_default=False)
