"""The books that benchmarks begin with are as if they had been recorded, and billing takes them for that."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Engine, text

from benchmarks.seed import LIMIT, seed_usage
from tests.support.billing import bill
from usage_billing.billing_runs.models import RunStatus
from usage_billing.db.session import read_only
from usage_billing.reports.verify.books import find_differences

AFTER = datetime(2026, 12, 3, tzinfo=UTC)


def test_seeded_books_are_right_before_they_are_billed_and_after(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    seeded = seed_usage(url, subscriptions=13, usage_types=2, events=13 * 2 * 7, at=datetime(2026, 11, 15, tzinfo=UTC))
    assert (seeded.subscriptions, seeded.events, len(seeded.periods)) == (13, 182, 4)
    with read_only(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM usage")) == seeded.events
        assert list(find_differences(session)) == []
    run = bill(engine, AFTER)
    assert (run.status, run.subscriptions, run.invoices, run.items, run.finalized) == (
        RunStatus.COMPLETED,
        13,
        13,
        26,
        13,
    )
    with read_only(engine) as session:
        beyond = session.scalar(text("SELECT min(billable) FROM usage_invoice_items"))
        assert beyond == Decimal(7 - LIMIT)
        assert list(find_differences(session)) == []
