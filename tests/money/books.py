"""The books of money seen from outside: what is charged, credit, numbers, totals and explanations."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Engine, select

from tests.support.books import rows, scalars
from usage_billing.db.session import read_only
from usage_billing.invoicing.models import UsageInvoiceItem
from usage_billing.reports.explain import explain, hash_behind
from usage_billing.reports.verify.books import find_differences

_CHARGED = """
SELECT i.subscription_id, coalesce(x.usage_type_id, 'fee') AS what,
       coalesce(s.period_start, f.period_start) AS begins, sum(x.amount) AS amount
FROM usage_invoice_items x JOIN invoices i ON i.id = x.invoice_id
LEFT JOIN usage_summaries s ON s.id = x.summary_id LEFT JOIN fee_charges f ON f.id = x.fee_id
WHERE i.status <> 'void' GROUP BY 1, 2, 3 HAVING sum(x.amount) <> 0
"""
_NOT_NONE = {
    "an invoice is not the sum of its items": """
        SELECT i.id FROM invoices i LEFT JOIN usage_invoice_items x ON x.invoice_id = i.id
        GROUP BY i.id HAVING i.total <> coalesce(sum(x.amount), 0)""",
    "a cause is on two drafts": """
        SELECT coalesce(x.summary_id, -x.fee_id) FROM usage_invoice_items x JOIN invoices i ON i.id = x.invoice_id
        WHERE i.status = 'draft' GROUP BY x.summary_id, x.fee_id HAVING count(*) > 1""",
    "a balance is not the sum of its entries": """
        SELECT b.customer_id FROM credit_balances b LEFT JOIN credit_entries e USING (customer_id, currency)
        GROUP BY b.customer_id, b.currency HAVING b.balance <> coalesce(sum(e.amount), 0)""",
    "a negative invoice gave no credit": """
        SELECT i.id FROM invoices i LEFT JOIN credit_entries e ON e.invoice_id = i.id AND e.kind = 'granted'
        WHERE i.number IS NOT NULL AND coalesce(e.amount, 0) <> greatest(-i.total - i.tax, 0)""",
    "credit applied is no entry": """
        SELECT i.id FROM invoices i LEFT JOIN credit_entries e ON e.invoice_id = i.id AND e.kind = 'applied'
        WHERE coalesce(-e.amount, 0) <> i.credit_applied""",
    "credit of a void invoice stands": """
        SELECT i.id FROM invoices i JOIN credit_entries e ON e.invoice_id = i.id
        GROUP BY i.id HAVING (i.status = 'void') <> (sum(e.amount) = 0)""",
    "an empty draft": """
        SELECT id FROM invoices i WHERE status = 'draft'
        AND NOT EXISTS (SELECT FROM usage_invoice_items WHERE invoice_id = i.id)""",
}


def charged(engine: Engine) -> dict[tuple[str, str, datetime], Fraction]:
    """What is charged on invoices that stand, by (subscription, usage type or "fee", beginning of the segment)."""
    found = rows(engine, _CHARGED)
    return {(r.subscription_id, r.what, r.begins.astimezone(UTC)): Fraction(r.amount) for r in found}


def check_everything(engine: Engine) -> None:
    """What must hold of the books whenever a run has just ended."""
    for what, statement in _NOT_NONE.items():
        assert rows(engine, statement) == [], what
    numbers = scalars(engine, "SELECT number FROM invoices WHERE number IS NOT NULL ORDER BY number")
    assert numbers == list(range(1, len(numbers) + 1))
    check_explanations(engine)
    found = differences(engine)
    assert not found, found


def check_explanations(engine: Engine) -> None:
    """Every item's lines add up to what was due, and the recordings behind it are those of its hash."""
    with read_only(engine) as session:
        for item in session.scalars(select(UsageInvoiceItem)).all():
            said = explain(session, item.invoice_id, item.id)
            assert said.amount_due == item.charged_before + item.amount
            if said.rated is not None:
                assert said.rated.exact == sum(line.amount for line in said.rated.lines)
            if item.events_hash is not None:
                assert hash_behind(session, item) == item.events_hash


def differences(engine: Engine) -> list[Any]:
    """What the proof of the books finds."""
    with read_only(engine) as session:
        return list(find_differences(session))
