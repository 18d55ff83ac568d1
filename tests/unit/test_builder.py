"""Charge = amount for the total so far minus what was charged: over any sequence the charges add up."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, examples
from tests.unit.test_rating import CURRENCIES, prices
from usage_billing.core.decimals import EXACT
from usage_billing.invoicing.builder import Charge, EarlierCharge, ItemKind, Tariff, charge_for
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.rating.engine import amount_for

MONTH = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
steps = st.lists(st.tuples(any_quantities | st.just(Decimal(0)), st.integers(0, 3), st.booleans()), max_size=15)

USAGE, ADJUSTMENT = ItemKind.USAGE, ItemKind.ADJUSTMENT


def standing(billable: Decimal, recordings: int) -> UnratedSummary:
    """A summary that has so much beyond the allowance."""
    return UnratedSummary(
        id=1,
        subscription_id="sub",
        usage_type_id="assessment",
        period_start=MONTH[0],
        period_end=MONTH[1],
        bills_at=MONTH[1],
        quota_id=1,
        allowance=Decimal(50),
        total=EXACT.add(billable, Decimal(50)),
        beyond_limit=billable,
        events=recordings + 1,
        beyond_events=recordings,
        voids=0,
        events_hash=bytes(32),
        boundary=None,
        frozen=False,
    )


def tariff(price: dict[str, Any], currency: str = "USD") -> Tariff:
    return Tariff(quota_id=1, price=price, unit_name="assessment", currency=currency)


def settled(before: EarlierCharge, charge: Charge | None) -> EarlierCharge:
    """What was charged once ``charge`` is final."""
    if charge is None:
        return before
    return EarlierCharge(
        quantity=EXACT.add(before.quantity, charge.quantity), amount=EXACT.add(before.amount, charge.amount)
    )


@given(prices(), CURRENCIES, steps)
@examples(150)
def test_the_charges_of_any_sequence_of_totals_add_up_to_the_amount_of_the_last(
    price: dict[str, Any], currency: str, sequence: list[tuple[Decimal, int, bool]]
) -> None:
    before, total, recordings = EarlierCharge(), Decimal(0), 0
    for more, count, is_final in sequence:
        total, recordings = EXACT.add(total, more), recordings + count
        charge = charge_for(standing(total, recordings), tariff(price, currency), before=before, kind=USAGE)
        if is_final:
            before = settled(before, charge)
    last = charge_for(standing(total, recordings), tariff(price, currency), before=before, kind=ADJUSTMENT)
    before = settled(before, last)
    assert last is None or (last.amount and Fraction(before.quantity) == Fraction(total))
    assert before.amount == amount_for(price, total, recordings=recordings, currency=currency)


@given(prices(), any_quantities, st.integers(1, 5))
@examples(150)
def test_what_is_charged_already_is_not_charged_again(price: dict[str, Any], total: Decimal, count: int) -> None:
    charge = charge_for(standing(total, count), tariff(price), before=EarlierCharge(), kind=USAGE)
    again = charge_for(standing(total, count), tariff(price), before=settled(EarlierCharge(), charge), kind=ADJUSTMENT)
    assert again is None


@given(prices(), any_quantities, any_quantities)
@examples(150)
def test_a_total_that_was_charged_too_high_is_credited(price: dict[str, Any], one: Decimal, other: Decimal) -> None:
    less, more = sorted([one, other])
    charged = settled(EarlierCharge(), charge_for(standing(more, 1), tariff(price), before=EarlierCharge(), kind=USAGE))
    credit = charge_for(standing(less, 1), tariff(price), before=charged, kind=ADJUSTMENT)
    assert settled(charged, credit).amount == amount_for(price, less, recordings=1, currency="USD")


def test_without_a_quota_nothing_is_charged() -> None:
    assert charge_for(standing(Decimal(3), 1), None, before=EarlierCharge(), kind=USAGE) is None


def test_the_example_of_the_founding_document() -> None:
    charge = charge_for(
        standing(Decimal(3), 3),
        tariff({"model": "per_unit", "unitPrice": "10"}),
        before=EarlierCharge(),
        kind=USAGE,
    )
    assert charge is not None
    assert (charge.quantity, charge.amount) == (Decimal(3), Decimal("30.00"))
    assert charge.wording.text == "3 assessment beyond the allowance, 1 to 30 November 2026"


def test_an_adjustment_says_so() -> None:
    price = {"model": "per_unit", "unitPrice": "10"}
    charge = charge_for(
        standing(Decimal(5), 5),
        tariff(price),
        before=EarlierCharge(quantity=Decimal(3), amount=Decimal(30)),
        kind=ADJUSTMENT,
    )
    assert charge is not None
    assert (charge.quantity, charge.charged_before, charge.amount) == (Decimal(2), Decimal(30), Decimal("20.00"))
    assert charge.wording.text.startswith("Adjustment: assessment beyond the allowance from 3 to 5")
