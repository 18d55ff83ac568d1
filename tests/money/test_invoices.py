"""Corrections, credit, and the life of an invoice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.money.books import check_everything
from tests.money.house import DIME, House, day
from tests.support.books import rows, scalars
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction

FEBRUARY, MARCH, APRIL = day(1, month=2), day(1, month=3), day(1, month=4)
LATER = timedelta(hours=2)
DOLLAR = {"model": "per_unit", "unitPrice": "1"}


@pytest.fixture
def billed(house: House) -> House:
    """100 calls in January at a dollar each, 40 of them free: one final invoice over 60 dollars."""
    house.plan("a")
    house.quota("a", "40", DOLLAR)
    house.subscribe()
    house.use(70, at=day(5))
    house.use(30, at=day(6), key="last")
    house.bill(FEBRUARY + LATER)
    return house


def last(house: House) -> tuple[str, Decimal, list[tuple[str, Decimal]]]:
    status, _, total, items = house.invoices()[-1]
    return status, total, items


def run(house: House, statements: str) -> None:
    with transaction(house.engine) as session:
        for statement in statements.split(";"):
            session.execute(text(statement))


def usage(house: House, quantity: int) -> UUID:
    """The recording of so many calls."""
    found: UUID = scalars(house.engine, "SELECT id FROM usage WHERE quantity = :quantity", quantity=quantity)[0]
    return found


def test_what_is_taken_back_before_it_is_invoiced_was_never_there(house: House) -> None:
    house.plan("a")
    house.quota("a", "40", DOLLAR)
    house.subscribe()
    first = house.use(70, at=day(5))
    house.use(50, at=day(6))
    house.bill(day(7))
    house.void(first, at=day(8))
    house.bill(day(9))
    assert last(house) == ("draft", Decimal(10), [("usage", Decimal(10))])
    with pytest.raises(Conflict, match="already"):
        house.void(first, at=day(9))
    marks = rows(house.engine, "SELECT quantity, beyond_limit FROM usage ORDER BY ordinal")
    assert [tuple(row) for row in marks] == [(70, 0), (50, 10)]


def test_what_is_taken_back_after_that_is_credited_and_used_up_by_later_invoices(billed: House) -> None:
    billed.void(usage(billed, 70), at=day(10, month=2))
    billed.bill(day(11, month=2))
    billed.use(45, at=day(11, month=2))
    billed.bill(MARCH + LATER)
    assert last(billed) == ("finalized", Decimal(-55), [("adjustment", Decimal(-60)), ("usage", Decimal(5))])
    assert billed.balance() == 55
    billed.use(100, at=day(2, month=3))
    billed.bill(APRIL + LATER)
    billed.use(100, at=day(2, month=4))
    billed.bill(day(1, month=5) + LATER)
    applied = rows(billed.engine, "SELECT total, credit_applied FROM invoices ORDER BY number")
    assert [(row.total, row.credit_applied) for row in applied] == [(60, 0), (-55, 0), (60, 55), (60, 0)]
    assert billed.balance() == 0


def test_late_usage_is_adjusted_up_at_the_prices_of_its_period(billed: House) -> None:
    billed.quota("a", "0", DIME, at=day(2, month=2))
    billed.use(5, at=day(3, month=2), occurred=day(31))
    billed.bill(day(4, month=2))
    billed.bill(MARCH + LATER)
    assert last(billed) == ("finalized", Decimal(5), [("adjustment", Decimal(5))])
    row = rows(billed.engine, "SELECT * FROM usage_invoice_items WHERE kind = 'adjustment'")[0]
    assert (row.charged_before, row.quantity, row.billable) == (60, 5, 65)
    assert row.description == "Adjustment: calls beyond the allowance from 60 to 65, 1 to 31 January 2026"


def test_a_void_invoice_is_issued_again_as_it_should_have_been(billed: House) -> None:
    billed.void(usage(billed, 30), at=day(2, month=2))
    billed.by_hand("void", billed.ids()[0])
    billed.bill(day(3, month=2))
    assert billed.invoices() == [("finalized", FEBRUARY, Decimal(30), [("usage", Decimal(30))])]
    assert scalars(billed.engine, "SELECT number FROM invoices ORDER BY number") == [1, 2]
    billed.bill(MARCH + LATER)
    assert len(billed.invoices()) == 1


def test_a_void_takes_what_was_adjusted_with_it(billed: House) -> None:
    billed.use(5, at=day(3, month=2), occurred=day(31))
    billed.bill(day(4, month=2))
    billed.by_hand("void", billed.ids()[0])
    billed.bill(day(5, month=2))
    assert billed.invoices() == [("finalized", FEBRUARY, Decimal(65), [("usage", Decimal(65))])]


def test_a_void_returns_the_credit_that_was_applied(billed: House) -> None:
    billed.void(usage(billed, 70), at=day(10, month=2))
    billed.bill(day(11, month=2))
    billed.bill(MARCH + LATER)
    billed.use(100, at=day(2, month=3))
    billed.bill(APRIL + LATER)
    assert billed.balance() == 0
    billed.by_hand("void", billed.ids()[2])
    assert billed.balance() == 60
    billed.bill(APRIL + LATER)
    assert billed.balance() == 0


def test_credit_that_is_spent_cannot_be_undone(billed: House) -> None:
    billed.void(usage(billed, 70), at=day(10, month=2))
    billed.bill(day(11, month=2))
    billed.bill(MARCH + LATER)
    granting = billed.ids()[1]
    billed.use(41, at=day(2, month=3))
    billed.bill(APRIL + LATER)
    with pytest.raises(Conflict, match="has been used"):
        billed.by_hand("void", granting)
    check_everything(billed.engine)
    billed.by_hand("void", billed.ids()[2])
    billed.by_hand("void", granting)
    assert billed.balance() == 0
    billed.bill(APRIL + LATER)
    billed.bill(day(1, month=5) + LATER)
    assert billed.balance() == 60


def test_a_draft_is_made_final_by_hand_once_its_period_is_over(house: House) -> None:
    house.plan("a")
    house.quota("a", "40", DOLLAR)
    house.subscribe()
    house.use(70, at=day(5))
    house.bill(day(6))
    draft = house.ids()[0]
    with pytest.raises(Conflict, match="not over"):
        house.by_hand("finalize", draft, at=day(7))
    house.use(10, at=day(8))
    house.by_hand("finalize", draft, at=FEBRUARY)
    assert house.invoices() == [("finalized", FEBRUARY, Decimal(40), [("usage", Decimal(40))])]
    with pytest.raises(Conflict):
        house.by_hand("finalize", draft, at=FEBRUARY)
    check_everything(house.engine)


STEPS: dict[str, Callable[[House], None]] = {
    "pay": lambda house: house.by_hand("pay", house.ids()[0]),
    "give_up": lambda house: house.by_hand("give_up", house.ids()[0]),
    "void": lambda house: house.by_hand("void", scalars(house.engine, "SELECT id FROM invoices")[0]),
}


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        (["pay"], ["void", "give_up", "pay"]),
        (["void"], ["void"]),
        (["give_up"], ["give_up"]),
        (["give_up", "pay"], ["void", "give_up"]),
        (["give_up", "void"], ["void"]),
    ],
)
def test_the_steps_that_an_invoice_may_go(billed: House, path: list[str], refused: list[str]) -> None:
    for step in path:
        STEPS[step](billed)
    for step in refused:
        with pytest.raises(Conflict, match="cannot become"):
            STEPS[step](billed)
    check_everything(billed.engine)


@pytest.mark.parametrize("step", ["pay", "give_up", "void"])
def test_a_draft_can_only_become_final(house: House, step: str) -> None:
    house.plan("a", fee="1")
    house.subscribe()
    house.bill(day(2))
    with pytest.raises(Conflict, match="cannot become"):
        STEPS[step](house)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoices SET total = 1",
        "UPDATE invoices SET credit_applied = 1",
        "UPDATE invoices SET number = 7",
        "UPDATE invoices SET status = 'draft', number = NULL, finalized_at = NULL",
        "UPDATE invoices SET paid_at = now()",
        "DELETE FROM invoices",
        "UPDATE usage_invoice_items SET amount = 1",
        "DELETE FROM usage_invoice_items",
        "UPDATE invoices SET status = 'void', voided_at = now(); UPDATE invoices SET status = 'finalized'",
    ],
)
def test_what_is_final_cannot_be_changed_even_by_sql(billed: House, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"cannot change|are final"):
        run(billed, statement)
    check_everything(billed.engine)


def test_two_subscriptions_that_share_one_credit_do_not_spend_it_twice(billed: House) -> None:
    billed.void(usage(billed, 70), at=day(10, month=2))
    billed.bill(day(11, month=2))
    billed.bill(MARCH + LATER)
    assert billed.balance() == 60
    for name in ("t", "u", "v"):
        billed.subscribe(name, at=day(2, month=3))
        billed.use(70, at=day(3, month=3), name=name)
    billed.bill(day(4, month=3))
    barrier = Barrier(3)

    def finalize(name: str) -> None:
        barrier.wait()
        billed.by_hand("finalize", billed.ids(name)[0], at=APRIL)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(finalize, ("t", "u", "v")))
    applied = scalars(billed.engine, "SELECT credit_applied FROM invoices WHERE credit_applied > 0 ORDER BY number")
    assert applied == [30, 30]
    assert billed.balance() == 0
    check_everything(billed.engine)


@pytest.mark.parametrize("step", ["pay", "give_up"])
def test_nothing_is_paid_or_given_up_where_nothing_is_owed(house: House, step: str) -> None:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.subscribe()
    house.bill(day(1) + timedelta(hours=2))
    house.change("pause", at=day(11))
    house.bill(day(11))
    credit = next(id for id, found in zip(house.ids(), house.invoices(), strict=True) if found[2] < 0)
    with pytest.raises(Conflict) as refused:
        house.by_hand(step, credit)
    assert refused.value.code == "nothing_due"
