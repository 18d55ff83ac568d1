"""Worked cases of terms that change, with what is charged for them to the cent."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tests.factories import make_usage_type
from tests.money.books import differences
from tests.money.house import House, day
from tests.support.books import rows, scalars
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.change_subscription import take_back
from usage_billing.reports.what_if import Question, what_if

LATER = timedelta(hours=2)
DOLLAR = {"model": "per_unit", "unitPrice": "1"}
TWO = {"model": "per_unit", "unitPrice": "2"}
FIRST, JULY = day(1, month=6), day(1, month=7)


def final(house: House) -> list[tuple[str, Decimal]]:
    """(kind, amount) of each item of the invoices that are final, by amount."""
    found = [item for invoice in house.invoices() if invoice[0] != "draft" for item in invoice[3]]
    return sorted(found, key=lambda item: item[1])


def total(house: House) -> Decimal:
    """What the final invoices come to."""
    return sum((amount for _, amount in final(house)), Decimal(0))


STAYS: list[tuple[list[tuple[str, dict[str, Any]]], str]] = [
    ([("change_plan", {"at": day(11, month=6), "plan_id": "a"})], "50.00"),
    ([("pause", {"at": day(11, month=6)}), ("resume", {"at": day(11, month=6, minute=1)})], "50.00"),
    ([("pause", {"at": day(11, month=6)}), ("resume", {"at": day(11, month=6, hour=12)})], "49.50"),
]


@pytest.mark.parametrize(("steps", "due"), STAYS, ids=["the plan it is on", "a minute", "half a day"])
def test_a_move_to_the_same_plan_or_a_pause_charges_at_most_what_was_due(house: House, steps: Any, due: str) -> None:
    with transaction(house.engine) as session:
        make_usage_type(session, id="seats")
    house.plan("a", fee="30")
    house.quota("a", "300", DOLLAR)
    house.quota("a", "0", DOLLAR | {"minimumAmount": "20"}, of="seats")
    house.subscribe(at=FIRST)
    house.use(250, at=day(5, month=6))
    for kind, more in steps:
        house.change(kind, **more)
    house.bill(JULY + LATER)
    assert total(house) == Decimal(due)
    assert len(house.invoices()) == 2  # June's, and the draft of July's minimum
    summaries = "SELECT coalesce(sum(beyond_limit), 0) FROM usage_summaries WHERE usage_type_id = 'calls'"
    assert scalars(house.engine, summaries) == [0]


def test_two_plans_of_the_last_two_days_of_a_month_have_half_of_it_each(house: House) -> None:
    house.plan("a", fee="60")
    house.plan("b", fee="30")
    house.quota("a", "600", DOLLAR)
    house.quota("b", "300", DOLLAR)
    house.subscribe(at=day(29, month=6))
    house.use(200, at=day(29, month=6, hour=5))
    house.change("change_plan", at=day(30, month=6), plan_id="b")
    house.use(260, at=day(30, month=6, hour=5))  # 600 x 1/2 + 300 x 1/2 are 450
    house.bill(JULY + LATER)
    assert final(house) == [("usage", Decimal(10)), ("fee", Decimal(15)), ("fee", Decimal(30))]
    allowance = "SELECT allowance FROM usage_invoice_items WHERE kind = 'usage'"
    assert scalars(house.engine, allowance) == [450 - 200]


def test_who_stays_after_all_pays_the_fee_and_nothing_more(house: House) -> None:
    house.plan("a", fee="30")
    house.subscribe(at=FIRST)
    house.change("cancel", at=day(11, month=6), when="period_end")
    house.bill(day(12, month=6))
    (change,) = scalars(house.engine, "SELECT id FROM subscription_changes WHERE kind = 'end'")
    with transaction(house.engine) as session:
        take_back(session, "s", change, actor="test", now=day(20, month=6))
    house.bill(JULY + LATER)
    house.bill(day(1, month=8) + LATER)
    assert final(house) == [("fee", Decimal(30))] * 2


@pytest.mark.parametrize("kept", [True, False], ids=["paused before", "paused and resumed before"])
def test_a_planned_end_comes_though_it_was_paused_before(house: House, kept: bool) -> None:
    house.plan("a", fee="30")
    house.subscribe(at=FIRST)
    house.change("cancel", at=day(2, month=6), when=day(19, month=6))
    house.change("pause", at=day(3, month=6))
    if not kept:
        house.change("resume", at=day(6, month=6))
    house.bill(day(1, month=9))
    ended = "SELECT ended_at FROM subscriptions WHERE id = 's'"
    assert scalars(house.engine, ended) == [day(19, month=6)]
    assert len(house.invoices()) == 1
    assert total(house) == (2 if kept else 27)


# By thirds, as running differences: 50.00 is 16.67 + 16.66 + 16.67, and 20.00 is 6.67 + 6.66 + 6.67.
CHAINS: list[tuple[dict[str, Any], str, list[str]]] = [
    (DOLLAR | {"minimumAmount": "50"}, "time", ["50"]),
    (TWO, "time", ["33.34"]),
    (TWO | {"minimumAmount": "20"}, "time", ["6.66", "33.34"]),
    (TWO | {"minimumAmount": "20"}, "none", ["20", "50"]),
]


@pytest.mark.parametrize(("price", "method", "due"), CHAINS, ids=["same price", "another", "two minimums", "undivided"])
def test_a_minimum_holds_once_for_a_plan_that_is_left_and_taken_again(
    house: House, price: dict[str, Any], method: str, due: list[str]
) -> None:
    for plan in ("a", "b"):
        house.plan(plan, proration=method)
    house.quota("a", "0", DOLLAR | {"minimumAmount": "50"})
    house.quota("b", "0", price)
    house.subscribe(at=FIRST)
    house.change("change_plan", at=day(11, month=6), plan_id="b")
    house.change("change_plan", at=day(21, month=6), plan_id="a")
    house.bill(JULY + LATER)
    assert final(house) == [("usage", Decimal(one)) for one in due]


def test_usage_on_both_sides_counts_toward_the_one_minimum(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "0", DOLLAR | {"minimumAmount": "60"})
    house.quota("b", "0", TWO)
    house.subscribe(at=FIRST)
    house.use(15, at=day(2, month=6))
    house.change("change_plan", at=day(11, month=6), plan_id="b")
    house.use(5, at=day(12, month=6))
    house.change("change_plan", at=day(21, month=6), plan_id="a")
    house.use(35, at=day(22, month=6))
    house.bill(JULY + LATER)
    # 60.00 x 2/3 are 40.00: the first part is raised to it, and what comes later only adds what exceeds it.
    assert final(house) == [("usage", Decimal(10)), ("usage", Decimal(10)), ("usage", Decimal(40))]
    # What comes later of the group of A goes on after its first part, and nothing of B lies between them.
    columns = "before_quantity, before_recordings, before_amount, amount"
    stored = rows(house.engine, f"SELECT {columns} FROM usage_invoice_items ORDER BY period_start")
    assert [tuple(row) for row in stored[:3]] == [(0, 0, 0, 40), (0, 0, 0, 10), (15, 1, 40, 10)]


LEFT: list[tuple[str, str, dict[str, Any], str]] = [
    ("charge", "change_plan", {"plan_id": "small"}, "200.00"),
    ("charge", "pause", {}, "333.33"),
    ("charge", "cancel", {}, "333.33"),
    ("keep", "change_plan", {"plan_id": "small"}, "0"),
    ("keep", "pause", {}, "0"),
    ("keep", "cancel", {}, "0"),
]


@pytest.mark.parametrize(("rule", "kind", "more", "due"), LEFT)
def test_a_plan_that_is_left_charges_what_was_free_where_it_says_so(
    house: House, rule: str, kind: str, more: dict[str, Any], due: str
) -> None:
    house.plan("large", on_downgrade=rule)
    house.plan("small")
    house.quota("large", "1000", TWO)
    house.quota("small", "100", DOLLAR)
    house.subscribe(plan="large", at=FIRST)
    house.use(500, at=day(5, month=6))
    house.change(kind, at=day(11, month=6), **more)
    assert differences(house.engine) == []
    house.bill(JULY + LATER)
    assert total(house) == Decimal(due)


def test_a_lower_limit_of_the_same_plan_charges_nothing_that_was_free(house: House) -> None:
    house.plan("large", on_downgrade="charge")
    house.quota("large", "1000", TWO)
    house.subscribe(plan="large", at=FIRST)
    house.use(500, at=day(5, month=6))
    house.quota("large", "100", TWO, at=day(11, month=6), effective="now")
    house.use(1, at=day(12, month=6))
    house.bill(JULY + LATER)
    assert final(house) == [("usage", Decimal(2))]


def costs(house: House, start: int, end: int, **more: Any) -> tuple[Decimal, Decimal]:
    """What June's usage from one day to before another did cost, and would have cost."""
    span = {"start": day(start, month=6), "end": FIRST + timedelta(days=end - 1)}
    with read_only(house.engine) as session:
        (row,) = what_if(session, Question(**span, **more))
    return row.actual, row.hypothetical


@pytest.mark.parametrize("cuts", [[1, 16, 31], [1, 6, 11, 12, 21, 31], list(range(1, 32))])
@pytest.mark.parametrize("other", [{}, {"plan_id": "b"}, {"prices": {"calls": TWO}}])
def test_the_parts_of_a_range_cost_what_the_whole_does(house: House, cuts: list[int], other: dict[str, Any]) -> None:
    house.plan("a", fee="31")
    house.plan("b", fee="62")
    house.quota("a", "300", DOLLAR)
    house.quota("b", "300", TWO | {"maximumAmount": "700"})
    house.subscribe(at=FIRST)
    house.use(200, at=day(5, month=6))
    house.change("change_plan", at=day(11, month=6), plan_id="b")
    house.use(250, at=day(20, month=6))
    house.use(250, at=day(25, month=6))
    house.bill(JULY + LATER)
    whole = costs(house, 1, 31, **other)
    parts = [costs(house, *span, **other) for span in pairwise(cuts)]
    assert whole == tuple(sum(column) for column in zip(*parts, strict=True))
    assert whole[0] == total(house)


def test_half_a_period_has_no_allowance_of_its_own(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "400", DOLLAR)
    house.quota("b", "400", DOLLAR)
    house.subscribe(at=FIRST)
    house.use(400, at=day(5, month=6))
    house.change("change_plan", at=day(11, month=6), plan_id="b")
    house.use(400, at=day(20, month=6))
    house.bill(JULY + LATER)
    assert total(house) == 400
    assert [costs(house, *span) for span in ((1, 16), (16, 31), (1, 31))] == [(0, 0), (400, 400), (400, 400)]


def test_an_upgrade_at_one_price_is_charged_in_its_tiers_once(house: House) -> None:
    """The second part of a cut period goes on where the first one ended, and its item keeps where that was."""
    tiers = {"model": "graduated", "tiers": [{"upTo": "100", "unitPrice": "1"}, {"upTo": None, "unitPrice": "0.5"}]}
    house.plan("a")
    house.plan("b")
    house.quota("a", "0", tiers)
    house.quota("b", "0", tiers)
    house.subscribe(at=FIRST)
    house.use(80, at=day(5, month=6))
    house.change("change_plan", at=day(11, month=6), plan_id="b")
    house.use(50, at=day(20, month=6))
    house.bill(JULY + LATER)
    columns = "before_quantity, before_recordings, before_amount, amount"
    stored = rows(house.engine, f"SELECT {columns} FROM usage_invoice_items ORDER BY period_start")
    assert [tuple(row) for row in stored] == [(0, 0, 0, 80), (80, 1, 80, 35)]
