"""``usage-billing what-if``: what recorded history would have cost on another plan, or at other prices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.database import counting
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, print_rows, wide_option
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, PRICE_OF
from usage_billing.core.clock import instant_text
from usage_billing.core.decimals import EXACT
from usage_billing.core.money import money_text
from usage_billing.wire.noun import Shape

if TYPE_CHECKING:
    from usage_billing.reports.what_if import Comparison

_EXAMPLES = (
    "what-if --plan gold --from 2026-01-01 --to 2026-04-01",
    """what-if --price 'report={"model": "per_unit", "unitPrice": "0.08"}' --from 2026-01-01 --to 2026-02-01""",
)


@click.command(epilog=example(*_EXAMPLES))
@click.option("--plan", "plan_id", type=IDENTIFIER, help="As if all had been on this plan; else each stays on its own.")
@click.option("--from", "start", type=TIME, required=True, help="Usage that occurred from then on,")
@click.option("--to", "end", type=TIME, required=True, help="and before then.")
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only this customer.")
@click.option("--price", "prices", type=PRICE_OF, multiple=True, help="TYPE=JSON: at this price. May be repeated.")
@wide_option
@json_option
def command(
    *,
    plan_id: str | None,
    start: datetime,
    end: datetime,
    customer_id: str | None,
    prices: tuple[tuple[str, dict[str, Any]], ...],
    as_json: bool,
) -> None:
    """Rate recorded usage again under another plan or at other prices; nothing is written.

    It compares by the rules that bill, customer by customer: winners would pay less, losers more. Who is on a plan in
    another currency than PLAN stays on it.
    """
    from usage_billing.catalog.models import UsageType
    from usage_billing.catalog.queries import get_named
    from usage_billing.customers.queries import get_customer
    from usage_billing.rating.price import parse_price
    from usage_billing.reports.what_if import Question, what_if

    if plan_id is None and not prices:
        raise click.UsageError("Say what is to be other: --plan or --price.")
    other = {name: parse_price(price, pointer=f"/price/{name}").fields() for name, price in prices}
    question = Question(start=start, end=end, plan_id=plan_id, prices=other, customer_id=customer_id)
    with counting(customer_id=customer_id) as session:
        for name in other:
            get_named(session, UsageType, name)
        if customer_id is not None:
            get_customer(session, customer_id)
        rows = what_if(session, question)
    customers, totals = [_customer(row) for row in rows], _totals(rows)
    if as_json:
        asked = {"from": instant_text(start), "to": instant_text(end), "planId": plan_id, "prices": other}
        print_json({**asked, "customers": customers, "totals": totals})
        return
    print_rows(customers, as_json=False, empty="No customer had a subscription then.")
    if totals:
        print_rows(totals, as_json=False, empty="")


def _customer(row: Comparison) -> Shape:
    return {"userId": row.customer_id, **_amounts([row], row.currency)}


def _totals(rows: Sequence[Comparison]) -> list[Shape]:
    found = []
    for currency in sorted({row.currency for row in rows}):
        those = [row for row in rows if row.currency == currency]
        winners = sum(row.difference < 0 for row in those)
        losers = sum(row.difference > 0 for row in those)
        found.append({"customers": len(those), "winners": winners, "losers": losers, **_amounts(those, currency)})
    return found


def _amounts(rows: Sequence[Comparison], currency: str) -> Shape:
    from usage_billing.rating.currency import minor_unit

    def total(amounts: Iterable[Decimal]) -> str:
        return money_text(reduce(EXACT.add, amounts, Decimal(0)), minor_unit(currency))

    return {
        "currency": currency,
        "actual": total(row.actual for row in rows),
        "hypothetical": total(row.hypothetical for row in rows),
        "difference": total(row.difference for row in rows),
        "actualPrepaid": total(row.actual_prepaid for row in rows),
        "hypotheticalPrepaid": total(row.hypothetical_prepaid for row in rows),
    }
