"""Prices by dimension: what is refused, and the arithmetic of cells over a period."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import decimals, examples
from usage_billing.core.decimals import sum_of
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.engine import rate, stored_price
from usage_billing.rating.price import has_minimum, parse_price
from usage_billing.rating.pricing.by_dimension import (
    ALLOWANCES,
    IN_ORDER,
    IN_PROPORTION,
    ByDimension,
    share_allowance,
)
from usage_billing.rating.pricing.cell_totals import SegmentSeries, SeriesTotal, totals_of_cells
from usage_billing.reports.preview import Trial, TriedSeries, preview

UNIT = {"model": "per_unit", "unitPrice": "1"}


def cell(name: str = "a", price: dict[str, Any] = UNIT, **when: Any) -> dict[str, Any]:
    return {"name": name, "when": when or {"model": "gpt"}, "price": price}


def by_dimension(*cells: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {"model": "by_dimension", "cells": list(cells), "default": UNIT, **given}


def model_of(price: dict[str, Any]) -> ByDimension:
    model = parse_price(price).model
    assert isinstance(model, ByDimension)
    return model


@pytest.mark.parametrize(
    ("price", "pointer", "code"),
    [
        (by_dimension(), "/price/cells", "required"),
        (by_dimension(cell(), cell("b", model="gpt")), "/price/cells/1", "contradiction"),
        (
            by_dimension(cell(model=["gpt", "x"]), cell("b", model="x", direction=["in", "out"])),
            "/price/cells/1",
            "contradiction",
        ),
        (by_dimension(cell(), cell(model="x")), "/price/cells/1", "contradiction"),
        (by_dimension(cell("default")), "/price/cells/0", "contradiction"),
        (by_dimension(cell("")), "/price/cells/0/name", "bad_text"),
        (by_dimension(cell("a\nb")), "/price/cells/0/name", "bad_text"),
        (by_dimension(cell("x" * 129)), "/price/cells/0/name", "bad_text"),
        (by_dimension({"name": "a", "price": UNIT}), "/price/cells/0/when", "required"),
        (by_dimension({"name": "a", "when": {}, "price": UNIT}), "/price/cells/0/when", "required"),
        (by_dimension({"name": "a", "when": {"model": "x"}}), "/price/cells/0/price", "required"),
        (by_dimension(cell(model=[])), "/price/cells/0/when/model", "not_supported"),
        (by_dimension(cell(model=[["x"]])), "/price/cells/0/when/model", "not_supported"),
        (by_dimension(cell(model="x" * 129)), "/price/cells/0/when/model", "not_supported"),
        (by_dimension(cell(model=Decimal("0.5"))), "/price/cells/0/when/model", "not_supported"),
        (by_dimension(cell(model=["x", "x"])), "/price/cells/0/when/model", "contradiction"),
        (by_dimension(cell() | {"of": 1}), "/price/cells/0/of", "unknown"),
        (by_dimension(cell() | {"limit": 1}), "/price/cells/0/limit", "contradiction"),
        (by_dimension(cell() | {"limit": -1}, allowance="limit"), "/price/cells/0/limit", "not_a_decimal"),
        (by_dimension(cell(), allowance="equally"), "/price/allowance", "not_supported"),
        (by_dimension(cell(), default=None), "/price/default", "required"),
        (by_dimension(cell(), default="1"), "/price/default", "not_an_object"),
        (by_dimension(cell(price={"model": "free"})), "/price/cells/0/price/model", "not_supported"),
        (by_dimension(cell(), default=by_dimension(cell())), "/price/default/model", "not_supported"),
        (
            by_dimension(cell(price={"model": "percentage", "rate": "0.1", "fixedFee": "1"})),
            "/price/cells/0/price",
            "not_supported",
        ),
        (by_dimension(cell(), roundQuantity={"to": "1", "mode": "up"}), "/price/roundQuantity", "contradiction"),
        (by_dimension("a"), "/price/cells/0", "not_an_object"),
    ],
)
def test_what_is_refused(price: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_price(price)
    assert [(e.pointer, e.code) for e in refused.value.fields] == [(pointer, code)]


def test_a_value_has_a_kind() -> None:
    """true is not 1, "1" is not 1, null is not "", and 1.0 is 1; nor are lists of cells equal that differ so."""
    model = model_of(
        by_dimension(
            cell("one", x=1), cell("text", x="1"), cell("true", x=True), cell("null", x=None), cell("empty", x="")
        )
    )
    values = {"one": (1, Decimal("1.0")), "text": ("1",), "true": (True,), "null": (None,), "empty": ("",)}
    for name, found in values.items():
        assert {model.cell_of({"x": value}) for value in found} == {name}
    assert {model.cell_of({"x": False}), model.cell_of({}), model.cell_of({"y": 1})} == {"default"}
    assert stored_price(parse_price(by_dimension(cell(x=1))).fields()) != parse_price(by_dimension(cell(x=True)))


def test_a_price_is_what_is_stored_of_it() -> None:
    price = parse_price(by_dimension(cell(x=[1, "1", None, True]), minimumAmount="1", allowance="in_proportion"))
    assert stored_price(price.fields()) == price
    assert has_minimum(price.fields())
    assert has_minimum(by_dimension(cell(price=UNIT | {"minimumAmount": "5"})))
    assert not has_minimum(by_dimension(cell()))


totals = st.lists(decimals("0", "1000", places=12), min_size=1, max_size=6)


@given(decimals("0", "3000", places=12), totals, st.sampled_from([IN_ORDER, IN_PROPORTION]))
@examples(300)
def test_the_shares_of_an_allowance_add_up_to_it(allowance: Decimal, used: list[Decimal], way: str) -> None:
    shares = share_allowance(allowance, used, way)
    assert sum_of(shares) == allowance
    assert all(share >= 0 for share in shares)
    # None is charged while another has more than it uses.
    beyond = sum_of(max(total - share, Decimal(0)) for total, share in zip(used, shares, strict=True))
    assert beyond == max(sum_of(used) - allowance, Decimal(0))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(0, 9))
@examples(200)
def test_shares_of_the_smallest_units_add_up(used: list[int], allowance: int) -> None:
    unit = Decimal("0.000000000001")
    test_the_shares_of_an_allowance_add_up_to_it.hypothesis.inner_test(  # type: ignore[attr-defined]
        allowance * unit, [one * unit for one in used], IN_PROPORTION
    )


names = st.sampled_from(["gpt", "gpt-mini", "llama", None])
tried = st.lists(st.tuples(names, st.sampled_from(["in", "out"]), decimals("0", "500", places=3)), max_size=6)
PRICED = by_dimension(
    cell("out", {"model": "per_unit", "unitPrice": "0.013"}, model="gpt", direction="out"),
    cell("gpt", {"model": "package", "packageSize": "7", "packagePrice": "0.5"}, model=["gpt", "gpt-mini"]),
    discountPercent="10",
    minimumAmount="2",
    maximumAmount="400",
)


@given(tried, decimals("0", "900", places=3), st.sampled_from(ALLOWANCES[:2]), st.randoms(use_true_random=False))
@examples(150)
def test_the_order_of_series_does_not_matter(
    used: list[tuple[str | None, str, Decimal]], allowance: Decimal, way: str, random: Any
) -> None:
    def amount(these: list[tuple[str | None, str, Decimal]]) -> Decimal:
        series = [TriedSeries(dimensions={"model": m, "direction": d}, quantity=q) for m, d, q in these]
        price = PRICED | {"allowance": way}
        return preview(Trial(price=price, currency="USD", series=series, allowance=allowance)).amount

    shuffled = random.sample(used, len(used))
    assert amount(shuffled) == amount(used)


@given(tried, decimals("0", "900", places=3))
@examples(100)
def test_cells_of_one_price_in_proportion_come_to_the_whole_within_the_places(
    used: list[tuple[str | None, str, Decimal]], allowance: Decimal
) -> None:
    price = {"model": "per_unit", "unitPrice": "0.017"}
    cells = by_dimension(cell("a", price), cell("b", price, direction="out"), default=price, allowance="in_proportion")
    series = [TriedSeries(dimensions={"model": m, "direction": d}, quantity=q) for m, d, q in used]
    found = preview(Trial(price=cells, currency="USD", series=series, allowance=allowance)).amount
    whole = max(sum_of(q for _, _, q in used) - allowance, Decimal(0))
    alone = rate(parse_price(price), whole, recordings=0, currency="USD").amount
    assert abs(found - alone) <= Decimal("0.015")  # each of three cells is rounded by half a cent at most


@given(tried)
@examples(50)
def test_every_series_has_one_cell_and_cells_add_up(used: list[tuple[str | None, str, Decimal]]) -> None:
    series = [SeriesTotal({"model": m, "direction": d}, q) for m, d, q in used]
    assert sum_of(totals_of_cells(model_of(PRICED), [SegmentSeries.in_units(series)]).values()) == sum_of(
        q for _, _, q in used
    )


def test_the_first_cell_that_a_series_meets_is_its_cell() -> None:
    cells = [cell("a", direction="out"), cell("b", model="gpt"), cell("c", model="x")]
    met = {
        order[0]["name"]: model_of(by_dimension(*order)).cell_of({"model": "gpt", "direction": "out"})
        for order in permutations(cells, 3)
        if order[0]["name"] != "c"
    }
    assert met == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"price": UNIT}, "/series"),
        ({"quantity": Decimal(1)}, "/quantity"),
        ({"recordings": 1}, "/recordings"),
        ({"price": by_dimension(cell(), allowance="limit"), "allowance": Decimal(1)}, "/allowance"),
        ({"series": [TriedSeries(dimensions={"x": []}, quantity=Decimal(1))]}, "/series/0/dimensions/x"),
        ({"series": None, "quantity": Decimal(1), "allowance": Decimal(1)}, "/allowance"),
    ],
)
def test_what_cannot_be_tried_is_refused(given: dict[str, Any], pointer: str) -> None:
    asked: dict[str, Any] = {"price": by_dimension(cell()), "currency": "USD", "series": []}
    with pytest.raises(InvalidInput) as refused:
        preview(Trial(**asked | given))
    assert [e.pointer for e in refused.value.fields] == [pointer]
