"""``usage-billing verify`` on books that are right, and on books that plain SQL has spoilt."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from tests.factories import make_customer, make_plan, make_quota, make_recording, make_subscription, make_world, record
from tests.integration.conftest import Bill, Cli
from tests.support.books import scalars
from tests.support.kept import kept
from usage_billing.catalog.service import NewPlan, NewQuota, add_plan
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.administration.change_subscription import change_plan
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing.manage_invoices import void_invoice
from usage_billing.flows.recording.quarantine import replay
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.invoicing.models import Invoice
from usage_billing.reports.verify import books
from usage_billing.reports.verify.books import find_differences

JUNE, JULY, AUGUST = (datetime(2026, month, 15, tzinfo=UTC) for month in (6, 7, 8))
MIDDLE = datetime(2026, 8, 20, tzinfo=UTC)
IDLE = "idle_in_transaction_session_timeout"


@pytest.fixture
def billed(engine: Engine, bill: Bill) -> Engine:
    """Three months: one invoiced, one with an adjustment for late usage, one open; and every fate there is."""
    kept(engine, "verify: billed", lambda: _bill_three_months(engine, bill))
    return engine


def _bill_three_months(world: Engine, bill: Bill) -> None:
    with transaction(world) as session:
        make_world(session)
        make_customer(session, id="eva")
        make_plan(session, id="tokyo", currency="JPY")
        make_quota(session, plan="tokyo", limit=0, unit_price="0.5")
        make_subscription(session, id="sub-jp", customer="eva", plan="tokyo", timezone="Asia/Tokyo")
        record(session, *(make_recording(now=JUNE, quantity="10.25") for _ in range(6)))
        record(session, make_recording(now=JUNE, subscription="sub-jp", customer="eva", quantity=3))
        record(session, make_recording(now=JUNE, usage_type="report", quantity=7))
        record(session, make_recording(now=JUNE, key="k1"), make_recording(now=JUNE, key="k1"))
        stray = make_recording(now=JULY, subscription="late", quantity=55)
        record(session, stray, make_recording(now=JULY, subscription="never"))
    bill(datetime(2026, 7, 2, tzinfo=UTC))
    with transaction(world) as session:
        make_subscription(session, id="late")
        replay(session, stray.id, actor="test", now=JULY)
        late = make_recording(now=JULY, occurred_at=JUNE, quantity=4)
        record(session, late, *(make_recording(now=JULY, quantity=30) for _ in range(2)))
    bill(datetime(2026, 7, 20, tzinfo=UTC))
    bill(datetime(2026, 8, 2, tzinfo=UTC))
    with transaction(world) as session:
        record(session, make_recording(now=AUGUST, quantity=51))
    bill(MIDDLE)


def kinds(session: Session, only: str | None = None) -> set[str]:
    """The kinds of differences that are found."""
    return {difference.kind for difference in find_differences(session, subscription_id=only)}


def test_right_books_are_right(cli: Cli, billed: Engine) -> None:
    answer = cli("verify")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.endswith("Nothing differs.\n")
    data = cli("verify", "--json").json
    assert (data["count"], data["differences"]) == (0, [])
    assert data["recordings"] == 14
    with billed.connect() as connection:  # the scenario is as rich as it says
        assert connection.exec_driver_sql("SELECT count(*) FROM invoices WHERE number IS NOT NULL").scalar() == 4
        assert connection.exec_driver_sql("SELECT kind FROM usage_invoice_items WHERE kind = 'adjustment'").scalar()


def test_empty_books_are_right(cli: Cli) -> None:
    assert cli("verify").out == "Recomputed 0 summaries from 0 recordings. Nothing differs.\n"


def test_it_may_reckon_for_long(billed: Engine) -> None:
    """No time limit of the server's ends its look at the books: of a statement, or between two of them."""
    with read_only(billed) as session:
        assert list(find_differences(session)) == []
        limits = [session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", IDLE)]
    assert limits == ["0", "0"]


def test_books_between_recording_and_billing_are_right(cli: Cli, billed: Engine) -> None:
    with transaction(billed) as session:
        record(session, make_recording(now=AUGUST, quantity=9), make_recording(now=JUNE, quantity=1))
        quota = NewQuota(
            plan_id="business",
            usage_type="report",
            limit=Decimal(1),
            price={"model": "per_unit", "unitPrice": "1"},
        )
        define_quota(session, quota, actor="test", now=AUGUST)
    assert cli("verify").code == 0


ITEM = "id = (SELECT t.id FROM usage_invoice_items t JOIN invoices i ON i.id = t.invoice_id WHERE {} LIMIT 1)"
USAGE_ITEM = ITEM.format("t.kind = 'usage' AND i.number IS NOT NULL AND t.quantity <> 3")
ADJUSTMENT = ITEM.format("t.kind = 'adjustment'")
SUMMARY = "subscription_id = 'sub456' AND usage_type_id = 'assessment' AND period_start = '2026-06-01Z'"
RECORDING = "id = (SELECT u.id FROM usage u JOIN usage_summaries s ON s.id = u.summary_id WHERE s.{} AND ordinal = {})"
THIRD = (
    f"id = (SELECT id FROM usage WHERE ordinal = 3 AND summary_id = (SELECT id FROM usage_summaries WHERE {SUMMARY}))"
)
LAST = (
    f"id = (SELECT id FROM usage WHERE ordinal = 6 AND summary_id = (SELECT id FROM usage_summaries WHERE {SUMMARY}))"
)
DROP_UNIQUE = "ALTER TABLE {0} DROP CONSTRAINT {1}"

SPOILT: dict[str, tuple[list[str], set[str]]] = {
    "a total": ([f"UPDATE usage_summaries SET total = total + 1 WHERE {SUMMARY}"], {"summary_total"}),
    "a quantity beyond": (
        [f"UPDATE usage_summaries SET beyond_limit = beyond_limit - 1 WHERE {SUMMARY}"],
        {"summary_beyond", "summary_charged"},
    ),
    "a number of recordings": ([f"UPDATE usage_summaries SET events = events + 1 WHERE {SUMMARY}"], {"summary_events"}),
    "a number beyond": (
        [f"UPDATE usage_summaries SET beyond_events = beyond_events - 1 WHERE {SUMMARY}"],
        {"summary_beyond_events"},
    ),
    "a recording's quantity": (
        [f"UPDATE usage SET quantity = quantity + 0.000000000001 WHERE {THIRD}"],
        {"summary_total", "summary_beyond", "usage_mark", "item_total", "item_billable", "item_quantity"},
    ),
    "a fingerprint": (
        [f"UPDATE usage_summaries SET events_hash = decode(repeat('00', 32), 'hex') WHERE {SUMMARY}"],
        {"summary_hash"},
    ),
    "an item's fingerprint": (
        [f"UPDATE usage_invoice_items SET events_hash = decode(repeat('00', 32), 'hex') WHERE {ADJUSTMENT}"],
        {"item_hash"},
    ),
    "an allowance": (
        [f"UPDATE usage_summaries SET allowance = 51 WHERE {SUMMARY}"],
        {"summary_allowance", "usage_mark"},
    ),
    "when it bills": ([f"UPDATE usage_summaries SET bills_at = '2026-08-01Z' WHERE {SUMMARY}"], {"summary_period"}),
    "two that overlap": (
        [
            "INSERT INTO usage_summaries (subscription_id, usage_type_id, period_start, period_end, bills_at, total,"
            " allowance, beyond_limit, events, beyond_events, events_hash, to_rate)"
            " SELECT subscription_id, usage_type_id, '2026-06-20Z', period_end, bills_at, 0, 0, 0, 0, 0,"
            f" decode(repeat('00', 32), 'hex'), false FROM usage_summaries WHERE {SUMMARY}"
        ],
        {"summary_overlap", "summary_period"},
    ),
    "a mark": ([f"UPDATE usage SET beyond_limit = 1 WHERE {THIRD}"], {"usage_mark"}),
    "two marks that add up": (
        [
            f"UPDATE usage SET beyond_limit = 1 WHERE {THIRD}",
            f"UPDATE usage SET beyond_limit = beyond_limit - 1 WHERE {LAST}",
        ],
        {"usage_mark"},
    ),
    "a recording that is gone": (
        [f"DELETE FROM usage WHERE {THIRD}"],
        {"summary_total", "usage_ordinal", "item_total"},
    ),
    "an ordinal": (
        [f"UPDATE usage SET ordinal = 99 WHERE {LAST}"],
        {"usage_ordinal"},
    ),
    "a time": ([f"UPDATE usage SET occurred_at = '2026-07-01Z' WHERE {THIRD}"], {"usage_period"}),
    "a recording's type": ([f"UPDATE usage SET usage_type_id = 'report' WHERE {THIRD}"], {"usage_summary"}),
    "a recording without a summary": (
        [f"UPDATE usage SET summary_id = 0 WHERE {THIRD}"],
        {"usage_orphan", "summary_total"},
    ),
    "a period": (
        [f"UPDATE usage_summaries SET period_start = '2026-06-02Z' WHERE {SUMMARY}"],
        {"summary_period", "item_owner"},
    ),
    "a zone": (["UPDATE subscriptions SET timezone = 'Asia/Tokyo' WHERE id = 'sub456'"], {"summary_period"}),
    "a quota": ([f"UPDATE usage_summaries SET quota_id = NULL WHERE {SUMMARY}"], {"summary_quota", "summary_charged"}),
    "a quota's limit": (["UPDATE usage_quotas SET monthly_limit = 49"], {"summary_allowance"}),
    "a quota's price": (
        ["""UPDATE usage_quotas SET price = jsonb_set(price, '{unitPrice}', '"10.01"') WHERE plan_id = 'business'"""],
        {"item_price", "item_amount", "summary_charged"},
    ),
    "a price that cannot be read": (
        ["""UPDATE usage_quotas SET price = '{"model": "free"}' WHERE plan_id = 'business'"""],
        {"item_price", "summary_price"},
    ),
    "an amount": (
        [f"UPDATE usage_invoice_items SET amount = amount + 0.01 WHERE {USAGE_ITEM}"],
        {"item_amount", "invoice_total", "summary_charged", "item_charged_before"},
    ),
    "an amount and its total": (
        [
            f"UPDATE usage_invoice_items SET amount = amount + 0.01 WHERE {ADJUSTMENT}",
            "UPDATE invoices i SET total = (SELECT sum(amount) FROM usage_invoice_items WHERE invoice_id = i.id)"
            " WHERE EXISTS (SELECT FROM usage_invoice_items WHERE invoice_id = i.id)",
        ],
        {"item_amount", "summary_charged"},
    ),
    "an item's quantity": (
        [f"UPDATE usage_invoice_items SET quantity = quantity + 1 WHERE {ADJUSTMENT}"],
        {"item_quantity"},
    ),
    "an item's base": (
        [f"UPDATE usage_invoice_items SET charged_before = 0 WHERE {ADJUSTMENT}"],
        {"item_charged_before"},
    ),
    "an item's count": ([f"UPDATE usage_invoice_items SET events = 5 WHERE {ADJUSTMENT}"], {"item_total"}),
    "an item's last recording": ([f"UPDATE usage_invoice_items SET events = 99 WHERE {ADJUSTMENT}"], {"item_events"}),
    "an item's price": (
        ["""UPDATE usage_invoice_items SET price = '{"model": "per_unit", "unitPrice": "11"}'"""],
        {"item_price"},
    ),
    "an item of another subscription": (
        [f"UPDATE usage_invoice_items SET usage_type_id = 'report' WHERE {ADJUSTMENT}"],
        {"item_owner"},
    ),
    "an item that is gone": (
        [f"DELETE FROM usage_invoice_items WHERE {ADJUSTMENT}"],
        {"invoice_total", "summary_charged"},
    ),
    "all items that are gone": (["DELETE FROM usage_invoice_items"], {"invoice_total", "summary_charged"}),
    "an invoice's total": (["UPDATE invoices SET total = total + 1 WHERE number = 1"], {"invoice_total"}),
    "an invoice's currency": (["UPDATE invoices SET currency = 'EUR' WHERE number = 1"], {"invoice_owner"}),
    "an invoice's customer": (
        ["UPDATE invoices SET customer_id = 'eva' WHERE subscription_id = 'sub456'"],
        {"invoice_owner"},
    ),
    "a gap in the numbers": (["UPDATE invoices SET number = 9 WHERE number = 2"], {"number_gap", "number_last"}),
    "a number twice": (
        [DROP_UNIQUE.format("invoices", "uq_invoices_number"), "UPDATE invoices SET number = 1 WHERE number = 2"],
        {"number_double", "number_gap"},
    ),
    "a counter of numbers": (["UPDATE invoice_numbers SET last = last + 1"], {"number_last"}),
    "a draft with a number": (
        [
            DROP_UNIQUE.format("invoices", "ck_invoices_number_when_finalized"),
            "UPDATE invoices SET number = 5 WHERE status = 'draft'",
        ],
        {"invoice_state"},
    ),
    "recorded and a duplicate": (
        ["INSERT INTO usage_duplicates SELECT id, id, received_at FROM usage LIMIT 1"],
        {"fate_recorded_and_duplicate"},
    ),
    "recorded and quarantined": (
        ["UPDATE quarantined_usage SET status = 'open' WHERE status = 'replayed'"],
        {"fate_recorded_and_quarantined"},
    ),
    "a duplicate and quarantined": (
        [
            "INSERT INTO usage_duplicates SELECT q.id, u.id, q.received_at FROM quarantined_usage q, usage u"
            " WHERE q.status = 'open' LIMIT 1"
        ],
        {"fate_duplicate_and_quarantined"},
    ),
    "replayed and lost": (
        ["UPDATE quarantined_usage SET status = 'replayed' WHERE status = 'open'"],
        {"fate_lost"},
    ),
    "a duplicate of nothing": (
        ["UPDATE usage_duplicates SET usage_id = '00000000-0000-7000-8000-000000000000'"],
        {"duplicate_of_nothing"},
    ),
    "a key twice": (
        [
            "DROP INDEX uq_usage_key_digest",
            f"UPDATE usage SET idempotency_key = 'k1' WHERE {THIRD}",
        ],
        {"key_double"},
    ),
}


@pytest.fixture
def spoiling(billed: Engine) -> Iterator[Session]:
    """A session in which the guards of the tables look away, and whose work is undone."""
    with rolled_back(billed) as session:
        for table in ("invoices", "usage_invoice_items"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        yield session


@pytest.mark.parametrize("name", SPOILT)
def test_what_was_spoilt_is_found(spoiling: Session, name: str) -> None:
    statements, expected = SPOILT[name]
    for statement in statements:
        assert spoiling.execute(text(statement)).rowcount != 0, "nothing was spoilt"
    found = kinds(spoiling)
    assert expected <= found, found


def test_one_subscription_is_looked_at_alone(spoiling: Session) -> None:
    spoiling.execute(text(f"UPDATE usage_summaries SET total = total + 1 WHERE {SUMMARY}"))
    spoiling.execute(text("UPDATE invoice_numbers SET last = last + 1"))
    assert kinds(spoiling, "sub-jp") == set()
    assert kinds(spoiling, "sub456") == {"summary_total"}


def test_parts_of_the_books_make_the_whole(billed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_SUMMARIES", 2)
    seen: list[tuple[str, int, int]] = []
    with read_only(billed) as session:
        assert list(find_differences(session, on_progress=lambda *at: seen.append(at))) == []
        chunks = list(books._chunks(session, None, None))
    assert [len(chunk) for chunk in chunks] == sorted((len(chunk) for chunk in chunks), reverse=True) or len(chunks) > 1
    assert seen[-1][1] == seen[-1][2] == sum(len(chunk) for chunk in chunks)


def test_the_command_prints_each_difference_and_exits_1(cli: Cli, program: Cli, billed: Engine) -> None:
    with transaction(billed) as session:
        session.execute(text(f"UPDATE usage_summaries SET total = total + 1 WHERE {SUMMARY}"))
    answer = cli("verify")
    assert answer.code == 1
    assert "summary_total  summary:" in answer.out
    assert "its total is 67.5, its usage gives 66.5" in answer.out
    assert answer.out.endswith("1 differences.\n")
    data = program("verify", "--json")
    assert (data.code, data.err, data.json["count"]) == (1, "", 1)
    assert data.json["differences"][0]["kind"] == "summary_total"
    assert program("verify", "--subscription", "sub-jp").code == 0


@pytest.fixture
def corrected(engine: Engine, bill: Bill) -> Engine:
    """On top of that: base fees, a plan change in mid-month, usage and an invoice taken back, credit."""
    kept(engine, "verify: corrected", lambda: _correct(engine, bill))
    return engine


def _correct(billed: Engine, bill: Bill) -> None:
    _bill_three_months(billed, bill)
    with transaction(billed) as session:
        for plan, fee in (("small", "10"), ("large", "31")):
            add_plan(session, NewPlan(id=plan, name=plan, currency="USD", base_fee=Decimal(fee)))
            make_quota(session, plan=plan, limit=31 if plan == "small" else 310)
        make_customer(session, id="max")
        make_subscription(
            session, id="moving", customer="max", plan="small", started_at=datetime(2026, 6, 1, tzinfo=UTC)
        )
        moving = make_recording(now=JUNE, subscription="moving", customer="max", quantity=50)
        record(session, moving, make_recording(now=JUNE, subscription="moving", customer="max", quantity=2))
    bill(datetime(2026, 7, 2, tzinfo=UTC))
    with transaction(billed) as session:
        change_plan(
            session,
            "moving",
            plan_id="large",
            when=When(moment=datetime(2026, 7, 11, tzinfo=UTC)),
            actor="test",
            now=JULY,
        )
        record(session, make_recording(now=JULY, subscription="moving", customer="max", quantity=400))
        void_usage(session, moving.id, reason="a mistake", actor="test", now=JULY)
        first = select(Invoice).where(Invoice.subscription_id == "sub456", Invoice.number.is_not(None))
        invoice = session.scalars(first.order_by(Invoice.number)).first()
        assert invoice is not None
        void_invoice(session, invoice.id, actor="test", now=JULY)
    bill(datetime(2026, 7, 20, tzinfo=UTC))
    bill(datetime(2026, 8, 2, tzinfo=UTC))
    bill(MIDDLE)


def test_corrected_books_are_right(cli: Cli, corrected: Engine) -> None:
    assert cli("verify").out.endswith("Nothing differs.\n")
    assert scalars(corrected, "SELECT count(*) FROM usage_voids") == [1]
    assert scalars(corrected, "SELECT count(*) FROM invoices WHERE status = 'void'") == [1]
    assert len(scalars(corrected, "SELECT amount FROM fee_charges WHERE subscription_id = 'moving'")) >= 3
    assert scalars(corrected, "SELECT allowance::text FROM usage_summaries WHERE period_start = '2026-07-11Z'") == [
        "220.000000000000"
    ]


SPOILT_CORRECTIONS: dict[str, tuple[list[str], set[str]]] = {
    "a void that is gone": (
        ["DELETE FROM usage_voids"],
        {"summary_total", "summary_voids", "summary_hash", "usage_mark"},
    ),
    "a void of nothing": (
        ["UPDATE usage_voids SET usage_id = '00000000-0000-7000-8000-000000000000'"],
        {"void_orphan", "summary_voids"},
    ),
    "a void elsewhere": (["UPDATE usage_voids SET summary_id = summary_id + 1"], {"void_orphan"}),
    "a void's number": (["UPDATE usage_voids SET ordinal = 2"], {"void_ordinal"}),
    "a number of voids": (["UPDATE usage_summaries SET voids = voids + 1 WHERE voids > 0"], {"summary_voids"}),
    "an item's number of voids": (
        ["UPDATE usage_invoice_items SET voids = 0 WHERE voids = 1"],
        {"item_total", "item_hash", "item_billable", "item_quantity"},
    ),
    "a share of an allowance": (
        ["UPDATE usage_summaries SET allowance = allowance + 1 WHERE period_start = '2026-07-11Z'"],
        {"summary_allowance", "usage_mark", "summary_beyond"},
    ),
    "a plan change that was never made": (
        ["UPDATE subscription_terms SET starts_at = '2026-07-12Z' WHERE starts_at = '2026-07-11Z'"],
        {"summary_period"},
    ),
    "a fee": (
        ["UPDATE fee_charges SET amount = amount + 1 WHERE period_start = '2026-07-11Z'"],
        {"fee_amount", "fee_charged"},
    ),
    "a fee that was not charged": (
        ["DELETE FROM usage_invoice_items WHERE fee_id IS NOT NULL"],
        {"fee_charged", "invoice_total"},
    ),
    "a fee charged twice": (
        ["UPDATE usage_invoice_items SET amount = 2 * amount WHERE fee_id IS NOT NULL"],
        {"fee_charged", "invoice_total"},
    ),
    "a fee of another subscription": (
        ["UPDATE fee_charges SET subscription_id = 'sub-jp' WHERE period_start = '2026-07-11Z'"],
        {"item_owner"},
    ),
    "a void invoice that stands again": (
        [
            "DROP INDEX uq_invoices_subscription_kind_closing",
            "UPDATE invoices SET status = 'finalized', voided_at = NULL WHERE status = 'void'",
        ],
        {"summary_charged"},
    ),
    "a balance": (
        ["INSERT INTO credit_balances VALUES ('eva', 'EUR', 5)"],
        {"credit_balance"},
    ),
    "an entry": (
        [
            "INSERT INTO credit_entries (customer_id, currency, invoice_id, kind, amount)"
            " SELECT customer_id, currency, id, 'granted', 7 FROM invoices WHERE number = 2"
        ],
        {"credit_balance", "credit_entries"},
    ),
    "credit applied": (["UPDATE invoices SET credit_applied = 1 WHERE number = 1"], {"credit_entries"}),
    "more credit than there is to pay": (
        [
            DROP_UNIQUE.format("invoices", "ck_invoices_credit_applied"),
            "UPDATE invoices SET credit_applied = total + 1 WHERE number = 1",
        ],
        {"credit_entries", "credit_applied"},
    ),
}


@pytest.mark.parametrize("name", SPOILT_CORRECTIONS)
def test_spoilt_corrections_are_found(corrected: Engine, name: str) -> None:
    statements, expected = SPOILT_CORRECTIONS[name]
    with rolled_back(corrected) as session:
        for table in ("invoices", "usage_invoice_items"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            assert session.execute(text(statement)).rowcount != 0, "nothing was spoilt"
        found = kinds(session)
    assert expected <= found, found


PRICES: list[dict[str, Any]] = [
    {"model": "per_unit", "unitPrice": "0.333333333333"},
    {
        "model": "graduated",
        "tiers": [{"upTo": "5", "unitPrice": "1", "flatFee": "2"}, {"upTo": None, "unitPrice": "0.3"}],
    },
    {"model": "volume", "tiers": [{"upTo": "5", "unitPrice": "1"}, {"upTo": None, "unitPrice": "0.3", "flatFee": "9"}]},
    {"model": "package", "packageSize": "7", "packagePrice": "3.5", "freeUnits": "2"},
    {"model": "percentage", "rate": "0.029", "fixedFee": "0.30", "freeUnits": "1"},
    {"model": "flat", "amount": "99", "discountPercent": "12.5"},
    {"model": "per_unit", "unitPrice": "3", "maximumAmount": "20.004"},
]


@pytest.mark.parametrize("price", PRICES, ids=lambda price: price["model"])
def test_every_pricing_model_is_proven(cli: Cli, engine: Engine, bill: Bill, price: dict[str, Any]) -> None:
    with transaction(engine) as session:
        make_world(session)
        new = NewQuota(plan_id="business", usage_type="report", limit=Decimal(3), price=price)
        define_quota(session, new, actor="test", now=JUNE)
        record(session, *(make_recording(now=JUNE, usage_type="report", quantity="2.37") for _ in range(6)))
    bill(datetime(2026, 7, 2, tzinfo=UTC))
    with transaction(engine) as session:
        record(session, make_recording(now=JULY, occurred_at=JUNE, usage_type="report", quantity="0.01"))
    bill(MIDDLE)
    assert cli("verify").out.endswith("Nothing differs.\n")


def test_what_is_left_of_a_period_that_is_no_more_overlaps_nothing(cli: Cli, engine: Engine, bill: Bill) -> None:
    """A minimum opened August; then the subscription turns out to have been on a weekly plan since July."""
    august = datetime(2026, 8, 4, tzinfo=UTC)
    with transaction(engine) as session:
        make_world(session)
        price = {"model": "per_unit", "unitPrice": "1", "minimumAmount": "2.50"}
        define_quota(
            session,
            NewQuota(plan_id="business", usage_type="report", limit=Decimal(3), price=price),
            actor="test",
            now=JUNE,
        )
        add_plan(session, NewPlan(id="weekly", name="Weekly", currency="USD", interval="week"))
        make_quota(session, plan="weekly", usage_type="report", limit=None)
    bill(august)
    with transaction(engine) as session:
        when = When(moment=datetime(2026, 7, 25, tzinfo=UTC))
        change_plan(session, "sub456", plan_id="weekly", when=when, actor="test", now=august)
        record(session, make_recording(now=august, usage_type="report"))
    bill(datetime(2026, 8, 5, tzinfo=UTC))
    starts = scalars(engine, "SELECT period_start FROM usage_summaries WHERE period_end > '2026-08-03Z' ORDER BY 1")
    assert [start.day for start in starts] == [1, 3]  # what is left of August begins before the week, and ends after it
    assert cli("verify").out.endswith("Nothing differs.\n")
