"""Recording, billing and the catalogue at once: whoever waits for whom, the books are those of some order."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Engine, text

from tests.factories import make_quota, make_recording, make_world, record
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.invoice_subscriptions import invoice_subscriptions


def until_somebody_waits(engine: Engine) -> None:
    """Return once a transaction waits for a lock that another holds."""
    for _ in range(500):
        with read_only(engine) as session:
            if session.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()"
                )
            ):
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_a_recording_that_waits_for_billing_is_split_by_the_quota_that_billing_found(
    engine: Engine, now: datetime
) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now, quantity=53, usage_type="report"))
    with transaction(engine) as session:
        make_quota(session, usage_type="report")

    def late() -> None:
        with transaction(engine) as session:
            record(session, make_recording(now=now, quantity=5, usage_type="report"))

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as session:
            invoice_subscriptions(session, ["sub456"], as_of=now)
            waiting: Future[None] = pool.submit(late)
            until_somebody_waits(engine)
        waiting.result(10)
    with read_only(engine) as session:
        row = session.execute(text("SELECT total, beyond_limit FROM usage_summaries")).one()
        marks = session.scalars(text("SELECT beyond_limit FROM usage ORDER BY ordinal")).all()
    assert tuple(row) == (Decimal(58), Decimal(8))
    assert list(marks) == [Decimal(3), Decimal(5)]
