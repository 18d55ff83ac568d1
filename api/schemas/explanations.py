"""Why an invoice item is what it is, on the wire."""

import marshmallow as ma

from api.pagination import make_cursor
from api.schemas.base import Schema
from api.schemas.fields import Choice, Identifier, Instant, Money, Prefabricated, Quantity, Text, Whole
from api.schemas.prices import CURRENCY, PRICE, LineSchema

_MANY = 2**63 - 1


class EventSchema(Schema):
    """A recording behind an item."""

    id = ma.fields.UUID(required=True)
    occurred_at = Instant(data_key="timestamp", required=True)
    recorded_at = Instant(required=True)
    quantity = Quantity(required=True)
    idempotency_key = Identifier(required=True)
    source = Prefabricated({"type": "string"}, required=True)


class EventsPageSchema(Schema):
    """A page of the recordings behind an item, in the order recorded."""

    events = ma.fields.List(ma.fields.Nested(EventSchema), data_key="data", required=True)
    next_cursor = ma.fields.Function(
        lambda page: make_cursor(None if page.next is None else (page.next,)), metadata={"type": ["string", "null"]}
    )


class ExplanationSchema(Schema):
    """``breakdown`` adds up to ``exact``, rounded once to ``amountDue``; less ``chargedBefore`` that is ``amount``.

    ``total`` is all that was used, ``billable`` what of it lies beyond the ``allowance``, reported in so many
    ``recordings``. ``eventsHash`` is over exactly the ``events``, and stored with the item.
    """

    id = ma.fields.UUID(attribute="item.id", required=True)
    invoice_id = ma.fields.UUID(attribute="item.invoice_id", required=True)
    kind = Choice("usage", "adjustment", "fee", attribute="item.kind", required=True)
    description = Text(attribute="item.description", required=True)
    usage_type = Identifier(attribute="item.usage_type_id", allow_none=True, required=True)
    period_start = Instant(attribute="item.period_start", required=True)
    period_end = Instant(attribute="item.period_end", required=True)
    currency = Prefabricated(CURRENCY, required=True)
    quota_id = Whole(maximum=_MANY, attribute="item.quota_id", allow_none=True, required=True)
    quota_version = Whole(allow_none=True, required=True)
    price = Prefabricated(PRICE, attribute="item.price", allow_none=True, required=True)
    allowance = Quantity(attribute="item.allowance", allow_none=True, required=True)
    total = Quantity(attribute="item.total", required=True)
    billable = Quantity(attribute="item.billable", required=True)
    quantity = Quantity(attribute="item.quantity", required=True)
    recordings = Whole(maximum=_MANY, attribute="item.billable_events", required=True)
    breakdown = ma.fields.List(ma.fields.Nested(LineSchema), required=True)
    exact = Quantity(required=True)
    amount_due = Money(required=True)
    charged_before = Money(attribute="item.charged_before", required=True)
    amount = Money(attribute="item.amount", required=True)
    events_hash = ma.fields.Function(
        lambda found: None if found.item.events_hash is None else found.item.events_hash.hex(),
        metadata={"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
    )
    events = ma.fields.Nested(EventsPageSchema, required=True)
