"""Purchases: each grant has what its package sold, and invoices charge the price less what was taken back."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_OF = "CAST(:only AS text) IS NULL OR p.subscription_id = :only"
_GRANTS = text(
    f"""
    SELECT p.id, g.amount, g.cost, g.cost_currency, v.amount * p.count AS units, v.price * p.count AS price, k.currency
    FROM purchases AS p JOIN packages AS k ON k.id = p.package_id
    JOIN package_versions AS v ON v.package_id = p.package_id AND v.version = p.version
    JOIN wallet_grants AS g ON g.id = p.grant_id JOIN wallets AS w ON w.id = g.wallet_id
    WHERE ({_OF}) AND ((g.amount, g.cost, g.cost_currency, g.wallet_id, w.customer_id)
        IS DISTINCT FROM (v.amount * p.count, v.price * p.count, k.currency, p.wallet_id, p.customer_id))
    """  # noqa: S608
)
_CHARGES = text(
    f"""
    SELECT p.id, c.amount, v.price * p.count - coalesce((
        SELECT sum(cost) FROM wallet_transfers
        WHERE grant_id = p.grant_id AND kind = 'taken_back' AND p.charge = 'next_invoice'), 0) AS due
    FROM purchases AS p JOIN purchase_charges AS c ON c.id = p.charge_id
    JOIN package_versions AS v ON v.package_id = p.package_id AND v.version = p.version
    WHERE {_OF}
    """  # noqa: S608
)
_ITEMS = text(
    f"""
    SELECT p.id, c.amount, coalesce(t.charged, 0) AS charged FROM purchases AS p
    JOIN purchase_charges AS c ON c.id = p.charge_id
    CROSS JOIN LATERAL (
        SELECT sum(t.amount) AS charged
        FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
        WHERE t.purchase_id = c.id AND (i.status <> 'void' OR p.charge = 'now')
    ) AS t
    WHERE ({_OF}) AND NOT c.to_charge AND c.amount <> coalesce(t.charged, 0)
    """  # noqa: S608
)

_KEPT = text(
    f"""
    SELECT p.id, coalesce(m.taken_back, 0) AS taken_back, coalesce(m.refunded, 0) AS refunded,
        coalesce(t.standing, 0) AS standing, coalesce(t.paid, 0) AS paid, v.price * p.count AS price, p.charge
    FROM purchases AS p
    JOIN package_versions AS v ON v.package_id = p.package_id AND v.version = p.version
    CROSS JOIN LATERAL (
        SELECT sum(cost) FILTER (WHERE kind = 'taken_back') AS taken_back,
            sum(cost) FILTER (WHERE kind = 'refunded') AS refunded
        FROM wallet_transfers WHERE grant_id = p.grant_id
    ) AS m
    CROSS JOIN LATERAL (
        SELECT sum(t.amount) FILTER (WHERE i.status <> 'void') AS standing,
            sum(t.amount) FILTER (WHERE i.status = 'paid' AND t.amount > 0 AND i.total + i.tax - i.prepaid_applied
                > i.credit_applied) AS paid
        FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
        WHERE t.purchase_id = p.charge_id
    ) AS t
    WHERE ({_OF}) AND p.charge_id IS NOT NULL
    """  # noqa: S608
)


def purchase_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with purchases; of one subscription with those that its invoices charge."""
    for row in session.execute(_GRANTS, {"only": only}):
        message = f"its grant is {row.amount} for {row.cost} {row.cost_currency}, not {row.units} for {row.price}"
        yield Difference("purchase_grant", f"purchase:{row.id}", message)
    for row in session.execute(_CHARGES, {"only": only}):
        if row.amount != row.due:
            message = f"{row.amount} is due for it, it should be {row.due}"
            yield Difference("purchase_due", f"purchase:{row.id}", message)
    for row in session.execute(_ITEMS, {"only": only}):
        message = f"invoices charge {row.charged} for it, {row.amount} is due"
        yield Difference("purchase_charged", f"purchase:{row.id}", message)
    yield from _money_differences(session, only)


def _money_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """Money that is kept, or given away, of purchases that were taken back or refunded."""
    for row in session.execute(_KEPT, {"only": only}):
        if row.refunded > row.paid:
            message = f"{row.refunded} is refunded for it, of {row.paid} that is paid"
            yield Difference("purchase_refunded", f"purchase:{row.id}", message)
        if row.charge == "now":
            left = row.price - row.taken_back
            if row.standing < left:
                message = f"invoices that stand charge {row.standing} for it, {left} is not taken back"
                yield Difference("purchase_given", f"purchase:{row.id}", message)
            if row.taken_back and row.standing and (row.paid or left):
                message = f"{row.taken_back} is taken back of it, {row.standing} stays charged"
                yield Difference("purchase_kept", f"purchase:{row.id}", message)
