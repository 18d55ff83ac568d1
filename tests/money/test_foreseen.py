"""What a dry run of a change says is what comes, and nothing is stored or locked for it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from tests.money.house import House, day
from tests.support.books import rows
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.administration import change_subscription
from usage_billing.flows.administration.agree import AgreedChange, Precaution
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing.foresee import Foreseen
from usage_billing.subscriptions.moments import VOID

DOLLAR = {"model": "per_unit", "unitPrice": "1"}
EACH_AT_MOST = {"model": "percentage", "rate": "1", "fixedFee": "0.10", "maximumPerRecording": "6"}
LATER = timedelta(hours=2)


def look(house: House, kind: str, *, at: datetime, when: str | datetime = "now", **more: Any) -> AgreedChange:
    """A dry run of a change of ``s``; it has a session that cannot write, unless it takes recordings back."""
    with (rolled_back if more.get("later_usage") == VOID else read_only)(house.engine) as session:
        flow = getattr(change_subscription, kind)
        precaution = Precaution(dry_run=True)
        return flow(session, "s", when=When(moment=when), actor="test", now=at, precaution=precaution, **more)


def seen(change: AgreedChange) -> Foreseen:
    assert change.foreseen is not None
    return change.foreseen


def standing(house: House) -> dict[tuple[str, str], Decimal]:
    """The total of each invoice that is not void, by kind and closing; a correction has no closing of its own."""
    found = rows(house.engine, "SELECT kind, closes_at, total FROM invoices WHERE status <> 'void' AND total <> 0")
    return {(row.kind, "" if row.kind == "correction" else str(row.closes_at)): row.total for row in found}


def check_comes(house: House, change: AgreedChange, **real: Any) -> None:
    """Make the change as it was looked at, bill to where the look ended, and compare."""
    at, foreseen = change.effective_at, seen(change)
    with transaction(house.engine) as session:
        flow = getattr(change_subscription, real.pop("kind"))
        precaution = Precaution(expected_digest=foreseen.digest)
        done = flow(session, "s", when=When(moment=at), actor="test", precaution=precaution, **real)
    assert (done.effective_at, done.changed) == (change.effective_at, change.changed)
    assert done.voided_recordings == change.voided_recordings
    house.bill(max(real["now"], at))
    house.bill(max(real["now"], foreseen.until))
    after = standing(house)
    for invoice in foreseen.invoices:
        key = (invoice.kind, "" if invoice.kind == "correction" else str(invoice.closes_at))
        assert after.get(key, Decimal(0)) == invoice.total, key


@pytest.fixture
def busy(house: House) -> House:
    """A plan with a fee in advance and one in arrears, both with quotas; 250 of 300 used by the tenth."""
    house.plan("a", fee="31", base_fee_timing="advance")
    house.plan("b", fee="62")
    house.plan("c", fee="365", base_fee_timing="advance", interval="year")
    house.plan("claws", fee="5", on_downgrade="charge")
    house.quota("a", "300", DOLLAR)
    house.quota("b", "1000", DOLLAR | {"minimumAmount": "5"})
    house.quota("c", "100", EACH_AT_MOST)
    house.quota("claws", "1000", {"model": "per_unit", "unitPrice": "2"})
    return house


CASES: list[tuple[str, str, dict[str, Any], str | datetime]] = [
    ("a", "change_plan", {"plan_id": "b"}, "now"),
    ("a", "change_plan", {"plan_id": "c"}, "now"),
    ("a", "change_plan", {"plan_id": "c"}, "period_end"),
    ("a", "change_plan", {"plan_id": "b"}, day(25)),
    ("a", "pause", {}, "now"),
    ("a", "cancel", {}, "now"),
    ("a", "cancel", {}, "period_end"),
    ("b", "cancel", {}, "now"),
    ("b", "change_plan", {"plan_id": "a"}, "now"),
    ("c", "change_plan", {"plan_id": "a"}, "now"),
    ("c", "pause", {}, "now"),
    ("claws", "change_plan", {"plan_id": "a"}, "now"),
    ("claws", "pause", {}, "now"),
    ("a", "pause", {"later_usage": "void"}, day(6)),
    ("c", "cancel", {"later_usage": "void"}, day(6)),
    ("claws", "cancel", {"later_usage": "void"}, day(6)),
]


@pytest.mark.parametrize("billed", [True, False])
@pytest.mark.parametrize(("plan", "kind", "more", "when"), CASES)
def test_what_a_dry_run_says_is_what_comes(
    busy: House, plan: str, kind: str, more: dict[str, Any], when: str | datetime, *, billed: bool
) -> None:
    busy.subscribe(plan=plan)
    busy.use(110, at=day(3))
    if billed:
        busy.bill(day(4))
    for hour in range(1, 15):
        busy.use(10, at=day(7, hour=hour))
    now = day(11)
    tables = ("subscription_changes", "subscription_terms", "invoices", "usage_invoice_items", "audit_log")
    counts = [rows(busy.engine, f"SELECT count(*) AS n FROM {name}")[0].n for name in tables]
    change = look(busy, kind, at=now, when=when, **more)
    assert counts == [rows(busy.engine, f"SELECT count(*) AS n FROM {name}")[0].n for name in tables]
    assert change.changed
    check_comes(busy, change, kind=kind, now=now + timedelta(minutes=1), **more)


def test_a_pause_and_what_a_resume_then_charges(busy: House) -> None:
    busy.subscribe()
    busy.bill(day(1) + LATER)
    busy.change("pause", at=day(11))
    busy.bill(day(11))
    change = look(busy, "resume", at=day(21))
    told = [(invoice.kind, invoice.total_before, invoice.total) for invoice in seen(change).invoices]
    assert told == [("change", 0, 11), ("period", 0, 31)]
    check_comes(busy, change, kind="resume", now=day(21))


def test_drafts_stay_where_the_invoice_of_the_last_period_is_final(house: House) -> None:
    house.plan("a", fee="31")
    house.quota("a", "0", DOLLAR)
    house.subscribe()
    house.bill(day(1, month=2) + LATER)
    house.use(5, at=day(3, month=2), occurred=day(20))
    house.bill(day(4, month=2))
    now = day(10, month=2)
    change = look(house, "cancel", at=now, when=day(1, month=2))
    assert [(one.closes_at, one.total) for one in seen(change).invoices] == [(day(1, month=3), 5)]
    check_comes(house, change, kind="cancel", now=now)


def test_the_rest_of_the_month_and_the_year_are_told(busy: House) -> None:
    busy.subscribe()
    busy.bill(day(1) + LATER)
    change = look(busy, "change_plan", at=day(11), plan_id="c")
    told = [(i.kind, i.difference, [x.difference for x in i.items]) for i in seen(change).invoices]
    assert told == [("change", 365 - 31 * 21 // 31 - 10, [-21, 355]), ("period", -31, [-31])]


@pytest.mark.parametrize(("when", "month"), [(day(6), 2), ("now", 2), ("period_end", 3)])
def test_a_cancellation_tells_until_when_invoices_are_compared(busy: House, when: str | datetime, month: int) -> None:
    busy.subscribe(plan="b")
    busy.bill(day(4))
    foreseen = seen(look(busy, "cancel", at=day(11), when=when))
    closings = [(one.closes_at, one.total_before, one.total) for one in foreseen.invoices]
    at_once = [(foreseen.at, 0, 67)] if month == 2 else []
    assert (foreseen.until, closings) == (day(1, month=month), [*at_once, (day(1, month=month), 67, 0)])


def test_what_is_left_of_each_allowance_is_told(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "300", DOLLAR)
    house.quota("b", "1000", DOLLAR)
    house.subscribe(at=day(1, month=6))
    house.use(250, at=day(5, month=6))
    (left,) = seen(look(house, "change_plan", at=day(11, month=6), plan_id="b")).allowances
    assert (left.limit, left.used, left.remaining) == (
        Decimal("766.666666666667"),
        250,
        Decimal("516.666666666667"),
    )
    assert seen(look(house, "pause", at=day(11, month=6))).allowances == []


def test_a_claw_back_is_told(house: House) -> None:
    house.plan("a", on_downgrade="charge")
    house.plan("b")
    house.quota("a", "1000", {"model": "per_unit", "unitPrice": "2"})
    house.quota("b", "100", DOLLAR)
    house.subscribe(at=day(1, month=6))
    house.use(500, at=day(5, month=6))
    (invoice,) = seen(look(house, "change_plan", at=day(11, month=6), plan_id="b")).invoices
    assert invoice.difference == 200


ALTER: list[Any] = [
    lambda house: house.use(300, at=day(11), occurred=day(10)),
    lambda house: house.quota("a", "0", DOLLAR, at=day(10), effective="now"),
]


@pytest.mark.parametrize("alter", ALTER)
def test_a_change_that_would_do_something_else_is_refused(busy: House, alter: Any) -> None:
    busy.subscribe(plan="claws")
    busy.use(900, at=day(3))
    change = look(busy, "change_plan", at=day(11), plan_id="a")
    alter(busy)
    before = rows(busy.engine, "SELECT * FROM subscription_changes")
    with pytest.raises(Conflict) as refused, transaction(busy.engine) as session:
        change_subscription.change_plan(
            session,
            "s",
            plan_id="a",
            when=When(moment=change.effective_at),
            actor="test",
            now=day(11),
            precaution=Precaution(expected_digest=seen(change).digest),
        )
    assert refused.value.code == "digest_changed"
    assert rows(busy.engine, "SELECT * FROM subscription_changes") == before


def test_what_changes_nothing_charges_nothing(busy: House) -> None:
    busy.subscribe()
    busy.use(310, at=day(3))
    change = look(busy, "change_plan", at=day(11), plan_id="a")
    assert (change.changed, seen(change).invoices) == (False, [])
    check_comes(busy, change, kind="change_plan", now=day(11), plan_id="a")


def test_a_dry_run_has_no_digest_to_expect() -> None:
    with pytest.raises(InvalidInput) as refused:
        Precaution(dry_run=True, expected_digest="0" * 64)
    assert refused.value.fields[0].code == "contradiction"


@pytest.fixture
def locked(busy: House) -> Iterator[House]:
    """Another transaction holds everything that a change and a run would lock."""
    busy.subscribe()
    busy.use(310, at=day(3))
    busy.bill(day(4))
    with busy.engine.connect() as other:
        for table in ("subscriptions", "plans", "usage_summaries", "fee_charges", "invoices"):
            other.execute(text(f"SELECT FROM {table} FOR UPDATE"))
        other.execute(text("SELECT pg_advisory_xact_lock(1430388737, shard) FROM generate_series(0, 255) AS shard"))
        yield busy
        other.rollback()


def test_nothing_is_locked_for_it(locked: House) -> None:
    assert look(locked, "change_plan", at=day(11), plan_id="b").changed
