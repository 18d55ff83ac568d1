"""From when a version of a quota holds, in every way in which that is asked."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.money.house import House, day, make_house
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.administration import dearer, plan_quotas
from usage_billing.flows.administration.own_quotas import end_own_quota

LATER = timedelta(hours=2)
UNIT = {"model": "per_unit", "unitPrice": "1"}
TWO = {"model": "per_unit", "unitPrice": "2"}
THREE = {"model": "per_unit", "unitPrice": "3"}


@pytest.fixture
def house(engine: Engine) -> House:
    return make_house(engine)


def total(house: House, name: str = "s") -> Decimal:
    return sum((one[2] for one in house.invoices(name)), Decimal(0))


def refused(house: House, code: str, *args: Any, **more: Any) -> str:
    with pytest.raises(Conflict) as caught:
        house.quota(*args, **more)
    assert caught.value.code == code
    return caught.value.message


def test_a_planned_rise_comes_although_a_later_version_held_at_once(house: House) -> None:
    house.plan("a")
    house.quota("a", "0", UNIT)
    house.subscribe()
    house.quota("a", "0", TWO, at=day(3))
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "0.5"}, at=day(5), effective="now")
    house.use(10, at=day(6))
    house.use(10, at=day(2, month=2))
    house.bill(day(1, month=3) + LATER)
    assert [one[2] for one in house.invoices()] == [Decimal(5), Decimal(20)]


def test_a_version_holds_from_the_period_that_runs(house: House) -> None:
    house.plan("a")
    house.quota("a", "0", TWO)
    house.subscribe()
    house.use(10, at=day(6))
    made = house.quota("a", "0", UNIT, at=day(15), effective="period")
    assert (made.effective, made.effective_from) == ("period", day(1))
    house.bill(day(1, month=2) + LATER)
    assert total(house) == 10


def test_what_makes_recorded_usage_dearer_is_to_be_meant(house: House) -> None:
    house.plan("a")
    house.quota("a", "0", UNIT)
    house.subscribe()
    house.use(10, at=day(6))
    for how in ("period", "start", day(1)):
        assert "10.00 USD" in refused(house, "would_reprice", "a", "0", TWO, at=day(15), effective=how)
    house.bill(day(16))
    assert total(house) == 10
    house.quota("a", "0", TWO, at=day(17), effective=day(1), reprice=True)
    house.bill(day(1, month=2) + LATER)
    assert total(house) == 20


def test_what_usage_would_cost_is_looked_at_before_the_locks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the locks it is looked at once more only where something was recorded meanwhile."""
    house.plan("a")
    house.quota("a", "0", TWO)
    for name in ("s", "t", "u"):
        house.subscribe(name)
        house.use(10, at=day(6), name=name)
    looked, reckon, lock = list[list[str]](), dearer._dearer, plan_quotas.lock_shards

    def reckon_seen(session: Any, scope: Any, ids: Any, *more: Any) -> Decimal:
        looked.append(list(ids))
        return reckon(session, scope, ids, *more)

    def lock_beside(*shards: Any) -> Any:
        house.use(1, at=day(7), name="t")
        looked.append(["locks"])
        return lock(*shards)

    monkeypatch.setattr(dearer, "_dearer", reckon_seen)
    monkeypatch.setattr(plan_quotas, "lock_shards", lock_beside)
    refused(house, "would_reprice", "a", "0", THREE, at=day(15), effective=day(1))
    assert looked == [["s", "t", "u"]]
    house.quota("a", "0", UNIT, at=day(15), effective=day(1))
    assert looked == [["s", "t", "u"], ["s", "t", "u"], ["locks"], ["t"]]


@pytest.mark.parametrize("own", [{}, {"own": "s"}])
def test_a_minimum_that_is_to_come_makes_no_recorded_usage_dearer(house: House, own: dict[str, str]) -> None:
    house.plan("a")
    house.quota("a", "0", UNIT)
    house.subscribe()
    house.use(10, at=day(6))
    refused(house, "would_reprice", "a", "0", UNIT | {"minimumAmount": "31"}, at=day(15), effective=day(7), **own)
    house.quota("a", "0", UNIT | {"minimumAmount": "31"}, at=day(15), effective=day(25), **own)
    house.bill(day(1, month=2) + LATER)
    assert total(house) == 10 + 7 + 31  # February has begun


def test_an_instant_within_a_period_divides_no_usage(house: House) -> None:
    house.plan("a")
    house.quota("a", "0", TWO)
    house.subscribe()
    house.use(10, at=day(6))
    assert "2026-01-06T00:00:00.000001+00:00" in refused(
        house, "usage_later", "a", "0", UNIT, at=day(15), effective=day(4)
    )
    # What is dearer by it is said first, reckoned as if the version had been made before the usage.
    for own in ({}, {"own": "s"}):
        told = refused(house, "would_reprice", "a", "0", THREE, at=day(15), effective=day(4), **own)
        assert "10.00 USD more" in told
        assert "2026-01-06T00:00:00.000001+00:00" in told
        refused(house, "usage_later", "a", "0", THREE, at=day(15), effective=day(4), reprice=True, **own)
    house.quota("a", "0", UNIT, at=day(15), effective=day(10))
    house.use(10, at=day(12))
    house.bill(day(1, month=2) + LATER)
    assert total(house) == 30


def test_what_is_invoiced_stays(house: House) -> None:
    house.plan("a")
    house.quota("a", "0", UNIT)
    house.subscribe()
    house.use(10, at=day(6))
    house.bill(day(1, month=2) + LATER)
    for how in ("start", day(31), day(1)):
        assert "2026-02-01T00:00:00+00:00" in refused(
            house, "already_invoiced", "a", "0", UNIT, at=day(10, month=2), effective=how
        )
    house.quota("a", "5", UNIT, at=day(10, month=2), effective=day(1, month=2))
    house.use(10, at=day(11, month=2))
    house.bill(day(1, month=3) + LATER)
    assert [one[2] for one in house.invoices()] == [Decimal(10), Decimal(5)]


def test_a_first_price_is_for_the_running_period_of_who_was_there_and_for_all_of_who_comes(house: House) -> None:
    house.plan("a")
    house.subscribe()
    house.use(10, at=day(6))
    house.use(7, at=day(6, month=2))
    house.quota("a", "0", UNIT, at=day(15, month=2))
    house.subscribe("late", at=day(1))
    house.use(10, at=day(6), name="late")
    house.bill(day(1, month=3) + LATER)
    assert (total(house), total(house, "late")) == (7, 10)


def test_a_first_price_from_the_start_is_for_the_past_too(house: House) -> None:
    house.plan("a")
    house.subscribe()
    house.use(10, at=day(6))
    house.use(7, at=day(6, month=2))
    house.quota("a", "0", UNIT, at=day(15, month=2), effective="start")
    house.bill(day(1, month=3) + LATER)
    assert total(house) == 17


@pytest.mark.parametrize(("priced", "how"), [(True, day(1, month=2)), (False, day(1))])
def test_a_first_quota_of_ones_own_waits_where_there_was_a_price(house: House, priced: bool, how: Any) -> None:
    house.plan("a")
    if priced:
        house.quota("a", "0", TWO)
    house.subscribe()
    house.use(10, at=day(6))
    assert house.quota("a", "0", UNIT, at=day(15), own="s").effective_from == how
    house.bill(day(1, month=2) + LATER)
    assert total(house) == (20 if priced else 10)


def test_one_s_own_is_kept_on_another_plan_and_ends_when_it_is_ended(house: House) -> None:
    for plan in ("a", "b"):
        house.plan(plan)
        house.quota(plan, "0", TWO)
    house.subscribe()
    own = house.quota("a", "0", UNIT, own="s", effective="now")
    house.change("change_plan", at=day(10), plan_id="b")
    house.use(10, at=day(12))
    with transaction(house.engine) as session:
        ended = end_own_quota(session, own.id, actor="test", now=day(15))
    assert ended.ended_at == ended.effective_until == day(1, month=2)
    house.use(10, at=day(16))
    house.use(10, at=day(2, month=2))
    house.bill(day(1, month=3) + LATER)
    assert [one[2] for one in house.invoices()] == [Decimal(20), Decimal(20)]


def test_a_plans_quota_is_not_ended_and_an_end_that_makes_dearer_is_to_be_meant(house: House) -> None:
    house.plan("a")
    listed = house.quota("a", "0", TWO)
    house.subscribe()
    own = house.quota("a", "0", UNIT, own="s", effective="start")
    house.use(10, at=day(12))
    for quota, code in ((listed, "plan_quota"), (own, "would_reprice")):
        with pytest.raises(Conflict) as caught, transaction(house.engine) as session:
            end_own_quota(session, quota.id, effective="start", actor="test", now=day(15))
        assert caught.value.code == code
    with transaction(house.engine) as session:
        end_own_quota(session, own.id, effective="start", reprice_usage=True, actor="test", now=day(15))
    house.bill(day(1, month=2) + LATER)
    assert total(house) == 20
