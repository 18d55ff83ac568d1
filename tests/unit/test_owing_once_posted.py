"""What is owed once something is posted and the books move on, beside the proof, which has the rule a second time."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from tests.unit.test_burn_down import a_grant, a_need, day, grants
from tests.unit.test_owing import LINE, books, found, overdraft
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Draws, Need
from usage_billing.prepaid.closings import Closing, allocate_after
from usage_billing.prepaid.owing import Overdraft
from usage_billing.reports.verify.drawn import Closing as Proven
from usage_billing.reports.verify.drawn import paid_in_time
from usage_billing.reports.verify.drawn_words import Payer, Place, Wants
from usage_billing.reports.verify.slate import Owing


def wants_of(needs: Sequence[Need]) -> list[Wants]:
    return [
        Wants(place_of(one), one.subscription_id, one.usage_type_id, Fraction(one.quantity), one.ends_at)
        for one in needs
    ]


def proven(
    needs: list[Need], grants: list[Drawable], said: Overdraft, posted: Draws, closing: Closing | None = None
) -> Draws:
    """What the proof finds."""
    over = frozenset[UUID]() if closing is None else closing.grant_ids
    closings = [Proven(closing.at, wants_of(closing.needs))] if closing is not None and closing.at is not None else []
    payers = [
        Payer(
            id=one.id,
            units=Fraction(one.amount),
            priority=one.priority,
            since=one.effective_at,
            until=one.expires_at,
            reset_at=one.reset_at,
            back_to=one.covers_since,
            types=one.usage_types,
            subscriptions=one.subscriptions,
            price_of_one=one.unit_cost,
            closes_at=closings[0].moment if one.id in over else None,
            active=one.is_open,
            made_at=one.made_at,
        )
        for one in grants
    ]
    owing = Owing(said.id, said.since, Fraction(said.most), said.now)
    before = {(Place(*key.need[:2]), key.grant_id): Fraction(quantity) for key, quantity in posted.items()}
    paid = paid_in_time(closings, wants_of(needs), payers, before, owing=owing)
    keys = {place_of(need): need.key for need in needs}
    return {
        DrawKey(keys[place], id): Decimal(units.numerator) / units.denominator for (place, id), units in paid.items()
    }


def place_of(need: Need) -> Place:
    return Place(need.key.summary_id, need.key.window_start)


@given(
    books(),
    grants(),
    st.lists(st.integers(0, 9), min_size=6, max_size=6),
    st.integers(0, 9),
    st.sets(st.integers(0, 5)),
)
@examples(40)
def test_the_proof_finds_the_same_when_usage_and_grants_come_after_a_posting(
    one: tuple[list[Need], list[Drawable], Overdraft],
    later: list[Drawable],
    used: list[int],
    now: int,
    causes: set[int],
) -> None:
    needs, there, said = one
    draws = found(needs, there, said)
    posted = {key: quantity for key, quantity in draws.items() if key.need.summary_id in causes}
    assert found(needs, there, said, posted) == draws
    ids = {grant.id for grant in there}
    more = [*there, *(grant for grant in later if grant.id not in ids)]
    moved = [replace(need, quantity=Decimal(quantity)) for need, quantity in zip(needs, used, strict=False)]
    then = replace(said, now=max(said.now, day(now)))
    draws = found(moved, more, then, posted)
    assert draws == proven(moved, more, then, posted)
    assert sum(quantity for key, quantity in draws.items() if key.grant_id == LINE) <= said.most
    assert found(moved, more, then, draws) == draws


def test_a_grant_repays_nothing_of_what_another_reached_back_over_and_is_posted() -> None:
    needs, said = [a_need("5")], overdraft(20)
    back = a_grant(1, "8", effective_at=day(1), covers_since=day(0))
    posted = found(needs, [back], said)
    assert posted == {DrawKey(needs[0].key, back.id): 5}
    assert found(needs, [back, a_grant(2, "4", effective_at=day(2))], said, posted) == posted


@pytest.mark.parametrize("now", [3, 5])
def test_a_grant_that_came_to_close_pays_what_it_would_have_however_late_that_is_looked_at(now: int) -> None:
    """It reaches back over what is owed; a grant that begins after its time is over repays nothing of that."""
    needs = [a_need("5")]
    back = a_grant(1, "5", effective_at=day(1), expires_at=day(2), covers_since=day(0))
    later = a_grant(2, "5", effective_at=day(4))
    closing = Closing(frozenset({back.id}), needs, at=day(3))
    draws = allocate_after([closing], needs, [back, later], {}, (), overdraft(10, now=now)).draws
    assert draws == {DrawKey(needs[0].key, back.id): 5}
    assert draws == proven(needs, [back, later], overdraft(10, now=now), {}, closing)


def test_a_grant_that_is_made_later_takes_nothing_from_one_that_came_to_close() -> None:
    needs, said = [a_need("5")], overdraft(10)
    first = a_grant(1, "5", expires_at=day(1))
    later = a_grant(2, "5", priority=1, made_at=day(4))
    closing = Closing(frozenset({first.id}), needs, at=day(3))
    draws = allocate_after([closing], needs, [first, later], {}, (), said).draws
    assert draws == {DrawKey(needs[0].key, first.id): 5}
    assert draws == proven(needs, [first, later], said, {}, closing)
    assert allocate_after([closing._replace(at=day(4))], needs, [first, later], {}).draws == found(needs, [later], said)
