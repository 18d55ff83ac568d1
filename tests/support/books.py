"""The books seen from outside: by SQL and fractions alone, never with the code that wrote them."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Engine, text

from usage_billing.db.session import read_only

_SUMMARIES = """
SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start, s.total, s.beyond_limit, s.events, s.beyond_events,
       s.to_rate, s.quota_id, s.period_end, q.monthly_limit, q.price, p.currency
FROM usage_summaries s JOIN subscriptions a ON a.id = s.subscription_id JOIN plans p ON p.id = a.plan_id
LEFT JOIN usage_quotas q ON q.id = s.quota_id ORDER BY 2, 3, 4
"""
_DIGITS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of everything that was accepted."""

    recorded: int
    duplicates: int
    quarantined: int


def rows(engine: Engine, statement: str, **values: Any) -> list[Any]:
    """The rows of a query."""
    with read_only(engine) as session:
        return list(session.execute(text(statement), values))


def scalars(engine: Engine, statement: str, **values: Any) -> list[Any]:
    """The first column of a query."""
    return [row[0] for row in rows(engine, statement, **values)]


def counts(engine: Engine) -> Counts:
    """How many acceptances ended where."""
    return Counts(
        *(
            scalars(engine, f"SELECT count(*) FROM {table}")[0]
            for table in ("usage", "usage_duplicates", "quarantined_usage")
        )
    )


def totals(engine: Engine) -> list[tuple[str, str, Decimal, Decimal]]:
    """(subscription, usage type, total, beyond the limit) of every summary, zeros stripped."""
    found = rows(engine, _SUMMARIES)
    return [(r.subscription_id, r.usage_type_id, r.total.normalize(), r.beyond_limit.normalize()) for r in found]


def items(engine: Engine) -> list[tuple[str, str, Decimal, Decimal]]:
    """(kind, status of its invoice, quantity, amount) of every item, in the order of their periods."""
    found = rows(
        engine,
        "SELECT x.kind, i.status, x.quantity, x.amount"
        " FROM usage_invoice_items x JOIN invoices i ON i.id = x.invoice_id"
        " ORDER BY i.period_start, x.period_start, i.subscription_id, x.usage_type_id",
    )
    return [(r.kind, r.status, r.quantity.normalize(), r.amount) for r in found]


def check_books(engine: Engine) -> None:
    """Everything that must hold at any moment."""
    for summary in rows(engine, _SUMMARIES):
        _check_summary(engine, summary)
    _check_invoices(engine)
    stray = scalars(
        engine, "SELECT id FROM usage u WHERE NOT EXISTS (SELECT FROM usage_summaries WHERE id = u.summary_id)"
    )
    assert stray == []


def check_billed(engine: Engine) -> None:
    """Beside that, what must hold when nothing happened since the last run: all that is due is charged, once.

    Once its period is over, a quantity that costs 0.00 may be on no item: an adjustment of 0.00 is left out, and a
    draft on which every item is 0.00 becomes no invoice.
    """
    check_books(engine)
    assert scalars(engine, "SELECT count(*) FROM usage_summaries WHERE to_rate") == [0]


def _check_summary(engine: Engine, summary: Any) -> None:
    recorded = rows(
        engine,
        "SELECT u.ordinal, u.beyond_limit, CASE WHEN v.usage_id IS NULL THEN u.quantity ELSE 0 END AS quantity"
        " FROM usage u LEFT JOIN usage_voids v ON v.usage_id = u.id WHERE u.summary_id = :id ORDER BY u.ordinal",
        id=summary.id,
    )
    assert [row.ordinal for row in recorded] == list(range(1, summary.events + 1))
    limit = None if summary.monthly_limit is None else Fraction(summary.monthly_limit)
    total = beyond = Fraction(0)
    for row in recorded:
        before, total = total, total + Fraction(row.quantity)
        part = Fraction(0) if limit is None else max(Fraction(0), total - max(limit, before))
        assert Fraction(row.beyond_limit) == part, summary
        beyond += part
    assert Fraction(summary.total) == total
    assert Fraction(summary.beyond_limit) == beyond
    assert summary.beyond_events == sum(row.beyond_limit > 0 for row in recorded)
    if not summary.to_rate:
        _check_charged(engine, summary, beyond)


def _check_charged(engine: Engine, summary: Any, beyond: Fraction) -> None:
    charged = rows(
        engine,
        "SELECT sum(x.quantity) AS quantity, sum(x.amount) AS amount FROM usage_invoice_items x"
        " JOIN invoices i ON i.id = x.invoice_id WHERE x.summary_id = :id AND i.status <> 'void'",
        id=summary.id,
    )[0]
    if summary.monthly_limit is None:
        assert charged.amount is None, "something was charged without a limit"
        return
    scale = 10 ** _DIGITS[summary.currency]
    exact = beyond * Fraction(summary.price["unitPrice"]) * scale
    due = Fraction((2 * exact.numerator + exact.denominator) // (2 * exact.denominator), scale)
    assert Fraction(charged.amount or 0) == due
    assert Fraction(charged.quantity or 0) == beyond or _is_over(engine, summary)


def _is_over(engine: Engine, summary: Any) -> bool:
    """A run has looked at the summary after its period."""
    ran = "SELECT count(*) FROM billing_runs WHERE NOT dry_run AND as_of >= :end"
    return scalars(engine, ran, end=summary.period_end) != [0]


def _check_invoices(engine: Engine) -> None:
    wrong = rows(
        engine,
        "SELECT i.id, i.total, sum(x.amount) FROM invoices i LEFT JOIN usage_invoice_items x ON x.invoice_id = i.id"
        " GROUP BY i.id HAVING i.total <> coalesce(sum(x.amount), 0)",
    )
    assert wrong == []
    numbers = scalars(engine, "SELECT number FROM invoices WHERE number IS NOT NULL ORDER BY number")
    assert numbers == list(range(1, len(numbers) + 1))
    assert scalars(engine, "SELECT last FROM invoice_numbers") == [len(numbers)]
    doubled = rows(
        engine,
        "SELECT summary_id FROM usage_invoice_items x JOIN invoices i ON i.id = x.invoice_id WHERE i.status = 'draft'"
        " GROUP BY summary_id HAVING count(*) > 1",
    )
    assert doubled == [], "a summary is on two drafts"
