"""The least that billing could cost: read the summaries, COPY an invoice for each subscription and an item for each.

In one connection and one transaction, into tables with the columns, checks and indexes of ours; no foreign keys, no
triggers, nothing rated and nothing looked up.
"""

import time
from typing import Any

import psycopg

from usage_billing.core.identifiers import new_id

_CHUNK = 10_000
_READ = """
    SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start, s.period_end, s.bills_at, s.quota_id, s.allowance,
        s.total, s.beyond_limit, s.events, s.beyond_events, s.voids, s.events_hash
    FROM usage_summaries AS s ORDER BY s.subscription_id
"""
_INVOICES = """
    COPY yardstick_invoices (id, number, customer_id, subscription_id, currency, status, period_start, period_end,
        total, credit_applied, due_at, finalized_at) FROM STDIN
"""
_ITEMS = """
    COPY yardstick_usage_invoice_items (id, invoice_id, summary_id, quota_id, usage_type_id, kind, period_start,
        period_end, total, billable, quantity, charged_before, amount, allowance, price, events, billable_events,
        voids, events_hash, description) FROM STDIN
"""
_PRICE = '{"model": "per_unit", "unitPrice": "0.25"}'


def copy_books(connection: psycopg.Connection) -> float:
    """Seconds that it takes; what was written is dropped again."""
    for table in ("invoices", "usage_invoice_items"):
        connection.execute(f"CREATE TABLE yardstick_{table} (LIKE {table} INCLUDING ALL)")  # type: ignore[arg-type]
    connection.commit()
    started = time.perf_counter()
    with connection.cursor(name="summaries") as reading, connection.cursor() as writing:
        reading.itersize = _CHUNK
        reading.execute(_READ)
        number = 0
        while rows := reading.fetchmany(_CHUNK):
            invoices: dict[str, tuple[Any, ...]] = {}
            items = []
            for row in rows:
                if row[1] not in invoices:
                    number += 1
                    invoices[row[1]] = _invoice(row, number)
                items.append(_item(row, invoices[row[1]][0]))
            with writing.copy(_INVOICES) as copy:
                for invoice in invoices.values():
                    copy.write_row(invoice)
            with writing.copy(_ITEMS) as copy:
                for item in items:
                    copy.write_row(item)
    connection.commit()
    seconds = time.perf_counter() - started
    for table in ("invoices", "usage_invoice_items"):
        connection.execute(f"DROP TABLE yardstick_{table}")  # type: ignore[arg-type]
    connection.commit()
    return seconds


def _invoice(row: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    return (new_id(), number, row[1], row[1], "USD", "finalized", row[3], row[4], row[9], 0, row[5], row[5])


def _item(row: tuple[Any, ...], invoice: Any) -> tuple[Any, ...]:
    description = f"{row[9]} {row[2]}s beyond the allowance, 2026-10-01 to 2026-11-01"
    return (
        *(new_id(), invoice, row[0], row[6], row[2], "usage", row[3], row[4], row[8], row[9], row[9], 0, row[9]),
        *(row[7], _PRICE, row[10], row[11], row[12], row[13], description),
    )
