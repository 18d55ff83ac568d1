"""The judge: compares what the clients were told with what the books hold, by SQL of its own and from outside.

Nothing of the product's code is used; what it finds wrong is returned as sentences.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.faults.load import Told
from tests.faults.world import QUOTAS

Sql = Callable[..., list[tuple[Any, ...]]]
_MOST = 5

_USAGE = """
SELECT u.idempotency_key, u.id::text, u.subscription_id, u.usage_type_id, u.quantity, u.occurred_at FROM usage AS u
"""
_SUMMARIES = """
SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start, s.total, s.beyond_limit FROM usage_summaries AS s
"""
_CHARGED = """
SELECT m.summary_id, sum(m.quantity), sum(m.amount) FROM usage_invoice_items AS m
JOIN invoices AS i ON i.id = m.invoice_id AND i.status <> 'void' GROUP BY 1
"""
_FINAL = """
SELECT i.id::text, md5(i.number::text || i.total::text || i.period_start::text || i.finalized_at::text
    || coalesce(string_agg(m.id::text || m.quantity::text || m.amount::text, ',' ORDER BY m.id), ''))
FROM invoices AS i LEFT JOIN usage_invoice_items AS m ON m.invoice_id = i.id
WHERE i.status = 'finalized' GROUP BY i.id
"""


def final_invoices(sql: Sql) -> dict[str, str]:
    """A fingerprint of every finalized invoice, by its id."""
    return dict(sql(_FINAL))


def judge_recordings(told: Told, sql: Sql) -> Iterator[str]:
    """Each acknowledged acceptance has one fate, each key is recorded once as it was sent, nothing else is there."""
    recorded = sql(_USAGE)
    by_key: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in recorded:
        by_key[row[0]].append(row)
    usage = {row[1] for row in recorded}
    duplicates = {row[0] for row in sql("SELECT id::text FROM usage_duplicates")}
    aside = {row[0]: row[1:] for row in sql("SELECT id::text, reason, payload->>'key' FROM quarantined_usage")}
    fates = Counter([*usage, *duplicates, *aside])
    yield from _some("has more than one fate", [name for name, number in fates.items() if number > 1])
    ids = [acknowledged[2] for acknowledged in told.acknowledged]
    yield from _some("was acknowledged and is nowhere", [name for name in ids if name not in fates])
    failed = [f"{name} ({row[0]})" for name, row in aside.items() if row[0] in {"failed", "broken_payload"}]
    yield from _some("was set aside though nothing is wrong with it", failed)
    good = {key for key, kind, _ in told.acknowledged if kind == "good"}
    wrong = {key for key, kind, _ in told.acknowledged if kind == "wrong"}
    yield from _some("was acknowledged and its key is not recorded", [key for key in good if key not in by_key])
    yield from _some("could not be counted and was", [key for key in wrong if key in by_key])
    yield from _some("is recorded more than once", [key for key, rows in by_key.items() if len(rows) > 1])
    keys_aside = {row[1] for row in aside.values()}
    yield from _some("was sent by no client", [key for key in {*by_key, *keys_aside} if key not in told.sent])
    other = [key for key, rows in by_key.items() if key in told.sent and not _same(told.sent[key], rows[0])]
    yield from _some("is recorded otherwise than it was sent", other)
    conflicts = [name for _, kind, name in told.acknowledged if kind == "conflict"]
    yield from _some("conflicts and is not in quarantine", [name for name in conflicts if name not in aside])


def judge_totals(told: Told, sql: Sql) -> Iterator[str]:
    """Totals are the sums of what was sent and is recorded; nothing waits to be rated, every unit is charged once."""
    present = {row[0] for row in sql(_USAGE)}
    wanted: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for key in present & told.sent.keys():
        event = told.sent[key]
        wanted[event["subscriptionId"], event["usageType"], event["timestamp"][:7]] += Decimal(event["quantity"])
    found = {(row[1], row[2], f"{row[3]:%Y-%m}"): row for row in sql(_SUMMARIES)}
    yield from _some("has usage and no summary", [str(name) for name in wanted if name not in found])
    charged = {row[0]: row[1:] for row in sql(_CHARGED)}
    for name, (summary_id, _, usage_type, _, total, beyond) in found.items():
        limit, price = QUOTAS[usage_type]
        if total != wanted[name]:
            yield f"the total of {name} is {total}, sent were {wanted[name]}"
        if beyond != (max(total - limit, Decimal(0)) if limit is not None else 0):
            yield f"of {name} {beyond} is beyond the limit, not {max(total - (limit or 0), Decimal(0))}"
        quantity, amount = charged.get(summary_id, (Decimal(0), Decimal(0)))
        due, shown = (_rounded(units * (price or 0)) for units in (beyond, quantity))
        # An item of 0.00 is left out, and the next one with an amount tells the quantity.
        if quantity != beyond and shown != due:
            yield f"of {name} {quantity} units are on invoices, {beyond} are billable"
        if amount != due:
            yield f"for {name} {amount} is charged, {due} is due"


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def judge_invoices(sql: Sql, seen: dict[str, str]) -> Iterator[str]:
    """Numbers without gap or double, totals the sums of their items, and what was final before is so unchanged."""
    numbers = [row[0] for row in sql("SELECT number FROM invoices WHERE number IS NOT NULL ORDER BY number")]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"{len(numbers)} invoices have the numbers up to {numbers[-1]}"
    unequal = sql(
        "SELECT i.id::text FROM invoices AS i LEFT JOIN usage_invoice_items AS m ON m.invoice_id = i.id"
        " GROUP BY i.id HAVING i.total <> coalesce(sum(m.amount), 0)"
    )
    yield from _some("does not add up", [row[0] for row in unequal])
    now = final_invoices(sql)
    yield from _some("was final and is another", [name for name, hash in seen.items() if now.get(name) != hash])


def judge_answers(told: Told) -> Iterator[str]:
    """No answer of 500, none without Retry-After that should have it, none slower than five seconds."""
    yield from _some("was answered", [str(line) for line in told.bad])
    yield from _some("was answered too late", [str(line) for line in told.slow])


def judge(told: Told, sql: Sql, seen: dict[str, str] | None = None) -> list[str]:
    """Everything at once; an empty list is a clean bill."""
    return [
        *judge_recordings(told, sql),
        *judge_totals(told, sql),
        *judge_invoices(sql, seen or {}),
        *judge_answers(told),
    ]


def _same(sent: dict[str, Any], row: tuple[Any, ...]) -> bool:
    return (sent["subscriptionId"], sent["usageType"], Decimal(sent["quantity"]), _instant(sent["timestamp"])) == (
        row[2],
        row[3],
        row[4],
        row[5],
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _some(what: str, names: list[str]) -> Iterator[str]:
    if names:
        yield f"{len(names)} times: {what}, such as {', '.join(sorted(names)[:_MOST])}"
