"""What to bill and which invoices to list, on the wire."""

import re
from typing import Any

import marshmallow as ma

from api.schemas.base import CodedText, Schema, ValueSchema, wrong
from api.schemas.fields import Amount, Choice, Flag, Identifier, Instant, Text
from api.schemas.paging import PagedSpanQuery
from usage_billing.core.limits import MAX_METHOD
from usage_billing.flows.billing.manage_invoices import Payment
from usage_billing.flows.billing.open_run import RunRequest
from usage_billing.invoicing.lifecycle import InvoiceStatus


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


class ProcessBillingSchema(ValueSchema):
    """What to bill: everything due up to ``asOf`` (now), or one subscription; a dry run undoes what it did.

    ``expectedDigest`` is the ``digest`` of a dry run: a run that would charge something else is not opened.
    """

    builds = RunRequest

    as_of = Instant(allow_none=True, load_default=None)
    subscription_id = Identifier(allow_none=True, load_default=None)
    dry_run = Flag(load_default=False)
    expected_digest = Digest(allow_none=True, load_default=None)
    body_optional = True

    @ma.validates_schema
    def expects_or_rehearses(self, data: dict[str, Any], **_: Any) -> None:
        """A dry run charges nothing, so it has no digest to expect."""
        if data.get("dry_run") and data.get("expected_digest") is not None:
            message = CodedText("is for real runs; a dry run shows its own", "contradiction")
            raise ma.ValidationError({"expectedDigest": [message]})


class PaymentSchema(ValueSchema):
    """How an invoice was paid; ``amount`` must be what is due, ``paidAt`` is now if not said."""

    builds = Payment

    amount = Amount(allow_none=True, load_default=None)
    paid_at = Instant(allow_none=True, load_default=None)
    reference = Text(allow_none=True, load_default=None)
    method = Text(maximum=MAX_METHOD, allow_none=True, load_default=None)
    body_optional = True


class DocumentQuery(Schema):
    """How an invoice is to be written."""

    format = Choice("html", load_default="html")


class InvoicesQuery(PagedSpanQuery):
    """Which invoices; ``from`` and ``to`` are of ``periodStart``."""

    customer_id = Identifier(data_key="userId", load_default=None)
    subscription_id = Identifier(load_default=None)
    status = Choice(*InvoiceStatus, load_default=None)
