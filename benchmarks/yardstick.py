"""The least that billing could cost: read all summaries, COPY an invoice for each subscription and an item for each
summary.

One connection copies 1,000 subscriptions at a time into tables with the columns, checks and indexes of the real ones,
but without their foreign keys and triggers. It rates nothing and looks nothing up.
"""

import time
from itertools import pairwise
from typing import Any

import psycopg

from usage_billing.core.identifiers import new_id

_CHUNK = 1_000
_READ = """
    SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start, s.period_end, s.bills_at, s.quota_id, s.allowance,
        s.total, s.beyond_limit, s.events, s.beyond_events, s.voids, s.events_hash
    FROM usage_summaries AS s WHERE s.subscription_id > %s AND s.subscription_id <= %s ORDER BY s.subscription_id
"""
_ENDS = "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM subscriptions) AS s WHERE n %% %s = 0"
_INVOICES = """
    COPY yardstick_invoices (id, number, customer_id, subscription_id, currency, status, period_start, period_end,
        total, credit_applied, due_at, finalized_at) FROM STDIN
"""
_ITEMS = """
    COPY yardstick_usage_invoice_items (id, invoice_id, summary_id, quota_id, usage_type_id, kind, period_start,
        period_end, total, billable, quantity, charged_before, amount, allowance, price, events, billable_events,
        voids, events_hash, description) FROM STDIN
"""


def copy_books(connection: psycopg.Connection) -> float:
    """Copy the books once and drop the copies; returns the seconds that copying took."""
    for table in ("invoices", "usage_invoice_items"):
        connection.execute(f"CREATE TABLE yardstick_{table} (LIKE {table} INCLUDING ALL)")  # type: ignore[arg-type]
    connection.commit()
    prices = dict(connection.execute("SELECT id, price::text FROM usage_quotas").fetchall())
    started = time.perf_counter()
    ends = [row[0] for row in connection.execute(_ENDS, (_CHUNK,))]
    number = 0
    for first, last in pairwise(["", *ends, "~"]):
        invoices: dict[str, tuple[Any, ...]] = {}
        items = []
        for row in connection.execute(_READ, (first, last)).fetchall():
            if row[1] not in invoices:
                number += 1
                invoices[row[1]] = _invoice(row, number)
            items.append(_item(row, invoices[row[1]][0], prices[row[6]]))
        with connection.cursor() as writing:
            for statement, made in ((_INVOICES, invoices.values()), (_ITEMS, items)):
                with writing.copy(statement) as copy:
                    for values in made:
                        copy.write_row(values)
        seconds = time.perf_counter() - started
    for table in ("invoices", "usage_invoice_items"):
        connection.execute(f"DROP TABLE yardstick_{table}")  # type: ignore[arg-type]
    connection.commit()
    return seconds


def _invoice(row: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    return (new_id(), number, row[1], row[1], "USD", "finalized", row[3], row[4], row[9], 0, row[5], row[5])


def _item(row: tuple[Any, ...], invoice: Any, price: str) -> tuple[Any, ...]:
    description = f"{row[9]} {row[2]}s beyond the allowance, 2026-10-01 to 2026-11-01"
    return (
        *(new_id(), invoice, row[0], row[6], row[2], "usage", row[3], row[4], row[8], row[9], row[9], 0, row[9]),
        *(row[7], price, row[10], row[11], row[12], row[13], description),
    )
