"""What usage wants in money: never negative, all of the charge, and the same however windows divide it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from usage_billing.drawing.money_needs import ChargedSegment, Window, wanted
from usage_billing.rating.engine import rate, stored_price

START = datetime(2026, 6, 1, tzinfo=UTC)
PRICES: list[dict[str, Any]] = [
    {"model": "per_unit", "unitPrice": "0.37"},
    {"model": "per_unit", "unitPrice": "0.005", "minimumAmount": "4"},
    {"model": "per_unit", "unitPrice": "3", "discountPercent": "12.5", "maximumAmount": "60"},
    {"model": "volume", "tiers": [{"upTo": "10", "unitPrice": "5.1"}, {"upTo": None, "unitPrice": "4"}]},
    {"model": "graduated", "tiers": [{"upTo": "10", "unitPrice": "5"}, {"upTo": None, "unitPrice": "4"}]},
    {"model": "package", "packageSize": "7", "packagePrice": "9.99"},
    {"model": "percentage", "rate": "0.02", "fixedFee": "0.10"},
]
_WINDOWS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 4)).map(lambda one: one if one[0] else (0, 0)), min_size=1, max_size=5
)


@given(price=st.sampled_from(PRICES), shape=st.lists(_WINDOWS, min_size=1, max_size=3))
def test_needs_add_up_to_the_charge_and_none_is_negative(
    price: dict[str, Any], shape: list[list[tuple[int, int]]]
) -> None:
    read, at = stored_price(price), START
    quantity, recordings = Decimal(0), 0
    segments: list[ChargedSegment] = []
    for number, windows in enumerate(shape):
        made: list[Window] = []
        for units, count in windows:
            made.append(Window(at, Decimal(units), count))
            quantity, recordings, at = quantity + units, recordings + count, at + timedelta(days=1)
        amount = rate(read, quantity, recordings=recordings, currency="USD").amount
        segments.append(ChargedSegment(summary_id=number + 1, amount=amount, windows=made))
    found = wanted(segments, read, currency="USD")
    assert [(one.summary_id, one.start) for one in found] == [
        (segment.summary_id, window.start) for segment in segments for window in segment.windows
    ]
    assert min(one.amount for one in found) >= 0
    assert sum(one.amount for one in found) == segments[-1].amount
    whole = wanted(segments, None, currency="USD")
    assert min(one.amount for one in whole) >= 0
    assert sum(one.amount for one in whole) == segments[-1].amount


@given(parts=st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_a_price_of_a_unit_wants_the_rounded_running_price(parts: list[int]) -> None:
    price = stored_price({"model": "per_unit", "unitPrice": "0.125"})
    windows = [Window(START + timedelta(days=day), Decimal(units), 1) for day, units in enumerate(parts)]
    amount = rate(price, Decimal(sum(parts)), recordings=len(parts), currency="USD").amount
    found = wanted([ChargedSegment(summary_id=1, amount=amount, windows=windows)], price, currency="USD")
    running, before = 0, Fraction(0)
    for one, units in zip(found, parts, strict=True):
        running += units
        cents = Fraction(running, 8) * 100
        rounded = Fraction((2 * cents.numerator + cents.denominator) // (2 * cents.denominator), 100)
        assert Fraction(one.amount) == rounded - before
        before = rounded


def test_segments_of_a_volume_price_that_falls_want_what_is_due_in_all() -> None:
    """The charges are 51.00 and -7.00."""
    price = stored_price(PRICES[3])
    segments = [
        ChargedSegment(summary_id=1, amount=Decimal("51.00"), windows=[Window(START, Decimal(10), 1)]),
        ChargedSegment(
            summary_id=2, amount=Decimal("44.00"), windows=[Window(START + timedelta(days=9), Decimal(1), 1)]
        ),
    ]
    assert [one.amount for one in wanted(segments, price, currency="USD")] == [44, 0]
