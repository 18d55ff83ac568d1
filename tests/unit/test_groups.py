"""Segments of one price are one quantity: worked figures, laws, and a slow model in fractions."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from math import floor
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.money.prices import cost
from tests.support.properties import decimals, examples
from usage_billing.rating.engine import rate
from usage_billing.rating.groups import Cell, CellCharge, Way, charge_cells
from usage_billing.rating.price import parse_price

THIRDS = [(Fraction(k, 3), Fraction(k + 1, 3)) for k in range(3)]
PER_UNIT = {"model": "per_unit", "unitPrice": "1"}
OTHER = {"model": "per_unit", "unitPrice": "2"}
TIERS = {
    "model": "graduated",
    "tiers": [{"upTo": "10", "unitPrice": "1", "flatFee": "9"}, {"upTo": None, "unitPrice": "0.5"}],
}


def cell(price: dict[str, Any] | None, quantity: str | int = 0, *, third: int = 0, whole: bool = False) -> Cell:
    """A segment of a third of the period; a recording for each, if there is any quantity."""
    first, last = THIRDS[third]
    amount = Decimal(quantity)
    parsed = None if price is None else parse_price(price)
    return Cell(price=parsed, first=first, last=last, whole=whole, quantity=amount, recordings=int(amount > 0))


def dues(*cells: Cell) -> list[Decimal]:
    return [charge.due for charge in charge_cells(cells, currency="USD") if charge is not None]


def test_tiers_hold_once_whatever_was_cut() -> None:
    assert dues(cell(TIERS, 8), cell(TIERS, 4, third=1), cell(TIERS, 2, third=2)) == [17, 3, 1]


def test_a_group_goes_on_after_another_price() -> None:
    found = dues(cell(PER_UNIT | {"minimumAmount": "0"}, 8), cell(OTHER, 1, third=1), cell(PER_UNIT, 4, third=2))
    assert found == [8, 2, 4]
    package = {"model": "package", "packageSize": "10", "packagePrice": "5"}
    assert dues(cell(package, 8), cell(OTHER, 1, third=1), cell(package, 2, third=2)) == [5, 2, 0]


def test_one_price_has_its_minimum_once_and_the_first_segment_bears_it() -> None:
    price = PER_UNIT | {"minimumAmount": "20"}
    assert dues(cell(price), cell(price, 15, third=1), cell(price, 10, third=2)) == [20, 0, 5]


def test_where_prices_differ_the_minimum_is_divided_as_running_differences() -> None:
    price = {"model": "per_unit", "minimumAmount": "50"}
    found = dues(*(cell(price | {"unitPrice": str(k)}, third=k) for k in range(3)))
    assert found == [Decimal("16.67"), Decimal("16.66"), Decimal("16.67")]


def test_without_division_each_group_has_its_whole_minimum() -> None:
    price = PER_UNIT | {"minimumAmount": "50"}
    assert dues(cell(price, whole=True), cell(OTHER | {"minimumAmount": "40"}, third=1, whole=True)) == [50, 40]


def test_flat_amounts_are_divided_too() -> None:
    assert dues(cell({"model": "flat", "amount": "9"}, 1), cell({"model": "flat", "amount": "12"}, 5, third=2)) == [
        3,
        4,
    ]
    assert dues(cell(TIERS, 4), cell(OTHER, third=1)) == [7, 0]


def test_a_maximum_is_used_up_like_an_allowance() -> None:
    hundred, sixty = PER_UNIT | {"maximumAmount": "100"}, OTHER | {"maximumAmount": "60"}
    assert dues(cell(hundred, 150), cell(hundred, 50, third=1)) == [100, 0]
    # 100 x 1/3 + 60 x 2/3 = 73.33, of which 50 are charged.
    assert dues(cell(hundred, 50), cell(sixty, 30, third=1)) == [50, Decimal("23.33")]
    assert dues(cell(hundred, 100), cell(sixty, 30, third=1)) == [100, 0]


def test_what_a_maximum_forgave_is_not_charged_later() -> None:
    low, high = PER_UNIT | {"maximumAmount": "30"}, OTHER | {"maximumAmount": "300"}
    # The cap is 30, then 210, then 120 when the first price is back: 30 were charged, and 5 are used.
    assert dues(cell(low, 500), cell(high, 1, third=1), cell(low, 5, third=2)) == [30, 2, 5]


def test_a_maximum_that_two_plans_share_is_whole_however_each_of_them_divides() -> None:
    """By days 31 of 60 are over when the plan changes, by time 30.5; in the last third nothing is ever charged."""
    by_day, by_time = ("days", True), ("time", False)
    shares = {by_day: (Fraction(0), Fraction(31, 60)), by_time: (Fraction(0), Fraction(61, 120))}
    rest = {way: (last, Fraction(2, 3)) for way, (_, last) in shares.items()}
    sixty = OTHER | {"maximumAmount": "60"}

    def of(way: Way, quantity: int, by_way: Mapping[Way, tuple[Fraction, Fraction]]) -> Cell:
        first, last = by_way[way]
        return replace(cell(sixty, quantity), way=way, by_way=by_way, first=first, last=last)

    for one, other in ((by_day, by_time), (by_time, by_day)):
        for later in (0, 7):
            assert dues(of(one, 400, shares), of(other, later, rest), cell(None, third=2)) == [60, 0]


def test_a_maximum_gives_nothing_back_after_time_that_is_never_charged() -> None:
    sixty = PER_UNIT | {"maximumAmount": "60"}
    assert dues(cell(sixty, 400), cell(None, 5, third=1), cell(sixty, third=2)) == [60, 0]
    # For two thirds of the period the price may come to 40.00.
    assert dues(cell(sixty, 30), cell(None, 5, third=1), cell(sixty, 400, third=2)) == [30, 10]


def test_what_is_never_charged_has_its_share_of_the_time_and_no_charge() -> None:
    found = charge_cells([cell(None, 500), cell(PER_UNIT | {"minimumAmount": "50"}, third=1)], currency="USD")
    assert [None if one is None else one.due for one in found] == [None, Decimal("16.66")]


prices = st.sampled_from(
    [
        PER_UNIT,
        OTHER | {"minimumAmount": "10"},
        TIERS,
        {"model": "package", "packageSize": "7", "packagePrice": "4.99", "freeUnits": "3"},
        {"model": "percentage", "rate": "0.029", "fixedFee": "0.3"},
        {"model": "percentage", "rate": "0.5", "fixedFee": "0.3", "freeRecordings": 2, "maximumPerRecording": "4"},
        {"model": "flat", "amount": "9.99", "minimumAmount": "2.5"},
        {"model": "per_unit", "unitPrice": "1", "discountPercent": "12.5", "roundQuantity": {"to": "5", "mode": "up"}},
        None,
    ]
)
capped = st.sampled_from(
    [
        PER_UNIT | {"maximumAmount": "40"},
        OTHER | {"maximumAmount": "90", "minimumAmount": "5"},
        TIERS | {"maximumAmount": "30"},
    ]
)


@st.composite
def periods(
    draw: st.DrawFn, *, kinds: st.SearchStrategy[Any] = prices | capped
) -> list[tuple[Any, list[Decimal], Fraction]]:
    """(price, what each recording reported, how long it is) of each segment."""
    count = draw(st.integers(1, 5))
    known = draw(st.lists(kinds, min_size=1, max_size=3))
    return [
        (
            draw(st.sampled_from(known)),
            draw(st.lists(decimals("0.01", "40", places=2), max_size=4)),
            Fraction(draw(st.integers(1, 9))),
        )
        for _ in range(count)
    ]


def cells_of(period: list[tuple[Any, list[Decimal], Fraction]]) -> list[Cell]:
    total = sum(length for _, _, length in period)
    at = Fraction(0)
    found: list[Cell] = []
    for price, each, length in period:
        found.append(
            Cell(
                price=None if price is None else parse_price(price),
                first=at / total,
                last=(at + length) / total,
                quantity=sum(each, Decimal(0)),
                recordings=len(each),
                each=each,
            )
        )
        at += length
    return found


def half_up(amount: Fraction) -> Fraction:
    return Fraction(floor(amount * 100 + Fraction(1, 2)), 100)


def part(text: str, cells: list[Cell]) -> str:
    amount = Fraction(text)
    return str(Decimal(int(sum(half_up(amount * c.last) - half_up(amount * c.first) for c in cells) * 100)) / 100)


def slow_dues(period: list[tuple[Any, list[Decimal], Fraction]]) -> list[Fraction | None]:
    """Written from the rules, group by group and anew for every segment."""
    cells = cells_of(period)
    differ = len({cell.price for cell in cells}) > 1
    found: list[Fraction | None] = []
    amounts: list[Fraction] = []  # what each group came to after each of its segments, as it went
    for k, (price, _, _) in enumerate(period):
        if price is None:
            found.append(None)
            amounts.append(Fraction(0))
            continue
        mine = [j for j in range(len(period)) if cells[j].price == cells[k].price]
        plain = {name: value for name, value in price.items() if name != "maximumAmount"}
        if differ:
            plain = divided(plain, [cells[j] for j in mine])

        come_to = partial(amount_up_to, period, plain, mine)
        before = sum((found[j] or Fraction(0) for j in mine if j < k), Fraction(0))
        amount = come_to(k)
        if "maximumAmount" in price:
            amount = min(amount, limit_of(period, cells, found, mine, k, differ=differ, come_to=come_to))
        found.append(amount - before)
    return found


def amount_up_to(period: Any, price: dict[str, Any], mine: list[int], upto: int) -> Fraction:
    each = [Fraction(q) for j in mine if j <= upto for q in period[j][1]]
    return cost(price, sum(each, Fraction(0)), len(each), each=each)


def divided(price: dict[str, Any], cells: list[Cell]) -> dict[str, Any]:
    price = dict(price)
    for name in ("minimumAmount", "amount"):
        if name in price:
            price[name] = part(price[name], cells)
    if "tiers" in price:
        price["tiers"] = [t | {"flatFee": part(t.get("flatFee", "0"), cells)} for t in price["tiers"]]
    return price


def limit_of(
    period: Any, cells: list[Cell], found: Any, mine: list[int], k: int, *, differ: bool, come_to: Any
) -> Fraction:
    price = period[k][0]
    capped = [j for j in range(k) if period[j][0] is not None and "maximumAmount" in period[j][0]]
    cap = Fraction(price["maximumAmount"])
    if differ:
        cap *= 1 - cells[k].first
        cap += sum(Fraction(period[j][0]["maximumAmount"]) * (cells[j].last - cells[j].first) for j in capped)
    run = k
    while differ and run > 0 and run - 1 in mine:
        run -= 1
    run = run if differ else 0
    before_run = [j for j in mine if j < run]
    then = sum((found[j] for j in before_run), Fraction(0))
    came_to = come_to(before_run[-1]) if before_run else Fraction(0)
    others = sum((found[j] for j in capped if j not in mine), Fraction(0))
    room = max(half_up(cap) - others, then)
    return min(room, then + max(Fraction(0), come_to(k) - came_to))


@examples(400)
@given(periods())
def test_it_agrees_with_the_slow_model(period: list[tuple[Any, list[Decimal], Fraction]]) -> None:
    charges = charge_cells(cells_of(period), currency="USD")
    assert [None if c is None else Fraction(c.due) for c in charges] == slow_dues(period)


@examples(200)
@given(periods(), st.data())
def test_a_change_that_changes_nothing_costs_nothing(
    period: list[tuple[Any, list[Decimal], Fraction]], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(period) - 1))
    price, each, length = period[index]
    at = data.draw(st.integers(0, len(each)))
    cut = [*period[:index], (price, each[:at], length / 3), (price, each[at:], length * 2 / 3), *period[index + 1 :]]
    whole, parts = (
        [Decimal(0) if c is None else c.due for c in charge_cells(cells_of(p), currency="USD")] for p in (period, cut)
    )
    assert [*parts[:index], parts[index] + parts[index + 1], *parts[index + 2 :]] == whole


@examples(200)
@given(periods())
def test_a_charge_explains_itself(period: list[tuple[Any, list[Decimal], Fraction]]) -> None:
    """By the price that is kept with it, all up to a segment costs what its group comes to."""
    cells = cells_of(period)
    for own, charge in zip(cells, charge_cells(cells, currency="USD"), strict=True):
        if charge is not None:
            kept = parse_price(charge.price.fields())
            found = rate(
                kept,
                charge.before_quantity + own.quantity,
                recordings=charge.before_recordings + own.recordings,
                currency="USD",
                each=[*charge.before_each, *own.each],
            )
            assert found.amount == charge.amount == charge.before + charge.due


def test_the_price_of_an_uncut_period_is_kept_as_it_is() -> None:
    price = parse_price(PER_UNIT | {"minimumAmount": "5", "maximumAmount": "80"})
    for quantity in (0, 50, 100):
        (found,) = charge_cells([Cell(price=price, quantity=Decimal(quantity), recordings=1)], currency="USD")
        assert isinstance(found, CellCharge)
        assert (found.price, found.before, found.before_quantity) == (price, 0, 0)


@examples(100)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), decimals("0.01", "100", places=2))
def test_parts_of_a_minimum_add_up(lengths: list[int], minimum: Decimal) -> None:
    assume(sum(lengths) > 1)
    period = [
        ({"model": "per_unit", "unitPrice": str(k), "minimumAmount": f"{minimum:f}"}, [], Fraction(length))
        for k, length in enumerate(lengths)
    ]
    assert sum(dues(*cells_of(period))) == minimum


@pytest.mark.parametrize(("first", "second", "due"), [("1", "1.0", [20, 0]), ("1", "1.5", [10, 10])])
def test_prices_are_compared_as_numbers(first: str, second: str, due: list[int]) -> None:
    price = {"model": "per_unit", "minimumAmount": "20"}
    halves = [(Fraction(0), Fraction(1, 2)), (Fraction(1, 2), Fraction(1))]
    cells = [
        Cell(price=parse_price(price | {"unitPrice": text}), first=half[0], last=half[1])
        for text, half in zip((first, second), halves, strict=True)
    ]
    assert dues(*cells) == due
