"""Things as pages show them: the API's form, and what a page says beside it."""

from datetime import datetime

from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.reports.invoices import InvoiceView
from usage_billing.wire.invoice import INVOICE
from usage_billing.wire.noun import Shape, show


def invoice_shape(view: InvoiceView, now: datetime) -> Shape:
    """An invoice as the API shows it, and whether it is ``overdue``."""
    return show(INVOICE, view) | {"overdue": is_overdue(view.invoice, now)}


def is_overdue(invoice: Invoice, now: datetime) -> bool:
    """Whether an invoice is owed, and was due before ``now``."""
    return invoice.status == InvoiceStatus.FINALIZED and invoice.due_at is not None and invoice.due_at < now
