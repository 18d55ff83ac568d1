"""The statement of each export. Its columns stand in the order of ``columns.py``, and are in ``:start`` to ``:end``."""

from collections.abc import Mapping

from sqlalchemy import TextClause, text

from usage_billing.exports.columns import Export
from usage_billing.metering.models import PLACE, SUBSCRIPTION_HASH

_INVOICE = """
    i.id, 'INV-' || lpad(CAST(i.number AS text), greatest(8, length(CAST(i.number AS text))), '0'), i.customer_id,
    i.subscription_id, i.status, i.currency
"""
_DUE = "greatest(i.total + i.tax - i.prepaid_applied, 0) - i.credit_applied"
# Final invoices alone: a draft can still change, and is nothing for the books.
_FINAL = """
    FROM invoices AS i
    LEFT JOIN subscriptions AS s ON s.id = i.subscription_id
"""


def _in_span(column: str) -> str:
    return f"""
        (CAST(:start AS timestamptz) IS NULL OR {column} >= CAST(:start AS timestamptz))
        AND (CAST(:end AS timestamptz) IS NULL OR {column} < CAST(:end AS timestamptz))
    """


STATEMENTS: Mapping[Export, TextClause] = {
    Export.INVOICES: text(f"""
        SELECT {_INVOICE}, i.kind, i.period_start, i.period_end, coalesce(s.timezone, 'UTC'), i.total,
            i.credit_applied, CASE WHEN i.status IN ('paid', 'void') THEN 0 ELSE {_DUE} END,
            i.finalized_at, i.due_at, i.paid_at, i.voided_at, i.payment_reference, i.payment_method,
            coalesce(i.buyer ->> 'legalName', i.buyer ->> 'name'), i.buyer -> 'address' ->> 'country',
            i.buyer ->> 'taxId', i.buyer ->> 'buyerReference', i.seller ->> 'legalName', i.seller ->> 'taxId',
            CASE WHEN i.taxes IS NOT NULL THEN i.tax END, CASE WHEN i.taxes IS NOT NULL THEN i.total + i.tax END,
            i.prepaid_applied
        {_FINAL}
        WHERE i.status <> 'draft' AND {_in_span("i.finalized_at")}
        ORDER BY i.number
    """),
    Export.ITEMS: text(f"""
        SELECT {_INVOICE}, t.id, t.kind, t.usage_type_id, t.cell, t.period_start, t.period_end,
            coalesce(s.timezone, 'UTC'), t.quantity, t.billable, t.allowance, t.covered, t.price ->> 'unitPrice',
            t.amount, i.finalized_at, t.description, t.tax_category, t.tax_country, t.tax_rate
        {_FINAL}
        JOIN usage_invoice_items AS t ON t.invoice_id = i.id
        WHERE i.status <> 'draft' AND {_in_span("i.finalized_at")}
        ORDER BY i.number, t.period_start, t.usage_type_id, t.id
    """),
    # By subscription, whose recordings of a span an index finds.
    Export.USAGE: text(f"""
        SELECT u.id, s.customer_id, s.id, u.usage_type_id, u.occurred_at, u.received_at, u.recorded_at, s.timezone,
            u.quantity, u.beyond_limit, u.source, u.idempotency_key, v.voided_at, v.reason
        FROM subscriptions AS s
        CROSS JOIN LATERAL (
            SELECT *
            FROM usage
            WHERE {SUBSCRIPTION_HASH} = hashtextextended(s.id, 0) AND coalesce(subscription_id = s.id, false)
                AND {PLACE} >= :first AND {PLACE} < :last
            ORDER BY {PLACE}
        ) AS u
        LEFT JOIN usage_voids AS v ON v.usage_id = u.id
        ORDER BY s.id
    """),  # noqa: S608
    Export.CREDITS: text(f"""
        SELECT e.id, e.customer_id, e.currency, e.kind, e.amount, e.invoice_id,
            'INV-' || lpad(CAST(i.number AS text), greatest(8, length(CAST(i.number AS text))), '0'), e.created_at,
            e.reason
        FROM credit_entries AS e
        LEFT JOIN invoices AS i ON i.id = e.invoice_id
        WHERE {_in_span("e.created_at")}
        ORDER BY e.id
    """),  # noqa: S608
    Export.PAYMENTS: text(f"""
        SELECT {_INVOICE}, {_DUE}, i.credit_applied, i.paid_at, i.payment_reference, i.payment_method
        {_FINAL}
        WHERE i.paid_at IS NOT NULL AND {_in_span("i.paid_at")}
        ORDER BY i.paid_at, i.number
    """),
}
