"""Meters that have much to count: what that holds up, and what not."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from tests.factories import make_quota, make_recording, make_world, record
from tests.factories.customers import make_subscription
from tests.factories.meters import make_meter
from tests.money.house import day
from tests.support.billing import bill
from tests.support.books import rows, scalars
from usage_billing.core.errors import Conflict
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.billing.manage_invoices import finalize_invoice
from usage_billing.flows.folding import drive_folds, fold_meters
from usage_billing.flows.folding.drive_folds import fold_all, fold_new
from usage_billing.reports.verify.books import find_differences

AFTER = day(3, month=2)
DRAFTS = "SELECT subscription_id, status, total FROM invoices ORDER BY subscription_id, status"


def use(engine: Engine, number: int, *, name: str = "sub456") -> None:
    with transaction(engine) as session:
        for place in range(number):
            at = day(5) + timedelta(hours=place)
            record(session, make_recording(now=at, occurred_at=at, subscription=name, metadata=json.dumps({"n": 1})))


@pytest.fixture
def two(engine: Engine) -> Engine:
    """Two subscriptions that pay a unit for a token."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_subscription(session, id="small")
        make_meter(session, value="n")
        make_quota(session, usage_type="tokens", limit=0, unit_price="1")
        make_quota(session, limit=0, unit_price="0.1")
    use(engine, 6)
    use(engine, 3, name="small")
    return engine


def test_a_meter_that_is_far_behind_holds_up_its_subscription_alone(
    two: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_meters, "AT_ONCE", 4)
    for _ in range(2):
        run = bill(two, AFTER)
        assert [(one["subscriptionId"], one["code"]) for one in run.warnings] == [("sub456", "meter_behind")]
        assert run.warnings[0]["detail"] == "tokens has not counted all usage yet: 6 recordings are left to count"
        final = [(r.subscription_id, r.total) for r in rows(two, DRAFTS) if r.status != "draft"]
        assert final == [("small", Decimal("3.3"))]
    fold_all(two)
    assert bill(two, AFTER).warnings == []
    final = [(r.subscription_id, r.total) for r in rows(two, DRAFTS) if r.status != "draft"]
    assert final == [("small", Decimal("3.3")), ("sub456", Decimal("6.6"))]
    with read_only(two) as session:
        assert list(find_differences(session)) == []


def test_what_a_new_meter_has_to_look_back_on_holds_up_too(two: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draft is made before the meter, and nothing is recorded since."""
    bill(two, day(20))
    with transaction(two) as session:
        make_meter(session, id="later", aggregation="count")
        make_quota(session, usage_type="later", limit=0, unit_price="10")
    monkeypatch.setattr(fold_meters, "AT_ONCE", 4)
    assert [one["subscriptionId"] for one in bill(two, AFTER).warnings] == ["sub456"]
    final = [(r.subscription_id, r.total) for r in rows(two, DRAFTS) if r.status != "draft"]
    assert final == [("small", Decimal("33.3"))]
    [draft] = scalars(two, "SELECT id FROM invoices WHERE subscription_id = 'sub456' AND status = 'draft'")
    with pytest.raises(Conflict, match="later has not counted all usage yet") as refused, transaction(two) as session:
        finalize_invoice(session, draft, actor="a test", now=AFTER)
    assert refused.value.code == "meter_behind"
    fold_all(two)
    assert bill(two, AFTER).warnings == []
    final = [(r.subscription_id, r.total) for r in rows(two, DRAFTS) if r.status != "draft"]
    assert final == [("small", Decimal("33.3")), ("sub456", Decimal("66.6"))]


def test_history_is_looked_back_on_also_while_usage_goes_on_coming(
    two: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold_all(two)
    bill(two, day(20))
    with transaction(two) as session:
        make_meter(session, id="later", aggregation="count")
    monkeypatch.setattr(drive_folds, "PIECE", 3)
    pieces, real = list[int](), drive_folds.fold_pairs

    def fold_while_more_comes(*args: object, **more: object) -> object:
        pieces.append(1)
        if len(pieces) < 30:
            use(two, 1, name="small")
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(drive_folds, "fold_pairs", fold_while_more_comes)
    fold_new(two, seconds=0)
    for _ in range(12):
        fold_new(two, seconds=0)
    counted = "SELECT sum(events) FROM usage_summaries WHERE usage_type_id = 'later' AND subscription_id = 'sub456'"
    assert scalars(two, counted) == [6]
    assert len(pieces) < 30
