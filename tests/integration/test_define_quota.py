"""A new quota: from when it holds, and which summaries billing has to look at again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from tests.factories import make_plan, make_quota, make_recording, make_subscription, record
from tests.integration.conftest import Bill
from tests.support.books import check_billed, items, rows, scalars
from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.service import NewQuota
from usage_billing.core.errors import InvalidInput
from usage_billing.db.session import transaction
from usage_billing.flows.administration.define_quota import define_quota

TO_RATE = "SELECT usage_type_id || ' ' || subscription_id FROM usage_summaries WHERE to_rate ORDER BY 1"


def define(
    engine: Engine, now: datetime, *, usage_type: str, limit: int, price: str = "2", plan: str = "business"
) -> UsageQuota:
    """Define a quota by the flow."""
    new = NewQuota(
        plan_id=plan,
        usage_type=usage_type,
        limit=Decimal(limit),
        price={"model": "per_unit", "unitPrice": price},
    )
    with transaction(engine) as session:
        return define_quota(session, new, actor="test", now=now).quota


@pytest.fixture
def used(world: Engine, bill: Bill, now: datetime) -> Engine:
    """Assessments and reports of two plans, all seen by billing."""
    with transaction(world) as session:
        make_plan(session, id="other")
        make_quota(session, plan="other", usage_type="report", limit=0)
        make_subscription(session, id="elsewhere", plan="other")
        record(session, make_recording(now=now, usage_type="report", quantity=7), make_recording(now=now, quantity=53))
        record(session, make_recording(now=now, usage_type="report", subscription="elsewhere"))
    bill(now)
    assert scalars(world, TO_RATE) == []
    return world


def test_a_first_quota_is_for_all_that_was_used(used: Engine, bill: Bill, now: datetime) -> None:
    define(used, now, usage_type="report", limit=5)
    assert scalars(used, TO_RATE) == ["report sub456"]
    bill(now)
    assert sorted(item[2:] for item in items(used)) == [(1, 10), (2, 4), (3, 30)]
    check_billed(used)


def test_a_later_version_leaves_periods_under_way_alone(used: Engine, bill: Bill, now: datetime) -> None:
    before = items(used)
    assert define(used, now, usage_type="assessment", limit=0).version == 2
    assert scalars(used, TO_RATE) == []
    bill(now)
    assert items(used) == before


def test_a_later_version_is_for_periods_to_come(used: Engine, bill: Bill, now: datetime) -> None:
    coming = datetime(2026, 12, 1, tzinfo=UTC)
    with transaction(used) as session:  # a sender's clock leads into the next month
        record(session, make_recording(now=coming, quantity=4))
    with used.begin() as connection:
        connection.exec_driver_sql("UPDATE usage_summaries SET to_rate = false")
    version = define(used, coming - timedelta(hours=1), usage_type="assessment", limit=1)
    assert scalars(used, TO_RATE) == ["assessment sub456"]
    bill(coming)
    assert scalars(used, "SELECT quota_id FROM usage_summaries WHERE period_start = '2026-12-01Z'") == [version.id]
    check_billed(used)


def test_two_admins_at_once_make_two_versions(used: Engine, now: datetime) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(lambda n: define(used, now, usage_type="report", limit=n).version, range(4)))
    assert sorted(versions) == [1, 2, 3, 4]
    spans = rows(
        used, "SELECT effective_from, effective_until FROM usage_quotas WHERE plan_id = 'business' ORDER BY version"
    )
    assert sum(until is None for _, until in spans) == 2


def test_recording_and_defining_at_once_never_wait_for_each_other_crosswise(used: Engine, now: datetime) -> None:
    def keep_recording(_: int) -> None:
        for _ in range(15):
            with transaction(used) as session:
                types = ("report", "assessment")
                record(session, *(make_recording(now=now, usage_type=kind) for kind in types))

    def keep_defining(_: int) -> None:
        for limit in range(15):
            define(used, now, usage_type="report", limit=limit)

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(task, 0) for task in (keep_recording, keep_recording, keep_defining, keep_defining)]
        assert [done.result() for done in work] == [None] * 4


def test_what_is_refused_changes_nothing(used: Engine, now: datetime) -> None:
    for plan, usage_type in (("nothing", "report"), ("business", "nothing")):
        with pytest.raises(InvalidInput):
            define(used, now, plan=plan, usage_type=usage_type, limit=1)
    assert scalars(used, "SELECT id FROM audit_log WHERE action = 'quota.defined'") == []
