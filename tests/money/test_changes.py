"""Plan changes, pauses, cancellations and quotas in mid-period: what is divided, and on which invoice it comes."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.money.house import DIME, House, day
from tests.support.books import rows

FEBRUARY = day(1, month=2)
LATER = timedelta(hours=2)


def amounts(house: House, name: str = "s") -> list[Decimal]:
    """What stands on the invoices that are final."""
    return [amount for invoice in house.invoices(name) if invoice[0] != "draft" for _, amount in invoice[3]]


def test_a_plan_change_at_once_divides_the_fee_and_leaves_what_is_not_used_of_the_budget(house: House) -> None:
    house.plan("a", fee="31")
    house.plan("b", fee="62")
    house.quota("a", "310")
    house.quota("b", "620", {"model": "per_unit", "unitPrice": "1"})
    house.subscribe()
    house.use(150, at=day(5))
    house.bill(day(6))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(500, at=day(12))  # 310 x 10/31 + 620 x 21/31 = 520, of which 150 are used
    house.bill(FEBRUARY + LATER)
    assert house.invoices()[0][:3] == ("finalized", FEBRUARY, Decimal(130 + 10 + 42))
    assert sorted(amounts(house)) == [Decimal(10), Decimal(42), Decimal(130)]


def test_a_plan_change_at_period_end_divides_nothing(house: House) -> None:
    house.plan("a", fee="31")
    house.plan("b", fee="62")
    house.subscribe()
    house.change("change_plan", at=day(11), plan_id="b", when="period_end")
    house.bill(FEBRUARY + LATER)
    house.bill(day(1, month=3) + LATER)
    assert amounts(house) == [Decimal(31), Decimal(62)]


def test_by_days_the_day_of_the_change_belongs_to_the_new_plan(house: House) -> None:
    house.plan("a", fee="31", proration="days")
    house.plan("b", fee="62", proration="days")
    house.subscribe(timezone="Europe/Berlin", at=day(31, month=12, hour=23, year=2025))
    house.change("change_plan", at=day(10, hour=22, minute=59), plan_id="b")  # the 10th of January in Berlin
    house.bill(day(1, month=2, hour=1))
    assert amounts(house) == [Decimal(9), Decimal(44)]


def test_without_proration_each_plan_has_its_whole_fee_and_the_limit_now_is_the_budget(house: House) -> None:
    house.plan("a", fee="31", proration="none")
    house.plan("b", fee="62", proration="none")
    house.quota("a", "100")
    house.quota("b", "100")
    house.subscribe()
    house.use(110, at=day(5))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(120, at=day(12))
    house.bill(FEBRUARY + LATER)
    assert sorted(amounts(house)) == [Decimal(1), Decimal(12), Decimal(31), Decimal(62)]


def test_periods_of_two_cadences_that_begin_together_are_divided_apart(house: House) -> None:
    house.plan("a", proration="none")
    house.plan("b", interval_count=2, proration="none")
    house.quota("a", "100")
    house.quota("b", "1000")
    house.subscribe()
    house.use(90, at=day(5))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(500, at=day(12))
    house.change("change_plan", at=day(21), plan_id="a")
    house.use(30, at=day(22))  # the month has 10 left: what was used in two months of another plan is not its
    house.bill(FEBRUARY + LATER)
    assert amounts(house) == [Decimal(2)]


def test_nothing_is_charged_for_a_pause_and_nothing_may_be_recorded(house: House) -> None:
    house.plan("a", fee="31")
    house.quota("a", "31")
    house.subscribe()
    house.use(15, at=day(2))
    house.change("pause", at=day(11))
    with pytest.raises(AssertionError):
        house.use(1, at=day(12))
    house.change("resume", at=day(21))
    house.use(11, at=day(22))
    house.bill(FEBRUARY + LATER)
    assert sorted(amounts(house)) == [Decimal("0.5"), Decimal(10), Decimal(11)]


def test_a_plan_change_keeps_a_pause(house: House) -> None:
    house.plan("a", fee="31")
    house.plan("b", fee="62")
    house.subscribe()
    house.change("pause", at=day(11))
    house.change("change_plan", at=day(15), plan_id="b")
    house.bill(FEBRUARY + LATER)
    assert amounts(house) == [Decimal(10)]
    house.change("resume", at=day(15, month=2))
    house.bill(day(1, month=3) + LATER)
    assert amounts(house) == [Decimal(10), Decimal(31)]


def test_a_pause_before_a_scheduled_change_keeps_the_plan_of_its_moment(house: House) -> None:
    house.plan("a", fee="31")
    house.plan("b", fee="62")
    house.subscribe()
    house.change("change_plan", at=day(5), plan_id="b", when="period_end")
    house.change("pause", at=day(11))
    house.change("resume", at=day(21))
    house.bill(FEBRUARY + LATER)
    assert amounts(house) == [Decimal(10), Decimal(11)]


@pytest.mark.parametrize(("edges", "fee", "usage"), [(False, "31", "0"), (True, "10", "0")])
def test_a_cancellation_is_invoiced_at_that_moment(house: House, edges: bool, fee: str, usage: str) -> None:
    house.plan("a", fee="31", prorates_edges=edges)
    house.quota("a", "31")
    house.subscribe()
    house.use(31, at=day(5))
    house.bill(day(6))
    house.change("cancel", at=day(11))
    house.bill(day(11) + LATER)
    ((status, end, total, _),) = house.invoices()
    assert (status, end, total) == ("finalized", day(11), Decimal(fee) + Decimal(usage))


def test_a_cancellation_puts_everything_on_one_final_invoice(house: House) -> None:
    """A monthly plan, then a yearly one, and what is adjusted of the year before: one invoice, at the end."""
    house.plan("a", fee="31")
    house.plan("b", fee="365", interval="year")
    house.quota("a", "0")
    house.subscribe(at=day(1, month=12, year=2025))
    house.use(10, at=day(2, month=12, year=2025))
    house.bill(day(1) + LATER)
    house.use(5, at=day(2), occurred=day(3, month=12, year=2025))
    house.bill(day(3))
    house.change("change_plan", at=day(11), plan_id="b")
    house.bill(day(12))
    house.change("cancel", at=day(21))
    house.bill(day(21) + LATER)
    final = house.invoices()[1]
    assert final[:2] == ("finalized", day(21))
    assert [kind for kind, _ in final[3]] == ["adjustment", "fee", "fee"]
    assert len(house.invoices()) == 2


def test_usage_that_comes_after_the_final_invoice_is_invoiced_at_once(house: House) -> None:
    house.plan("a")
    house.quota("a", "0")
    house.subscribe()
    house.use(10, at=day(5))
    house.change("cancel", at=day(11))
    house.bill(day(11) + LATER)
    house.use(20, at=day(12), occurred=day(10))
    house.bill(day(12))
    assert [(i[0], i[2]) for i in house.invoices()] == [("finalized", Decimal(1)), ("draft", Decimal(2))]
    house.bill(day(12) + LATER)
    assert [i[0] for i in house.invoices()] == ["finalized", "finalized"]


def test_a_fee_in_advance_is_due_at_the_start_and_credited_when_unused(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.plan("b")
    house.subscribe()
    house.bill(day(1) + LATER)
    assert house.invoices() == [("finalized", day(1), Decimal(31), [("fee", Decimal(31))])]
    house.change("change_plan", at=day(11), plan_id="b")
    house.bill(day(11))
    assert house.invoices()[1] == ("finalized", day(11), Decimal(-21), [("adjustment", Decimal(-21))])
    assert house.balance() == 21


def test_fees_in_advance_and_in_arrears_meet_on_one_invoice(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.quota("a", "0")
    house.subscribe()
    house.use(10, at=day(5))
    house.bill(FEBRUARY)
    assert house.invoices()[1] == ("draft", FEBRUARY, Decimal(32), [("usage", Decimal(1)), ("fee", Decimal(31))])


def test_a_change_as_of_the_past_takes_back_the_fees_and_minimums_of_what_is_no_more(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.plan("b")
    house.quota("a", "10", DIME | {"minimumAmount": "5"})
    house.subscribe()
    house.bill(day(1, month=3) + LATER)
    assert [i[2] for i in house.invoices()[:3]] == [Decimal(31), Decimal(36), Decimal(36)]
    house.change("change_plan", at=day(2, month=3), when=FEBRUARY, plan_id="b")
    house.bill(day(3, month=3))
    assert sorted(amount for _, amount in house.invoices()[-1][3]) == [Decimal(-31), Decimal(-31), Decimal(-5)]
    house.bill(day(1, month=4) + LATER)
    assert house.balance() == 67


def test_a_new_version_leaves_the_period_under_way_alone(house: House) -> None:
    house.plan("a")
    house.quota("a", "0")
    house.subscribe()
    house.use(10, at=day(5))
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "1"}, at=day(11))
    house.use(10, at=day(12))
    house.use(10, at=day(2, month=2))
    house.bill(day(1, month=3) + LATER)
    assert amounts(house) == [Decimal(2), Decimal(10)]


def test_a_version_that_holds_at_once_cuts_the_period(house: House) -> None:
    house.plan("a", fee="31")
    house.quota("a", "310")
    house.subscribe()
    house.use(110, at=day(5))
    house.bill(day(6))
    house.quota("a", "31", {"model": "per_unit", "unitPrice": "1"}, at=day(11), effective="now")
    house.use(22, at=day(12))
    house.bill(FEBRUARY + LATER)
    assert sorted(amounts(house)) == [Decimal(22), Decimal(31)]  # the 110 stay free, and leave nothing of the 31


def test_a_version_at_once_holds_right_after_what_is_recorded_of_its_instant(house: House) -> None:
    house.plan("a")
    house.quota("a", "310")
    house.subscribe()
    usage = house.use(1, at=day(11))
    made = house.quota("a", "31", at=day(11), effective="now")
    assert made.effective_from == day(11) + timedelta(microseconds=1)
    house.void(usage, at=day(11))
    assert house.quota("a", "31", at=day(12), effective="now").effective_from == day(12)
    house.bill(FEBRUARY + LATER)


def test_a_subscription_s_own_quota_goes_before_the_plan_s_and_nothing_cuts_it(house: House) -> None:
    tiers = {"model": "graduated", "tiers": [{"upTo": "10", "unitPrice": "1"}, {"upTo": None, "unitPrice": "0"}]}
    house.plan("a")
    house.quota("a", "0")
    house.subscribe("other")
    house.subscribe()
    house.quota("a", "0", tiers, at=day(11), own="s")
    house.use(20, at=day(12))
    house.use(20, at=day(12), name="other")
    house.bill(FEBRUARY + LATER)
    assert amounts(house) == [Decimal(2)]  # its own holds from the next period
    house.use(20, at=day(2, month=2))
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "7"}, at=day(15, month=2), effective="now")
    house.use(20, at=day(16, month=2))
    house.use(1, at=day(16, month=2), name="other")
    house.bill(day(1, month=3) + LATER)
    assert amounts(house) == [Decimal(2), Decimal(10)]
    assert amounts(house, "other") == [Decimal(2), Decimal(7)]


def test_who_comes_in_mid_period_comes_to_the_prices_of_that_day(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "0")
    house.quota("b", "0")
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "1"}, at=day(5))
    house.quota("b", "0", {"model": "per_unit", "unitPrice": "2"}, at=day(12))
    house.subscribe(at=day(11))
    house.use(10, at=day(12))
    house.change("change_plan", at=day(15), plan_id="b")
    house.use(10, at=day(16))
    house.bill(FEBRUARY + LATER)
    assert amounts(house) == [Decimal(10), Decimal(20)]


def test_a_minimum_is_due_without_any_use(house: House) -> None:
    house.plan("a")
    house.quota("a", "10", DIME | {"minimumAmount": "5"})
    house.subscribe()
    house.bill(FEBRUARY + LATER)
    house.use(110, at=day(2, month=2))
    house.bill(day(1, month=3) + LATER)
    assert amounts(house) == [Decimal(5), Decimal(10)]
    assert [i[0] for i in house.invoices()] == ["finalized", "finalized", "draft"]


def test_a_minimum_that_holds_at_once_is_due_before_a_scheduled_change_too(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "10")
    house.subscribe()
    house.bill(day(2))
    house.change("change_plan", at=day(3), plan_id="b", when="period_end")
    house.bill(day(4))
    house.quota("a", "10", DIME | {"minimumAmount": "5"}, at=day(11), effective="now")
    house.bill(FEBRUARY + LATER)
    assert amounts(house) == [Decimal("3.39")]  # 21 of 31 days


@pytest.mark.parametrize(
    ("terms", "zone", "ends"),
    [
        ({"interval": "day"}, "Europe/Berlin", [day(29, month=3, hour=22), day(30, month=3, hour=22)]),
        ({"interval": "week"}, "America/New_York", [day(30, month=3, hour=4), day(6, month=4, hour=4)]),
        ({"interval": "month", "interval_count": 2}, "UTC", [day(1, month=5), day(1, month=7)]),
        ({"interval": "quarter"}, "Pacific/Auckland", [day(31, month=3, hour=11), day(30, month=6, hour=12)]),
        ({"interval": "year"}, "Asia/Kathmandu", [day(31, month=12, hour=18, minute=15)]),
    ],
)
def test_intervals_end_by_the_calendar_of_their_zone(
    house: House, terms: dict[str, Any], zone: str, ends: list[datetime]
) -> None:
    house.plan("a", fee="10", **terms)
    house.subscribe(at=day(28, month=3, hour=23), timezone=zone)
    house.bill(day(1, year=2027))
    found = [row.period_end for row in rows(house.engine, "SELECT period_end FROM fee_charges ORDER BY period_start")]
    assert found[: len(ends)] == ends
    assert set(amounts(house)) == {Decimal(10)}


def test_anniversaries_of_the_31st_fall_on_the_last_day_and_come_back(house: House) -> None:
    house.plan("a", fee="10")
    house.subscribe(at=day(31), anchor="anniversary")
    house.bill(day(1, month=6))
    found = [row.period_end for row in rows(house.engine, "SELECT period_end FROM fee_charges ORDER BY period_start")]
    assert found == [day(28, month=2), day(31, month=3), day(30, month=4), day(31, month=5), day(30, month=6)]
