"""A check of documents: PDFs that could not be made."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from usage_billing.documents.requests import find_failed
from usage_billing.reports.doctor.finding import WARN, Finding


def check_documents(session: Session) -> Iterator[Finding]:
    """What is wrong with documents; nothing is said where every one could be made."""
    failed = find_failed(session)
    if failed is not None:
        # Late: a worker that starts looks at its inbox by this room, and needs no invoices for it.
        from usage_billing.invoicing.numbering import number_text

        number = number_text(failed.number)
        yield Finding(
            "documents",
            WARN,
            "document_failed",
            f"{failed.count} PDFs of invoices could not be made; of {number}: {failed.error}",
            f"put it right, then usage-billing invoices document {number} --format pdf, or POST"
            " /api/invoices/:id/document, makes it",
        )
