"""What a billing run costs does not depend on how many rows a slice has, or on what was invoiced long ago."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, text

from benchmarks.seed import seed_usage
from tests.factories import make_recording, make_world, record
from tests.support.billing import bill
from tests.support.books import check_billed, items
from tests.support.statements import statements_of
from usage_billing.billing_runs.models import RunStatus
from usage_billing.db.bulk import find_by_index
from usage_billing.db.session import make_engine, transaction
from usage_billing.invoicing.queries import history_of

NOVEMBER = datetime(2026, 11, 15, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 3, tzinfo=UTC)
LONG = timedelta(days=300)


def statements_for(engine: Engine, subscriptions: int) -> tuple[list[str], list[str], list[str]]:
    """What a first run, one over changed drafts, and one that makes them final send to the database."""
    url = engine.url.render_as_string(hide_password=False)
    seed_usage(url, subscriptions=subscriptions, events=subscriptions * 2 * 5, at=NOVEMBER)
    with transaction(engine) as session:
        session.execute(text("INSERT INTO credit_balances SELECT id, 'USD', 1 FROM customers"))
        session.execute(text("UPDATE plans SET base_fee = 10"))
        session.execute(text("UPDATE subscriptions SET opens_at = started_at"))
    with statements_of(engine) as first:
        bill(engine, DECEMBER, grace=LONG)
    with transaction(engine) as session:
        session.execute(text("UPDATE usage_summaries SET to_rate = true, total = total + 1, beyond_limit = 1"))
    with statements_of(engine) as changed:
        bill(engine, DECEMBER, grace=LONG)
    with statements_of(engine) as final:
        assert bill(engine, DECEMBER).finalized >= subscriptions
    return first, changed, final


def test_a_slice_sends_as_many_statements_for_many_subscriptions_as_for_few(engine: Engine) -> None:
    few = statements_for(engine, 4)
    with transaction(engine) as session:
        tables = "invoices, usage, subscriptions, plans, usage_types, customers, billing_runs"
        session.execute(text(f"TRUNCATE {tables} CASCADE"))
    many = statements_for(engine, 40)
    assert [len(run) for run in few] == [len(run) for run in many]


def test_a_plan_that_was_made_while_nothing_was_invoiced_is_not_kept(engine: Engine) -> None:
    """It reads all items for each slice, of which there are more with each slice."""
    url = engine.url.render_as_string(hide_password=False)
    seed_usage(url, subscriptions=300, events=300 * 2 * 5, at=NOVEMBER)
    with engine.connect() as connection:
        own = connection.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(text("VACUUM ANALYZE usage_invoice_items, invoices"))
    worker = make_engine(url, pool_size=1)
    for _ in range(12):  # from then on the connection no longer asks whether the plan suits
        with transaction(worker) as session:
            find_by_index(session)
            history_of(session, summary_ids=range(1, 601), fee_ids=[])
    bill(worker, DECEMBER, grace=LONG)
    with transaction(engine) as session:
        session.execute(text("UPDATE usage_summaries SET to_rate = true"))
    bill(worker, DECEMBER, grace=LONG)
    with transaction(worker) as session:
        name = session.scalar(
            text("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%t.summary_id = ANY%'")
        )
        plan = session.scalars(text(f"EXPLAIN EXECUTE \"{name}\" ('{{1,2,3}}', '{{}}', '{{}}')")).all()
    worker.dispose()
    assert "Recheck Cond: ((summary_id = ANY" in "\n".join(plan), plan


def test_a_draft_that_is_brought_up_to_date_keeps_its_items(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now, quantity=53))
    bill(engine, now)
    ids = "SELECT id, invoice_id, created_at FROM usage_invoice_items"
    with transaction(engine) as session:
        before = session.execute(text(ids)).all()
        record(session, make_recording(now=now, quantity=2))
    assert bill(engine, now).status == RunStatus.COMPLETED
    with transaction(engine) as session:
        assert session.execute(text(ids)).all() == before
        assert session.scalar(text("SELECT total FROM invoices")) == Decimal(50)
        assert session.scalar(text("SELECT count(*) FROM credit_balances")) == 0
    assert items(engine) == [("usage", "draft", Decimal(5), Decimal("50.00"))]
    check_billed(engine)
