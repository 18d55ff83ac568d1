"""Which kinds of invoices there are, and which statuses one may pass through. Pure.

A trigger in the database holds the same table of statuses.
"""

from enum import StrEnum

from usage_billing.core.errors import Conflict


class InvoiceKind(StrEnum):
    """Why there is an invoice: one is settled when its period ends, the others when something happens."""

    PERIOD = "period"
    """What a billing period owes, due to be final when that ends."""
    CHANGE = "change"
    """A fee in advance that was cut by a change: the rest comes back, the new fee is charged, without grace."""
    CORRECTION = "correction"
    """What is put right of periods that are invoiced, where no draft of a running period can take it soon."""
    PURCHASE = "purchase"
    """What a customer bought at once, perhaps without a subscription."""


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
