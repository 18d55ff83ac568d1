"""The daily chain on a real PostgreSQL: what is beyond the allowance is on an invoice, once, exactly."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from tests.factories import (
    make_plan,
    make_quota,
    make_recording,
    make_subscription,
    make_usage_type,
    make_world,
    record,
)
from tests.money.books import differences
from tests.support.billing import bill, driven, opened
from tests.support.books import check_billed, check_books, items, rows, scalars
from usage_billing.billing_runs.models import BillingRun, RunOutcome, RunStatus
from usage_billing.catalog.service import NewQuota
from usage_billing.core.errors import InvalidInput
from usage_billing.db.session import transaction
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.billing.drive_rehearsal import rehearse
from usage_billing.flows.billing.open_run import RunRequest, open_run

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
TEN: dict[str, object] = {"model": "per_unit", "unitPrice": "10"}


def use(engine: Engine, quantity: int | str, *, at: datetime, received: datetime | None = None, **more: Any) -> None:
    """Record so much, used ``at``."""
    with transaction(engine) as session:
        record(session, make_recording(now=received or at, occurred_at=at, quantity=quantity, **more))


def invoices(engine: Engine) -> list[tuple[int | None, str, int, Decimal]]:
    """(number, status, month, total) of each invoice, oldest period first."""
    found = rows(engine, "SELECT number, status, period_start, total FROM invoices ORDER BY period_start")
    return [(row.number, row.status, row.period_start.month, row.total) for row in found]


def everything_charged(engine: Engine) -> list[Any]:
    """What a run leaves in the books, without ids and times."""
    return rows(
        engine,
        "SELECT i.subscription_id, i.number, i.status, i.period_start, i.total, x.kind, x.usage_type_id, x.quantity,"
        " x.amount, x.period_start, x.billable, x.events FROM invoices i"
        " LEFT JOIN usage_invoice_items x ON x.invoice_id = i.id ORDER BY 1, 4, 7, 10",
    )


# --- the example ---------------------------------------------------------------------------------------------


def test_53_of_50_at_10_is_one_item_of_quantity_3_and_30_00(world: Engine, now: datetime) -> None:
    for _ in range(53):
        use(world, 1, at=now)
    run = bill(world, now)
    assert items(world) == [("usage", "draft", Decimal(3), Decimal("30.00"))]
    assert (run.status, run.subscriptions, run.invoices, run.items, run.finalized) == (RunStatus.COMPLETED, 1, 1, 1, 0)
    assert run.amounts == {"USD": "30.00"}
    assert run.warnings == []
    assert rows(world, "SELECT currency, customer_id, total FROM invoices") == [("USD", "user123", 30)]
    check_billed(world)


def test_a_rerun_finds_nothing_to_do(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    bill(world, now)
    before = everything_charged(world)
    for _ in range(3):
        run = bill(world, now)
        assert (run.subscriptions, run.invoices, run.items, run.amounts, run.digest) == (0, 0, 0, {}, "0" * 64)
    assert everything_charged(world) == before


def test_nothing_beyond_the_allowance_is_no_invoice(world: Engine, now: datetime) -> None:
    use(world, 50, at=now)
    bill(world, now)
    assert invoices(world) == []
    check_billed(world)


def test_the_draft_shows_todays_truth(world: Engine, now: datetime) -> None:
    for quantity, total in ((53, "30.00"), ("0.5", "35.00"), (10, "135.00")):
        use(world, quantity, at=now)
        bill(world, now)
        assert invoices(world) == [(None, "draft", 11, Decimal(total))]
        check_billed(world)
    assert items(world) == [("usage", "draft", Decimal("13.5"), Decimal("135.00"))]


def test_each_usage_type_is_one_item_of_one_invoice(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_quota(session, usage_type="report", limit=0, unit_price="0.335")
    use(world, 53, at=now)
    use(world, 1, at=now, usage_type="report")
    bill(world, now)
    assert [(item[2], item[3]) for item in items(world)] == [(3, Decimal("30.00")), (1, Decimal("0.34"))]
    assert invoices(world) == [(None, "draft", 11, Decimal("30.34"))]


def test_a_limit_of_null_never_charges(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session, limit=None)
    use(engine, 5000, at=now)
    bill(engine, now)
    assert invoices(engine) == []
    check_billed(engine)


def test_usage_without_a_quota_is_charged_once_its_quota_exists(world: Engine, now: datetime) -> None:
    for _ in range(3):
        use(world, 30, at=now, usage_type="report")
    bill(world, now)
    assert invoices(world) == []
    price: dict[str, object] = {"model": "per_unit", "unitPrice": "2"}
    with transaction(world) as session:
        new = NewQuota(plan_id="business", usage_type="report", limit=Decimal(50), price=price)
        define_quota(session, new, actor="test", now=now)
    bill(world, now)
    assert items(world) == [("usage", "draft", Decimal(40), Decimal("80.00"))]
    marks = scalars(world, "SELECT beyond_limit FROM usage WHERE usage_type_id = 'report' ORDER BY ordinal")
    assert marks == [0, 10, 30]
    check_billed(world)
    use(world, 1, at=now, usage_type="report")
    bill(world, now)
    assert invoices(world) == [(None, "draft", 11, Decimal("82.00"))]
    check_billed(world)


def test_a_new_price_holds_for_the_next_period_and_the_past_is_not_repriced(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    with transaction(world) as session:
        make_quota(session, limit=0, unit_price="99", now=now)
    use(world, 1, at=now)
    use(world, 2, at=DECEMBER)
    bill(world, DECEMBER + HOUR)
    assert invoices(world) == [(1, "finalized", 11, Decimal("40.00")), (None, "draft", 12, Decimal("198.00"))]
    use(world, 1, at=now, received=DECEMBER)
    bill(world, DECEMBER + 2 * HOUR)
    assert items(world)[1:] == [
        ("adjustment", "draft", Decimal(1), Decimal("10.00")),
        ("usage", "draft", Decimal(2), Decimal("198.00")),
    ]
    check_billed(world)


# --- finalization --------------------------------------------------------------------------------------------


def test_an_invoice_is_final_when_its_period_and_the_grace_time_are_over(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    bill(world, DECEMBER + HOUR - MOMENT)
    assert invoices(world) == [(None, "draft", 11, Decimal("30.00"))]
    run = bill(world, DECEMBER + HOUR)
    assert run.finalized == 1
    assert invoices(world) == [(1, "finalized", 11, Decimal("30.00"))]
    assert rows(world, "SELECT topic, payload->>'number' FROM outbox_messages ORDER BY id")[-2:] == [
        ("invoice.finalized", "INV-00000001"),
        ("run.finished", None),
    ]
    assert scalars(world, "SELECT count(*) FROM audit_log WHERE action = 'invoice.finalize'") == [1]


def test_a_month_within_its_grace_time_waits_though_an_older_one_is_due(world: Engine, now: datetime) -> None:
    use(world, 51, at=datetime(2026, 10, 15, tzinfo=UTC))
    use(world, 52, at=now)
    bill(world, DECEMBER + HOUR / 2)
    assert invoices(world) == [(1, "finalized", 10, Decimal("10.00")), (None, "draft", 11, Decimal("20.00"))]


def test_the_period_is_over_by_the_subscriptions_own_clock(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_subscription(session, id="honolulu", timezone="Pacific/Honolulu")
    for name in ("sub456", "honolulu"):
        use(engine, 51, at=now, subscription=name)
    bill(engine, DECEMBER + 2 * HOUR)
    assert scalars(engine, "SELECT subscription_id FROM invoices WHERE status = 'finalized'") == ["sub456"]
    bill(engine, DECEMBER + 11 * HOUR)
    assert len(scalars(engine, "SELECT id FROM invoices WHERE status = 'finalized'")) == 2


def test_what_was_recorded_within_the_grace_time_is_on_the_invoice(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    bill(world, DECEMBER)
    use(world, 2, at=now, received=DECEMBER + HOUR / 2)
    bill(world, DECEMBER + HOUR)
    assert items(world) == [("usage", "finalized", Decimal(5), Decimal("50.00"))]
    check_billed(world)


def test_a_finalized_invoice_never_changes_whoever_tries(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    bill(world, DECEMBER + HOUR)
    attempts = (
        "UPDATE invoices SET total = 0",
        "UPDATE invoices SET status = 'draft', number = NULL, finalized_at = NULL",
        "UPDATE invoices SET number = 7",
        "DELETE FROM invoices",
        "UPDATE usage_invoice_items SET amount = 0",
        "DELETE FROM usage_invoice_items",
    )
    for attempt in attempts:
        with pytest.raises(IntegrityError), transaction(world) as session:
            session.execute(text(attempt))
    check_billed(world)


def test_months_that_were_not_billed_come_out_in_order_each_once(world: Engine) -> None:
    for month in (9, 7, 10, 8):
        use(world, 50 + month, at=datetime(2026, month, 15, tzinfo=UTC))
    use(world, 51, at=datetime(2026, 11, 1, tzinfo=UTC))
    bill(world, datetime(2026, 11, 5, tzinfo=UTC))
    assert invoices(world) == [
        (1, "finalized", 7, Decimal("70.00")),
        (2, "finalized", 8, Decimal("80.00")),
        (3, "finalized", 9, Decimal("90.00")),
        (4, "finalized", 10, Decimal("100.00")),
        (None, "draft", 11, Decimal("10.00")),
    ]
    check_billed(world)


def test_usage_that_the_run_is_not_about_yet_is_left_alone(world: Engine, now: datetime) -> None:
    use(world, 51, at=now)
    use(world, 51, at=DECEMBER)
    bill(world, now)
    assert invoices(world) == [(None, "draft", 11, Decimal("10.00"))]
    check_books(world)


# --- late usage ----------------------------------------------------------------------------------------------


def test_late_usage_becomes_an_adjustment_on_the_next_invoice(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    bill(world, DECEMBER + HOUR)
    late = DECEMBER + timedelta(days=5)
    use(world, 4, at=now, received=late)
    use(world, 51, at=late)
    bill(world, late)
    assert items(world) == [
        ("usage", "finalized", Decimal(3), Decimal("30.00")),
        ("adjustment", "draft", Decimal(4), Decimal("40.00")),
        ("usage", "draft", Decimal(1), Decimal("10.00")),
    ]
    item = rows(world, "SELECT * FROM usage_invoice_items WHERE kind = 'adjustment'")[0]
    assert (item.billable, item.charged_before, item.events) == (7, 30, 2)
    check_billed(world)


def test_what_costs_0_00_is_on_no_invoice_until_more_makes_an_amount(world: Engine, now: datetime) -> None:
    """A first quota came late; all that was used by it is worth less than half a cent."""
    use(world, "0.000000000001", at=now, usage_type="report")
    with transaction(world) as session:
        new = NewQuota(plan_id="business", usage_type="report", limit=Decimal(0), price=TEN)
        define_quota(session, new, actor="test", now=now)
    bill(world, now)
    assert items(world) == [("usage", "draft", Decimal("1E-12"), Decimal("0.00"))]
    check_billed(world)
    bill(world, DECEMBER + HOUR)
    assert items(world) == []
    check_billed(world)
    use(world, "0.1", at=now, received=DECEMBER + 2 * HOUR, usage_type="report")
    bill(world, DECEMBER + 2 * HOUR)
    first = ("usage", "finalized", Decimal("0.100000000001"), Decimal("1.00"))
    assert items(world) == [first]
    use(world, "0.0004", at=now, received=DECEMBER + 3 * HOUR, usage_type="report")
    bill(world, DECEMBER + 3 * HOUR)
    assert items(world) == [first]
    check_billed(world)
    use(world, "0.0001", at=now, received=DECEMBER + 4 * HOUR, usage_type="report")
    bill(world, DECEMBER + 4 * HOUR)
    assert items(world) == [first, ("adjustment", "draft", Decimal("0.0005"), Decimal("0.01"))]
    check_billed(world)
    assert differences(world) == []


def test_late_usage_that_stays_within_the_allowance_charges_nothing(world: Engine, now: datetime) -> None:
    use(world, 10, at=now)
    bill(world, DECEMBER + HOUR)
    use(world, 40, at=now, received=DECEMBER + 2 * HOUR)
    bill(world, DECEMBER + 2 * HOUR)
    assert invoices(world) == []
    use(world, 1, at=now, received=DECEMBER + 3 * HOUR)
    bill(world, DECEMBER + 3 * HOUR)
    assert invoices(world) == [(1, "finalized", 11, Decimal("10.00"))]
    assert items(world)[0][0] == "usage"


def test_lateness_upon_lateness_is_one_item_until_its_invoice_is_final(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    bill(world, DECEMBER + HOUR)
    for day in range(1, 4):
        use(world, 1, at=now, received=DECEMBER + timedelta(days=day))
        bill(world, DECEMBER + timedelta(days=day))
    assert items(world)[1:] == [("adjustment", "draft", Decimal(3), Decimal("30.00"))]
    january = datetime(2027, 1, 1, 1, tzinfo=UTC)
    bill(world, january)
    use(world, 1, at=now, received=january)
    bill(world, january)
    assert invoices(world) == [
        (1, "finalized", 11, Decimal("30.00")),
        (2, "finalized", 12, Decimal("30.00")),
        (None, "draft", 1, Decimal("10.00")),
    ]
    check_billed(world)


def test_an_adjustment_found_by_a_run_of_yesterday_whose_period_is_final_goes_on_a_correction(
    world: Engine, now: datetime
) -> None:
    january = datetime(2027, 1, 1, 1, tzinfo=UTC)
    use(world, 53, at=now)
    use(world, 53, at=DECEMBER)
    bill(world, january)
    use(world, 1, at=now, received=january)
    bill(world, DECEMBER + HOUR, now=january)
    assert ("adjustment", "draft", Decimal(1), Decimal("10.00")) in items(world)
    assert scalars(world, "SELECT kind FROM invoices WHERE status = 'draft'") == ["correction"]
    check_billed(world)


def test_a_draft_that_charges_nothing_any_more_is_removed_when_it_is_due(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    bill(world, now)
    with transaction(world) as session:
        session.execute(text("DELETE FROM usage_invoice_items"))
    run = bill(world, DECEMBER + HOUR)
    assert (invoices(world), run.finalized) == ([], 0)
    assert scalars(world, "SELECT last FROM invoice_numbers") == [0]


# --- runs ----------------------------------------------------------------------------------------------------


def test_a_run_is_over_one_subscription_if_asked(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_subscription(session, id="other")
    for name in ("sub456", "other"):
        use(world, 51, at=now, subscription=name)
    bill(world, DECEMBER + HOUR, only="other")
    assert scalars(world, "SELECT subscription_id FROM invoices") == ["other"]
    bill(world, DECEMBER + HOUR)
    assert scalars(world, "SELECT subscription_id FROM invoices ORDER BY number") == ["other", "sub456"]


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        (RunRequest(as_of=DECEMBER), "/asOf"),
        (RunRequest(as_of=datetime(2026, 11, 15, 12, 32, tzinfo=UTC)), "/asOf"),
        (RunRequest(subscription_id="nobody"), "/subscriptionId"),
        (RunRequest(as_of=datetime(1, 1, 1, tzinfo=UTC)), "/asOf"),
        (RunRequest(as_of=datetime(1999, 12, 31, tzinfo=UTC)), "/asOf"),
        (RunRequest(as_of=datetime(9999, 12, 31, tzinfo=UTC), dry_run=True), "/asOf"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(world: Engine, now: datetime, request_: RunRequest, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught, transaction(world) as session:
        open_run(session, request_, requested_by="test", now=now)
    assert [field.pointer for field in caught.value.fields] == [pointer]
    assert rows(world, "SELECT id FROM billing_runs") == []


def test_a_dry_run_may_look_ahead(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    run = bill(world, DECEMBER + HOUR, dry_run=True, now=now)
    assert (run.finalized, run.amounts) == (1, {"USD": "30.00"})
    assert invoices(world) == []


def test_the_longest_name_may_ask_for_a_run(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        run = open_run(session, RunRequest(), requested_by="user:" + "a" * 128, now=now)
    assert run.requested_by.startswith("user:aaa")


def test_a_key_opens_one_run(world: Engine, now: datetime) -> None:
    def ask(key: str | None) -> BillingRun:
        with transaction(world) as session:
            return open_run(session, RunRequest(), requested_by="beat", now=now, key=key)

    assert ask("schedule:1").id == ask("schedule:1").id
    assert len({ask("schedule:2").id, ask(None).id, ask(None).id}) == 3
    assert scalars(world, "SELECT count(*) FROM audit_log WHERE action = 'billing.run'") == [4]


def test_a_dry_run_leaves_nothing_and_its_digest_is_that_of_the_real_run(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_usage_type(session, id="analysis")
        make_quota(session, usage_type="analysis", limit=1, unit_price="0.015")
        make_subscription(session, id="other", timezone="Asia/Tokyo")
    use(world, 53, at=now)
    bill(world, DECEMBER + HOUR)
    for name in ("sub456", "other"):
        use(world, 60, at=now, subscription=name, received=DECEMBER)
        use(world, "7.7", at=DECEMBER, subscription=name, usage_type="analysis")
    before, outbox = everything_charged(world), scalars(world, "SELECT count(*) FROM outbox_messages")
    dry = [bill(world, DECEMBER + 2 * HOUR, dry_run=True) for _ in range(2)]
    assert everything_charged(world) == before
    assert scalars(world, "SELECT count(*) FROM outbox_messages") == outbox
    assert scalars(world, "SELECT count(*) FROM usage_summaries WHERE to_rate") == [4]
    real = bill(world, DECEMBER + 2 * HOUR)
    for run in dry:
        assert (run.digest, run.amounts, run.items, run.subscriptions, run.invoices, run.finalized) == (
            real.digest,
            real.amounts,
            real.items,
            real.subscriptions,
            real.invoices,
            real.finalized,
        )
    assert real.digest != "0" * 64
    check_billed(world)


# --- what is broken in the database --------------------------------------------------------------------------

BROKEN_PRICES = [
    '{"model": "per_unit"}',
    '{"model": "per_unit", "unitPrice": "NaN"}',
    '{"model": "per_unit", "unitPrice": ["1"]}',
    '{"model": "no such model"}',
    '{"model": {"a": 1}}',
    "[]",
    "null",
    '"10.00"',
    "{}",
]


@pytest.mark.parametrize("price", BROKEN_PRICES)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_subscription_that_cannot_be_billed_is_warned_about_and_the_others_are_billed(
    world: Engine, now: datetime, price: str, dry_run: bool
) -> None:
    _poison(world, now)
    with transaction(world) as session:
        damage = text("UPDATE usage_quotas SET price = CAST(:price AS jsonb) WHERE plan_id = 'broken'")
        session.execute(damage, {"price": price})
    run = bill(world, now, dry_run=dry_run)
    assert run.status == RunStatus.COMPLETED
    assert run.outcome == RunOutcome.WARNINGS
    assert [(w["subscriptionId"], w["code"]) for w in run.warnings] == [("poisoned", "billing_failed")]
    assert run.amounts == {"USD": "20.00"}
    if not dry_run:
        assert scalars(world, "SELECT subscription_id FROM invoices ORDER BY 1") == ["before", "sub456"]
        assert scalars(world, "SELECT subscription_id FROM usage_summaries WHERE to_rate") == ["poisoned"]


def test_the_warning_is_in_words_for_people_and_the_rehearsal_has_the_same_digest(world: Engine, now: datetime) -> None:
    _poison(world, now)
    with transaction(world) as session:
        session.execute(
            text(
                "CREATE FUNCTION overflow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE EXCEPTION 'numeric field overflow' USING ERRCODE = '22003'; END $$"
            )
        )
        session.execute(
            text(
                "CREATE TRIGGER overflow BEFORE INSERT ON invoices FOR EACH ROW"
                " WHEN (NEW.subscription_id = 'poisoned') EXECUTE FUNCTION overflow()"
            )
        )
    try:
        rehearsed = rehearse(world, RunRequest(as_of=now), grace=HOUR, now=now)
        dry, real = bill(world, now, dry_run=True), bill(world, now)
    finally:
        with transaction(world) as session:
            session.execute(text("DROP FUNCTION overflow() CASCADE"))
    assert real.warnings == rehearsed.warnings == dry.warnings
    assert [warning["detail"] for warning in real.warnings] == ["an amount or a quantity is larger than can be stored"]
    assert real.digest == rehearsed.digest_text() == dry.digest


def test_a_draft_that_cannot_become_final_is_on_the_rehearsal_too(world: Engine, now: datetime) -> None:
    _poison(world, now)
    as_of = DECEMBER + 2 * HOUR
    with transaction(world) as session:
        session.execute(text("ALTER TABLE invoices ADD CONSTRAINT odd CHECK (number IS NULL OR total <> 10) NOT VALID"))
        cheaper = "UPDATE usage_quotas SET price = jsonb_set(price, '{unitPrice}', '\"9\"') WHERE plan_id <> 'broken'"
        session.execute(text(cheaper))
    try:
        rehearsed = rehearse(world, RunRequest(as_of=as_of), grace=HOUR, now=as_of)
        dry, real = bill(world, as_of, dry_run=True), bill(world, as_of)
    finally:
        with transaction(world) as session:
            session.execute(text("ALTER TABLE invoices DROP CONSTRAINT odd"))
    (warning,) = real.warnings
    assert (warning["subscriptionId"], warning["code"]) == ("poisoned", "billing_failed")
    assert warning["detail"] == "what was to be stored in invoices contradicts what is there"
    assert real.warnings == dry.warnings == rehearsed.warnings
    assert scalars(world, "SELECT subscription_id FROM invoices WHERE status = 'draft'") == ["poisoned"]
    assert (real.invoices, real.items, real.finalized, real.amounts) == (3, 3, 2, {"USD": "28.00"})
    assert (dry.invoices, dry.items, dry.finalized, dry.amounts) == (3, 3, 2, {"USD": "28.00"})
    assert real.digest == dry.digest == rehearsed.digest_text()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE plans SET currency = 'XXX' WHERE id = 'broken'",
        "UPDATE plans SET currency = 'QQQ' WHERE id = 'broken'",
        "UPDATE subscriptions SET timezone = 'Mars/Olympus' WHERE id = 'poisoned'",
    ],
)
def test_other_damage_stays_with_its_subscription_too(world: Engine, now: datetime, damage: str) -> None:
    _poison(world, now)
    bill(world, DECEMBER + HOUR)
    for name in ("sub456", "poisoned", "before"):
        use(world, 3, at=now, subscription=name, received=DECEMBER + HOUR)
    with transaction(world) as session:
        session.execute(text(damage))
    run = bill(world, DECEMBER + 2 * HOUR)
    assert run.status == RunStatus.COMPLETED
    assert {w["subscriptionId"] for w in run.warnings} == {"poisoned"}
    assert run.amounts == {"USD": "60.00"}


def test_once_repaired_it_is_billed(world: Engine, now: datetime) -> None:
    _poison(world, now)
    with transaction(world) as session:
        session.execute(text("UPDATE usage_quotas SET price = '{}' WHERE plan_id = 'broken'"))
    bill(world, now)
    with transaction(world) as session:
        session.execute(
            text("""UPDATE usage_quotas SET price = '{"model":"per_unit","unitPrice":"10"}' WHERE plan_id = 'broken'""")
        )
    assert bill(world, now).amounts == {"USD": "10.00"}
    check_billed(world)


def _poison(engine: Engine, now: datetime) -> None:
    """Three subscriptions that owe 10.00 each; ``poisoned`` is on the plan ``broken``."""
    with transaction(engine) as session:
        make_plan(session, id="broken")
        make_quota(session, plan="broken")
        make_subscription(session, id="poisoned", plan="broken")
        make_subscription(session, id="before")
    for name in ("sub456", "poisoned", "before"):
        use(engine, 51, at=now, subscription=name)


def test_a_run_that_stalled_can_be_taken_up_at_any_stage(world: Engine, now: datetime) -> None:
    use(world, 53, at=now)
    run = opened(world, DECEMBER + HOUR)
    assert driven(world, run).finalized == 1
    assert driven(world, run).finalized == 1
    assert invoices(world) == [(1, "finalized", 11, Decimal("30.00"))]
