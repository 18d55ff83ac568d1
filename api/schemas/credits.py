"""What a customer has in hand, on the wire."""

import marshmallow as ma

from api.schemas.base import Schema
from api.schemas.fields import Choice, Identifier, Instant, Money, Prefabricated, Whole
from api.schemas.paging import page_of
from api.schemas.prices import CURRENCY


class BalanceSchema(Schema):
    """The credit in one currency: the sum of its entries."""

    currency = Prefabricated(CURRENCY, required=True)
    balance = Money(required=True)


class CreditEntrySchema(Schema):
    """One change: positive when a negative invoice grants credit, negative when one applies it; or its undoing."""

    id = Whole(maximum=2**63 - 1, required=True)
    currency = Prefabricated(CURRENCY, required=True)
    kind = Choice("granted", "applied", "granted_undone", "applied_undone", required=True)
    amount = Money(required=True)
    invoice_id = ma.fields.UUID(required=True)
    created_at = Instant(required=True)


class CreditsSchema(Schema):
    """Balances, one per currency, and a page of their entries, newest first."""

    customer_id = Identifier(data_key="userId", required=True)
    balances = ma.fields.List(ma.fields.Nested(BalanceSchema), required=True)
    entries = ma.fields.Nested(page_of(CreditEntrySchema), required=True)
