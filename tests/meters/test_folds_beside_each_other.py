"""Folds, billing and changes of terms beside each other: they wait for one another in one order, never in a circle."""

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_recording, make_world, record
from tests.factories.meters import make_meter
from tests.money.house import day, make_house
from tests.support.billing import bill
from tests.support.books import rows, scalars
from usage_billing.catalog.service import NewQuota
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.own_quotas import define_own
from usage_billing.flows.folding import claims
from usage_billing.flows.folding.drive_folds import fold_all, fold_new
from usage_billing.flows.folding.fold_meters import FoldOutcome, fold_pairs
from usage_billing.meters.queries import folded_types, new_to_fold
from usage_billing.reports.verify.books import find_differences

A_MOMENT = 0.5
FREE = {"model": "per_unit", "unitPrice": "1"}


@pytest.fixture
def standing(engine: Engine) -> Engine:
    """A level that is carried from January on; a report of January and one of February are not counted yet."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, id="gb", value="gb", aggregation="level", mode="change", per="hour", carry=True)
        make_meter(session, id="peak", value="gb", aggregation="max")
    use(engine, 3, month=1)
    fold_all(engine)
    use(engine, 4, month=1)
    use(engine, 5, month=2)
    return engine


def use(engine: Engine, gb: int, *, month: int) -> None:
    at = day(20, month=month)
    with transaction(engine) as session:
        assert record(session, make_recording(now=at, occurred_at=at, metadata=json.dumps({"gb": gb}))).recorded == 1


def fold_month(engine: Engine, month: int) -> FoldOutcome:
    """Count what was recorded in a month, and nothing else."""
    with transaction(engine) as session:
        starts = "SELECT id FROM usage_summaries WHERE usage_type_id = 'assessment' AND period_start = :start"
        source = session.scalar(text(starts), {"start": day(1, month=month)})
        pairs = [pair for pair in new_to_fold(session, size=100) if pair[0] == source]
        return fold_pairs(session, pairs, folded_types(session))


def beside(monkeypatch: pytest.MonkeyPatch, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """``second`` begins when ``first`` has made summaries, and has a moment before ``first`` goes on."""
    begun: list[Future[Any]] = []
    create = claims.create_summaries
    with ExitStack() as stack:
        other = stack.enter_context(ThreadPoolExecutor(1))
        patched = stack.enter_context(monkeypatch.context())

        def create_and_wait(*args: Any) -> None:
            create(*args)
            if not begun:
                begun.append(other.submit(second))
                wait(begun, A_MOMENT)

        patched.setattr(claims, "create_summaries", create_and_wait)
        found = first()
        return found, begun[0].result(timeout=30)


def clean(engine: Engine) -> None:
    fold_all(engine)
    with read_only(engine) as session:
        assert [str(one) for one in find_differences(session)] == []


def test_two_folds_of_one_level_come_one_after_the_other(standing: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one makes February's summary and wants January's, the other has January's and wants to make February's."""
    one, two = beside(monkeypatch, lambda: fold_month(standing, 2), lambda: fold_month(standing, 1))
    assert (one.recordings, two.recordings) == (2, 2)
    clean(standing)
    assert scalars(standing, "SELECT level FROM meter_levels ORDER BY summary_id") == [7, 12]


def test_a_background_fold_leaves_out_what_another_works_on(standing: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def background() -> bool:
        return fold_new(standing, seconds=5)

    _, left = beside(monkeypatch, lambda: fold_month(standing, 2), background)
    assert left is False  # it does not go round and round until the other has ended
    assert rows(standing, "SELECT FROM usage_summaries s JOIN meter_folds f ON f.source_summary_id = s.id"
                          " WHERE f.folded < s.events")  # fmt: skip
    clean(standing)


def test_a_billing_run_waits_for_a_fold(standing: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    _, run = beside(monkeypatch, lambda: fold_month(standing, 2), lambda: bill(standing, day(2, month=3)))
    assert run.warnings == []
    clean(standing)


def test_what_another_subscription_records_is_folded_while_one_is_changed(engine: Engine) -> None:
    """A quota of one's own looks through what was counted since; that holds up the folds of no other subscription."""
    house = make_house(engine)
    with transaction(engine) as session:
        make_meter(session, id="units", of="calls")
    house.plan("a")
    house.quota("a", "0", FREE, of="units")
    for name in ("s", "t"):
        house.subscribe(name)
        house.use(5, at=day(3), name=name)
    with transaction(engine) as session:
        define_own(session, new_own("s"), "s", actor="test", now=day(20))
        assert fold_new(engine, seconds=5) is False
        counted = "SELECT subscription_id FROM usage_summaries WHERE usage_type_id = 'units'"
        assert scalars(engine, counted) == ["t"]
    clean(engine)
    assert sorted(scalars(engine, counted)) == ["s", "t"]


def new_own(name: str) -> NewQuota:
    return NewQuota(
        plan_id="a", usage_type="units", limit=Decimal(1), price=FREE, subscription_id=name, effective="now"
    )
