"""Decimals are read as they are spelled or refused, and nothing is ever lost on the way."""

import json
from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, decimals, examples
from usage_billing.core.decimals import (
    EXACT,
    MAX_PRICE,
    MAX_QUANTITY,
    PLACES,
    NotADecimal,
    parse_decimal,
    plain,
    strip_zeros,
)


def places_of(value: Fraction) -> int:
    """How many decimal places an exact decimal fraction needs."""
    places = 0
    while value.denominator != 1:
        value *= 10
        places += 1
    return places


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """A number as JSON may spell it."""
    sign = draw(st.sampled_from(["", "-"]))
    whole = draw(st.one_of(st.just("0"), st.integers(1, 10**18).map(str)))
    fraction = draw(st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=15).map(".{}".format)))
    exponent = draw(
        st.one_of(st.just(""), st.tuples(st.sampled_from("eE"), st.integers(-20, 20)).map("{0[0]}{0[1]:+d}".format))
    )
    return sign + whole + fraction + exponent


@given(spelled())
@examples(200)
def test_a_number_is_read_as_spelled_exactly_when_it_is_in_range_and_keeps_its_places(text: str) -> None:
    truth = Fraction(text)
    acceptable = 0 <= truth <= MAX_QUANTITY and places_of(truth) <= PLACES
    if acceptable:
        assert Fraction(parse_decimal(text, maximum=MAX_QUANTITY)) == truth
    else:
        with pytest.raises(NotADecimal):
            parse_decimal(text, maximum=MAX_QUANTITY)


@given(st.text(st.sampled_from("0123456789.eE+-_ ,xX\u0663\uff11NaInf"), max_size=8))
@examples(200)
def test_what_json_does_not_call_a_number_is_refused(text: str) -> None:
    try:
        is_number = text == text.strip() and json.loads(text) not in (float("inf"), float("-inf"))
        is_number = is_number and not text.endswith("NaN")
    except ValueError:
        is_number = False
    if not is_number:
        with pytest.raises(NotADecimal):
            parse_decimal(text, maximum=MAX_QUANTITY)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 5", "5 ", "5\n", "+5", ".5", "5.", "05", "1_000", "1,5", "0x10", "\u0663", "\uff11"),
        *("NaN", "nan", "sNaN", "Infinity", "inf", "-inf", "1e400", "1e-400", "1E+300000", "--1", "1e", "e5"),
        *("9" * 41, "0." + "0" * 41, "\x005", "1\x00"),
    ],
)
def test_these_are_no_decimals(text: str) -> None:
    with pytest.raises(NotADecimal):
        parse_decimal(text, maximum=MAX_QUANTITY)


@pytest.mark.parametrize("text", ["-1", "-0.000000000001", "1000000000000000.000000000001", "1e16", "0.0000000000001"])
def test_out_of_range_is_refused_and_never_rounded_into_it(text: str) -> None:
    with pytest.raises(NotADecimal):
        parse_decimal(text, maximum=MAX_QUANTITY)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("0e99", "0"),
        ("1E+3", "1000"),
        ("1e15", "1000000000000000"),
        ("2.50", "2.5"),
        ("0.1", "0.1"),
        ("1e-12", "0.000000000001"),
        ("1." + "0" * 40, "1"),
        ("123456789012345.123456789012", "123456789012345.123456789012"),
    ],
)
def test_a_number_is_written_plainly(text: str, written: str) -> None:
    assert plain(parse_decimal(text, maximum=MAX_QUANTITY)) == written


@given(any_quantities)
@examples(100)
def test_writing_and_reading_again_changes_nothing(value: Decimal) -> None:
    text = plain(value)
    assert parse_decimal(text, maximum=MAX_QUANTITY) == value
    assert "E" not in text
    assert plain(parse_decimal(text, maximum=MAX_QUANTITY)) == text
    assert "." not in text or not text.endswith("0")


@given(st.lists(any_quantities, max_size=30), decimals("0", str(MAX_PRICE), places=12))
@examples(100)
def test_sums_and_products_lose_no_digit(values: list[Decimal], price: Decimal) -> None:
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    assert Fraction(total) == sum(map(Fraction, values))
    assert Fraction(EXACT.multiply(total, price)) == Fraction(total) * Fraction(price)


def test_a_digit_that_would_be_lost_is_an_error() -> None:
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


@given(any_quantities)
@examples(100)
def test_stripping_zeros_keeps_the_value(value: Decimal) -> None:
    padded = EXACT.quantize(value, Decimal(1).scaleb(-15))
    assert strip_zeros(padded) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=14))
@examples(300)
def test_a_number_is_written_as_its_bare_digits_would_be(value: Decimal) -> None:
    assert plain(value) == f"{strip_zeros(value):f}"
    assert plain(EXACT.normalize(value)) == plain(value)
