"""Billing runs and invoices on the wire."""

import marshmallow as ma

from api.schemas.base import Schema
from api.schemas.fields import Choice, Flag, Identifier, Instant, Money, Prefabricated, Quantity, Text, Whole
from api.schemas.paging import PageQuery

_BIG = 2**63 - 1


class ProcessBillingSchema(Schema):
    """What to bill: everything due up to ``asOf`` (now), or one subscription; a dry run undoes what it did."""

    as_of = Instant(allow_none=True, load_default=None)
    subscription_id = Identifier(allow_none=True, load_default=None)
    dry_run = Flag(load_default=False)
    body_optional = True


class StartedRunSchema(Schema):
    """The run that was opened; ``/api/billing-runs/{runId}`` shows how it goes on."""

    id = ma.fields.UUID(data_key="runId", required=True)


class BillingRunSchema(Schema):
    """One run of the daily chain."""

    id = ma.fields.UUID(required=True)
    as_of = Instant(required=True)
    subscription_id = Identifier(allow_none=True, required=True)
    dry_run = Flag(required=True)
    status = Choice("opened", "invoicing", "finalizing", "completed", "failed", required=True)
    requested_by = Text(required=True)
    started_at = Instant(required=True)
    finished_at = Instant(allow_none=True, required=True)
    subscriptions = Whole(maximum=_BIG, required=True)
    invoices = Whole(maximum=_BIG, required=True)
    items = Whole(maximum=_BIG, required=True)
    finalized = Whole(maximum=_BIG, required=True)
    amounts = Prefabricated({"type": "object", "additionalProperties": {"type": "string"}}, required=True)
    digest = Text(allow_none=True, required=True)
    warnings = Prefabricated({"type": "array", "items": {"type": "object"}}, required=True)
    error = Text(allow_none=True, required=True)


class InvoicesQuery(PageQuery):
    """Which invoices."""

    customer_id = Identifier(data_key="userId", load_default=None)
    subscription_id = Identifier(load_default=None)
    status = Choice("draft", "finalized", "paid", "void", load_default=None)


class InvoiceItemSchema(Schema):
    """One charge: ``quantity`` beyond the allowance of a period, at that period's price."""

    id = ma.fields.UUID(required=True)
    usage_type = Identifier(required=True)
    kind = Choice("usage", "adjustment", required=True)
    period_start = Instant(required=True)
    period_end = Instant(required=True)
    quantity = Quantity(required=True)
    unit_price = Prefabricated({"type": "string"}, allow_none=True, required=True)
    amount = Money(required=True)
    description = Text(required=True)


class InvoiceSchema(Schema):
    """What a subscription owes for a period; ``number`` is null until it is finalized."""

    id = ma.fields.UUID(required=True)
    number = Text(allow_none=True, required=True)
    customer_id = Identifier(data_key="userId", required=True)
    subscription_id = Identifier(required=True)
    status = Choice("draft", "finalized", "paid", "void", required=True)
    currency = Prefabricated({"type": "string", "pattern": "^[A-Z]{3}$"}, required=True)
    period_start = Instant(required=True)
    period_end = Instant(required=True)
    total = Money(required=True)
    created_at = Instant(required=True)
    finalized_at = Instant(allow_none=True, required=True)


class InvoiceWithItemsSchema(InvoiceSchema):
    """An invoice with its items, which add up to its total."""

    items = ma.fields.List(ma.fields.Nested(InvoiceItemSchema), required=True)
