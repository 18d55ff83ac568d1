"""A start is moved while nothing is final: fees, allowances and usage follow, and quarantine is offered."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from tests.factories import make_recording, record
from tests.money.books import check_everything
from tests.money.house import House, day
from tests.support.books import rows, scalars
from usage_billing.catalog.own_quota import OwnQuota
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.administration.agree import AgreedChange
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.flows.administration.move_start import move_start
from usage_billing.flows.recording.quarantine import replay
from usage_billing.subscriptions.service import NewSubscription

DOLLAR = {"model": "per_unit", "unitPrice": "1"}
LATER = timedelta(hours=2)


def move(house: House, to: datetime) -> AgreedChange:
    with transaction(house.engine) as session:
        return move_start(session, "s", started_at=to, actor="test", now=day(20))


def refusal(house: House, to: datetime) -> str:
    before = rows(house.engine, "SELECT started_at, version FROM subscriptions")
    with pytest.raises(Conflict) as refused:
        move(house, to)
    assert rows(house.engine, "SELECT started_at, version FROM subscriptions") == before
    return refused.value.code


@pytest.fixture
def begun(house: House) -> House:
    """From the tenth on, with a prorated fee; 5 of 100 beyond the allowance."""
    house.plan("a", fee="31", prorates_edges=True)
    house.quota("a", "31", DOLLAR)
    house.subscribe(at=day(10))
    house.use(27, at=day(12))
    return house


@pytest.mark.parametrize("billed", [True, False])
@pytest.mark.parametrize(
    ("to", "owed"), [(day(5), [27]), (day(11), [21 + 6]), (day(15, month=12, year=2025), [17, 31])]
)
def test_fee_and_allowance_are_those_of_the_new_start(
    begun: House, to: datetime, owed: list[int], *, billed: bool
) -> None:
    if billed:
        begun.bill(day(13))
    assert move(begun, to).changed
    begun.bill(day(20))
    check_everything(begun.engine)
    begun.bill(day(1, month=2) + LATER)
    totals = scalars(begun.engine, "SELECT total FROM invoices WHERE number IS NOT NULL ORDER BY closes_at")
    assert [Decimal(total) for total in totals] == owed


def test_a_move_to_where_it_is_changes_nothing(begun: House) -> None:
    assert not move(begun, day(10)).changed


def test_what_lies_before_a_later_start_refuses_it(begun: House) -> None:
    assert refusal(begun, day(13)) == "usage_before"


def test_an_anniversary_moves_only_without_usage(house: House) -> None:
    house.plan("a", fee="30")
    house.quota("a", "10", DOLLAR)
    house.subscribe(at=day(10), anchor="anniversary")
    assert move(house, day(8)).changed
    used = house.use(5, at=day(12))
    assert refusal(house, day(7)) == "usage_before"
    house.void(used, at=day(13))
    assert move(house, day(7)).changed
    house.bill(day(7, month=2) + LATER)
    assert scalars(house.engine, "SELECT period_start FROM invoices WHERE number IS NOT NULL") == [day(7)]


def test_a_final_invoice_keeps_the_start(begun: House) -> None:
    begun.bill(day(1, month=2) + LATER)
    assert refusal(begun, day(5)) == "already_invoiced"


def test_what_is_agreed_before_the_new_start_refuses_it(house: House) -> None:
    house.plan("a")
    house.subscribe(at=day(10))
    house.change("pause", at=day(11), when=day(14))
    assert refusal(house, day(14)) == "conflicting_change"
    house.change("cancel", at=day(11), when=day(15))
    assert refusal(house, day(16)) == "already_ended"


def test_a_fee_in_advance_is_that_of_the_new_start(house: House) -> None:
    house.plan("a", fee="31", base_fee_timing="advance", prorates_edges=True)
    house.subscribe(at=day(10))
    with transaction(house.engine) as session:
        move_start(session, "s", started_at=day(11), actor="test", now=day(9))
    house.bill(day(11))
    assert scalars(house.engine, "SELECT total FROM invoices") == [21]


def test_quarantine_that_now_fits_is_offered_and_replayed(begun: House) -> None:
    early = [
        make_recording(now=day(12), quantity=4, customer="ann", subscription="s", usage_type="calls", occurred_at=at)
        for at in (day(4), day(6))
    ]
    with transaction(begun.engine) as session:
        record(session, *early)
    offered: list[UUID] = list(move(begun, day(5)).replayable or ())
    assert offered == [early[1].id]
    with transaction(begun.engine) as session:
        assert replay(session, offered[0], actor="test", now=day(20)).outcome == "recorded"
    begun.bill(day(21))
    assert scalars(begun.engine, "SELECT sum(total) FROM usage_summaries") == [31]
    check_everything(begun.engine)


def test_quotas_of_its_own_move_with_it(house: House) -> None:
    house.plan("a")
    house.quota("a", "0", DOLLAR)
    own = OwnQuota(usage_type="calls", limit=Decimal(1000), price={"model": "per_unit", "unitPrice": "0.5"})
    new = NewSubscription(id="s", customer_id="ann", plan_id="a", started_at=day(10), quotas=[own])
    with transaction(house.engine) as session:
        create_subscription(session, new, actor="test", now=day(10))
    move(house, day(2, month=12, year=2025))
    house.use(900, at=day(20), occurred=day(5, month=12, year=2025))
    house.bill(day(1, month=2) + LATER)
    assert scalars(house.engine, "SELECT coalesce(sum(total), 0) FROM invoices") == [0]


def to(house: House, *starts: int) -> None:
    """Move the start from day to day, and bill after each move."""
    for number in starts:
        move(house, day(number))
        house.bill(day(21))


@pytest.fixture
def emptied(house: House) -> House:
    """A start on the 10th, and another price from the 15th: billing makes a summary for each of two minimums."""
    house.plan("a")
    house.quota("a", "0", DOLLAR | {"minimumAmount": "31"})
    house.quota("a", "0", DOLLAR | {"minimumAmount": "62"}, at=day(2), effective=day(15), reprice=True)
    house.subscribe(at=day(10))
    house.bill(day(21))
    return house


def test_a_start_comes_back_to_where_an_empty_summary_was_left(emptied: House) -> None:
    to(emptied, 20, 12, 11, 10)
    ((_, _, total, items),) = emptied.invoices()
    # 5 and 17 of 22 days.
    assert (total, items) == (Decimal("54.96"), [("usage", Decimal("7.05")), ("usage", Decimal("47.91"))])


def test_usage_moves_with_its_start_past_an_empty_summary(emptied: House) -> None:
    """The summary of the 10th stays empty when the start leaves it; the one of the 12th is not mistaken for it."""
    to(emptied, 20, 5)
    emptied.use(100, at=day(21), occurred=day(12))
    to(emptied, 8, 11)
    assert next(amount for *_, items in emptied.invoices() for _, amount in items) == 100
