"""What history would have cost: on the same plan what it did cost, on another what that one would have charged."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.money.house import DIME, House, day
from tests.support.billing import GRACE
from tests.support.books import scalars
from usage_billing.core.errors import Conflict
from usage_billing.db.session import read_only
from usage_billing.flows.billing.drive_rehearsal import expect, rehearse
from usage_billing.flows.billing.open_run import RunRequest
from usage_billing.reports.what_if import Comparison, Question, what_if

LATER = timedelta(hours=2)
DOLLAR = {"model": "per_unit", "unitPrice": "1"}
SPAN: dict[str, datetime] = {"start": day(1), "end": day(1, month=4)}


@pytest.fixture
def quarter(house: House) -> House:
    """Three months of Ann's: a fee, an allowance, a minimum, a month without use, a voided recording."""
    house.plan("a", fee="10")
    house.plan("b", fee="30")
    house.quota("a", "100", DOLLAR | {"minimumAmount": "3"})
    house.quota("b", "1000", DIME)
    house.subscribe()
    house.use(150, at=day(5))
    house.use(70, at=day(5, month=3))
    house.void(house.use(500, at=day(6, month=3)), at=day(7, month=3))
    house.bill(day(1, month=4) + LATER)
    return house


def ask(house: House, **question: Any) -> list[Comparison]:
    with read_only(house.engine) as session:
        return what_if(session, Question(**{**SPAN, **question}))


def figures(row: Comparison) -> tuple[Any, ...]:
    """As it was, as it would have been, and the difference."""
    return row.actual, row.hypothetical, row.difference


def charged(house: House) -> Decimal:
    return sum((i[2] for i in house.invoices() if i[0] == "finalized"), Decimal(0))


def test_its_own_plan_would_have_cost_what_it_did_cost(quarter: House) -> None:
    (row,) = ask(quarter, plan_id="a")
    assert charged(quarter) == 86
    assert figures(row) == (86, 86, 0)


def test_another_plan_costs_what_it_would_have_charged(quarter: House) -> None:
    (row,) = ask(quarter, plan_id="b")
    assert figures(row) == (86, 90, 4)


def test_another_price_on_the_same_plan(quarter: House) -> None:
    (row,) = ask(quarter, prices={"calls": {"model": "per_unit", "unitPrice": "2"}})
    assert figures(row) == (86, 130, 44)


def test_after_a_plan_change_in_mid_period_the_actual_is_what_was_charged(house: House) -> None:
    house.plan("a", fee="31")
    house.plan("b", fee="62")
    house.quota("a", "31", DOLLAR)
    house.quota("b", "62", DOLLAR)
    house.subscribe()
    house.use(20, at=day(5))
    house.change("change_plan", at=day(11), plan_id="b")
    house.quota("b", "0", DIME, at=day(15), effective="now")
    house.use(100, at=day(16))
    house.bill(day(1, month=2) + LATER)
    (row,) = ask(house, end=day(1, month=2))
    assert figures(row) == (charged(house), charged(house), 0)
    (row,) = ask(house, end=day(1, month=2), plan_id="a")
    assert row.hypothetical == 31 + 20 + 100 - 31


def test_a_run_that_expects_another_digest_is_refused(quarter: House) -> None:
    quarter.use(50, at=day(2, month=4))
    now = day(3, month=4)
    digest = rehearse(quarter.engine, RunRequest(as_of=now), grace=GRACE, now=now).digest_text()
    assert scalars(quarter.engine, "SELECT count(*) FROM usage_summaries WHERE to_rate") == [1]
    with pytest.raises(Conflict):  # no dry run showed it
        expect(quarter.engine, RunRequest(as_of=now), digest, grace=GRACE, now=now)
    assert quarter.bill(now, dry_run=True).digest == digest
    expect(quarter.engine, RunRequest(as_of=now), digest, grace=GRACE, now=now)
    assert quarter.bill(now).digest == digest
    with pytest.raises(Conflict):
        expect(quarter.engine, RunRequest(as_of=now), digest, grace=GRACE, now=now)
