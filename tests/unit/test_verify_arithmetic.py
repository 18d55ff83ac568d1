"""The proof's own arithmetic: worked examples, and agreement with what it checks."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, decimals, examples
from usage_billing.rating.engine import amount_for
from usage_billing.reports.verify.arithmetic import due
from usage_billing.reports.verify.usage import is_month

TIERS = [
    {"upTo": "10", "unitPrice": "5"},
    {"upTo": "20", "unitPrice": "4", "flatFee": "1"},
    {"upTo": None, "unitPrice": "3"},
]


@pytest.mark.parametrize(
    ("price", "quantity", "recordings", "currency", "amount"),
    [
        ({"model": "per_unit", "unitPrice": "10"}, "3", 3, "USD", "30.00"),
        ({"model": "per_unit", "unitPrice": "10"}, "0", 0, "USD", "0.00"),
        ({"model": "per_unit", "unitPrice": "0.005"}, "1", 1, "USD", "0.01"),
        ({"model": "per_unit", "unitPrice": "0.0049999"}, "1", 1, "USD", "0.00"),
        ({"model": "per_unit", "unitPrice": "0.5"}, "1", 1, "JPY", "1"),
        ({"model": "per_unit", "unitPrice": "0.0005"}, "1", 1, "KWD", "0.001"),
        ({"model": "graduated", "tiers": TIERS}, "10", 1, "USD", "50"),
        ({"model": "graduated", "tiers": TIERS}, "25", 1, "USD", "106"),
        ({"model": "volume", "tiers": TIERS}, "20", 1, "USD", "81"),
        ({"model": "volume", "tiers": TIERS}, "20.5", 1, "USD", "61.50"),
        ({"model": "package", "packageSize": "10", "packagePrice": "4", "freeUnits": "5"}, "5", 1, "USD", "0"),
        ({"model": "package", "packageSize": "10", "packagePrice": "4", "freeUnits": "5"}, "15.1", 1, "USD", "8"),
        ({"model": "percentage", "rate": "0.029", "fixedFee": "0.30"}, "100", 2, "USD", "3.50"),
        ({"model": "flat", "amount": "99"}, "0.1", 1, "USD", "99"),
        ({"model": "flat", "amount": "99", "discountPercent": "50", "maximumAmount": "40"}, "1", 1, "USD", "40"),
        ({"model": "flat", "amount": "1", "minimumAmount": "5"}, "0", 0, "USD", "5"),
    ],
)
def test_worked_examples(price: dict[str, Any], quantity: str, recordings: int, currency: str, amount: str) -> None:
    assert due(price, Decimal(quantity), recordings, currency=currency) == Decimal(amount)


prices = st.one_of(
    st.fixed_dictionaries(
        {"model": st.just("per_unit"), "unitPrice": decimals("0", "100", places=6).map(lambda d: f"{d:f}")}
    ),
    st.just({"model": "graduated", "tiers": TIERS}),
    st.just({"model": "volume", "tiers": TIERS}),
    st.just({"model": "package", "packageSize": "7", "packagePrice": "3.333", "freeUnits": "0.5"}),
    st.just({"model": "percentage", "rate": "0.0295", "fixedFee": "0.123", "freeUnits": "2"}),
    st.just({"model": "flat", "amount": "9.995", "discountPercent": "33.3"}),
)


@given(prices, any_quantities | st.just(Decimal(0)), st.integers(1, 50), st.sampled_from(["USD", "JPY", "KWD"]))
@examples(400)
def test_it_agrees_with_the_rating(price: dict[str, Any], quantity: Decimal, recordings: int, currency: str) -> None:
    rated = amount_for(price, quantity, recordings=recordings, currency=currency)
    assert due(price, quantity, recordings, currency=currency) == rated


@pytest.mark.parametrize(
    "price", [{"model": "free"}, {"model": "per_unit"}, {}, {"model": "package", "packageSize": "1"}]
)
def test_what_cannot_be_read_is_an_error(price: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        due(price, Decimal(1), 1, currency="USD")


@pytest.mark.parametrize(
    ("start", "end", "zone", "right"),
    [
        (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), "UTC", True),
        (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "UTC", True),
        (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC), "Europe/Berlin", True),
        (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 23, tzinfo=UTC), "Europe/Berlin", False),
        (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), "Asia/Tokyo", False),
        (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC), "UTC", False),
        (datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), "UTC", False),
    ],
)
def test_a_month_of_the_calendar(start: datetime, end: datetime, zone: str, right: bool) -> None:
    assert is_month(start, end, zone=zone) is right
