"""What was used in a segment counts there, whatever is agreed later of the time before; found by random histories."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.money.house import House, day
from tests.support.books import scalars
from usage_billing.core.errors import Conflict
from usage_billing.db.session import rolled_back, transaction
from usage_billing.flows.administration.move_start import move_start
from usage_billing.flows.administration.own_quotas import end_own_quota
from usage_billing.flows.billing.upcoming_invoice import upcoming

UNIT = {"model": "per_unit", "unitPrice": "1"}
TWO = {"model": "per_unit", "unitPrice": "2"}
LATER = timedelta(hours=2)


def totals(house: House) -> list[Decimal]:
    return [one[2] for one in house.invoices()]


def end(house: House, quota: int, how: str | datetime, *, at: datetime) -> None:
    with transaction(house.engine) as session:
        end_own_quota(session, quota, effective=how, reprice_usage=True, actor="test", now=at)


@pytest.fixture
def priced(house: House) -> House:
    """A unit on plan a is 1.00, on b 2.00."""
    for plan, price in (("a", UNIT), ("b", TWO)):
        house.plan(plan, fee="31")
        house.quota(plan, "0", price)
    house.subscribe()
    return house


def test_usage_after_a_resume_is_charged_when_an_earlier_one_takes_its_place(priced: House) -> None:
    priced.change("pause", at=day(5))
    priced.change("resume", at=day(15))
    priced.use(7, at=day(16))
    priced.change("resume", at=day(20), when=day(10))
    priced.bill(day(1, month=2) + LATER)
    assert totals(priced)[:1] == [4 + 22 + 7]


def test_usage_after_a_move_is_charged_when_an_earlier_one_takes_its_place(priced: House) -> None:
    priced.change("change_plan", at=day(15), plan_id="b")
    priced.use(7, at=day(16))
    priced.bill(day(17))
    priced.change("change_plan", at=day(20), when=day(10), plan_id="b")
    priced.bill(day(1, month=2) + LATER)
    assert totals(priced)[:1] == [31 + 14]


def test_a_minimum_is_due_once_when_the_start_of_an_anniversary_moves(house: House) -> None:
    house.plan("a")
    house.quota("a", "10", UNIT | {"minimumAmount": "5"})
    house.subscribe(at=day(10), anchor="anniversary")
    house.bill(day(11))
    with transaction(house.engine) as session:
        move_start(session, "s", started_at=day(8), actor="test", now=day(12))
    house.bill(day(12))
    assert totals(house) == [5]


@pytest.mark.parametrize(("how", "owed"), [("start", 20), ("now", 5 + 5)])
def test_a_quota_of_its_own_that_is_undone_leaves_all_usage_charged(priced: House, how: str, owed: int) -> None:
    priced.change("change_plan", at=day(1), plan_id="b")
    priced.use(5, at=day(3))
    own = priced.quota("b", "0", {"model": "flat", "amount": "0"}, own="s", at=day(10), effective="now")
    priced.use(5, at=day(12))
    end(priced, own.id, how, at=day(20))
    priced.bill(day(1, month=2) + LATER)
    assert totals(priced)[:1] == [31 + owed]


def test_a_quota_of_its_own_does_not_join_what_was_counted_apart(priced: House) -> None:
    """A price of the plan at once divided January, and both parts are used; what holds from its start joined them."""
    priced.use(5, at=day(3))
    priced.quota("a", "0", TWO, at=day(10), effective="now")
    priced.use(5, at=day(12))
    with pytest.raises(Conflict) as refused:
        priced.quota("a", "0", UNIT, own="s", at=day(20), effective="period", reprice=True)
    assert refused.value.code == "usage_later"
    priced.bill(day(1, month=2) + LATER)
    assert totals(priced)[:1] == [31 + 5 + 10]


def test_an_end_does_not_divide_what_was_counted_together(priced: House) -> None:
    own = priced.quota("a", "0", UNIT, own="s", effective="start")
    priced.quota("a", "0", TWO, at=day(10), effective="now")
    priced.use(5, at=day(3))
    priced.use(5, at=day(12))
    with pytest.raises(Conflict) as refused:
        end(priced, own.id, "start", at=day(20))
    assert refused.value.code == "usage_later"
    priced.bill(day(1, month=2) + LATER)
    assert totals(priced)[:1] == [31 + 10]


def test_an_end_of_a_quota_that_was_used_after_stays(priced: House) -> None:
    own = priced.quota("a", "0", TWO, own="s", effective="start")
    end(priced, own.id, "now", at=day(10))
    priced.use(5, at=day(12))
    with pytest.raises(Conflict) as refused:
        end(priced, own.id, day(5), at=day(20))
    assert refused.value.code == "usage_later"
    priced.bill(day(1, month=2) + LATER)
    assert totals(priced)[:1] == [31 + 5]


def test_a_move_as_of_earlier_ends_no_quota_that_was_used_after(priced: House) -> None:
    """The quota ended on the 10th, which divided January, and what was used since is counted from there."""
    own = priced.quota("a", "0", TWO, own="s", effective="start")
    priced.change("change_plan", at=day(9), plan_id="b")
    end(priced, own.id, "now", at=day(10))
    priced.use(5, at=day(12))
    with pytest.raises(Conflict) as refused:
        priced.change("change_plan", at=day(20), when=day(5), plan_id="b", own={"quotas": "end"})
    assert refused.value.code == "usage_later"
    priced.bill(day(1, month=2) + LATER)
    assert totals(priced)[:1] == [31 + 10]


@pytest.mark.parametrize(("began", "to", "used"), [(2, 20, 25), (20, 10, 25), (2, 36, 40), (36, 20, 40)])
def test_usage_beside_a_moved_start_is_charged(house: House, began: int, to: int, used: int) -> None:
    """Also where another version of the quota begins between the two starts, and where a period does."""
    house.plan("a")
    house.quota("a", "0", UNIT)
    house.quota("a", "0", TWO, at=day(1), effective=day(15), reprice=True)
    house.subscribe(at=day(1) + timedelta(days=began - 1))
    house.use(5, at=day(1) + timedelta(days=used - 1))
    with transaction(house.engine) as session:
        move_start(session, "s", started_at=day(1) + timedelta(days=to - 1), actor="test", now=day(28, month=2))
    house.bill(day(1, month=3) + LATER)
    assert sum(totals(house)) == 10


@pytest.mark.parametrize("to", [day(5), day(11)])
def test_quotas_of_its_own_begin_and_end_with_the_start_that_is_moved(house: House, to: datetime) -> None:
    """One never holds, for it was ended as of the start; the second holds from the start, which is its period's."""
    house.plan("a")
    house.quota("a", "0", TWO)
    house.subscribe(at=day(10))
    gone = house.quota("a", "0", {"model": "flat", "amount": "9"}, own="s", at=day(10), effective="start")
    end(house, gone.id, "start", at=day(10))
    house.quota("a", "0", UNIT, own="s", at=day(11), effective="period")
    house.use(5, at=day(12))
    with transaction(house.engine) as session:
        move_start(session, "s", started_at=to, actor="test", now=day(12))
    house.use(5, at=day(13), occurred=to)
    house.bill(day(1, month=2) + LATER)
    assert totals(house)[:1] == [10]


@pytest.mark.parametrize("timing", ["arrears", "advance"])
def test_the_upcoming_invoice_has_no_fee_that_is_charged_already(house: House, timing: str) -> None:
    house.plan("a", fee="31", base_fee_timing=timing)
    house.subscribe()
    for month in (2, 3):
        house.bill(day(1, month=month) + LATER)
    house.version("a", "40", at=day(10, month=3))

    def shown() -> list[Any]:
        with rolled_back(house.engine) as session:
            found = upcoming(session, "s", now=day(10, month=3))
            return [] if found is None else [(item.period_start.astimezone(UTC), item.amount) for item in found[1]]

    before = shown()
    house.bill(day(10, month=3))
    assert before == shown() == [(day(1, month=3 if timing == "arrears" else 4), 31 if timing == "arrears" else 40)]
    assert scalars(house.engine, "SELECT count(*) FROM usage_invoice_items WHERE kind = 'adjustment'") == [0]
