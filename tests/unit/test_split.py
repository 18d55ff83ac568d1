"""A recording lies within the allowance, beyond it, or is divided by it; over any sequence the parts add up."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, decimals, examples
from usage_billing.core.decimals import EXACT
from usage_billing.metering.split import beyond, beyond_of_next

SEQUENCES = st.lists(any_quantities, max_size=25)
LIMITS = st.one_of(st.none(), st.just(Decimal(0)), decimals("0", "200", places=3), any_quantities)


def run(quantities: list[Decimal], limit: Decimal | None) -> tuple[list[Decimal], Decimal]:
    """The part beyond of each, and the total."""
    total, parts = Decimal(0), []
    for quantity in quantities:
        parts.append(beyond_of_next(total, quantity, limit))
        total = EXACT.add(total, quantity)
    return parts, total


@given(SEQUENCES, LIMITS)
@examples(150)
def test_the_parts_beyond_add_up_to_what_the_total_has_beyond(quantities: list[Decimal], limit: Decimal | None) -> None:
    parts, total = run(quantities, limit)
    truth = max(Fraction(0), sum(map(Fraction, quantities), Fraction(0)) - Fraction(limit)) if limit is not None else 0
    assert sum(map(Fraction, parts)) == truth == Fraction(beyond(total, limit))


@given(SEQUENCES, LIMITS)
@examples(100)
def test_within_and_beyond_are_the_quantity(quantities: list[Decimal], limit: Decimal | None) -> None:
    parts, _ = run(quantities, limit)
    for quantity, part in zip(quantities, parts, strict=True):
        assert 0 <= part <= quantity


@given(SEQUENCES, LIMITS)
@examples(100)
def test_only_one_recording_is_divided_and_after_it_everything_is_beyond(
    quantities: list[Decimal], limit: Decimal | None
) -> None:
    parts, _ = run(quantities, limit)
    divided = [i for i, (q, part) in enumerate(zip(quantities, parts, strict=True)) if 0 < part < q]
    first = next((i for i, part in enumerate(parts) if part), len(parts))
    assert divided in ([], [first])
    assert parts[first + 1 :] == quantities[first + 1 :]


@given(SEQUENCES.flatmap(lambda q: st.tuples(st.just(q), st.permutations(q))), LIMITS)
@examples(100)
def test_the_order_changes_who_is_divided_and_never_how_much(
    orders: tuple[list[Decimal], list[Decimal]], limit: Decimal | None
) -> None:
    (one, total), (other, same) = (run(order, limit) for order in orders)
    assert total == same
    assert sum(map(Fraction, one)) == sum(map(Fraction, other))


@pytest.mark.parametrize(
    ("before", "quantity", "limit", "part"),
    [
        ("0", "50", "50", "0"),
        ("0", "50.000000000001", "50", "0.000000000001"),
        ("48", "5", "50", "3"),
        ("50", "1", "50", "1"),
        ("0", "1", "0", "1"),
        ("1000", "1", None, "0"),
    ],
)
def test_the_limit_itself_is_within(before: str, quantity: str, limit: str | None, part: str) -> None:
    found = beyond_of_next(Decimal(before), Decimal(quantity), None if limit is None else Decimal(limit))
    assert found == Decimal(part)
