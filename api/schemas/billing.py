"""Billing runs and invoices on the wire."""

import re
from typing import Any

import marshmallow as ma

from api.schemas.base import Coded, Schema, wrong
from api.schemas.fields import Choice, Flag, Identifier, Instant, Money, Prefabricated, Quantity, Text, Whole
from api.schemas.paging import PageQuery
from api.schemas.prices import CURRENCY
from usage_billing.invoicing.lifecycle import DRAFT, FINALIZED, PAID, UNCOLLECTIBLE, VOID

STATUSES = (DRAFT, FINALIZED, PAID, VOID, UNCOLLECTIBLE)
_BIG = 2**63 - 1


class Digest(Text):
    """The digest of a run: 64 hexadecimal digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=64, **options)
        self.openapi = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if re.fullmatch("[0-9a-f]{64}", text) is None:
            raise wrong("must be 64 hexadecimal digits", "invalid")
        return text


class ProcessBillingSchema(Schema):
    """What to bill: everything due up to ``asOf`` (now), or one subscription; a dry run undoes what it did.

    ``expectedDigest`` is the ``digest`` of a dry run: unless this run would charge just that, it is not opened.
    """

    as_of = Instant(allow_none=True, load_default=None)
    subscription_id = Identifier(allow_none=True, load_default=None)
    dry_run = Flag(load_default=False)
    expected_digest = Digest(allow_none=True, load_default=None)
    body_optional = True

    @ma.validates_schema
    def expects_or_rehearses(self, data: dict[str, Any], **_: Any) -> None:
        """A dry run has nothing to be afraid of."""
        if data.get("dry_run") and data.get("expected_digest") is not None:
            message = Coded("is for real runs; a dry run shows its own", "contradiction")
            raise ma.ValidationError({"expectedDigest": [message]})


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
    status = Choice(*STATUSES, load_default=None)


class InvoiceItemSchema(Schema):
    """One charge: ``quantity`` beyond the allowance of a period, at that period's price.

    An ``adjustment`` is for a period whose invoice is final; a ``fee`` is the plan's, and has no ``usageType``.
    ``billable`` is all that lies beyond the ``allowance`` so far, of which earlier items charged the rest.
    """

    id = ma.fields.UUID(required=True)
    usage_type = Identifier(allow_none=True, required=True)
    kind = Choice("usage", "adjustment", "fee", required=True)
    period_start = Instant(required=True)
    period_end = Instant(required=True)
    quantity = Quantity(required=True)
    billable = Quantity(required=True)
    allowance = Quantity(allow_none=True, required=True)
    unit_price = Prefabricated({"type": "string"}, allow_none=True, required=True)
    amount = Money(required=True)
    description = Text(required=True)


class InvoiceSchema(Schema):
    """What a subscription owes for a period, with its items, which add up to ``total``.

    ``number`` is null until it is finalized. ``amountDue`` is what is left to pay after ``creditApplied``; a
    negative total is owed by nobody, it becomes credit.
    """

    id = ma.fields.UUID(required=True)
    number = Text(allow_none=True, required=True)
    customer_id = Identifier(data_key="userId", required=True)
    subscription_id = Identifier(required=True)
    status = Choice(*STATUSES, required=True)
    currency = Prefabricated(CURRENCY, required=True)
    period_start = Instant(required=True)
    period_end = Instant(required=True)
    total = Money(required=True)
    credit_applied = Money(required=True)
    amount_due = Money(required=True)
    due_at = Instant(allow_none=True, required=True)
    created_at = Instant(required=True)
    finalized_at = Instant(allow_none=True, required=True)
    paid_at = Instant(allow_none=True, required=True)
    voided_at = Instant(allow_none=True, required=True)
    items = ma.fields.List(ma.fields.Nested(InvoiceItemSchema), required=True)
