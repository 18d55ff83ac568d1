"""The one rounding rule: half up, away from zero at the half, to the currency's minor unit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.core.money import money_text, round_to_minor_unit
from usage_billing.rating.currency import is_currency, minor_unit

DIGITS = st.sampled_from([0, 2, 3, 4])


def half_up(value: Fraction, digits: int) -> Fraction:
    """The rule by definition, in integers."""
    scaled = abs(value) * 10**digits
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    rounded = whole + (2 * rest >= scaled.denominator)
    return Fraction(rounded if value >= 0 else -rounded, 10**digits)


@given(st.integers(-(10**40), 10**40), st.integers(0, 24), DIGITS)
@examples(150)
def test_rounding_is_half_up(units: int, places: int, digits: int) -> None:
    value = Decimal(f"{units}E-{places}")
    assert Fraction(round_to_minor_unit(value, digits)) == half_up(Fraction(units, 10**places), digits)


@given(st.integers(-(10**20), 10**20), DIGITS)
@examples(100)
def test_an_exact_half_goes_away_from_zero(units: int, digits: int) -> None:
    half = Fraction(2 * units + (1 if units >= 0 else -1), 2 * 10**digits)
    value = Decimal(half.numerator * 5) / Decimal(5 * half.denominator)
    assert Fraction(value) == half
    rounded = Fraction(round_to_minor_unit(value, digits))
    assert rounded == half_up(half, digits)
    assert abs(rounded) > abs(half)


@given(st.integers(0, 10**30), DIGITS)
@examples(100)
def test_what_is_round_already_stays(units: int, digits: int) -> None:
    value = Decimal(f"{units}E-{digits}")
    assert round_to_minor_unit(value, digits) == value


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [
        ("30", "USD", "30.00"),
        ("0", "USD", "0.00"),
        ("0.005", "USD", "0.01"),
        ("0.0049999999999999999999999", "USD", "0.00"),
        ("2.5", "JPY", "3"),
        ("3.5", "JPY", "4"),
        ("0.0005", "KWD", "0.001"),
        ("0.00005", "CLF", "0.0001"),
        ("-0.005", "USD", "-0.01"),
        ("1E+27", "USD", "1" + "0" * 27 + ".00"),
    ],
)
def test_an_amount_is_written_with_all_digits_of_its_currency(amount: str, code: str, text: str) -> None:
    assert money_text(Decimal(amount), minor_unit(code)) == text


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "usd", "US", "", "ABC", "USDX", "€"])
def test_what_no_invoice_can_be_in_is_no_currency(code: str) -> None:
    assert not is_currency(code)
