"""Which statuses an invoice may pass through. Pure. A trigger in the database holds the same table."""

from enum import StrEnum

from usage_billing.core.errors import Conflict


class InvoiceStatus(StrEnum):
    """Where an invoice stands; only a draft can change."""

    DRAFT = "draft"
    FINALIZED = "finalized"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


_NEXT: dict[InvoiceStatus, frozenset[InvoiceStatus]] = {
    InvoiceStatus.DRAFT: frozenset({InvoiceStatus.FINALIZED}),
    InvoiceStatus.FINALIZED: frozenset({InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE}),
    InvoiceStatus.UNCOLLECTIBLE: frozenset({InvoiceStatus.PAID, InvoiceStatus.VOID}),
    InvoiceStatus.PAID: frozenset[InvoiceStatus](),
    InvoiceStatus.VOID: frozenset[InvoiceStatus](),
}


def check_step(status: str, wanted: InvoiceStatus) -> None:
    """Raises Conflict unless an invoice in ``status`` may become ``wanted``."""
    if wanted not in _NEXT[InvoiceStatus(status)]:
        raise Conflict(f"an invoice that is {status} cannot become {wanted}", code="invoice_status")
