"""The proof's own arithmetic: worked examples, and agreement with what it checks."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.money.prices import cost
from tests.support.properties import any_quantities, decimals, examples
from usage_billing.core.periods import Cadence, period_at
from usage_billing.metering.digest import hash_of, to_bytes
from usage_billing.rating.engine import amount_for, rate
from usage_billing.rating.price import parse_price
from usage_billing.rating.pricing import MODELS
from usage_billing.reports.verify.arithmetic import due
from usage_billing.reports.verify.calendar import Rhythm, part, period_of, share_over
from usage_billing.reports.verify.tally import Tally

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


# A way to make a price of each model. The proof has an arithmetic of its own for each, which a new model needs too.
PRICES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "per_unit": decimals("0", "100", places=6).map(lambda price: {"unitPrice": f"{price:f}"})
    | st.builds(
        lambda step, mode: {"unitPrice": "0.03", "roundQuantity": {"to": step, "mode": mode}},
        st.sampled_from(["1", "0.7", "1000"]),
        st.sampled_from(["up", "down", "nearest"]),
    ),
    "graduated": st.just({"tiers": TIERS}),
    "volume": st.just({"tiers": TIERS}),
    "package": st.just({"packageSize": "7", "packagePrice": "3.333", "freeUnits": "0.5"}),
    "percentage": st.just({"rate": "0.0295", "fixedFee": "0.123", "freeUnits": "2"}),
    "by_dimension": st.just(
        {
            "cells": [{"name": "a", "when": {"model": "gpt"}, "price": {"model": "flat", "amount": "7"}}],
            "default": {"model": "graduated", "tiers": TIERS, "discountPercent": "12.5", "minimumAmount": "3"},
            "maximumAmount": "99.995",
        }
    ),
    "flat": st.just({"amount": "9.995", "discountPercent": "33.3"}),
}
by_recording = st.fixed_dictionaries(
    {"model": st.just("percentage"), "rate": st.just("0.1"), "fixedFee": st.just("0.3")},
    optional={
        "freeUnits": st.sampled_from(["0", "10", "33.5"]),
        "freeRecordings": st.integers(0, 3),
        "minimumPerRecording": st.sampled_from(["0", "1", "1.5"]),
        "maximumPerRecording": st.sampled_from(["1.5", "2.75"]),
    },
)


def test_every_pricing_model_has_a_price_here() -> None:
    assert PRICES.keys() == MODELS.keys()


@pytest.mark.parametrize("model", MODELS)
@given(st.data(), any_quantities | st.just(Decimal(0)), st.integers(1, 50), st.sampled_from(["USD", "JPY", "KWD"]))
@examples(100)
def test_it_agrees_with_the_rating(
    model: str, data: st.DataObject, quantity: Decimal, recordings: int, currency: str
) -> None:
    price = {"model": model, **data.draw(PRICES[model])}
    rated = amount_for(price, quantity, recordings=recordings, currency=currency)
    assert due(price, quantity, recordings, currency=currency) == rated


@given(by_recording, st.lists(decimals("0.01", "30", places=2), max_size=6))
@examples(400)
def test_it_agrees_recording_by_recording(price: dict[str, Any], each: list[Decimal]) -> None:
    quantity, count = sum(each, Decimal(0)), len(each)
    rated = rate(parse_price(price), quantity, recordings=count, currency="USD", each=each).amount
    assert due(price, quantity, count, currency="USD", each=each) == rated
    assert cost(price, Fraction(quantity), count, each=[Fraction(q) for q in each]) == Fraction(rated)


@pytest.mark.parametrize(
    "price", [{"model": "free"}, {"model": "per_unit"}, {}, {"model": "package", "packageSize": "1"}]
)
def test_what_cannot_be_read_is_an_error(price: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        due(price, Decimal(1), 1, currency="USD")


RHYTHMS = st.builds(
    Rhythm,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]),
    interval=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    count=st.integers(1, 5),
    anchor=st.none() | st.datetimes(datetime(2015, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
INSTANTS = st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@given(RHYTHMS, INSTANTS)
@examples(300)
def test_its_periods_are_those_of_the_house(rhythm: Rhythm, instant: datetime) -> None:
    cadence = Cadence(rhythm.interval, rhythm.count, rhythm.anchor)
    period = period_at(instant, zone=rhythm.zone, cadence=cadence)
    assert period_of(rhythm, instant) == (period.start, period.end)


@pytest.mark.parametrize(
    ("rhythm", "start", "end"),
    [
        (Rhythm("UTC"), "2026-02-01", "2026-03-01"),
        (Rhythm("Europe/Berlin"), "2026-01-31T23:00", "2026-02-28T23:00"),
        (Rhythm("UTC", "week"), "2026-02-09", "2026-02-16"),
        (Rhythm("UTC", "quarter"), "2026-01-01", "2026-04-01"),
        (Rhythm("UTC", "month", 1, datetime(2025, 8, 31, 9, tzinfo=UTC)), "2026-01-31T09:00", "2026-02-28T09:00"),
        (Rhythm("UTC", "year", 2), "2026-01-01", "2028-01-01"),
    ],
)
def test_periods_worked_by_hand(rhythm: Rhythm, start: str, end: str) -> None:
    bounds = tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
    assert period_of(rhythm, datetime(2026, 2, 15, tzinfo=UTC)) == bounds


MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def test_parts_add_up_to_the_whole() -> None:
    cuts = [datetime(2026, 3, day, 7, tzinfo=UTC) for day in (4, 11, 30)]
    for method in ("time", "days"):
        shares = [share_over(MARCH, at, method=method, zone="UTC") for at in (MARCH[0], *cuts, MARCH[1])]
        assert shares == sorted(shares)
        parts = [part(Decimal(10), *pair, places=2) for pair in pairwise(shares)]
        assert sum(parts) == Decimal("10.00")
    assert share_over(MARCH, datetime(2026, 3, 11, 7, tzinfo=UTC), method="days", zone="UTC") == Fraction(10, 31)


def tally(*quantities: str, allowance: str | None = "10", events: int | None = None, voids: int | None = None) -> Tally:
    """Recordings, of which those with a minus are taken back, in that order."""
    made = Tally(None if allowance is None else Decimal(allowance), events, voids)
    void = 0
    for place, spelled in enumerate(quantities, start=1):
        void += spelled.startswith("-")
        made.add(UUID(int=place), place, Decimal(spelled.lstrip("-")), void if spelled.startswith("-") else None)
    return made


def test_recordings_added_up_by_hand() -> None:
    found = tally("4", "7", "-5", "1")
    assert (found.total, found.beyond, found.beyond_events, found.recorded, found.taken_back) == (12, 2, 2, 4, 1)
    assert tally("4", "7", "-5", "1", voids=0).total == 17
    assert tally("4", "7", "-5", "1", events=2).beyond == 1
    assert tally("40", allowance=None).beyond == 0
    assert tally("0.1", "0.2", allowance="0").beyond == Decimal("0.3")


def test_the_fingerprint_is_of_what_counts_in_any_order() -> None:
    one, other = tally("4", "7"), tally("4", "7", "-5")
    assert one.hash == other.hash != tally("4", "8").hash
    assert Tally(None).hash == bytes(32)
    assert one.hash == to_bytes(hash_of(UUID(int=1), Decimal(4)) + hash_of(UUID(int=2), Decimal("7.000")))
