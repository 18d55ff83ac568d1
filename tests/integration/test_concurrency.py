"""Recording, billing and changes of the catalogue at once: the books are those of one order, one after the other."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_customer, make_plan, make_quota, make_recording, make_subscription, make_world, record
from tests.factories.catalog import LONG_AGO
from tests.support.billing import GRACE, bill, driven, opened
from tests.support.books import check_billed, check_books, counts, items, rows, scalars, totals
from usage_billing.balances.service import lock_balances
from usage_billing.billing_runs.models import RunStatus
from usage_billing.catalog.service import NewQuota
from usage_billing.db.session import make_engine, read_only, transaction
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.billing.finalize_invoices import finalize_invoices
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.recording.context import load_context
from usage_billing.flows.recording.record_usage import record_batch
from usage_billing.invoicing.numbering import take_numbers
from usage_billing.metering.new_summaries import NewSummary, create_summaries
from usage_billing.metering.recording import Recording
from usage_billing.metering.settling import reopen_from
from usage_billing.subscriptions.service import lock_subscriptions

DECEMBER = datetime(2026, 12, 1, 1, tzinfo=UTC)
REPORTS = NewQuota(
    plan_id="business", usage_type="report", limit=Decimal(50), price={"model": "per_unit", "unitPrice": "10"}
)


@pytest.fixture
def world(engine: Engine) -> Engine:
    """The founding document's world, and more subscriptions in several shards."""
    with transaction(engine) as session:
        make_world(session)
        for number in range(5):
            make_subscription(session, id=f"sub{number}")
    return engine


def until_somebody_waits(engine: Engine) -> None:
    """Return once a transaction waits for a lock that another holds."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(1000):
        with read_only(engine) as session:
            if session.scalar(waiting):
                return
        time.sleep(0.01)
    raise AssertionError("no session waits")


def at_once(*works: Callable[[], None]) -> None:
    """Do all of these at one moment, each in a thread; the first error of any is raised."""
    start = threading.Barrier(len(works))

    def wait_and_do(work: Callable[[], None]) -> None:
        start.wait(10)
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(wait_and_do, work) for work in works]:
            done.result(60)


def test_a_recording_that_waits_for_billing_is_split_by_the_quota_that_billing_found(
    world: Engine, now: datetime
) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now, quantity=53, usage_type="report"))
    with transaction(world) as session:
        make_quota(session, usage_type="report")

    def late() -> None:
        with transaction(world) as session:
            record(session, make_recording(now=now, quantity=5, usage_type="report"))

    with ThreadPoolExecutor(1) as pool:
        with transaction(world) as session:
            invoice_subscriptions(session, ["sub456"], as_of=now)
            waiting: Future[None] = pool.submit(late)
            until_somebody_waits(world)
        waiting.result(10)
    assert totals(world) == [("sub456", "report", Decimal(58), Decimal(8))]
    bill(world, now)
    assert items(world)[0][2:] == (Decimal(8), Decimal("80.00"))
    check_billed(world)


def test_usage_that_is_billed_while_its_quota_is_being_defined_is_charged_in_the_end(
    world: Engine, now: datetime
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with transaction(world) as session:
            define_quota(session, REPORTS, actor="test", now=now)
            with transaction(world) as other:
                record(other, make_recording(now=now, quantity=53, usage_type="report"))
            run = pool.submit(bill, world, now)
            time.sleep(0.3)
        assert run.result(10).status == RunStatus.COMPLETED
    bill(world, now)
    assert items(world)[0][2:] == (Decimal(3), Decimal("30.00"))
    check_billed(world)


def test_a_quota_with_a_minimum_and_a_billing_run_do_not_wait_for_each_other_crosswise(
    world: Engine, now: datetime
) -> None:
    with transaction(world) as session:
        record(session, make_recording(now=now, quantity=53))
    new = replace(REPORTS, usage_type="assessment", price=REPORTS.price | {"minimumAmount": "5"})

    def define() -> None:
        with transaction(world) as session:
            define_quota(session, new, actor="test", now=now)

    with ThreadPoolExecutor(1) as pool:
        with transaction(world) as session:
            lock_subscriptions(session, ["sub456"])
            defining = pool.submit(define)
            until_somebody_waits(world)
            invoice_subscriptions(session, ["sub456"], as_of=now)
        defining.result(10)
    assert items(world)[0][2:] == (Decimal(3), Decimal("30.00"))


def test_what_a_change_opens_again_is_locked_in_the_order_of_a_quota_that_opens_it_too(
    world: Engine, now: datetime
) -> None:
    """PostgreSQL reads the rows as they lie, as it may where a table has few pages: the later one first."""
    october = datetime(2026, 10, 1, tzinfo=UTC)
    with transaction(world) as session:
        record(session, make_recording(now=now))
        record(session, make_recording(now=now, occurred_at=october))

    def change() -> None:
        with transaction(world) as session:
            session.execute(text("SET LOCAL enable_indexscan = off"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
            reopen_from(session, "sub456", since=LONG_AGO)

    check_waits_for_the_first_alone(world, change)


def test_a_recording_that_waits_for_a_summary_that_billing_makes_holds_no_other(world: Engine, now: datetime) -> None:
    """Billing makes summaries before it locks those that are there: recordings do it in that order too."""
    with transaction(world) as session:
        make_subscription(session, id="waits")  # no test before has found its summaries
        record(session, make_recording(now=now, subscription="waits"))
    both = [make_recording(now=now, subscription="waits", usage_type=name) for name in ("assessment", "report")]
    new = opened_by(world, both[1])

    def record_both() -> None:
        with transaction(world) as session:
            record_batch(session, both)

    with ThreadPoolExecutor(1) as pool:
        with transaction(world) as session:
            create_summaries(session, [new])
            waiting = pool.submit(record_both)
            until_somebody_waits(world)
            session.execute(text("SELECT FROM usage_summaries WHERE usage_type_id = 'assessment' FOR UPDATE NOWAIT"))
        waiting.result(10)
    assert [(one, total) for _, one, total, _ in totals(world)] == [("assessment", Decimal(2)), ("report", Decimal(1))]


def opened_by(engine: Engine, recording: Recording) -> NewSummary:
    """The summary that a recording would make."""
    with read_only(engine) as session:
        found = load_context(session, [recording]).place(recording)
    assert isinstance(found, NewSummary)
    return found


def check_waits_for_the_first_alone(engine: Engine, work: Callable[[], None]) -> None:
    """Work on the two summaries that waits for that of the earlier period does not hold the other already."""
    first, second = scalars(engine, "SELECT id FROM usage_summaries ORDER BY period_start")
    lock = text("SELECT FROM usage_summaries WHERE id = :id FOR UPDATE NOWAIT")
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as session:
            session.execute(lock, {"id": first})
            waiting = pool.submit(work)
            until_somebody_waits(engine)
            session.execute(lock, {"id": second})
        waiting.result(10)


def test_many_recorders_and_billing_runs_at_once_leave_exact_books(world: Engine, now: datetime) -> None:
    """Overlapping batches over few subscriptions, delivered twice, while runs and a new quota come between."""
    chance = random.Random(20261122)
    engine = make_engine(world.url.render_as_string(hide_password=False), pool_size=12)
    sent = [
        make_recording(
            now=now,
            quantity=chance.choice(["1", "2.5", "7", "0.001"]),
            subscription=chance.choice(["sub0", "sub1", "sub2", "sub3"]),
            usage_type=chance.choice(["assessment", "report"]),
            occurred_at=chance.choice([now, now - timedelta(days=20)]),
            key=f"k{number}",
        )
        for number in range(400)
    ]

    def recorder() -> Callable[[], None]:
        mine = [*sent]
        chance.shuffle(mine)

        def work() -> None:
            for start in range(0, len(mine), 40):
                with transaction(engine) as session:
                    record_batch(session, mine[start : start + 40])

        return work

    def biller() -> None:
        for hours in range(6):
            bill(engine, DECEMBER + timedelta(hours=hours))

    def admin() -> None:
        time.sleep(0.1)
        with transaction(engine) as session:
            define_quota(session, REPORTS, actor="test", now=now)

    at_once(recorder(), recorder(), recorder(), biller, biller, admin)
    assert counts(world).recorded == 400
    check_books(world)
    bill(engine, DECEMBER + timedelta(days=1))
    check_billed(world)
    expected: dict[tuple[str, str, int], Decimal] = {}
    for one in sent:
        key = (one.subscription_id, one.usage_type, one.occurred_at.month)
        expected[key] = expected.get(key, Decimal(0)) + one.quantity
    kept = rows(
        world,
        "SELECT subscription_id, usage_type_id, extract(month from period_start)::int, total FROM usage_summaries",
    )
    assert {(row[0], row[1], row[2]): row[3] for row in kept} == expected
    engine.dispose()


@pytest.mark.parametrize("as_of", [datetime(2026, 11, 15, 13, tzinfo=UTC), DECEMBER])
def test_runs_started_at_once_put_one_item_on_one_invoice(world: Engine, now: datetime, as_of: datetime) -> None:
    with transaction(world) as session:
        record(session, *(make_recording(now=now, quantity=53, subscription=f"sub{n}") for n in range(5)))
    engine = make_engine(world.url.render_as_string(hide_password=False), pool_size=8)
    at_once(*[lambda: bill(engine, as_of) for _ in range(4)])  # type: ignore[list-item,misc]
    assert items(world) == [("usage", "finalized" if as_of == DECEMBER else "draft", 3, Decimal("30.00"))] * 5
    check_billed(world)
    amounts = [row[0] for row in rows(world, "SELECT amounts FROM billing_runs") if row[0]]
    assert sum(Decimal(found["USD"]) for found in amounts) == 150
    engine.dispose()


def test_one_run_driven_by_several_processes_is_done_once(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        record(session, *(make_recording(now=now, quantity=53, subscription=f"sub{n}") for n in range(5)))
    run = opened(world, DECEMBER)
    engine = make_engine(world.url.render_as_string(hide_password=False), pool_size=8)
    at_once(*[lambda: driven(engine, run) for _ in range(4)])  # type: ignore[list-item,misc]
    done = rows(world, "SELECT status, items, finalized, amounts FROM billing_runs")
    assert done == [(RunStatus.COMPLETED, 5, 5, {"USD": "150.00"})]
    check_billed(world)
    engine.dispose()


def test_runs_that_bill_one_by_one_do_not_wait_for_each_other_crosswise(world: Engine, now: datetime) -> None:
    names = [f"sub{number}" for number in range(5)]
    with transaction(world) as session:
        make_plan(session, id="broken")
        make_quota(session, plan="broken")
        make_subscription(session, id="sub2b", plan="broken")
        record(session, *(make_recording(now=now, quantity=53, subscription=name) for name in [*names, "sub2b"]))
        session.execute(text("UPDATE usage_quotas SET price = '{}' WHERE plan_id = 'broken'"))
    engine = make_engine(world.url.render_as_string(hide_password=False), pool_size=8)
    at_once(*[lambda: bill(engine, DECEMBER) for _ in range(3)])  # type: ignore[list-item,misc]
    assert items(world) == [("usage", "finalized", 3, Decimal("30.00"))] * 5
    check_books(world)
    engine.dispose()


def test_finalizing_one_by_one_takes_the_balances_of_all_before_the_first_number(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_customer(session, id="zoe")
        make_plan(session, id="broken")
        make_quota(session, plan="broken")
        make_subscription(session, id="poisoned", plan="broken")
        make_subscription(session, id="zoes", customer="zoe")
        names = ("sub456", "poisoned", "zoes")
        owners = {"zoes": "zoe"}
        usage = [make_recording(now=now, quantity=51, subscription=n, customer=owners.get(n, "user123")) for n in names]
        record(session, *usage)
    bill(world, now)
    with transaction(world) as session:
        record(session, make_recording(now=now, subscription="poisoned"))
        session.execute(text("UPDATE usage_quotas SET price = '{}' WHERE plan_id = 'broken'"))
    with ThreadPoolExecutor(1) as pool:
        with transaction(world) as session:
            # As another slice does, or an admin who finalizes an invoice of the same customer's by hand.
            lock_balances(session, [("zoe", "USD")])
            run = pool.submit(bill, world, DECEMBER)
            until_somebody_waits(world)
            take_numbers(session, 0)
        assert run.result(20).status == RunStatus.COMPLETED
    assert [status for _, status, _, _ in items(world)].count("finalized") == 2


def test_numbers_have_no_gap_however_many_finalize_and_roll_back(world: Engine, now: datetime) -> None:
    class Killed(Exception):
        pass

    names = [f"many{number:02}" for number in range(24)]
    with transaction(world) as session:
        for name in names:
            make_subscription(session, id=name)
        record(session, *(make_recording(now=now, quantity=51, subscription=name) for name in names))
    engine = make_engine(world.url.render_as_string(hide_password=False), pool_size=8)

    def finalizer(mine: list[str], seed: int) -> Callable[[], None]:
        chance = random.Random(seed)

        def attempt(name: str) -> None:
            with transaction(engine) as session:
                finalize_invoices(session, [name], as_of=DECEMBER, grace=GRACE, now=DECEMBER, actor="test")
                if chance.random() < 0.5:
                    raise Killed

        def work() -> None:
            for name in mine * 4:
                with suppress(Killed):
                    attempt(name)

        return work

    at_once(*[finalizer(names[start::3] + names[:4], start) for start in range(3)])
    bill(world, DECEMBER)
    assert scalars(world, "SELECT number FROM invoices ORDER BY number") == list(range(1, 25))
    check_billed(world)
    engine.dispose()
