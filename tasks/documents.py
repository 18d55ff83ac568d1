"""Makes the PDFs of invoices."""

from uuid import UUID

from tasks import base
from tasks.celery import app
from usage_billing.core.errors import NotFound
from usage_billing.flows.documents.drive_document import pdf_of


@app.task(name="documents.make")
def make(invoice_id: str) -> None:
    """Make the PDF of a final invoice and keep it, unless it is kept already."""
    try:
        pdf_of(base.engine(), UUID(invoice_id))
    except NotFound:
        return  # a draft that went since it was asked for
