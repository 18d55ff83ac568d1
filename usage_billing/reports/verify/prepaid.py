"""What grants in money paid of invoices: its sums, that nothing was paid twice, and nothing beyond what is due."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_SUMS = text(
    """
    SELECT i.id, i.prepaid_applied AS stands, coalesce(p.amount, 0) AS should
    FROM invoices AS i
    LEFT JOIN (SELECT invoice_id, sum(amount) AS amount FROM invoice_prepaid GROUP BY 1) AS p ON p.invoice_id = i.id
    WHERE i.prepaid_applied <> coalesce(p.amount, 0) AND (CAST(:only AS text) IS NULL OR i.subscription_id = :only)
    """
)
# What is charged together may be paid for where another part of it is charged: segments of one price are one quantity.
# What is to be rated, or stands on a draft, is on its way to be put right.
_DUE = text(
    """
    WITH drawn AS (
        SELECT coalesce(d.summary_id, 0) AS summary_id, coalesce(d.fee_id, 0) AS fee_id, sum(d.posted) AS posted
        FROM wallet_draws AS d JOIN wallets AS w ON w.id = d.wallet_id
        WHERE w.currency IS NOT NULL GROUP BY 1, 2
    ), applied AS (
        SELECT coalesce(p.summary_id, 0) AS summary_id, coalesce(p.fee_id, 0) AS fee_id, sum(p.amount) AS applied
        FROM invoice_prepaid AS p JOIN invoices AS i ON i.id = p.invoice_id
        WHERE i.status <> 'void' GROUP BY 1, 2
    ), paid AS (
        SELECT coalesce(d.summary_id, a.summary_id) AS summary_id, coalesce(d.fee_id, a.fee_id) AS fee_id,
            coalesce(d.posted, 0) AS posted, coalesce(a.applied, 0) AS applied
        FROM drawn AS d FULL JOIN applied AS a ON (a.summary_id, a.fee_id) = (d.summary_id, d.fee_id)
    ), parts AS (
        SELECT s.subscription_id, s.usage_type_id, s.bills_at, sum(p.posted) AS posted, sum(p.applied) AS applied
        FROM paid AS p JOIN usage_summaries AS s ON s.id = p.summary_id GROUP BY 1, 2, 3
        UNION ALL
        SELECT f.subscription_id, '', f.period_start, p.posted, p.applied
        FROM paid AS p JOIN fee_charges AS f ON f.id = p.fee_id
    )
    SELECT p.*, c.charged
    FROM parts AS p
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(t.amount), 0) AS charged, coalesce(bool_or(i.status = 'draft'), false) AS moves
        FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id AND i.status <> 'void'
        LEFT JOIN usage_summaries AS s ON s.id = t.summary_id LEFT JOIN fee_charges AS f ON f.id = t.fee_id
        WHERE s.subscription_id = p.subscription_id AND s.usage_type_id = p.usage_type_id AND s.bills_at = p.bills_at
            OR p.usage_type_id = '' AND f.subscription_id = p.subscription_id AND f.period_start = p.bills_at
    ) AS c
    WHERE NOT c.moves AND (p.applied > p.posted OR p.applied > 0 AND p.posted > c.charged)
        AND (CAST(:only AS text) IS NULL OR p.subscription_id = :only)
        AND NOT EXISTS (
            SELECT FROM usage_summaries AS s WHERE s.subscription_id = p.subscription_id
                AND s.usage_type_id = p.usage_type_id AND s.bills_at = p.bills_at AND s.to_rate)
        AND NOT EXISTS (
            SELECT FROM fee_charges AS f WHERE p.usage_type_id = '' AND f.subscription_id = p.subscription_id
                AND f.period_start = p.bills_at AND f.to_charge)
    """
)


def prepaid_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with what was paid beforehand in money."""
    for row in session.execute(_SUMS, {"only": only}):
        message = f"{row.stands} of it was paid beforehand, its grants paid {row.should}"
        yield Difference("prepaid_applied", f"invoice:{row.id}", message)
    for row in session.execute(_DUE, {"only": only}):
        of = f"{row.usage_type_id} that is billed at" if row.usage_type_id else "the fee from"
        posted = f"grants paid {row.posted} of {of} {row.bills_at:%Y-%m-%dT%H:%MZ}"
        message = f"{posted}: {row.charged} is charged of it, and {row.applied} stands on invoices"
        yield Difference("prepaid_due", f"subscription:{row.subscription_id}", message)
