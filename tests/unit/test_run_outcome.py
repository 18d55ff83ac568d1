"""What a run did is the sum of what its slices did, however it was cut and in whatever order they finished."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import decimals, examples
from usage_billing.flows.billing.run_outcome import SliceOutcome

START = datetime(2026, 11, 1, tzinfo=UTC)
Line = tuple[str, Decimal, Decimal, str]
lines = st.lists(
    st.tuples(
        st.sampled_from(["sub1", "sub2", "sub3"]),
        decimals("0", "10", places=3),
        decimals("-10", "10", places=2),
        st.sampled_from(["USD", "JPY"]),
    ),
    max_size=12,
)


def outcome_of(written: list[Line]) -> SliceOutcome:
    """The outcome of a slice that wrote these items."""
    outcome = SliceOutcome(subscriptions=len({line[0] for line in written}), invoices=1, finalized=len(written))
    for subscription_id, quantity, change, currency in written:
        outcome.add(subscription_id, "report", START.isoformat(), quantity=quantity, change=change, currency=currency)
    return outcome


def merged(outcomes: list[SliceOutcome]) -> SliceOutcome:
    total = SliceOutcome()
    for outcome in outcomes:
        total.merge(outcome)
    return total


@given(st.lists(lines, max_size=5).flatmap(lambda parts: st.tuples(st.just(parts), st.permutations(parts))))
@examples(150)
def test_merging_does_not_depend_on_the_order(orders: tuple[list[list[Line]], list[list[Line]]]) -> None:
    one, other = (merged([outcome_of(part) for part in order]) for order in orders)
    assert one.to_json() == other.to_json()


@given(lines, st.integers(0, 12))
@examples(150)
def test_the_digest_does_not_depend_on_where_a_run_is_cut(written: list[Line], cut: int) -> None:
    whole, parts = outcome_of(written), merged([outcome_of(written[:cut]), outcome_of(written[cut:])])
    assert (parts.digest_text(), parts.items, parts.amounts) == (whole.digest_text(), whole.items, whole.amounts)


@given(lines, st.data())
@examples(150)
def test_the_digest_tells_one_item_that_differs(written: list[Line], data: st.DataObject) -> None:
    if not written:
        return
    place = data.draw(st.integers(0, len(written) - 1))
    subscription_id, quantity, change, currency = written[place]
    other = [*written]
    other[place] = (subscription_id, quantity, change + Decimal("0.01"), currency)
    assert outcome_of(other).digest_text() != outcome_of(written).digest_text()
    assert outcome_of([*written, written[place]]).digest_text() != outcome_of(written).digest_text()


@given(lines)
@examples(100)
def test_it_is_kept_with_its_slice_without_loss(written: list[Line]) -> None:
    outcome = outcome_of(written)
    outcome.warnings.append({"subscriptionId": "sub1", "code": "billing_failed", "detail": "x"})
    assert SliceOutcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


def test_amounts_are_shown_in_their_own_minor_unit() -> None:
    outcome = outcome_of([("sub1", Decimal(1), Decimal("30"), "USD"), ("sub1", Decimal(1), Decimal("30"), "JPY")])
    assert outcome.amount_texts() == {"JPY": "30", "USD": "30.00"}
    assert len(outcome.digest_text()) == 64
