"""Every example of docs/pricing.md, rated."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit
from usage_billing.reports.preview import Trial, TriedSeries, preview

TEXT = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text(encoding="utf-8")
# A price, and the table that follows it.
_EXAMPLES = re.compile(r"```json\n((?:.+\n)+)```\n\n((?:\|.*\n)+)")


def examples() -> list[tuple[str, dict[str, str]]]:
    """Each price with each row of its table, by the table's headings."""
    found = []
    for price, table in _EXAMPLES.findall(TEXT):
        heading, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
        found += [(price, dict(zip(heading, row, strict=True))) for row in rows]
    return found


def series(text: str) -> Iterator[TriedSeries]:
    """``gpt output 100, llama input 5``: model, direction and quantity of each."""
    for one in text.split(", "):
        model, direction, quantity = one.split()
        yield TriedSeries(dimensions={"model": model, "direction": direction}, quantity=Decimal(quantity))


@pytest.mark.parametrize(("price", "row"), examples(), ids=lambda value: str(value)[:60])
def test_an_example_holds(price: str, row: dict[str, str]) -> None:
    currency = row.get("currency", "USD")
    parsed = json.loads(price, parse_float=Decimal)
    if "series" in row:
        allowance = Decimal(row["allowance"]) if "allowance" in row else None
        trial = Trial(price=parsed, currency=currency, series=list(series(row["series"])), allowance=allowance)
    elif "quantities" in row:
        quantities = [Decimal(one) for one in row["quantities"].split(", ")]
        trial = Trial(price=parsed, currency=currency, quantities=quantities)
    else:
        recordings = int(row.get("recordings", 1))
        trial = Trial(price=parsed, currency=currency, quantity=Decimal(row["quantity"]), recordings=recordings)
    found = preview(trial)
    assert money_text(found.amount, minor_unit(currency)) == (row.get("amount in USD") or row["amount"])


def test_every_model_has_examples() -> None:
    models = {json.loads(price)["model"] for price, _ in examples()}
    assert models == {"per_unit", "graduated", "volume", "package", "percentage", "flat", "by_dimension"}
