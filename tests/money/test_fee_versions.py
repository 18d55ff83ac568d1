"""Versions of base fees, and base fees and quotas of a subscription's own that move with it or end."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.money.house import House, day, make_house
from tests.money.test_versions import LATER, TWO, UNIT
from tests.support.books import scalars
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.session import transaction
from usage_billing.flows.administration import plan_versions
from usage_billing.flows.administration.change_subscription import take_back
from usage_billing.flows.administration.own_quotas import end_own_quota


@pytest.fixture
def house(engine: Engine) -> House:
    return make_house(engine)


def final(house: House) -> list[Decimal]:
    return [one[2] for one in house.invoices() if one[0] != "draft"]


def D(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def test_the_next_fee_comes_with_the_next_period(house: House) -> None:
    house.plan("a", fee="31")
    house.subscribe()
    house.version("a", "40", at=day(10))
    house.bill(day(1, month=2) + LATER)
    house.bill(day(1, month=3) + LATER)
    assert final(house) == D("31", "40")


def test_a_fee_at_once_divides_the_period(house: House) -> None:
    house.plan("a", fee="31")
    house.subscribe()
    house.bill(day(5))
    house.version("a", "62", at=day(11), effective="now")
    house.bill(day(1, month=2) + LATER)
    assert sum(final(house)) == Decimal(10 + 42)


def test_a_fee_in_advance_that_is_cut_is_settled_at_once(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.subscribe()
    house.bill(day(1) + LATER)
    house.version("a", "62", at=day(11), effective="now")
    house.bill(day(11) + LATER)
    assert [(one[0], sorted(amount for _, amount in one[3])) for one in house.invoices()] == [
        ("finalized", D("31")),
        ("finalized", D("-21", "42")),
    ]


def test_a_fee_in_advance_that_is_invoiced_stays(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.subscribe()
    house.bill(day(1) + LATER)
    for how in ("period", "start", day(1)):
        with pytest.raises(Conflict) as caught:
            house.version("a", "62", at=day(11), effective=how)
        assert caught.value.code == "already_invoiced"
    house.version("a", "62", at=day(11))
    house.bill(day(1, month=2) + LATER)
    assert final(house) == D("31", "62")


def test_a_fee_that_is_dearer_for_the_past_is_to_be_meant(house: House) -> None:
    house.plan("a", fee="31")
    house.subscribe()
    with pytest.raises(Conflict) as caught:
        house.version("a", "40", at=day(11), effective="period")
    assert (caught.value.code, "9.00 USD" in caught.value.message) == ("would_reprice", True)
    house.version("a", "40", at=day(11), effective="period", reprice=True)
    house.bill(day(1, month=2) + LATER)
    assert sum(final(house)) == 40


def test_what_fees_would_cost_is_looked_at_before_the_locks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the locks it is looked at once more only where something changed meanwhile."""
    house.plan("a", fee="31")
    for name in ("s", "t"):
        house.subscribe(name)
    looked, due, lock = list[str](), plan_versions._due, plan_versions.lock_to_open

    def due_seen(line: Any, fees: Any, name: str, *more: Any) -> Decimal:
        looked.append(name)
        return due(line, fees, name, *more)

    def lock_beside(session: Any, **more: Any) -> None:
        house.change("pause", at=day(10), name="t")
        looked.append("locks")
        lock(session, **more)

    monkeypatch.setattr(plan_versions, "_due", due_seen)
    monkeypatch.setattr(plan_versions, "lock_to_open", lock_beside)
    house.version("a", "30", at=day(11), effective="period")
    assert looked == ["s", "s", "t", "t", "locks", "t", "t"]  # by what holds, and by what would


def test_without_division_a_fee_at_once_waits_for_the_next_period(house: House) -> None:
    house.plan("a", fee="31", proration="none")
    house.subscribe()
    house.version("a", "40", at=day(11), effective="now")
    house.bill(day(1, month=2) + LATER)
    house.bill(day(1, month=3) + LATER)
    assert final(house) == D("31", "40")


def test_a_fee_of_ones_own_holds_from_the_start_and_ends_with_the_plan(house: House) -> None:
    house.plan("a", fee="31")
    house.plan("b", fee="62")
    house.subscribe(base_fee=Decimal("15.50"))
    house.version("a", "310", at=day(5), effective="now")
    house.change("change_plan", at=day(11), plan_id="b")
    house.bill(day(1, month=2) + LATER)
    assert sum(final(house)) == Decimal(5 + 42)


@pytest.mark.parametrize(("own", "due"), [({}, 10), ({"quotas": "end"}, 20)])
def test_a_quota_of_ones_own_moves_along_unless_it_is_ended(house: House, own: dict[str, Any], due: int) -> None:
    for plan in ("a", "b"):
        house.plan(plan)
        house.quota(plan, "0", TWO)
    house.subscribe()
    house.quota("a", "0", UNIT, own="s", effective="start")
    house.change("change_plan", at=day(11), plan_id="b", own=own)
    house.use(10, at=day(12))
    house.bill(day(1, month=2) + LATER)
    assert sum(final(house)) == due


def test_what_a_move_was_to_end_goes_on_when_it_is_taken_back(house: House) -> None:
    for plan in ("a", "b"):
        house.plan(plan, fee="100")
        house.quota(plan, "0", TWO)
    house.subscribe(base_fee=Decimal(1))
    house.quota("a", "0", UNIT, own="s", effective="start")
    house.change("change_plan", at=day(11), when="period_end", plan_id="b", own={"quotas": "end"})
    (planned,) = scalars(house.engine, "SELECT max(id) FROM subscription_changes")
    with transaction(house.engine) as session:
        take_back(session, "s", planned, actor="test", now=day(12))
    house.use(10, at=day(2, month=2))
    house.bill(day(1, month=3) + LATER)
    assert final(house) == D("1", "11")


def test_taking_a_move_back_leaves_what_another_move_ends(house: House) -> None:
    """The fee of its own was to end with either move; without the first it ends with the second."""
    for plan, fee in (("a", "31"), ("b", "62"), ("c", "93")):
        house.plan(plan, fee=fee)
    house.subscribe(base_fee=Decimal(10))
    house.change("change_plan", at=day(5), when=day(1, month=3), plan_id="c")
    house.change("change_plan", at=day(6), when=day(1, month=2), plan_id="b")
    (first,) = scalars(house.engine, "SELECT max(id) FROM subscription_changes")
    with transaction(house.engine) as session:
        take_back(session, "s", first, actor="test", now=day(7))
    for month in (2, 3, 4):
        house.bill(day(1, month=month) + LATER)
    assert final(house) == D("10", "10", "93")


def test_taking_the_earlier_of_two_moves_back_leaves_the_end_of_the_later(house: House) -> None:
    for plan, fee in (("a", "31"), ("b", "62"), ("c", "93")):
        house.plan(plan, fee=fee)
    house.subscribe(base_fee=Decimal(10))
    house.change("change_plan", at=day(5), when=day(1, month=2), plan_id="b")
    (first,) = scalars(house.engine, "SELECT max(id) FROM subscription_changes")
    house.change("change_plan", at=day(6), when=day(1, month=3), plan_id="c")
    with transaction(house.engine) as session:
        take_back(session, "s", first, actor="test", now=day(7))
    for month in (2, 3, 4):
        house.bill(day(1, month=month) + LATER)
    assert final(house) == D("10", "10", "93")


def test_taking_a_move_back_leaves_the_end_that_a_quota_was_given(house: House) -> None:
    for plan in ("a", "b"):
        house.plan(plan)
        house.quota(plan, "0", TWO)
    house.subscribe()
    own = house.quota("a", "0", UNIT, own="s", effective="start")
    with transaction(house.engine) as session:
        end_own_quota(session, own.id, effective=day(1, month=2), actor="test", now=day(4))
    house.change("change_plan", at=day(5), when=day(20), plan_id="b", own={"quotas": "end"})
    (planned,) = scalars(house.engine, "SELECT max(id) FROM subscription_changes")
    with transaction(house.engine) as session:
        take_back(session, "s", planned, actor="test", now=day(6))
    house.use(10, at=day(25))
    house.use(10, at=day(2, month=2))
    for month in (2, 3):
        house.bill(day(1, month=month) + LATER)
    assert final(house) == D("10", "20")


def test_quotas_of_its_own_do_not_end_where_it_stays_on_its_plan(house: House) -> None:
    house.plan("a")
    house.subscribe()
    house.quota("a", "0", UNIT, own="s", effective="start")
    with pytest.raises(InvalidInput, match="DELETE /api/quotas"):
        house.change("change_plan", at=day(11), plan_id="a", own={"quotas": "end"})
    house.change("change_plan", at=day(11), plan_id="a")
