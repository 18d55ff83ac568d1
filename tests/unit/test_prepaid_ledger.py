"""What of a grant's cost moves: parts that add up to the cent, whatever goes out and comes back."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import decimals, examples
from usage_billing.prepaid.ledger import ACCOUNTS, Account, TransferKind, cost_moved


def test_ten_for_three_units() -> None:
    parts = [
        cost_moved(Decimal("10.00"), Decimal(3), before=Decimal(out), after=Decimal(out + 1), places=2)
        for out in range(3)
    ]
    assert parts == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]


@given(
    st.integers(0, 10_000).map(lambda cents: Decimal(cents).scaleb(-2)),
    st.lists(decimals("0.001", "30", places=3), min_size=1, max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
@examples(200)
def test_the_parts_of_a_cost_add_up_to_it(cost: Decimal, steps: list[Decimal], back: list[bool]) -> None:
    amount = sum(steps, Decimal(0))
    out = moved = Decimal(0)
    for step, goes_back in zip([*steps, *steps], [*back, *back], strict=False):
        after = max(out - step, Decimal(0)) if goes_back else min(out + step, amount)
        part = cost_moved(cost, amount, before=out, after=after, places=2)
        assert part >= 0
        moved += part if after > out else -part
        out = after
    moved += cost_moved(cost, amount, before=out, after=amount, places=2)
    assert moved == cost


def test_each_kind_moves_between_two_accounts_and_one_is_the_grant() -> None:
    assert set(ACCOUNTS) == set(TransferKind)
    for debit, credit in ACCOUNTS.values():
        assert debit != credit
        assert Account.GRANT in (debit, credit)
