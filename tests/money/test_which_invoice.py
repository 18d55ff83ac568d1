"""Which invoice a charge stands on: the period's, the change's, a correction; what credit pays of it, and when."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.money.books import check_everything, differences
from tests.money.house import DIME, House, day
from tests.support.billing import bill
from tests.support.books import rows
from usage_billing.core.errors import Conflict
from usage_billing.db.session import rolled_back
from usage_billing.flows.billing.upcoming_invoice import upcoming

FEBRUARY, MARCH = day(1, month=2), day(1, month=3)
LATER = timedelta(hours=2)
DOLLAR = {"model": "per_unit", "unitPrice": "1"}


def finals(house: House, name: str = "s") -> list[tuple[str, Decimal]]:
    """(kind, total) of each invoice that is final, as they were numbered."""
    found = rows(
        house.engine,
        "SELECT kind, total FROM invoices WHERE subscription_id = :name AND number IS NOT NULL AND status <> 'void'"
        " ORDER BY number",
        name=name,
    )
    return [(row.kind, row.total) for row in found]


def drafts(house: House, name: str = "s") -> list[tuple[str, datetime, Decimal]]:
    """(kind, when it is due to be final, total) of each draft."""
    found = rows(
        house.engine,
        "SELECT kind, closes_at, total FROM invoices WHERE subscription_id = :name AND status = 'draft' ORDER BY 2",
        name=name,
    )
    return [(row.kind, row.closes_at, row.total) for row in found]


def coming(house: House, at: datetime, name: str = "s") -> tuple[str, Decimal, Decimal, list[Any]] | None:
    """(kind, total, what is left to pay, items) of the upcoming invoice."""
    with rolled_back(house.engine) as session:
        found = upcoming(session, name, now=at)
        if found is None:
            return None
        invoice, items = found
        lines = sorted((item.kind, item.usage_type_id, item.period_start, item.amount) for item in items)
        return invoice.kind, invoice.total, invoice.amount_due, lines


def made(house: House, closes_at: datetime, name: str = "s") -> tuple[str, Decimal, Decimal, list[Any]]:
    """The same of an invoice that is made."""
    (invoice,) = rows(
        house.engine,
        "SELECT id, kind, total, total - credit_applied AS due FROM invoices WHERE subscription_id = :name"
        " AND closes_at = :at AND status <> 'void'",
        name=name,
        at=closes_at,
    )
    items = rows(
        house.engine,
        "SELECT kind, usage_type_id, period_start, amount FROM usage_invoice_items WHERE invoice_id = :id",
        id=invoice.id,
    )
    return invoice.kind, invoice.total, max(invoice.due, Decimal(0)), sorted(tuple(item) for item in items)


def test_two_pauses_of_a_year_paid_in_advance_are_settled_when_they_happen(house: House) -> None:
    house.plan("a", fee="365", base_fee_timing="advance", interval="year")
    house.subscribe()
    house.bill(day(1) + LATER)
    for kind, at in (("pause", 21), ("resume", 31), ("pause", 51), ("resume", 61)):
        moment = day(1) + timedelta(days=at - 1)
        house.change(kind, at=moment)
        house.bill(moment)
    assert finals(house) == [
        ("period", 365),
        ("change", -345),
        ("change", 335),
        ("change", -315),
        ("change", 305),
    ]
    assert sum(total for _, total in finals(house)) == 345
    assert drafts(house) == []
    statuses = rows(house.engine, "SELECT status, due_at, credit_applied FROM invoices ORDER BY number")
    assert [tuple(row)[::2] for row in statuses][2] == ("paid", 335)
    assert statuses[2].due_at is None
    assert house.balance() == 20


def test_the_rest_of_a_month_comes_back_on_the_invoice_that_charges_the_year(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.plan("b", fee="365", base_fee_timing="advance", interval="year")
    house.subscribe()
    house.bill(day(1) + LATER)
    house.change("change_plan", at=day(11), plan_id="b")
    house.bill(day(11))
    assert finals(house) == [("period", 31), ("change", 355 - 21)]
    assert house.invoices()[1][3] == [("adjustment", Decimal(-21)), ("fee", Decimal(355))]
    shown = rows(house.engine, "SELECT period_start, period_end FROM invoices ORDER BY number")
    assert [tuple(row) for row in shown] == [(day(1), FEBRUARY), (day(11), day(1, year=2027))]


def test_a_planned_cut_waits_on_a_draft_and_goes_when_it_is_moved(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.subscribe()
    house.bill(day(1) + LATER)
    house.change("pause", at=day(2), when=day(21))
    house.bill(day(3))
    assert drafts(house) == [("change", day(21), -11)]
    house.change("pause", at=day(4), when=day(11))
    house.bill(day(5))
    assert drafts(house) == [("change", day(11), -21)]
    house.bill(day(11))
    assert finals(house) == [("period", 31), ("change", -21)]
    assert house.balance() == 21


@pytest.mark.parametrize(("interval", "kind"), [("month", "period"), ("year", "correction")])
def test_an_adjustment_waits_for_a_month_and_not_for_a_year(house: House, interval: str, kind: str) -> None:
    house.plan("a", interval=interval)
    house.quota("a", "0", DOLLAR)
    house.subscribe(at=day(1, year=2025))
    house.use(5, at=day(3, year=2025))
    house.bill(day(2))
    house.use(7, at=day(3), occurred=day(20, year=2025))
    house.bill(day(4))
    ends = FEBRUARY if interval == "month" else day(4)
    assert drafts(house) == [(kind, ends, 7)]
    house.use(2, at=day(5), occurred=day(21, year=2025))
    house.bill(day(4) + timedelta(minutes=30))
    assert drafts(house) == [(kind, ends, 9)]
    house.bill(day(4) + LATER)
    expected = [("period", 5)] if interval == "month" else [("period", 5), ("correction", 9)]
    assert finals(house) == expected


def test_an_ended_subscription_is_corrected_by_the_next_run_and_by_hand(house: House) -> None:
    house.plan("a", interval="year")
    house.quota("a", "0", DOLLAR)
    house.subscribe()
    used = house.use(10, at=day(5))
    house.change("cancel", at=day(11))
    house.bill(day(11) + LATER)
    house.use(20, at=day(12), occurred=day(10))
    house.bill(day(12))
    assert drafts(house) == [("correction", day(12), 20)]
    house.by_hand("finalize", house.ids()[-1], at=day(12))
    house.void(used, at=day(13))
    house.bill(day(12))  # a run as of the very instant of a correction that is final
    assert drafts(house) == [("correction", day(12) + timedelta(microseconds=1), -10)]
    house.bill(day(13) + LATER)
    assert finals(house) == [("period", 10), ("correction", 20), ("correction", -10)]
    assert house.balance() == 10


def test_a_fee_corrected_after_the_cancellation_says_from_what_to_what(house: House) -> None:
    house.plan("a", fee="31", prorates_edges=True)
    house.subscribe()
    house.bill(FEBRUARY + LATER)
    house.change("cancel", at=day(5, month=2), when=day(16))
    house.bill(day(6, month=2))
    assert drafts(house) == [("correction", day(6, month=2), -16)]
    (item,) = rows(house.engine, "SELECT kind, description FROM usage_invoice_items WHERE amount < 0")
    assert item.kind == "adjustment"
    assert item.description == "Adjustment: a, 1 to 15 January 2026, from 31.00 to 15.00"


def test_the_first_fee_in_advance_shows_the_period_that_it_is_for(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.subscribe(at=day(11))
    house.bill(day(11))
    (row,) = rows(house.engine, "SELECT kind, closes_at, period_start, period_end FROM invoices")
    assert tuple(row) == ("period", day(11), day(11), FEBRUARY)


def test_adjustments_of_nothing_are_left_out_and_the_next_tells_the_quantity(house: House) -> None:
    tiers = {"model": "graduated", "tiers": [{"upTo": "10", "unitPrice": "0"}, {"upTo": None, "unitPrice": "1"}]}
    house.plan("a")
    house.quota("a", "0", tiers)
    house.subscribe()
    house.use(5, at=day(3))
    house.bill(FEBRUARY + LATER)
    assert house.invoices() == []  # an invoice whose items are all of nothing is not made
    house.use(7, at=day(2, month=2), occurred=day(4))
    house.bill(day(3, month=2))
    assert finals(house) == [("period", 2)]
    house.void(house.use(0 + 1, at=day(4, month=2), occurred=day(5)), at=day(5, month=2))
    house.bill(day(6, month=2))
    assert drafts(house) == []
    house.use(3, at=day(7, month=2), occurred=day(6))
    house.bill(day(8, month=2))
    ((kind, quantity),) = rows(house.engine, "SELECT kind, quantity FROM usage_invoice_items WHERE kind <> 'usage'")
    assert (kind, quantity) == ("adjustment", 3)


def test_an_invoice_whose_items_cancel_out_is_made(house: House) -> None:
    house.plan("a", fee="10")
    house.quota("a", "0", DOLLAR)
    house.subscribe()
    used = house.use(10, at=day(3))
    house.bill(FEBRUARY + LATER)
    house.void(used, at=day(2, month=2))
    house.bill(day(3, month=2))
    house.bill(MARCH + LATER)
    assert finals(house) == [("period", 20), ("period", 0)]
    assert [row.status for row in rows(house.engine, "SELECT status FROM invoices ORDER BY number")][1] == "paid"


@pytest.mark.parametrize("names", [("t", "z"), ("z", "t")])
def test_credits_of_a_run_come_first_then_the_oldest_whatever_the_ids(house: House, names: tuple[str, str]) -> None:
    giving, owing = names
    house.plan("a", fee="100", base_fee_timing="advance")
    house.plan("b", fee="40", interval="day")
    house.subscribe(giving)
    house.bill(day(1) + LATER)
    house.subscribe(owing, "b", at=day(10))
    house.change("pause", at=day(11), name=giving)
    house.bill(day(12) + LATER)
    applied = rows(
        house.engine,
        "SELECT closes_at, credit_applied, status FROM invoices WHERE subscription_id = :name AND number > 0"
        " ORDER BY number",
        name=owing,
    )
    credit = Decimal("67.74")
    assert [tuple(row) for row in applied] == [
        (day(11), 40, "paid"),
        (day(12), credit - 40, "finalized"),
    ]


def test_due_days_are_those_of_the_plan_of_the_invoices_period(house: House) -> None:
    house.plan("a", fee="10", payment_days=7)
    house.plan("b", fee="10", payment_days=60)
    house.subscribe()
    house.change("change_plan", at=day(2), plan_id="b", when=day(1, year=2027))
    house.bill(FEBRUARY + LATER)
    (row,) = rows(house.engine, "SELECT due_at - finalized_at AS days FROM invoices WHERE number = 1")
    assert row.days == timedelta(days=7)


def test_what_credit_settled_may_be_taken_back_and_what_money_paid_may_not(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.subscribe()
    house.bill(day(1) + LATER)
    house.change("pause", at=day(11))
    house.bill(day(11))
    house.change("resume", at=day(21))
    house.bill(day(21))
    assert house.balance() == 10
    settled = house.ids()[-1]
    house.by_hand("void", settled)
    assert house.balance() == 21
    check_everything(house.engine)
    house.bill(day(21) + LATER)
    assert house.balance() == 10
    house.by_hand("pay", house.ids()[0])
    with pytest.raises(Conflict, match="cannot become"):
        house.by_hand("void", house.ids()[0])


def test_the_upcoming_invoice_is_what_the_run_makes(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.quota("a", "10", DIME)
    house.subscribe()
    house.bill(day(1) + LATER)
    house.use(30, at=day(5))
    said = coming(house, day(6))
    assert said is not None
    assert said[:3] == ("period", 33, 33)
    house.bill(FEBRUARY + LATER)
    assert said == made(house, FEBRUARY)


def test_the_upcoming_invoice_charges_a_minimum_once_after_prices_have_changed(house: House) -> None:
    house.plan("a")
    house.quota("a", "10", DIME | {"minimumAmount": "2"})
    house.subscribe()
    house.use(50, at=day(5))
    house.bill(day(6))
    house.quota("a", "10", DIME | {"minimumAmount": "3"}, at=day(7), effective="next_period")
    said = coming(house, day(8))
    assert said is not None
    assert said[:3] == ("period", 4, 4)
    house.bill(FEBRUARY + LATER)
    assert said == made(house, FEBRUARY)


def test_the_upcoming_invoice_applies_the_credit_in_hand(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.subscribe()
    house.bill(day(1) + LATER)
    house.change("pause", at=day(11))
    house.bill(day(11))
    house.change("resume", at=day(30))
    said = coming(house, day(30))
    assert said is not None
    house.bill(day(30))
    house.bill(FEBRUARY + LATER)
    assert said[:3] == ("period", 31, 12)
    assert said == made(house, FEBRUARY)


def test_the_upcoming_invoice_of_what_ended_is_its_last_one_and_then_none(house: House) -> None:
    house.plan("a", fee="31")
    house.subscribe(at=day(1, month=12, year=2025))
    house.change("cancel", at=day(11))
    said = coming(house, day(11))
    assert said is not None
    assert said[:2] == ("period", 31)
    house.bill(day(11) + LATER)
    assert said == made(house, day(11))
    assert coming(house, day(12)) is None


def test_settled_and_void_invoices_are_owed_nothing(house: House) -> None:
    house.plan("a", fee="31")
    house.subscribe()
    house.bill(FEBRUARY + LATER)
    from usage_billing.invoicing.models import Invoice

    with rolled_back(house.engine) as session:
        invoice = session.get_one(Invoice, house.ids()[0])
        assert invoice.amount_due == 31
    house.by_hand("pay", house.ids()[0])
    with rolled_back(house.engine) as session:
        assert session.get_one(Invoice, house.ids()[0]).amount_due == 0


def test_a_dry_run_s_digest_tells_what_becomes_final(house: House) -> None:
    house.plan("a", fee="31")
    house.subscribe()
    house.bill(FEBRUARY)
    before = bill(house.engine, FEBRUARY, dry_run=True).digest
    assert before != bill(house.engine, FEBRUARY + LATER, dry_run=True).digest


def test_nothing_differs_between_a_change_and_the_next_run(house: House) -> None:
    house.plan("a", fee="30")
    house.subscribe()
    house.bill(day(2))
    house.change("cancel", at=day(11))
    assert differences(house.engine) == []
    house.bill(day(11) + LATER)


def test_an_exceeded_quota_is_told_once_in_a_billing_period(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "10")
    house.quota("b", "10")
    house.subscribe()
    house.use(30, at=day(3))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(30, at=day(12))
    told = "SELECT count(*) FROM outbox_messages WHERE topic = 'quota.exceeded'"
    assert rows(house.engine, told)[0][0] == 1
    house.use(30, at=day(2, month=2))
    assert rows(house.engine, told)[0][0] == 2


def test_an_exceeded_quota_is_told_for_each_of_two_periods_that_begin_together(house: House) -> None:
    house.plan("a")
    house.plan("b", interval_count=2)
    house.quota("a", "10")
    house.quota("b", "10")
    house.subscribe()
    house.use(30, at=day(3))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(30, at=day(12))
    told = "SELECT count(*) FROM outbox_messages WHERE topic = 'quota.exceeded'"
    assert rows(house.engine, told)[0][0] == 2
