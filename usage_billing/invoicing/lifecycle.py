"""Which statuses an invoice may pass through. Pure. A trigger in the database holds the same table."""

from usage_billing.core.errors import Conflict

DRAFT = "draft"
FINALIZED = "finalized"
PAID = "paid"
VOID = "void"
UNCOLLECTIBLE = "uncollectible"

_NEXT = {
    DRAFT: frozenset({FINALIZED}),
    FINALIZED: frozenset({PAID, VOID, UNCOLLECTIBLE}),
    UNCOLLECTIBLE: frozenset({PAID, VOID}),
    PAID: frozenset[str](),
    VOID: frozenset[str](),
}


def check_step(status: str, wanted: str) -> None:
    """Raises Conflict unless an invoice in ``status`` may become ``wanted``."""
    if wanted not in _NEXT[status]:
        raise Conflict(f"an invoice that is {status} cannot become {wanted}", code="invoice_status")
