"""Has the PDF of an invoice made again after a failure."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.queries import find_document
from usage_billing.documents.requests import ask_again
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.queries import get_invoice


def make_again(session: Session, invoice_id: UUID, *, actor: str, now: datetime) -> bool:
    """Have the PDF of a final invoice made, whatever failed before; False where one is kept, which stays as it is.

    Who asked stands in the audit log. Raises NotFound; Conflict for a draft, code ``invoice_status``.
    """
    invoice = get_invoice(session, invoice_id)
    if invoice.status == InvoiceStatus.DRAFT:
        raise Conflict("a draft can still change, and has no PDF", code="invoice_status")
    if find_document(session, invoice_id, DocumentKind.PDF) is not None:
        return False
    ask_again(session, invoice_id)
    note(session, actor=actor, action="invoice.document_asked", subject=f"invoice:{invoice_id}", at=now)
    return True
