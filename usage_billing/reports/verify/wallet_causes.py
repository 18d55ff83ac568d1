"""What is behind each transfer of a wallet: its grant and accounts, and the invoice or act that it came with."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_OF = (
    "CAST(:only AS text) IS NULL OR EXISTS (SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id)"
)
_TRANSFERS = text(
    f"""
    SELECT t.id, t.kind, t.debit, t.credit, t.wallet_id, g.wallet_id AS of_grant, g.status, g.category,
        i.id AS invoice, i.number, i.customer_id AS billed, w.customer_id
    FROM wallet_transfers AS t JOIN wallet_grants AS g ON g.id = t.grant_id JOIN wallets AS w ON w.id = g.wallet_id
    LEFT JOIN invoices AS i ON i.id = t.invoice_id
    WHERE ({_OF}) AND (t.wallet_id <> g.wallet_id
        OR t.debit || ' from ' || t.credit <> CASE CASE g.category WHEN 'overdraft' THEN 'owed ' ELSE '' END || t.kind
            WHEN 'owed used' THEN 'used from owed' WHEN 'owed returned' THEN 'owed from used'
            WHEN 'sold' THEN 'grant from sold' WHEN 'given' THEN 'grant from given'
            WHEN 'used' THEN 'used from grant' WHEN 'returned' THEN 'grant from used'
            WHEN 'expired' THEN 'expired from grant' WHEN 'taken_back' THEN 'taken_back from grant'
            WHEN 'rolled_out' THEN 'rolled_over from grant' WHEN 'rolled_back' THEN 'grant from rolled_over'
            WHEN 'rolled_in' THEN 'grant from rolled_over' WHEN 'rolled_off' THEN 'rolled_over from grant'
            ELSE 'refunded from grant' END
        OR t.kind = 'sold' AND g.category <> 'purchased' OR t.kind = 'given' AND g.category = 'purchased'
        OR t.kind = 'expired' AND g.status <> 'closed'
        OR t.kind IN ('rolled_in', 'rolled_off') AND g.category <> 'rollover'
        OR i.id IS NOT NULL AND (t.kind NOT IN ('used', 'returned') OR i.number IS NULL
            OR i.customer_id <> w.customer_id))
    ORDER BY t.id
    """  # noqa: S608
)
# The audit log has each act by hand.
_BY_HAND = text(
    f"""
    SELECT g.id, t.taken_back, t.refunded, coalesce(a.voided, 0) AS voided, coalesce(a.repaid, 0) AS repaid
    FROM wallets AS w JOIN wallet_grants AS g ON g.wallet_id = w.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount) FILTER (WHERE kind = 'taken_back'), 0) AS taken_back,
            coalesce(sum(amount) FILTER (WHERE kind = 'refunded'), 0) AS refunded
        FROM wallet_transfers WHERE grant_id = g.id
    ) AS t
    CROSS JOIN LATERAL (
        SELECT sum(CAST(detail ->> 'amount' AS numeric)) FILTER (WHERE action = 'wallet.grant_voided') AS voided,
            sum(CAST(detail ->> 'amount' AS numeric)) FILTER (WHERE action = 'wallet.grant_refunded') AS repaid
        FROM audit_log WHERE subject = 'wallet:' || w.id AND detail ->> 'grant' = CAST(g.id AS text)
    ) AS a
    WHERE ({_OF}) AND g.activated_at IS NOT NULL AND (g.taken_back, g.refunded) <> (0, 0)
        AND (t.taken_back, t.refunded) <> (coalesce(a.voided, 0), coalesce(a.repaid, 0))
    """  # noqa: S608
)
# What is to be rated, stands on a draft, or has changed since it was posted is on its way to be put right; so is what
# came after the invoices that say what was paid.
_SAID = text(
    f"""
    WITH drawn AS (
        SELECT d.grant_id, coalesce(d.summary_id, 0) AS summary_id, coalesce(d.fee_id, 0) AS fee_id,
            sum(d.posted) AS posted
        FROM wallet_draws AS d JOIN wallets AS w ON w.id = d.wallet_id
        WHERE w.currency IS NOT NULL AND ({_OF}) GROUP BY 1, 2, 3
    ), applied AS (
        SELECT p.grant_id, coalesce(p.summary_id, 0) AS summary_id, coalesce(p.fee_id, 0) AS fee_id,
            sum(p.amount) AS applied
        FROM invoice_prepaid AS p JOIN invoices AS i ON i.id = p.invoice_id JOIN wallets AS w ON w.id = p.wallet_id
        WHERE i.status <> 'void' AND ({_OF}) GROUP BY 1, 2, 3
    ), paid AS (
        SELECT coalesce(d.grant_id, a.grant_id) AS grant_id, coalesce(d.summary_id, a.summary_id) AS summary_id,
            coalesce(d.fee_id, a.fee_id) AS fee_id, coalesce(d.posted, 0) AS posted, coalesce(a.applied, 0) AS applied
        FROM drawn AS d FULL JOIN applied AS a
            ON (a.grant_id, a.summary_id, a.fee_id) = (d.grant_id, d.summary_id, d.fee_id)
    ), parts AS (
        SELECT p.grant_id, s.subscription_id, s.usage_type_id, s.bills_at, sum(p.posted) AS posted,
            sum(p.applied) AS applied
        FROM paid AS p JOIN usage_summaries AS s ON s.id = p.summary_id GROUP BY 1, 2, 3, 4
        UNION ALL
        SELECT p.grant_id, f.subscription_id, '', f.period_start, p.posted, p.applied
        FROM paid AS p JOIN fee_charges AS f ON f.id = p.fee_id
    )
    SELECT p.*
    FROM parts AS p
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(t.amount), 0) AS charged, coalesce(bool_or(i.status = 'draft'), false) AS moves
        FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id AND i.status <> 'void'
        LEFT JOIN usage_summaries AS s ON s.id = t.summary_id LEFT JOIN fee_charges AS f ON f.id = t.fee_id
        WHERE s.subscription_id = p.subscription_id AND s.usage_type_id = p.usage_type_id AND s.bills_at = p.bills_at
            OR p.usage_type_id = '' AND f.subscription_id = p.subscription_id AND f.period_start = p.bills_at
    ) AS c
    WHERE p.applied <> p.posted AND NOT c.moves AND (p.applied > p.posted OR p.posted <= c.charged)
        AND NOT EXISTS (
            SELECT FROM usage_summaries AS s WHERE s.subscription_id = p.subscription_id
                AND s.usage_type_id = p.usage_type_id AND s.bills_at = p.bills_at AND (s.to_rate OR EXISTS (
                    SELECT FROM (
                        SELECT events, voids FROM wallet_transfers
                        WHERE summary_id = s.id AND grant_id = p.grant_id ORDER BY id DESC LIMIT 1) AS last
                    WHERE (last.events, last.voids) <> (s.events, s.voids))))
        AND NOT EXISTS (
            SELECT FROM fee_charges AS f WHERE p.usage_type_id = '' AND f.subscription_id = p.subscription_id
                AND f.period_start = p.bills_at AND f.to_charge)
    """  # noqa: S608
)


def cause_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with why transfers are there; of one subscription with those of its customer's wallets."""
    for row in session.execute(_TRANSFERS, {"only": only}):
        invoice = f", with invoice {row.number or 'draft'} of {row.billed}" if row.invoice else ""
        moved = f"{row.kind} from {row.credit} to {row.debit} in {row.wallet_id}{invoice}"
        grant = f"a {row.category} grant in {row.of_grant} of {row.customer_id}, which is {row.status}"
        yield Difference("wallet_transfer", f"transfer:{row.id}", f"it is {moved}, of {grant}")
    for row in session.execute(_BY_HAND, {"only": only}):
        acts = f"by hand {row.voided} of it were taken back and {row.repaid} refunded"
        message = f"{acts}, its transfers say {row.taken_back} and {row.refunded}"
        yield Difference("wallet_by_hand", f"grant:{row.id}", message)
    for row in session.execute(_SAID, {"only": only}):
        of = f"{row.usage_type_id} that is billed at" if row.usage_type_id else "the fee from"
        what = f"of {of} {row.bills_at:%Y-%m-%dT%H:%MZ} of {row.subscription_id}"
        message = f"it paid {row.posted} {what}, invoices say {row.applied}"
        yield Difference("prepaid_grant", f"grant:{row.grant_id}", message)
