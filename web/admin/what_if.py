"""What recorded history would have cost on another plan or at other prices, and what a price charges."""

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from typing import Any

from markupsafe import Markup
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, PRICE_JSON, QUANTITY
from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.customers.queries import get_customer
from usage_billing.rating.price import parse_price
from usage_billing.reports.preview import Trial, preview
from usage_billing.reports.what_if import Comparison, Question, what_if
from usage_billing.wire.noun import show
from usage_billing.wire.preview import PREVIEW
from web.admin.blueprint import address
from web.admin.desk import Desk
from web.admin.forms import Box, Form, try_out
from web.admin.frame import part
from web.admin.kinds import PRICES
from web.admin.lists import ROWS

_PRICE = '{"model": "per_unit", "unitPrice": "0.08"}'


def _question(_: Session) -> Form:
    return Form(
        title="What if",
        says="Recorded usage rated again under another plan or at other prices; nothing is written.",
        verb="Reckon it",
        current="plans",
        back=address("plans"),
        boxes=[
            Box(name="from", label="Usage from", kind=TIME, help="Such as 2026-01-01."),
            Box(name="to", label="to, exclusive", kind=TIME, help="Such as 2026-04-01."),
            Box(name="planId", label="As if on the plan", kind=IDENTIFIER, required=False,
                help="Each stays on its own, if empty."),
            Box(name="prices", label="At these prices", kind=PRICES, type="area", rows=4, required=False,
                help=f"One a line: TYPE=JSON, such as report={_PRICE}."),
            Box(name="userId", label="Only the customer", kind=IDENTIFIER, required=False),
        ],
    )  # fmt: skip


def _answer(desk: Desk, values: dict[str, Any]) -> Markup:
    if values["planId"] is None and not values["prices"]:
        raise InvalidInput.field("/planId", "say what is to be other: the plan or a price", code="required")
    other = {name: parse_price(price, pointer="/prices").fields() for name, price in values["prices"] or ()}
    for name in other:
        get_named(desk.session, UsageType, name)
    if values["userId"] is not None:
        get_customer(desk.session, values["userId"])
    question = Question(
        start=values["from"], end=values["to"], plan_id=values["planId"], prices=other, customer_id=values["userId"]
    )
    rows = sorted(what_if(desk.session, question), key=lambda row: -abs(row.difference))
    shown = [_shape(row.customer_id, [row], row.currency) for row in rows[:ROWS]]
    totals = [
        _shape("", [row for row in rows if row.currency == code], code) for code in sorted({r.currency for r in rows})
    ]
    paid = any(row.actual_prepaid or row.hypothetical_prepaid for row in rows)
    return part(desk, "compared", customers=shown, totals=totals, paid=paid, more=max(0, len(rows) - ROWS))


def _shape(name: str, rows: Sequence[Comparison], currency: str) -> dict[str, Any]:
    def total(amounts: Sequence[Decimal]) -> str:
        return plain(reduce(EXACT.add, amounts, Decimal(0)))

    return {
        "name": name,
        "currency": currency,
        "customers": len(rows),
        "winners": sum(row.difference < 0 for row in rows),
        "losers": sum(row.difference > 0 for row in rows),
        "actual": total([row.actual for row in rows]),
        "hypothetical": total([row.hypothetical for row in rows]),
        "difference": total([row.difference for row in rows]),
        "actualPrepaid": total([row.actual_prepaid for row in rows]),
        "hypotheticalPrepaid": total([row.hypothetical_prepaid for row in rows]),
    }


def _price(_: Session) -> Form:
    return Form(
        title="Try a price",
        says="A quantity rated tier by tier, before any plan has the price; nothing is stored.",
        verb="Reckon it",
        current="plans",
        back=address("plans"),
        boxes=[
            Box(name="price", label="Price", kind=PRICE_JSON, type="area", rows=5, help=f"Such as {_PRICE}."),
            Box(name="currency", label="Currency", value="USD"),
            Box(name="quantity", label="Quantity beyond the allowance", kind=QUANTITY),
        ],
    )


def _rated(desk: Desk, values: dict[str, Any]) -> Markup:
    trial = Trial(price=values["price"], currency=values["currency"], quantity=values["quantity"])
    return part(desk, "rated", preview=show(PREVIEW, preview(trial)))


try_out("/plans/what-if", "what_if", _question, _answer)
try_out("/plans/try-a-price", "price", _price, _rated)
