"""What is owed where no grant pays, beside a slow rule unit by unit, and the laws that hold for any books."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from tests.unit.test_burn_down import a_grant, a_need, day, grants, needs
from usage_billing.prepaid.allocating import allocate_all
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Draws, Need
from usage_billing.prepaid.owing import Overdraft

LINE = UUID(int=99)


def overdraft(most: int, *, now: int = 9, since: int = 0) -> Overdraft:
    return Overdraft(id=LINE, since=day(since), most=Decimal(most), now=day(now))


def found(needs: list[Need], grants: list[Drawable], said: Overdraft, posted: Draws | None = None) -> Draws:
    return allocate_all(needs, grants, posted or {}, (), said).draws


def slowly(needs: list[Need], grants: list[Drawable], said: Overdraft) -> Draws:
    """The rule again, day by day and a unit at a time; nothing is posted."""
    paid: dict[DrawKey, int] = {}
    left = {grant.id: int(grant.amount) if grant.is_open else 0 for grant in grants}
    wanted = {need.key: int(need.quantity) for need in needs}
    owed: list[Need] = []

    def take(need: Need, grant: Drawable) -> bool:
        if not left[grant.id]:
            return False
        left[grant.id] -= 1
        wanted[need.key] -= 1
        key = DrawKey(need.key, grant.id)
        paid[key] = paid.get(key, 0) + 1
        return True

    in_order = sorted(grants, key=lambda grant: grant.burn_order)
    times = {at for need in needs for at in (need.key.window_start, need.ends_at) if at is not None}
    for at in sorted(times | {grant.effective_at for grant in grants}):
        if at <= said.now:
            owed = [need for need in owed if need.ends_at != at]
            for grant in [one for one in in_order if one.effective_at == at]:
                owed = [need for need in owed if not (grant.repays(need) and take(need, grant))]
        for need in sorted((one for one in needs if one.key.window_start == at), key=lambda one: one.order):
            for _ in range(int(need.quantity)):
                if any(grant.fits(need) and grant.holds_at(at) and take(need, grant) for grant in in_order):
                    continue
                runs = need.ends_at is None or need.ends_at > at
                if at >= said.since and runs and len(owed) < said.most:
                    owed.append(need)
                    owed.sort(key=lambda one: one.order)
    for need in sorted(needs, key=lambda one: one.order):
        for _ in range(wanted[need.key]):
            at = need.key.window_start
            if any(grant.fits(need) and grant.reaches_back_to(at) and take(need, grant) for grant in in_order):
                continue
    for need in needs:
        units = min(sum(one is need for one in owed), wanted[need.key])
        if units:
            paid[DrawKey(need.key, LINE)] = units
    return {key: Decimal(units) for key, units in paid.items()}


@st.composite
def books(draw: st.DrawFn) -> tuple[list[Need], list[Drawable], Overdraft]:
    ends: dict[str, datetime | None] = {name: draw(st.none() | st.integers(1, 9).map(day)) for name in ("s", "t")}
    of = [replace(need, ends_at=ends[need.subscription_id]) for need in draw(needs())]
    said = overdraft(draw(st.integers(1, 12)), now=draw(st.integers(0, 9)), since=draw(st.integers(0, 2)))
    return of, draw(grants()), said


@given(books())
@examples(100)
def test_it_is_the_slow_rule(one: tuple[list[Need], list[Drawable], Overdraft]) -> None:
    assert found(*one) == slowly(*one)


@given(books(), st.randoms(use_true_random=False))
@examples(60)
def test_laws(one: tuple[list[Need], list[Drawable], Overdraft], chance: object) -> None:
    needs, grants, said = one
    draws = found(needs, grants, said)
    covered = {need.key: sum((q for k, q in draws.items() if k.need == need.key), Decimal(0)) for need in needs}
    assert all(0 <= covered[need.key] <= need.quantity for need in needs)
    assert all(quantity > 0 for quantity in draws.values())
    owed = [(key.need, quantity) for key, quantity in draws.items() if key.grant_id == LINE]
    assert sum(quantity for _, quantity in owed) <= said.most
    of = {need.key: need for need in needs}
    for key, _ in owed:
        ends = of[key].ends_at
        assert key.window_start >= said.since
        assert ends is None or ends > said.now
    for grant in grants:
        out = sum((q for key, q in draws.items() if key.grant_id == grant.id), Decimal(0))
        assert out <= grant.amount
        if grant.is_open and out < grant.amount and grant.effective_at <= said.now:
            # Nothing is owed for what a grant that has begun since could pay.
            assert not [key for key, _ in owed if grant.repays(of[key])]
    chance.shuffle(needs)  # type: ignore[attr-defined]
    chance.shuffle(grants)  # type: ignore[attr-defined]
    assert found(needs, grants, said) == draws
    assert found(needs, grants, said, draws) == draws  # posting changes nothing
    for posts in grants:
        of_one = {key: quantity for key, quantity in draws.items() if key.grant_id == posts.id}
        assert found(needs, grants, said, of_one) == draws
    for need in needs:
        of_need = {key: quantity for key, quantity in draws.items() if key.need == need.key}
        assert found(needs, grants, said, of_need) == draws


@pytest.mark.parametrize("now", [0, 1])
def test_what_reaches_back_repays_nothing_so_posting_it_changes_nothing(now: int) -> None:
    """It would take room of the overdraft once it is posted, and the other unit would be charged."""
    both = [a_grant(1, "1", effective_at=day(1), covers_since=day(0)), a_grant(2, "1", effective_at=day(1))]
    said = overdraft(1, now=now)
    draws = found([a_need("2")], both, said)
    assert sum(draws.values()) == 2
    for key, quantity in draws.items():
        assert found([a_need("2")], both, said, {key: quantity}) == draws


@pytest.mark.parametrize(
    ("needs", "grants", "owed", "repaid"),
    [
        ([a_need("8")], [a_grant(1, "5")], 3, 0),
        ([a_need("30")], [a_grant(1, "5")], 10, 0),  # the rest is charged
        ([a_need("8")], [a_grant(1, "5"), a_grant(2, "9", effective_at=day(3))], 0, 3),
        ([a_need("8")], [a_grant(1, "5"), a_grant(2, "2", effective_at=day(3))], 1, 2),
        ([a_need("30")], [a_grant(2, "50", effective_at=day(3))], 0, 10),  # what was charged stays charged
        ([a_need("30")], [a_grant(2, "50", effective_at=day(3), covers_since=day(0))], 0, 30),
        ([a_need("8"), a_need("8", at=4, summary=2)], [a_grant(2, "8", effective_at=day(3))], 8, 8),
        ([a_need("8")], [a_grant(2, "9", effective_at=day(10))], 8, 0),  # it has not begun
        ([a_need("8")], [a_grant(2, "9", effective_at=day(3), usage_types=frozenset({"pages"}))], 8, 0),
        ([replace(a_need("8"), ends_at=day(5))], [], 0, 0),
        ([replace(a_need("8"), ends_at=day(5))], [a_grant(2, "3", effective_at=day(4))], 0, 3),
        ([replace(a_need("8"), ends_at=day(5))], [a_grant(2, "3", effective_at=day(5))], 0, 0),
    ],
    ids=["owed", "full", "repaid", "in part", "charged", "back", "first", "not yet", "scope", "end", "before", "after"],
)  # fmt: skip
def test_worked_examples(needs: list[Need], grants: list[Drawable], owed: int, repaid: int) -> None:
    draws = found(needs, grants, overdraft(10))
    assert sum(quantity for key, quantity in draws.items() if key.grant_id == LINE) == owed
    assert sum(quantity for key, quantity in draws.items() if key.grant_id == UUID(int=2)) == repaid or len(needs) > 1
