"""What was invoiced before the upgrade keeps its allowance: for late usage, for verify and for what-if."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.money.books import check_everything, differences
from tests.money.house import House, day
from tests.support.books import rows, scalars
from usage_billing.db.session import read_only, transaction
from usage_billing.reports.what_if import Question, what_if

DOLLAR = {"model": "per_unit", "unitPrice": "1"}
LATER = timedelta(hours=2)
FEBRUARY, MARCH = day(1, month=2), day(1, month=3)


@pytest.fixture
def upgraded(house: House) -> House:
    """January is invoiced, cut on the 11th, each part with an allowance of its own, as it was before the upgrade."""
    house.plan("a")
    house.plan("b")
    for plan in ("a", "b"):
        house.quota(plan, "31", DOLLAR)
    house.subscribe()
    house.use(10, at=day(3))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(21, at=day(20))
    house.bill(FEBRUARY + LATER)
    with transaction(house.engine) as session:
        session.execute(
            text(
                "UPDATE usage_summaries SET frozen = true, to_rate = false,"
                " allowance = CASE WHEN period_start < :cut THEN 10 ELSE 21 END"
            ),
            {"cut": day(11)},
        )
    return house


def compared(house: House) -> list[tuple[Decimal, Decimal]]:
    with read_only(house.engine) as session:
        question = Question(plan_id="b", prices={}, start=day(1), end=FEBRUARY, customer_id=None)
        return [(row.actual, row.hypothetical) for row in what_if(session, question)]


def test_late_usage_is_divided_at_the_allowance_that_was_invoiced(upgraded: House) -> None:
    upgraded.use(4, at=FEBRUARY + LATER, occurred=day(4))
    assert rows(upgraded.engine, "SELECT allowance, beyond_limit FROM usage_summaries ORDER BY period_start") == [
        (10, 4),
        (21, 0),
    ]
    upgraded.bill(FEBRUARY + LATER)
    assert scalars(
        upgraded.engine, "SELECT amount FROM usage_invoice_items WHERE usage_type_id = 'calls' AND amount <> 0"
    ) == [4]
    assert differences(upgraded.engine) == []
    check_everything(upgraded.engine)


def test_what_if_knows_what_was_frozen(upgraded: House) -> None:
    upgraded.use(4, at=FEBRUARY + LATER, occurred=day(4))
    upgraded.bill(FEBRUARY + LATER)
    # On one plan all of January has one allowance of 31, of which 35 were used.
    assert compared(upgraded) == [(4, 4)]
    upgraded.use(3, at=FEBRUARY + LATER, occurred=day(21))
    upgraded.use(2, at=FEBRUARY + LATER, occurred=day(22))
    assert compared(upgraded) == [(9, 9)]


def test_what_if_charges_a_frozen_segment_by_itself(house: House) -> None:
    house.plan("a")
    house.quota("a", "100", DOLLAR)
    house.subscribe()
    house.use(90, at=day(3))
    house.bill(FEBRUARY + LATER)
    with transaction(house.engine) as session:
        session.execute(text("UPDATE usage_summaries SET frozen = true, allowance = 90"))
    house.use(5, at=FEBRUARY + LATER, occurred=day(4))
    house.bill(FEBRUARY + LATER)
    assert scalars(house.engine, "SELECT sum(amount) FROM usage_invoice_items") == [5]
    with read_only(house.engine) as session:
        question = Question(plan_id="a", prices={}, start=day(1), end=FEBRUARY, customer_id=None)
        assert [(row.actual, row.hypothetical) for row in what_if(session, question)] == [(5, 0)]
