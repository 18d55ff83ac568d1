"""What several states come to together, by each function."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.meters.definition import Function
from usage_billing.meters.values import State, together, value_of, value_together

NUMBERS = st.decimals("-1000000", "1000000", places=6)
STATES = st.builds(
    State,
    events=st.integers(-2, 50),
    total=NUMBERS,
    maximum=st.none() | NUMBERS,
    minimum=st.none() | NUMBERS,
    latest=st.none() | st.tuples(NUMBERS, NUMBERS, NUMBERS),
    distinct_values=st.integers(0, 9),
)


@pytest.mark.parametrize("function", [one for one in Function if one != Function.LEVEL])
@given(states=st.lists(STATES, max_size=5))
def test_the_value_of_several_is_that_of_all_as_one(function: Function, states: list[State]) -> None:
    assert value_together(function, states) == value_of(function, together(states))


def test_sums_are_exact() -> None:
    states = [State(total=Decimal("1e15")), State(total=Decimal("1e-12"))]
    assert value_together(Function.SUM, states) == Decimal("1000000000000000.000000000001")
