"""Cells come to what their meter does, to the last place; and what proves it has an arithmetic of its own."""

from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.rating.price import parse_price
from usage_billing.rating.pricing.by_dimension import ByDimension
from usage_billing.rating.pricing.cell_totals import SegmentSeries, SeriesTotal, totals_of_cells
from usage_billing.reports.verify.cell_totals import Counted, cells_in

UNIT = {"model": "per_unit", "unitPrice": "1"}
PRICE: dict[str, Any] = {
    "model": "by_dimension",
    "cells": [{"name": name, "when": {"class": name}, "price": UNIT} for name in ("hot", "cold", "tape")],
    "default": UNIT,
}
MODEL = parse_price(PRICE).model
ATOM = Decimal("0.000000000001")
# A third of a unit, all of one, nothing, something below nothing, and what only the last place knows.
parts = st.sampled_from((0, 0, 1, 2, 3, 7, 30, 100, -1, -5))
names = st.sampled_from(("hot", "cold", "tape", "x", "y"))
given_series = st.lists(st.tuples(names, parts), max_size=5)


def half_up(value: Fraction) -> int:
    size = floor(abs(value) * 10**12 + Fraction(1, 2))
    return size if value >= 0 else -size


def segments_of(used: list[list[tuple[str, int]]], divisor: int) -> list[SegmentSeries]:
    """Rounded as a meter's segments are: what is reached by the end of each, less what was reached before."""
    found, whole, reached = list[SegmentSeries](), Fraction(0), 0
    for one in used:
        whole += Fraction(sum(part for _, part in one), divisor)
        value, reached = Decimal(half_up(whole) - reached) * ATOM, half_up(whole)
        series = [SeriesTotal({"class": name}, Decimal(part)) for name, part in one]
        found.append(SegmentSeries(series, value, divisor))
    return found


def come_to(used: list[list[tuple[str, int]]], divisor: int) -> list[dict[str, Decimal]]:
    assert isinstance(MODEL, ByDimension)
    segments = segments_of(used, divisor)
    return [totals_of_cells(MODEL, segments[:end]) for end in range(1, len(segments) + 1)]


@given(st.lists(given_series, min_size=1, max_size=4), st.sampled_from((3, 7, 900, 3600)))
@examples(200)
def test_cells_add_up_to_what_the_meter_comes_to(used: list[list[tuple[str, int]]], divisor: int) -> None:
    for segment, cells in zip(segments_of(used, divisor), come_to(used, divisor), strict=True):
        assert sum_of(cells.values()) == max(segment.value, Decimal(0))
        assert min(cells.values()) >= 0


@given(st.lists(given_series, min_size=1, max_size=4), st.sampled_from((3, 7, 900)))
@examples(200)
def test_what_a_cell_comes_to_exactly_it_has_and_where_nothing_stood_it_has_nothing(
    used: list[list[tuple[str, int]]], divisor: int
) -> None:
    """Without anything below nothing."""
    used = [[(name, abs(part)) for name, part in one] for one in used]
    found = come_to(used, divisor)
    for one, cells in zip(used, found, strict=True):
        for name in cells:
            assert cells[name] == 0 or any(part and name in (cell, "default") for cell, part in one)
    for name in ("hot", "cold", "tape"):
        whole = Fraction(sum(part for one in used for cell, part in one if cell == name), divisor)
        reached = Fraction(sum_of(cells[name] for cells in found))
        assert abs(reached - whole) < Fraction(1, 10**12) * len(used)
        assert reached == whole or len(used) > 1 or (whole * 10**12).denominator > 1


def test_a_cell_that_is_cut_in_thirds_comes_to_all_of_them() -> None:
    used = [[("hot", 100), ("cold", 7), ("x", 1)], [("hot", 200), ("cold", 14), ("x", 2)]]
    first, second = come_to(used, 3)
    assert {name: EXACT.add(first[name], second[name]) for name in first} == {
        "hot": 100, "cold": 7, "tape": 0, "default": 1
    }  # fmt: skip


def test_what_is_below_nothing_is_taken_off_the_others_as_they_are_listed() -> None:
    [cells] = come_to([[("hot", 10), ("cold", -25), ("tape", 20), ("x", 4)]], 1)
    assert cells == {"hot": 0, "cold": 0, "tape": 5, "default": 4}
    [cells] = come_to([[("hot", 10), ("cold", -25)]], 1)
    assert set(cells.values()) == {0}


@given(st.lists(given_series, min_size=1, max_size=4), st.sampled_from((1, 3, 7, 3600)))
@examples(200)
def test_what_verifies_cells_comes_to_the_same(used: list[list[tuple[str, int]]], divisor: int) -> None:
    counted = [
        Counted([(one.values, Fraction(one.total) / divisor) for one in segment.series], Fraction(segment.value))
        for segment in segments_of(used, divisor)
    ]
    for place, cells in enumerate(come_to(used, divisor)):
        assert cells_in(PRICE, counted, place) == cells
