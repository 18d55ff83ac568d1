"""A run that expects a digest charges just what the dry run showed, or it fails and leaves nothing behind."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.money.books import check_everything
from tests.money.house import House, day
from tests.support.billing import GRACE, bill, driven
from tests.support.books import rows, scalars
from usage_billing.billing_runs.models import BillingRun, SlicePhase
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.billing import bill_slice
from usage_billing.flows.billing.drive_rehearsal import expect
from usage_billing.flows.billing.drive_run import do_slice, next_of_run
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.flows.billing.run_outcome import SliceOutcome

FEBRUARY = day(1, month=2)
LATER = timedelta(hours=2)
NOW = FEBRUARY + LATER
DOLLAR = {"model": "per_unit", "unitPrice": "1"}
EACH_AT_MOST = {"model": "percentage", "rate": "1", "maximumPerRecording": "1000"}


@pytest.fixture
def over(house: House) -> House:
    """January is over: 5 calls beyond the allowance, and a fee."""
    house.plan("a", fee="31")
    house.quota("a", "10", DOLLAR)
    house.subscribe()
    house.use(15, at=day(3))
    return house


def held(house: House, digest: str, now: datetime = NOW) -> BillingRun:
    """A run that is held to what was shown, not begun yet."""
    request = expect(house.engine, RunRequest(), digest, grace=GRACE, now=now)
    with transaction(house.engine) as session:
        return open_run(session, request, requested_by="test", now=now)


def finals(house: House) -> list[Decimal]:
    return scalars(house.engine, "SELECT total FROM invoices WHERE number IS NOT NULL ORDER BY number")


def test_what_is_recorded_after_the_dry_run_is_left_to_the_next(over: House) -> None:
    shown = bill(over.engine, NOW, dry_run=True)
    over.use(4, at=NOW, occurred=day(20))
    over.use(100, at=NOW + LATER)
    run = held(over, shown.digest or "", now=NOW + LATER)
    over.use(3, at=NOW + LATER, occurred=day(21))
    done = driven(over.engine, run)
    same = ("as_of", "digest", "amounts", "items", "finalized")
    assert [getattr(done, name) for name in same] == [getattr(shown, name) for name in same]
    assert (done.status, done.expected_digest) == ("completed", shown.digest)
    assert finals(over) == [36]
    check_everything(over.engine)
    over.bill(NOW + LATER)
    assert scalars(over.engine, "SELECT total FROM invoices WHERE status = 'draft'") == [7 + 90 + 31]


def test_a_recording_in_the_midst_of_a_dry_run_is_left_to_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dry run made the summary of a minimum, which no sender's transaction sees; then another segment is used."""
    price = DOLLAR | {"minimumAmount": "5"}
    house.plan("a")
    house.quota("a", "10", price)
    house.subscribe()
    house.quota("a", "20", price, at=day(11), effective="now")
    rate = bill_slice.invoice_subscriptions

    def rate_and_be_sent_more(*args: Any, **more: Any) -> SliceOutcome:
        outcome = rate(*args, **more)
        house.use(29, at=NOW, occurred=day(20))
        return outcome

    with monkeypatch.context() as patched:
        patched.setattr(bill_slice, "invoice_subscriptions", rate_and_be_sent_more)
        shown = bill(house.engine, NOW, dry_run=True)
    assert (shown.status, shown.error, shown.items, shown.finalized) == ("completed", None, 2, 1)
    done = driven(house.engine, held(house, shown.digest or ""))
    assert (done.status, done.digest, finals(house)) == ("completed", shown.digest, [5])
    check_everything(house.engine)
    house.bill(NOW)
    assert scalars(house.engine, "SELECT amount FROM usage_invoice_items WHERE kind = 'adjustment'") == [4]


def test_what_is_taken_back_after_the_dry_run_is_left_to_the_next(over: House) -> None:
    used = over.use(6, at=day(4))
    shown = bill(over.engine, NOW, dry_run=True)
    over.void(used, at=NOW)
    done = driven(over.engine, held(over, shown.digest or ""))
    assert (done.status, done.digest, finals(over)) == ("completed", shown.digest, [11 + 31])
    check_everything(over.engine)
    over.bill(NOW + LATER)
    assert scalars(over.engine, "SELECT amount FROM usage_invoice_items WHERE kind = 'adjustment'") == [-6]


def test_a_minimum_whose_summary_the_dry_run_made_is_there_in_the_run(house: House) -> None:
    house.plan("a")
    house.quota("a", "10", DOLLAR | {"minimumAmount": "5"})
    house.subscribe()
    shown = bill(house.engine, NOW, dry_run=True)
    house.use(30, at=NOW, occurred=day(20))
    done = driven(house.engine, held(house, shown.digest or ""))
    assert (done.status, done.digest, finals(house)) == ("completed", shown.digest, [5])
    check_everything(house.engine)


CHANGES: list[Callable[[House], Any]] = [
    lambda house: house.change("cancel", at=NOW, when=day(20)),
    lambda house: house.subscribe("t", at=day(5)),
    lambda house: house.bill(NOW),
]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_terms_and_invoices_refuse_the_request(over: House, change: Callable[[House], Any]) -> None:
    shown = bill(over.engine, NOW, dry_run=True)
    change(over)
    with pytest.raises(Conflict) as refused:
        held(over, shown.digest or "")
    assert refused.value.code == "digest_changed"


@pytest.mark.parametrize("change", CHANGES)
def test_changes_between_slices_end_the_run_before_anything_is_final(
    over: House, change: Callable[[House], Any]
) -> None:
    over.plan("b", fee="7")
    over.subscribe("u", "b")
    shown = bill(over.engine, NOW, dry_run=True)
    run = held(over, shown.digest or "")
    change(over)
    before = rows(over.engine, "SELECT id, status, total FROM invoices ORDER BY id")
    done = driven(over.engine, run)
    assert (done.status, (done.error or "")[:14]) == ("failed", "digest_changed")
    assert rows(over.engine, "SELECT id, status, total FROM invoices ORDER BY id") == before
    over.bill(NOW)


def test_a_draft_that_another_run_changed_ends_the_run_too(over: House) -> None:
    shown = bill(over.engine, NOW, dry_run=True)
    run = held(over, shown.digest or "")
    due = next_of_run(over.engine, run.id, grace=GRACE)
    for position in due.positions:
        do_slice(over.engine, run.id, SlicePhase.INVOICE, position, grace=GRACE)
    over.use(9, at=NOW, occurred=day(22))
    bill(over.engine, FEBRUARY, now=NOW)  # before the grace time is over: it finalizes nothing
    done = driven(over.engine, run)
    assert (done.status, finals(over)) == ("failed", [])
    over.bill(NOW)
    assert finals(over) == [5 + 9 + 31]


def test_a_digest_is_forgotten_after_a_week(over: House) -> None:
    shown = bill(over.engine, NOW, dry_run=True)
    with pytest.raises(Conflict):
        held(over, shown.digest or "", now=NOW + timedelta(days=8))
    bill(over.engine, NOW + timedelta(days=8), dry_run=True)
    kept: list[UUID] = scalars(over.engine, "SELECT run_id FROM billing_run_pins")
    assert shown.id not in kept


def cut_in_january(house: House, price: dict[str, Any]) -> None:
    """A period of two segments with one allowance; 8 used before the change and 8 after it."""
    house.plan("a")
    house.plan("b")
    for plan in ("a", "b"):
        house.quota(plan, "10", price)
    house.subscribe()
    house.use(8, at=day(3))
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(8, at=day(20))


@pytest.mark.parametrize("price", [DOLLAR, EACH_AT_MOST])
@pytest.mark.parametrize("quantity", [1, 30])
def test_late_usage_in_an_earlier_segment_moves_nothing_of_a_held_run(
    house: House, price: dict[str, Any], quantity: int
) -> None:
    cut_in_january(house, price)
    shown = bill(house.engine, NOW, dry_run=True)
    house.use(quantity, at=NOW, occurred=day(4))
    done = driven(house.engine, held(house, shown.digest or ""))
    assert (done.status, done.digest, finals(house)) == ("completed", shown.digest, [6])
    check_everything(house.engine)
    house.bill(NOW + LATER)
    assert sum(scalars(house.engine, "SELECT amount FROM usage_invoice_items")) == 6 + quantity


def test_late_usage_in_a_segment_that_had_none_moves_nothing_of_a_held_run(house: House) -> None:
    house.plan("a")
    house.plan("b")
    house.quota("a", "10", DOLLAR)
    house.quota("b", "10", DOLLAR)
    house.subscribe()
    house.change("change_plan", at=day(11), plan_id="b")
    house.use(12, at=day(20))
    shown = bill(house.engine, NOW, dry_run=True)
    house.use(7, at=NOW, occurred=day(4))
    done = driven(house.engine, held(house, shown.digest or ""))
    assert (done.status, done.digest, finals(house)) == ("completed", shown.digest, [2])
    check_everything(house.engine)
    house.bill(NOW + LATER)
    assert sum(scalars(house.engine, "SELECT amount FROM usage_invoice_items")) == 9
