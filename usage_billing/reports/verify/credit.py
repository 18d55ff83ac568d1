"""Credit: balances are the sums of their entries, and entries follow from invoices."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_BALANCES = text(
    """
    SELECT coalesce(b.customer_id, e.customer_id) AS customer, coalesce(b.currency, e.currency) AS currency,
        b.balance, e.entries
    FROM credit_balances AS b FULL JOIN (
        SELECT customer_id, currency, sum(amount) AS entries FROM credit_entries GROUP BY 1, 2
    ) AS e ON (e.customer_id, e.currency) = (b.customer_id, b.currency)
    WHERE coalesce(b.balance, 0) <> coalesce(e.entries, 0)
    """
)
# A final invoice that stands grants what it gives back, and uses up the credit that it applied. The entries of a draft
# or a void invoice add up to nothing.
_INVOICES = text(
    """
    SELECT i.id, coalesce(e.entries, 0) AS entries,
        CASE WHEN i.status IN ('draft', 'void') THEN 0
            WHEN i.total + i.tax - i.prepaid_applied < 0 THEN i.prepaid_applied - i.total - i.tax
            ELSE -i.credit_applied END AS due
    FROM invoices AS i LEFT JOIN (
        SELECT invoice_id, sum(amount) AS entries FROM credit_entries GROUP BY 1
    ) AS e ON e.invoice_id = i.id
    WHERE (CAST(:only AS text) IS NULL OR i.subscription_id = :only) AND coalesce(e.entries, 0) <>
        CASE WHEN i.status IN ('draft', 'void') THEN 0
            WHEN i.total + i.tax - i.prepaid_applied < 0 THEN i.prepaid_applied - i.total - i.tax
            ELSE -i.credit_applied END
    """
)
_APPLIED = text(
    """
    SELECT id, credit_applied, total + tax - prepaid_applied AS total FROM invoices
    WHERE (credit_applied < 0 OR credit_applied > greatest(total + tax - prepaid_applied, 0))
        AND (CAST(:only AS text) IS NULL OR subscription_id = :only)
    """
)


def credit_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with credit. Balances are checked only when all invoices are, that is when ``only`` is None."""
    if only is None:
        for row in session.execute(_BALANCES):
            has = f"{row.customer} has {row.balance or 0} {row.currency} in hand"
            message = f"{has}, the entries add up to {row.entries or 0}"
            yield Difference("credit_balance", f"customer:{row.customer}", message)
    for row in session.execute(_INVOICES, {"only": only}):
        message = f"its entries of credit add up to {row.entries}, {row.due} follows from it"
        yield Difference("credit_entries", f"invoice:{row.id}", message)
    for row in session.execute(_APPLIED, {"only": only}):
        message = f"credit of {row.credit_applied} is applied to the {row.total} that it comes to"
        yield Difference("credit_applied", f"invoice:{row.id}", message)
