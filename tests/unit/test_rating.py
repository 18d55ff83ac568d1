"""Each pricing model charges what its definition says, in fractions; the amount is rounded once."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, decimals, examples
from tests.unit.test_money import half_up
from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.engine import amount_for, rate
from usage_billing.rating.price import Price, parse_price

Fields = dict[str, Any]
Rule = Callable[[Fields, Fraction, int], Fraction]

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF"])
QUANTITIES = st.one_of(st.just(Decimal(0)), any_quantities, decimals("0", "30", places=2))
amounts = st.one_of(decimals("0", "20", places=3), decimals("0", "2", places=12)).map(plain)
sizes = st.one_of(decimals("0.01", "20", places=2), st.integers(1, 20).map(Decimal)).map(plain)


@st.composite
def tiers(draw: st.DrawFn) -> list[Fields]:
    """Rising tiers, the last without an end."""
    ends = sorted(draw(st.sets(decimals("0.01", "25", places=2), max_size=4)))
    return [
        {"upTo": None if end is None else plain(end), "unitPrice": draw(amounts), "flatFee": draw(amounts)}
        for end in [*ends, None]
    ]


def of_graduated(price: Fields, quantity: Fraction, _: int) -> Fraction:
    floor, total = Fraction(0), Fraction(0)
    for tier in price["tiers"]:
        ceiling = quantity if tier["upTo"] is None else min(quantity, Fraction(tier["upTo"]))
        if ceiling > floor:
            total += (ceiling - floor) * Fraction(tier["unitPrice"]) + Fraction(tier["flatFee"])
            floor = ceiling
    return total


def of_volume(price: Fields, quantity: Fraction, _: int) -> Fraction:
    tier = next(t for t in price["tiers"] if t["upTo"] is None or quantity <= Fraction(t["upTo"]))
    return quantity * Fraction(tier["unitPrice"]) + Fraction(tier["flatFee"])


def of_package(price: Fields, quantity: Fraction, _: int) -> Fraction:
    packages = ceil((quantity - Fraction(price["freeUnits"])) / Fraction(price["packageSize"]))
    return max(packages, 0) * Fraction(price["packagePrice"])


def of_percentage(price: Fields, quantity: Fraction, recordings: int) -> Fraction:
    charged = max(Fraction(0), quantity - Fraction(price["freeUnits"]))
    return charged * Fraction(price["rate"]) + recordings * Fraction(price["fixedFee"])


RULES: dict[str, tuple[st.SearchStrategy[Fields], Rule]] = {
    "per_unit": (st.fixed_dictionaries({"unitPrice": amounts}), lambda p, q, _: q * Fraction(p["unitPrice"])),
    "graduated": (st.fixed_dictionaries({"tiers": tiers()}), of_graduated),
    "volume": (st.fixed_dictionaries({"tiers": tiers()}), of_volume),
    "package": (
        st.fixed_dictionaries({"packageSize": sizes, "packagePrice": amounts, "freeUnits": amounts}),
        of_package,
    ),
    "percentage": (
        st.fixed_dictionaries({"rate": amounts, "fixedFee": amounts, "freeUnits": amounts}),
        of_percentage,
    ),
    "flat": (st.fixed_dictionaries({"amount": amounts}), lambda p, _, __: Fraction(p["amount"])),
}


@st.composite
def prices(draw: st.DrawFn, *names: str) -> Fields:
    """A price of one of these models."""
    name = draw(st.sampled_from(names or tuple(RULES)))
    return {"model": name, **draw(RULES[name][0])}


def truth(price: Fields, quantity: Decimal, recordings: int) -> Fraction:
    """What ``price`` asks for, by its definition alone."""
    exact = Fraction(price.get("fixedFee", "0")) * recordings  # what is paid for beforehand has its fees
    if quantity:
        exact = RULES[price["model"]][1](price, Fraction(quantity), recordings)
    exact -= exact * Fraction(price.get("discountPercent", "0")) / 100
    exact = max(exact, Fraction(price.get("minimumAmount", "0")))
    return min(exact, Fraction(price["maximumAmount"])) if "maximumAmount" in price else exact


@given(prices(), QUANTITIES, st.integers(1, 50), CURRENCIES)
@examples(200)
def test_a_model_charges_what_its_definition_says(price: Fields, quantity: Decimal, count: int, currency: str) -> None:
    rated = rate(parse_price(price), quantity, recordings=count, currency=currency)
    assert Fraction(rated.exact) == truth(price, quantity, count)
    assert Fraction(rated.amount) == half_up(truth(price, quantity, count), minor_unit(currency))


@given(prices(), QUANTITIES, st.integers(1, 50), CURRENCIES, st.data())
@examples(200)
def test_discount_then_minimum_then_maximum(
    price: Fields, quantity: Decimal, count: int, currency: str, data: st.DataObject
) -> None:
    low, high = sorted([Decimal(data.draw(amounts)), Decimal(data.draw(amounts))])
    price = price | data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "discountPercent": decimals("0", "100", places=4).map(plain),
                "minimumAmount": st.just(plain(low)),
                "maximumAmount": st.just(plain(high)),
            },
        )
    )
    rated = rate(parse_price(price), quantity, recordings=count, currency=currency)
    assert Fraction(rated.exact) == truth(price, quantity, count) == sum(Fraction(line.amount) for line in rated.lines)
    assert Fraction(rated.amount) == half_up(truth(price, quantity, count), minor_unit(currency))


def test_a_maximum_is_met_to_the_last_digit_however_much_was_used() -> None:
    price = {"model": "per_unit", "unitPrice": "0.123456789012", "maximumAmount": "100.005"}
    used = Decimal("987654321098765.123456789012")
    assert amount_for(price, used, recordings=1, currency="USD") == Decimal("100.01")


@given(prices("per_unit", "graduated", "package", "flat", "percentage"), QUANTITIES, QUANTITIES, CURRENCIES)
@examples(150)
def test_more_use_never_costs_less_except_by_volume(price: Fields, one: Decimal, other: Decimal, currency: str) -> None:
    less, more = sorted([one, other])
    costs = [amount_for(price, quantity, recordings=3, currency=currency) for quantity in (less, more)]
    assert costs[0] <= costs[1]


@given(amounts, QUANTITIES, CURRENCIES)
@examples(100)
def test_one_tier_is_the_same_graduated_by_volume_and_per_unit(price: str, quantity: Decimal, currency: str) -> None:
    tier = {"upTo": None, "unitPrice": price, "flatFee": "0"}
    same = [
        {"model": "per_unit", "unitPrice": price},
        {"model": "graduated", "tiers": [tier]},
        {"model": "volume", "tiers": [tier]},
    ]
    assert len({amount_for(p, quantity, recordings=1, currency=currency) for p in same}) == 1


@given(prices())
@examples(100)
def test_a_price_that_is_stored_and_read_again_is_the_same(price: Fields) -> None:
    parsed = parse_price(price)
    assert parse_price(parsed.fields()) == parsed


@given(prices())
@examples(100)
def test_nothing_used_costs_nothing(price: Fields) -> None:
    assert amount_for(price, Decimal(0), recordings=0, currency="USD") == 0


@pytest.mark.parametrize(
    ("price", "pointer"),
    [
        ({}, "/price/model"),
        ({"model": "free"}, "/price/model"),
        ({"model": ["per_unit"]}, "/price/model"),
        ({"model": "per_unit"}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": True}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": 0.1}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": "-1"}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": "NaN"}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": ["1"]}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": "0.0000000000001"}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": "1000000000000.1"}, "/price/unitPrice"),
        ({"model": "per_unit", "unitPrice": "1", "tiers": []}, "/price/tiers"),
        ({"model": "graduated"}, "/price/tiers"),
        ({"model": "graduated", "tiers": []}, "/price/tiers"),
        ({"model": "graduated", "tiers": {"upTo": None}}, "/price/tiers"),
        ({"model": "graduated", "tiers": ["x"]}, "/price/tiers/0"),
        ({"model": "graduated", "tiers": [{"upTo": "5", "unitPrice": "1"}]}, "/price/tiers/0/upTo"),
        ({"model": "volume", "tiers": [{"upTo": None}]}, "/price/tiers/0/unitPrice"),
        ({"model": "volume", "tiers": [{"upTo": None, "unitPrice": None}]}, "/price/tiers/0/unitPrice"),
        ({"model": "package", "packageSize": "0", "packagePrice": "1"}, "/price/packageSize"),
        ({"model": "percentage", "rate": "1001"}, "/price/rate"),
        ({"model": "flat", "amount": "1", "discountPercent": "101"}, "/price/discountPercent"),
        ({"model": "flat", "amount": "1", "minimumAmount": "2", "maximumAmount": "1"}, "/price/maximumAmount"),
    ],
)
def test_what_is_wrong_with_a_price_is_pointed_at(price: Fields, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_price(price)
    assert [field.pointer for field in caught.value.fields] == [pointer]


def test_tiers_must_rise() -> None:
    for second in ("5", "4", "5.0"):
        given = [{"upTo": "5", "unitPrice": "1"}, {"upTo": second, "unitPrice": "1"}, {"upTo": None, "unitPrice": "1"}]
        with pytest.raises(InvalidInput) as caught:
            parse_price({"model": "graduated", "tiers": given})
        assert caught.value.fields[0].pointer == "/price/tiers/1/upTo"


def test_the_end_of_a_tier_belongs_to_it() -> None:
    tiers = [{"upTo": "10", "unitPrice": "5"}, {"upTo": None, "unitPrice": "1", "flatFee": "100"}]
    for model, at_ten, beyond in (("graduated", "50.00", "151.00"), ("volume", "50.00", "111.00")):
        price = {"model": model, "tiers": tiers}
        assert amount_for(price, Decimal(10), recordings=1, currency="USD") == Decimal(at_ten)
        assert amount_for(price, Decimal(11), recordings=1, currency="USD") == Decimal(beyond)


def test_a_price_is_a_value() -> None:
    assert isinstance(hash(parse_price({"model": "flat", "amount": "1"})), int)
    assert isinstance(parse_price({"model": "flat", "amount": "1"}), Price)
