"""Invoices as wholes: their totals, owners and states; their numbers have no gap and no number occurs twice."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_TOTALS = text(
    """
    SELECT i.id, i.total, coalesce(sum(t.amount), 0) AS items FROM invoices AS i
    LEFT JOIN usage_invoice_items AS t ON t.invoice_id = i.id
    WHERE CAST(:only AS text) IS NULL OR i.subscription_id = :only
    GROUP BY i.id HAVING i.total <> coalesce(sum(t.amount), 0)
    """
)
_STATES = text(
    """
    SELECT id, status, number, finalized_at FROM invoices
    WHERE ((status = 'draft') <> (number IS NULL) OR (status = 'draft') <> (finalized_at IS NULL))
        AND (CAST(:only AS text) IS NULL OR subscription_id = :only)
    """
)
_OWNERS = text(
    """
    SELECT i.id, i.customer_id, a.customer_id AS owner, i.currency, p.currency AS agreed FROM invoices AS i
    JOIN subscriptions AS a ON a.id = i.subscription_id JOIN plans AS p ON p.id = a.plan_id
    WHERE (i.customer_id <> a.customer_id OR i.currency <> p.currency)
        AND (CAST(:only AS text) IS NULL OR i.subscription_id = :only)
    """
)
_GAPS = text(
    """
    SELECT before + 1 AS first, number - 1 AS last FROM (
        SELECT number, coalesce(lag(number) OVER (ORDER BY number), 0) AS before FROM invoices WHERE number IS NOT NULL
    ) AS steps WHERE number - before > 1 ORDER BY number
    """
)
_DOUBLES = text(
    """
    SELECT number, count(*) AS times FROM invoices WHERE number IS NOT NULL
    GROUP BY number HAVING count(*) > 1
    """
)
_LAST = text(
    """
    SELECT n.last, coalesce(max(i.number), 0) AS highest FROM invoice_numbers AS n LEFT JOIN invoices AS i ON true
    WHERE n.series = 'invoice' GROUP BY n.last HAVING n.last <> coalesce(max(i.number), 0)
    """
)


def invoice_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with invoices. Numbers are checked only when all invoices are, that is when ``only`` is None."""
    for row in session.execute(_TOTALS, {"only": only}):
        message = f"its total is {row.total}, its items add up to {row.items}"
        yield Difference("invoice_total", f"invoice:{row.id}", message)
    for row in session.execute(_STATES, {"only": only}):
        number, since = row.number or "none", row.finalized_at or "no time"
        message = f"it is {row.status} with the number {number}, finalized at {since}"
        yield Difference("invoice_state", f"invoice:{row.id}", message)
    for row in session.execute(_OWNERS, {"only": only}):
        message = f"it is {row.customer_id}'s in {row.currency}, its subscription {row.owner}'s in {row.agreed}"
        yield Difference("invoice_owner", f"invoice:{row.id}", message)
    if only is None:
        yield from _numbers(session)


def _numbers(session: Session) -> Iterator[Difference]:
    for row in session.execute(_GAPS):
        span = f"{row.first}" if row.first == row.last else f"{row.first} to {row.last}"
        yield Difference("number_gap", f"number:{row.first}", f"no invoice has the number {span}")
    for row in session.execute(_DOUBLES):
        message = f"{row.times} invoices have the number {row.number}"
        yield Difference("number_double", f"number:{row.number}", message)
    for row in session.execute(_LAST):
        message = f"the last number given is {row.last}, the highest on an invoice {row.highest}"
        yield Difference("number_last", "numbers", message)
