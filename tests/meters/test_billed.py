"""A meter is billed as any usage type is: by its total, once, with what comes late as an adjustment; and verified."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine, select, text

from tests.factories import make_plan, make_quota, make_recording, make_world, record
from tests.factories.meters import fold, make_meter
from tests.support.billing import GRACE, bill
from usage_billing.catalog.service import NewQuota, add_quota_version
from usage_billing.core.errors import InvalidInput
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.billing.drive_rehearsal import rehearse
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.open_run import RunRequest
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.metering.recording import Recording
from usage_billing.meters.queries import active_meters
from usage_billing.outbox.models import OutboxMessage
from usage_billing.reports.explain import events_behind, explain
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.what_if import Question, what_if

JUNE, JULY = datetime(2026, 6, 15, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)
LATE = datetime(2026, 7, 20, tzinfo=UTC)


@pytest.fixture
def metered(engine: Engine) -> Iterator[Engine]:
    """Tokens of calls that went well, by model and direction; 1000 are free, a token beyond is 0.01."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, value="tokens", where='status == "ok"', dimensions=["model", "direction"])
        make_quota(session, usage_type="tokens", limit=1000, unit_price="0.01")
    yield engine
    with read_only(engine) as session:
        assert [str(found) for found in find_differences(session)] == []


def call(
    tokens: object, *, at: datetime = JUNE, now: datetime = JUNE, status: str = "ok", model: str = "gpt"
) -> Recording:
    metadata = json.dumps({"tokens": tokens, "status": status, "model": model, "direction": "in"})
    return make_recording(now=now, occurred_at=at, metadata=metadata)


def items(engine: Engine) -> list[tuple[str, str, Decimal, Decimal]]:
    """(status, kind, quantity, amount) of the meter's items."""
    with transaction(engine) as session:
        rows = session.execute(
            select(Invoice.status, UsageInvoiceItem.kind, UsageInvoiceItem.quantity, UsageInvoiceItem.amount)
            .join(Invoice)
            .where(UsageInvoiceItem.usage_type_id == "tokens")
            .order_by(UsageInvoiceItem.created_at)
        )
        return [(row.status, row.kind, row.quantity, row.amount) for row in rows]


def test_a_run_counts_what_is_new_and_charges_the_total(metered: Engine) -> None:
    with transaction(metered) as session:
        record(session, call(700), call(500, model="mini"), call(9999, status="error"), call("x"))
    bill(metered, JULY)
    assert items(metered) == [("finalized", "usage", 200, 2)]


def test_a_meters_allowance_that_is_used_up_is_told_once(metered: Engine) -> None:
    told = select(OutboxMessage.payload).where(OutboxMessage.topic == "quota.exceeded")
    for tokens, times in ((1000, 0), (1, 1), (500, 1)):
        with transaction(metered) as session:
            record(session, call(tokens))
            fold(session)
        with transaction(metered) as session:
            payloads = session.scalars(told).all()
            assert len(payloads) == times
    assert payloads[0] == {
        "userId": "user123",
        "subscriptionId": "sub456",
        "usageType": "tokens",
        "periodStart": "2026-06-01T00:00:00Z",
        "periodEnd": "2026-07-01T00:00:00Z",
        "recordId": None,
    }


def test_a_dry_run_counts_what_no_fold_has_counted_and_stores_nothing(metered: Engine) -> None:
    with transaction(metered) as session:
        record(session, call(1700))
    found = rehearse(metered, RunRequest(as_of=JULY), grace=GRACE, now=JULY)
    assert found.amounts == {"USD": 7}
    with read_only(metered) as session:
        assert session.scalars(text("SELECT folded FROM meter_folds")).all() == []
    assert items(metered) == []


def test_what_if_counts_meters_as_billing_does(metered: Engine) -> None:
    with transaction(metered) as session:
        record(session, call(1500), call(-200), call("no number"), call(900, status="error"))
        gone = call(5000)
        record(session, gone)
        void_usage(session, gone.id, reason="a mistake", actor="a test", now=JUNE)
        make_plan(session, id="dear")
        make_quota(session, plan="dear", usage_type="tokens", limit=0, unit_price="0.02")
    bill(metered, JULY)
    with transaction(metered) as session:
        record(session, call(-4000, at=JULY, now=JULY), call(100, at=JULY, now=JULY))
    months = {"start": datetime(2026, 6, 1, tzinfo=UTC), "end": datetime(2026, 8, 1, tzinfo=UTC)}
    with read_only(metered) as session:
        assert [(one.actual, one.hypothetical) for one in what_if(session, Question(plan_id="dear", **months))] == [
            (Decimal(3), Decimal(26))
        ]
        flat = {"model": "per_unit", "unitPrice": "1"}
        [row] = what_if(session, Question(prices={"tokens": flat}, **months))
        assert (row.actual, row.hypothetical) == (3, 300)
        by_one = {"model": "percentage", "rate": "0.01", "fixedFee": "0.1"}
        with pytest.raises(InvalidInput, match="one by one"):
            what_if(session, Question(prices={"tokens": by_one}, **months))
    assert items(metered) == [("finalized", "usage", 300, 3)]


def test_late_usage_and_voids_are_adjusted(metered: Engine) -> None:
    gone, late = call(1500), call(100, now=LATE)
    with transaction(metered) as session:
        record(session, gone, call(700))
        fold(session)
        record(session, call(300))
    bill(metered, JULY)
    with transaction(metered) as session:
        record(session, late)
        void_usage(session, gone.id, reason="a mistake", actor="a test", now=LATE)
    bill(metered, LATE)
    assert items(metered) == [("finalized", "usage", 1500, 15), ("draft", "adjustment", -1400, -14)]
    bill(metered, LATE)
    assert len(items(metered)) == 2


def test_what_is_recorded_between_folding_and_rating_is_billed_next_time(
    metered: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Billing looks again at what it has rated while a meter had not counted all of it."""
    with transaction(metered) as session:
        record(session, call(2000))
    with monkeypatch.context() as patch:
        patch.setattr(
            f"{invoice_subscriptions.__module__}.fold_subscriptions", lambda session, _, **__: active_meters(session)
        )
        bill(metered, JUNE)
    assert items(metered) == []
    bill(metered, JULY)
    assert items(metered) == [("finalized", "usage", 1000, 10)]


def test_a_price_with_a_rule_for_each_recording_is_refused(metered: Engine) -> None:
    new = NewQuota(
        plan_id="business",
        usage_type="tokens",
        limit=Decimal(0),
        price={"model": "percentage", "rate": "0.02", "fixedFee": "0.30"},
    )
    with pytest.raises(InvalidInput, match="one by one"), transaction(metered) as session:
        add_quota_version(session, new, now=JUNE)


def test_an_item_is_explained_down_to_the_recordings_that_counted(metered: Engine) -> None:
    made = [call(700), call(9999, status="error"), call("x"), call(500, model="mini"), call(5)]
    with transaction(metered) as session:
        record(session, *made)
        void_usage(session, made[4].id, reason="a mistake", actor="a test", now=JUNE)
    bill(metered, JULY)
    with transaction(metered) as session:
        item = session.scalars(select(UsageInvoiceItem).where(UsageInvoiceItem.usage_type_id == "tokens")).one()
        first = explain(session, item.invoice_id, item.id, limit=1)
        assert (first.amount_due, first.rated is not None, item.events_hash) == (2, True, None)
        assert (first.recordings, first.so_far.recordings, first.before.recordings) == (None, None, None)
        assert [event.id for event in first.events.events] == [made[0].id]
        assert first.events.next is not None
        rest = events_behind(session, item, after=first.events.next)
        assert ([event.id for event in rest.events], rest.next) == ([made[3].id], None)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        ("UPDATE meter_totals SET total = total + 1", "meter_series"),
        ("UPDATE meter_buckets SET total = total - 1", "meter_buckets"),
        ("UPDATE meter_buckets SET events = events + 1", "meter_buckets"),
        ("UPDATE usage_summaries SET total = total + 1 WHERE usage_type_id = 'tokens'", "summary_total"),
        ("UPDATE usage_summaries SET events = events + 1 WHERE usage_type_id = 'tokens'", "summary_events"),
        ("UPDATE meter_folds SET folded = folded - 1", "summary_total"),
    ],
)
def test_verify_finds_what_is_spoilt(engine: Engine, spoil: str, kind: str) -> None:
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, value="tokens")
        make_quota(session, usage_type="tokens", limit=1000, unit_price="0.01")
        record(session, call(700), call(800))
    bill(engine, JULY)
    with transaction(engine) as session:
        assert list(find_differences(session)) == []
        session.execute(text(spoil))
        assert kind in {found.kind for found in find_differences(session)}
