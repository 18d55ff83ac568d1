"""What invoices say of days, numbers, and why an amount is what it is."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.invoicing.builder import Charge, EarlierCharge, ItemKind, Tariff, charge_for
from usage_billing.invoicing.wording import days_of, days_text, grouped
from usage_billing.metering.unrated import UnratedSummary


@pytest.mark.parametrize(
    ("start", "end", "zone", "text"),
    [
        ("2026-02-28T15:00", "2026-03-31T15:00", "Asia/Tokyo", "1 to 31 March 2026"),
        ("2026-03-01T00:00", "2026-04-01T00:00", "UTC", "1 to 31 March 2026"),
        ("2026-03-20T00:00", "2026-04-06T00:00", "UTC", "20 March to 5 April 2026"),
        ("2025-12-20T00:00", "2026-01-06T00:00", "UTC", "20 December 2025 to 5 January 2026"),
        ("2026-03-31T00:00", "2026-03-31T12:00", "UTC", "31 March 2026"),
        ("2026-03-01T00:00", "2026-03-11T12:00", "UTC", "1 to 11 March 2026"),
    ],
)
def test_days_are_the_customer_s_and_the_last_is_one_of_them(start: str, end: str, zone: str, text: str) -> None:
    first, last = (datetime.fromisoformat(at).replace(tzinfo=UTC) for at in (start, end))
    assert days_text(days_of(first, last, zone)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15))
def test_grouping_changes_no_digit(number: Decimal) -> None:
    text = f"{number:f}"
    assert grouped(text).replace(",", "") == text
    assert all(len(part) == 3 for part in grouped(text).partition(".")[0].split(",")[1:])


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 800))
def test_both_days_can_be_told_from_the_text(first: date, length: int) -> None:
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    days = days_of(start, start + timedelta(days=length), "UTC")
    assert days["from"] == first.isoformat()
    assert days_text(days).split()[0] == str(first.day)


def said(price: dict[str, Any], beyond: str, events: int = 1) -> Charge:
    """The charge of so much beyond the allowance in November."""
    summary = UnratedSummary(
        id=1,
        subscription_id="sub",
        usage_type_id="seat",
        period_start=datetime(2026, 11, 1, tzinfo=UTC),
        period_end=datetime(2026, 12, 1, tzinfo=UTC),
        bills_at=datetime(2026, 12, 1, tzinfo=UTC),
        quota_id=1,
        allowance=Decimal(0),
        total=Decimal(beyond),
        beyond_limit=Decimal(beyond),
        events=events,
        beyond_events=events,
        voids=0,
        events_hash=bytes(32),
        boundary=None,
        frozen=False,
    )
    tariff = Tariff(quota_id=1, price=price, unit_name="seat", currency="USD")
    charge = charge_for(summary, tariff, before=EarlierCharge(), kind=ItemKind.USAGE)
    assert charge is not None
    return charge


@pytest.mark.parametrize(
    ("more", "beyond", "text"),
    [
        ({"minimumAmount": "20"}, "0", "0 seat beyond the allowance, {}, raised to the minimum of 20.00"),
        ({"minimumAmount": "20"}, "1234.5", "1,234.5 seat beyond the allowance, {}"),
        (
            {"maximumAmount": "1000"},
            "1234.5",
            "1,234.5 seat beyond the allowance, {}, lowered to the maximum of 1,000.00",
        ),
        ({"discountPercent": "12.5"}, "10", "10 seat beyond the allowance, {}, less 12.5 %"),
    ],
)
def test_a_discount_a_minimum_and_a_maximum_are_named(more: dict[str, str], beyond: str, text: str) -> None:
    charge = said({"model": "per_unit", "unitPrice": "1"} | more, beyond)
    assert charge.wording.text == text.format("1 to 30 November 2026")
    assert charge.wording.args["unit"] == "seat"
