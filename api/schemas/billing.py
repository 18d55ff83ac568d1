"""What to bill and which invoices to list, on the wire."""

from api.schemas.base import Schema, ValueSchema
from api.schemas.fields import Amount, Choice, Identifier, Instant, Text
from api.schemas.paging import PagedSpanQuery
from api.schemas.rehearsals import RehearsableSchema
from usage_billing.core.limits import MAX_METHOD
from usage_billing.flows.billing.manage_invoices import Payment
from usage_billing.flows.billing.open_run import RunRequest
from usage_billing.invoicing.lifecycle import InvoiceStatus


class ProcessBillingSchema(RehearsableSchema, ValueSchema):
    """What to bill: everything due up to ``asOf`` (now), or one subscription; a dry run undoes what it did.

    ``expectedDigest`` is the ``digest`` of a dry run: a run that would charge something else is not opened.
    """

    builds = RunRequest

    as_of = Instant(allow_none=True, load_default=None)
    subscription_id = Identifier(allow_none=True, load_default=None)
    body_optional = True


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

    format = Choice("html", "pdf", "csv", load_default="html")


class InvoicesQuery(PagedSpanQuery):
    """Which invoices; ``from`` and ``to`` are of ``periodStart``."""

    customer_id = Identifier(data_key="userId", load_default=None)
    subscription_id = Identifier(load_default=None)
    status = Choice(*InvoiceStatus, load_default=None)
