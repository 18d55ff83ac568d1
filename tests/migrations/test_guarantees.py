"""The guarantees that the database itself keeps, whatever the code above it does: each tried by plain SQL."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from tests.factories import make_recording, make_world, record
from usage_billing.core.identifiers import new_id
from usage_billing.flows.billing.finalize_invoices import finalize_invoices
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.delivering.relay_events import relay_events

Refused = Callable[..., str]
RESTRICT_VIOLATION = "23001"


@pytest.fixture
def refused(session: Session) -> Refused:
    """Run SQL that must fail; returns the constraint's name, or the SQLSTATE of a trigger."""

    def run(statement: str, **values: object) -> str:
        with pytest.raises(DBAPIError) as caught, session.begin_nested():
            session.execute(text(statement), values)
        error = caught.value
        assert isinstance(error, IntegrityError), error
        return str(error.orig.diag.constraint_name or error.orig.sqlstate)  # type: ignore[union-attr]

    return run


def copy_of(table: str, changes: str, where: str = "true") -> str:
    """SQL that inserts a row again, whatever columns it has, but for ``changes`` (a JSON object's members)."""
    return (
        f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
        f" SELECT (jsonb_populate_record(r, jsonb_build_object({changes}))).* FROM {table} AS r WHERE {where}"
    )


@pytest.fixture
def world(session: Session, now: datetime) -> Session:
    """53 assessments of 50 allowed, recorded one by one."""
    make_world(session)
    record(session, *(make_recording(now=now, key=f"k{number}") for number in range(53)))
    return session


@pytest.fixture
def draft(world: Session, now: datetime) -> UUID:
    """Their draft invoice."""
    invoice_subscriptions(world, ["sub456"], as_of=now)
    return world.execute(text("SELECT id FROM invoices")).scalar_one()


@pytest.fixture
def finalized(draft: UUID, world: Session, now: datetime) -> UUID:
    """The id of that invoice, finalized after its period."""
    after = now.replace(month=12)
    finalize_invoices(world, ["sub456"], as_of=after, grace=after - after, now=after, actor="test")
    world.flush()
    assert world.execute(text("SELECT status, number FROM invoices")).one() == ("finalized", 1)
    return draft


def test_a_recording_key_is_there_once(world: Session, refused: Refused) -> None:
    copy = copy_of("usage", "'id', gen_random_uuid(), 'ordinal', 1000", "idempotency_key = 'k1'")
    assert refused(copy) == "uq_usage_key_digest"


def test_what_the_index_holds_of_a_key_is_as_short_for_the_longest_names(world: Session) -> None:
    """A byte more makes every entry eight wider. A subscription's keys lie together, and no two are the same."""
    made = text("SELECT encode(usage_key_digest(:subscription, :source, :key), 'hex')")
    names = [("a", "", "k"), ("a", "", "l"), ("a", "k", "l"), ("a", "kl", "x"), ("a", "k", "lx"), ("s" * 128,) * 3]
    # Parts that contain what others are divided by, and what PostgreSQL reads as an escape.
    names += [
        ("a", "b/c", "d"),
        ("a", "b", "c/d"),
        ("a", "", r"a\101"),
        ("a", "", "aA"),
        ("a", "", r"\x41"),
        ("a", "", "A"),
    ]
    held = [world.scalar(made, dict(zip(("subscription", "source", "key"), name, strict=True))) for name in names]
    assert {len(one) for one in held} == {30}
    assert len(set(held)) == len(names)
    assert len({one[:6] for one in held}) == 2


def test_two_recordings_cannot_have_one_place_in_a_summary(world: Session, refused: Refused) -> None:
    assert refused("UPDATE usage SET ordinal = 1 WHERE idempotency_key = 'k7'") == "uq_usage_ordinal"


@pytest.mark.parametrize("quantity", ["'NaN'", "'Infinity'", "0", "-1", "1000000000000001"])
def test_a_quantity_is_a_number_above_zero(world: Session, refused: Refused, quantity: str) -> None:
    statement = f"UPDATE usage SET quantity = {quantity}::numeric, beyond_limit = 0 WHERE idempotency_key = 'k1'"
    if quantity == "'Infinity'":  # no numeric with a precision holds it
        with pytest.raises(DBAPIError, match="overflow"), world.begin_nested():
            world.execute(text(statement))
    else:
        assert refused(statement) in {"ck_usage_quantity", "ck_usage_beyond_limit"}


def test_a_quantity_that_was_made_may_be_zero(world: Session, refused: Refused) -> None:
    change = "UPDATE usage SET quantity = {}, beyond_limit = 0, made = {} WHERE idempotency_key = 'k1'"
    world.execute(text(change.format(0, "true")))
    assert refused(change.format(0, "false")) == refused(change.format(0, "NULL")) == "ck_usage_quantity"
    assert refused(change.format("'NaN'", "true")) in {"ck_usage_quantity", "ck_usage_beyond_limit"}


@pytest.mark.parametrize("beyond", ["'NaN'", "-1", "quantity + 1"])
def test_what_lies_beyond_is_a_part_of_the_quantity(world: Session, refused: Refused, beyond: str) -> None:
    assert refused(f"UPDATE usage SET beyond_limit = {beyond}") == "ck_usage_beyond_limit"


def test_a_subscription_type_and_period_have_one_summary(world: Session, refused: Refused) -> None:
    copy = copy_of("usage_summaries", "'id', -1")
    assert refused(copy) == "uq_usage_summaries_subscription_id_usage_type_id_period_start"


@pytest.mark.parametrize("total", ["'NaN'", "-1"])
def test_a_total_is_a_number(world: Session, refused: Refused, total: str) -> None:
    assert refused(f"UPDATE usage_summaries SET total = {total}, beyond_limit = 0").startswith("ck_usage_summaries_")


def test_versions_of_a_quota_never_overlap(world: Session, refused: Refused) -> None:
    copy = copy_of("usage_quotas", "'id', -1, 'version', 2, 'effective_from', now()")
    assert refused(copy) == "ex_usage_quotas_no_overlap"


def test_a_quotas_limit_is_a_number(world: Session, refused: Refused) -> None:
    assert refused("UPDATE usage_quotas SET monthly_limit = 'NaN'") == "ck_usage_quotas_monthly_limit"


def test_a_summary_has_one_item_on_an_invoice(draft: UUID, refused: Refused) -> None:
    copy = copy_of("usage_invoice_items", "'id', gen_random_uuid()")
    assert refused(copy) == "uq_usage_invoice_items_summary_id_cell_invoice_id"


def test_a_subscription_and_period_have_one_invoice(draft: UUID, refused: Refused) -> None:
    copy = copy_of("invoices", "'id', gen_random_uuid()")
    assert refused(copy) == "uq_invoices_subscription_kind_closing"


def test_a_draft_has_no_number_and_a_number_is_given_once(draft: UUID, refused: Refused) -> None:
    assert refused("UPDATE invoices SET number = 7") == "ck_invoices_number_when_finalized"


def test_a_draft_may_change_and_go(draft: UUID, world: Session) -> None:
    world.execute(text("UPDATE invoices SET total = total + 1"))
    world.execute(text("UPDATE usage_invoice_items SET amount = amount + 1"))
    world.execute(text("DELETE FROM invoices"))
    assert world.execute(text("SELECT count(*) FROM usage_invoice_items")).scalar_one() == 0


@pytest.mark.parametrize(
    "change",
    [
        "total = 0",
        "number = 99",
        "currency = 'EUR'",
        "period_end = period_end + interval '1 day'",
        "customer_id = 'somebody'",
        "status = 'draft', number = NULL, finalized_at = NULL",
        "finalized_at = now()",
        "payment_reference = 'E2E-4711'",
        "payment_method = 'cash'",
        "status = 'void', payment_reference = 'E2E-4711'",
        "status = 'paid', payment_reference = 'E2E-4711', total = 0",
    ],
)
def test_a_finalized_invoice_refuses_every_change(finalized: UUID, refused: Refused, change: str) -> None:
    assert refused(f"UPDATE invoices SET {change}") == RESTRICT_VIOLATION


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM invoices",
        "DELETE FROM usage_invoice_items",
        "UPDATE usage_invoice_items SET amount = 0",
        copy_of("usage_invoice_items", "'id', gen_random_uuid(), 'summary_id', -1"),
    ],
)
def test_a_finalized_invoice_and_its_items_stay(
    finalized: UUID, world: Session, refused: Refused, statement: str
) -> None:
    world.execute(text(copy_of("usage_summaries", "'id', -1, 'usage_type_id', 'report'")))
    assert refused(statement) == RESTRICT_VIOLATION


def test_an_item_goes_neither_to_a_finalized_invoice_nor_away_from_it(
    finalized: UUID, world: Session, refused: Refused
) -> None:
    draft = copy_of(
        "invoices",
        "'id', CAST(:id AS uuid), 'status', 'draft', 'number', NULL, 'finalized_at', NULL, 'closes_at', now()",
    )
    other = new_id()
    world.execute(text(draft), {"id": str(other)})
    assert refused("UPDATE usage_invoice_items SET invoice_id = :other", other=other) == RESTRICT_VIOLATION
    world.execute(text(copy_of("usage_summaries", "'id', -1, 'usage_type_id', 'report'")))
    copy = copy_of("usage_invoice_items", f"'id', gen_random_uuid(), 'summary_id', -1, 'invoice_id', '{other}'")
    world.execute(text(copy))
    back = "UPDATE usage_invoice_items SET invoice_id = :final WHERE invoice_id = :other"
    assert refused(back, other=other, final=finalized) == RESTRICT_VIOLATION


def test_an_item_cannot_be_moved_off_a_finalized_invoice(finalized: UUID, world: Session, refused: Refused) -> None:
    following = "'id', CAST(:id AS text), 'status', 'draft', 'number', NULL, 'finalized_at', NULL"
    following += ", 'closes_at', closes_at + interval '30 days'"
    world.execute(text(copy_of("invoices", following)), {"id": str(other := new_id())})
    assert refused("UPDATE usage_invoice_items SET invoice_id = :other", other=other) == RESTRICT_VIOLATION


@pytest.mark.parametrize("status", ["paid", "void"])
def test_a_finalized_invoice_may_be_paid_or_voided_and_that_is_its_end(
    finalized: UUID, world: Session, refused: Refused, status: str
) -> None:
    world.execute(text("UPDATE invoices SET status = :status"), {"status": status})
    assert refused("UPDATE invoices SET status = 'finalized'") == RESTRICT_VIOLATION
    other = "void" if status == "paid" else "paid"
    assert refused("UPDATE invoices SET status = :other", other=other) == RESTRICT_VIOLATION


def test_how_an_invoice_was_paid_is_said_once(finalized: UUID, world: Session, refused: Refused) -> None:
    world.execute(text("UPDATE invoices SET status = 'paid', payment_reference = 'E2E-4711', payment_method = 'cash'"))
    assert refused("UPDATE invoices SET payment_reference = 'another'") == RESTRICT_VIOLATION
    assert refused("UPDATE invoices SET payment_method = NULL") == RESTRICT_VIOLATION


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
def test_the_audit_log_is_only_ever_added_to(finalized: UUID, world: Session, refused: Refused, statement: str) -> None:
    assert world.execute(text("SELECT count(*) FROM audit_log")).scalar_one() > 0
    assert refused(statement) == RESTRICT_VIOLATION


def test_a_scheduled_run_is_opened_once(session: Session, refused: Refused) -> None:
    open_run = (
        "INSERT INTO billing_runs (id, key, as_of, dry_run, status, requested_by, started_at, heartbeat_at)"
        " VALUES (gen_random_uuid(), 'schedule:x', now(), false, 'opened', 'test', now(), now())"
    )
    session.execute(text(open_run))
    assert refused(open_run) == "uq_billing_runs_key"


def test_a_fact_is_told_once(world: Session, refused: Refused) -> None:
    assert world.execute(text("SELECT topic FROM outbox_messages")).scalars().all() == ["quota.exceeded"]
    copy = copy_of("outbox_messages", "'id', -1")
    assert refused(copy) == "uq_outbox_messages_dedupe_key"


def test_events_have_numbers_of_their_own_that_never_change(world: Session, refused: Refused, now: datetime) -> None:
    relay_events(world, now=now)
    other = "'id', -1, 'dedupe_key', 'x'"
    own = {"position": "'position', 9", "sequence": "'sequence', 9", "public_id": "'public_id', gen_random_uuid()"}
    for column in own:
        changes = ", ".join(value for name, value in own.items() if name != column)
        assert refused(copy_of("outbox_messages", f"{other}, {changes}")) == f"uq_outbox_messages_{column}"
    for change in ("position = 9", "sequence = 9", "payload = '{}'", "public_id = NULL", "relayed_at = NULL"):
        assert refused(f"UPDATE outbox_messages SET {change}") == RESTRICT_VIOLATION
    assert refused("UPDATE event_bodies SET body = ''") == RESTRICT_VIOLATION
    assert refused(copy_of("event_bodies", "'body', '\\x00'")) == "pk_event_bodies"


@pytest.fixture
def delivered(world: Session, now: datetime) -> Session:
    """An endpoint with a secret, told of the first event by one try."""
    relay_events(world, now=now)
    for statement in (
        "INSERT INTO webhook_endpoints (id, url, version) VALUES ('e', 'https://example.com/', '2026-01-01')",
        "INSERT INTO webhook_secrets (endpoint_id, sealed, starts_at) VALUES ('e', 'sealed', now())",
        "INSERT INTO webhook_deliveries (id, event_id, endpoint_id, customer_id, position, state, next_at)"
        " SELECT gen_random_uuid(), id, 'e', customer_id, position, 'waiting', now() FROM outbox_messages",
        "INSERT INTO webhook_attempts (delivery_id, at, milliseconds) SELECT id, now(), 5 FROM webhook_deliveries",
        "INSERT INTO mail_hours (address, began_at, mails) VALUES ('a@b.c', now(), 1)",
        "INSERT INTO mail_refusals (customer_id, what) VALUES ('c', 'invoice.finalized')",
    ):
        world.execute(text(statement))
    return world


@pytest.mark.parametrize(
    ("table", "changes", "constraint"),
    [
        ("webhook_endpoints", "'url', 'https://example.org/'", "pk_webhook_endpoints"),
        ("webhook_endpoints", "'id', 'f', 'status', 'paused'", "ck_webhook_endpoints_status"),
        ("webhook_endpoints", "'id', 'f', 'status', 'disabled'", "ck_webhook_endpoints_disabled"),
        ("webhook_endpoints", "'id', 'f', 'disabled_reason', 'gone'", "ck_webhook_endpoints_disabled"),
        (
            "webhook_endpoints",
            "'id', 'f', 'status', 'disabled', 'disabled_reason', 'tired'",
            "ck_webhook_endpoints_disabled_reason",
        ),
        ("webhook_endpoints", "'id', 'f', 'types', '{}'::varchar[]", "ck_webhook_endpoints_types"),
        ("webhook_endpoints", "'id', 'f', 'rate_per_second', 0", "ck_webhook_endpoints_rate"),
        ("webhook_secrets", "'id', 99, 'endpoint_id', 'f'", "fk_webhook_secrets_endpoint_id"),
        ("webhook_endpoints", "'id', 'f', 'url', null", "ck_webhook_endpoints_address"),
        ("webhook_endpoints", "'id', 'f', 'recipients', '{a@b.c}'::varchar[]", "ck_webhook_endpoints_address"),
        ("webhook_endpoints", "'id', 'f', 'kind', 'email'", "ck_webhook_endpoints_address"),
        ("webhook_endpoints", "'id', 'f', 'kind', 'sms', 'url', null", "ck_webhook_endpoints_kind"),
        (
            "webhook_endpoints",
            "'id', 'f', 'kind', 'email', 'url', null, 'recipients', '{}'::varchar[]",
            "ck_webhook_endpoints_recipients",
        ),
        ("mail_hours", "'began_at', now()", "pk_mail_hours"),
        ("mail_hours", "'address', 'b@c.d', 'mails', -1", "ck_mail_hours_mails"),
        ("mail_refusals", "'created_at', now()", "pk_mail_refusals"),
        ("webhook_deliveries", "'id', gen_random_uuid()", "uq_webhook_deliveries_recipient"),
        ("webhook_deliveries", "'endpoint_id', 'f'", "pk_webhook_deliveries"),
        ("webhook_deliveries", "'id', gen_random_uuid(), 'event_id', -1", "fk_webhook_deliveries_event_id"),
        ("webhook_deliveries", "'id', gen_random_uuid(), 'endpoint_id', 'f'", "fk_webhook_deliveries_endpoint_id"),
        ("webhook_deliveries", "'id', gen_random_uuid(), 'state', 'lost'", "ck_webhook_deliveries_state"),
        ("webhook_attempts", "'id', 99, 'delivery_id', gen_random_uuid()", "fk_webhook_attempts_delivery_id"),
    ],
)
def test_an_event_is_delivered_once_to_an_endpoint_that_is_there(
    delivered: Session, refused: Refused, table: str, changes: str, constraint: str
) -> None:
    assert refused(copy_of(table, changes)) == constraint
    assert delivered.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 1


def test_an_event_that_is_delivered_stays_and_an_endpoint_goes_with_all_it_has(
    delivered: Session, refused: Refused
) -> None:
    delivered.execute(text("DELETE FROM event_bodies"))
    assert refused("DELETE FROM outbox_messages") == "fk_webhook_deliveries_event_id"
    delivered.execute(text("DELETE FROM webhook_endpoints"))
    for table in ("webhook_secrets", "webhook_deliveries", "webhook_attempts"):
        assert delivered.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0, table
    assert delivered.execute(text("SELECT count(*) FROM outbox_messages")).scalar_one() == 1


@pytest.mark.parametrize(
    ("function", "windowing"),
    [
        ("level", '{"every": "day", "across": "max", "empty": "zero"}'),
        ("sum", '{"every": "week", "across": "max", "empty": "zero"}'),
        ("sum", '{"every": "day", "across": "percentile", "empty": "zero"}'),
        ("sum", '{"every": "day", "across": "max", "percent": "5", "empty": "zero"}'),
        ("sum", '{"every": "day", "across": "max"}'),
        ("sum", "{}"),
        ("sum", "null"),
    ],
)
def test_windows_of_a_meter_are_of_a_kind(world: Session, refused: Refused, function: str, windowing: str) -> None:
    mode, per = ("'set'", "'hour'") if function == "level" else ("NULL", "NULL")
    insert = (
        "INSERT INTO meter_definitions (usage_type_id, version, function, dimensions, series_limit, mode, per,"
        f" windowing, effective_from) VALUES ('assessment', 1, '{function}', '[]', 10, {mode}, {per},"
        f" CAST('{windowing}' AS jsonb), now())"
    )
    assert refused(insert.replace(":", "\\:")) == "ck_meter_definitions_windowing"


@pytest.mark.parametrize(
    ("function", "mode", "per", "carry", "windowing"),
    [
        ("sum", "NULL", "NULL", "true", "NULL"),
        ("unique_count", "'change'", "'hour'", "true", "NULL"),
        ("unique_count", "'seen'", "'end'", "false", "NULL"),
        ("unique_count", "NULL", "NULL", "true", "NULL"),
        ("unique_count", "'seen'", "'end'", "true", '\'{"every": "day", "across": "max", "empty": "zero"}\''),
        ("level", "'seen'", "'end'", "true", "NULL"),
        ("level", "NULL", "NULL", "false", "NULL"),
    ],
)
def test_what_goes_on_from_period_to_period_says_how(
    world: Session, refused: Refused, function: str, mode: str, per: str, carry: str, windowing: str
) -> None:
    insert = (
        "INSERT INTO meter_definitions (usage_type_id, version, function, dimensions, series_limit, mode, per, carry,"
        f" windowing, effective_from) VALUES ('assessment', 1, '{function}', '[]', 10, {mode}, {per}, {carry},"
        f" CAST({windowing} AS jsonb), now())"
    )
    assert refused(insert.replace(":", "\\:")) == "ck_meter_definitions_level"


def test_the_example_is_charged_right(draft: UUID, world: Session) -> None:
    """So that the tables above are tried with rows that mean something."""
    row = world.execute(text("SELECT quantity, amount FROM usage_invoice_items")).one()
    assert row == (Decimal(3), Decimal(30))


def test_credit_by_hand_has_a_reason_and_no_invoice_and_its_key_is_there_once(
    finalized: UUID, refused: Refused
) -> None:
    """And credit of invoices has neither."""
    give = (
        "INSERT INTO credit_entries (customer_id, currency, kind, amount, reason, key, invoice_id)"
        " VALUES ('user123', 'USD', :kind, :amount, :reason, :key, :invoice)"
    )
    right = {"kind": "by_hand", "amount": 5, "reason": "sorry", "key": "k", "invoice": None}
    of_an_invoice = {"kind": "granted", "reason": None, "key": None, "invoice": finalized}
    for wrong, constraint in (
        ({"invoice": finalized}, "ck_credit_entries_invoice"),
        ({"reason": None}, "ck_credit_entries_by_hand"),
        ({"amount": -5}, "ck_credit_entries_amount"),
        ({"amount": "NaN"}, "ck_credit_entries_amount"),
        (of_an_invoice | {"kind": "gift"}, "ck_credit_entries_kind"),
        (of_an_invoice | {"invoice": None}, "ck_credit_entries_invoice"),
        (of_an_invoice | {"key": "k"}, "ck_credit_entries_by_hand"),
    ):
        assert refused(give, **{**right, **wrong}) == constraint, wrong
    twice = f"{give}, ('user123', 'USD', :kind, 1, :reason, :key, :invoice)"
    assert refused(twice, **right) == "uq_credit_entries_customer_key"


@pytest.fixture
def granted(world: Session) -> Session:
    """A wallet for assessments with a grant of 10 for 5.00, of which 3 are posted."""
    summary = world.execute(text("SELECT id FROM usage_summaries")).scalar_one()
    for statement in (
        "INSERT INTO wallets (id, customer_id, unit_name) VALUES ('w', 'user123', 'assessment')",
        "INSERT INTO wallet_scopes (wallet_id, usage_type_id, customer_id) VALUES ('w', 'assessment', 'user123')",
        "INSERT INTO wallet_grants (id, wallet_id, key, category, priority, amount, effective_at, expires_at,"
        " closes_at, cost, cost_currency, posted) VALUES (gen_random_uuid(), 'w', 'k', 'purchased', 50, 10,"
        " '2026-01-01Z', '2027-01-01Z', '2027-01-01Z', 5, 'USD', 3)",
        f"INSERT INTO wallet_draws SELECT {summary}, '2026-11-01Z', id, 'w', 3 FROM wallet_grants",
        "INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost)"
        " SELECT 'w', id, 'sold', 'grant', 'sold', 10, 5 FROM wallet_grants",
    ):
        world.execute(text(statement))
    return world


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ("'key', 'k'", "uq_wallet_grants_wallet_id_key"),
        ("'key', null", "ck_wallet_grants_made_by"),
        ("'schedule_id', gen_random_uuid()", "ck_wallet_grants_made_by"),
        ("'key', null, 'schedule_id', gen_random_uuid()", "fk_wallet_grants_schedule_id"),
        ("'amount', 0", "ck_wallet_grants_amount"),
        ("'amount', 'NaN'", "ck_wallet_grants_amount"),
        ("'priority', 101", "ck_wallet_grants_priority"),
        ("'expires_at', '2026-01-01Z'", "ck_wallet_grants_expires_at"),
        ("'covers_since', '2026-01-02Z'", "ck_wallet_grants_covers_since"),
        ("'closes_at', '2026-12-31Z'", "ck_wallet_grants_closes_at"),
        ("'closes_at', null", "ck_wallet_grants_closes_at"),
        ("'reset_at', '2026-01-01Z'", "ck_wallet_grants_reset_at"),
        ("'reset_at', '2027-01-01Z'", "ck_wallet_grants_reset_at"),
        ("'cost', -1", "ck_wallet_grants_cost"),
        ("'cost_currency', null", "ck_wallet_grants_cost"),
        ("'category', 'promotional'", "ck_wallet_grants_cost_of_category"),
        ("'category', 'lent'", "ck_wallet_grants_category"),
        ("'category', 'rollover', 'cost', 0, 'cost_currency', null", "ck_wallet_grants_rollover"),
        ("'rollover_max', 1", "ck_wallet_grants_rollover"),
        ("'rolls_from', gen_random_uuid()", "ck_wallet_grants_made_by"),
        ("'unused_of', 'sub456'", "ck_wallet_grants_made_by"),
        ("'rolled_over', -1", "ck_wallet_grants_out"),
        ("'rolled_over', 8", "ck_wallet_grants_out"),
        ("'rolled_over', 1", "ck_wallet_grants_rolled_over"),
        ("'posted', 11", "ck_wallet_grants_out"),
        ("'posted', 'NaN'", "ck_wallet_grants_out"),
        ("'expired', -1", "ck_wallet_grants_out"),
        ("'status', 'closed'", "ck_wallet_grants_nothing_left"),
        ("'refunded', 8", "ck_wallet_grants_out"),
        ("'refunded', -1", "ck_wallet_grants_out"),
        ("'refunded', 1, 'category', 'promotional', 'cost', 0, 'cost_currency', null", "ck_wallet_grants_refunded"),
        ("'activated_at', null", "ck_wallet_grants_activated_at"),
        ("'status', 'pending'", "ck_wallet_grants_activated_at"),
        ("'status', 'pending', 'activated_at', null", "ck_wallet_grants_activated_at"),
        ("'status', 'lost', 'posted', 10", "ck_wallet_grants_status"),
        ("'status', 'overdraft', 'activated_at', null", "ck_wallet_grants_overdraft"),
        (
            "'status', 'overdraft', 'activated_at', null, 'category', 'overdraft', 'key', null, 'expires_at', null,"
            " 'closes_at', null",
            "ck_wallet_grants_cost_of_category",
        ),
    ],
)
def test_a_grant_gives_no_more_than_it_has(granted: Session, refused: Refused, changes: str, constraint: str) -> None:
    other = "" if "'key'" in changes else ", 'key', 'other'"
    copy = copy_of("wallet_grants", f"'id', gen_random_uuid(), {changes}{other}")
    assert refused(copy) == constraint
    assert granted.execute(text("SELECT count(*) FROM wallet_grants")).scalar_one() == 1


_OVERDRAFT = (
    "INSERT INTO wallet_grants (id, wallet_id, category, status, priority, amount, effective_at, activated_at)"
    " VALUES (gen_random_uuid(), 'w', 'overdraft', 'overdraft', 100, 1e15, '2026-01-01Z', null)"
)


def test_a_wallet_owes_in_one_place_and_says_how_much(granted: Session, refused: Refused) -> None:
    granted.execute(text(_OVERDRAFT))
    assert refused(_OVERDRAFT) == "uq_wallet_grants_overdraft"
    assert refused("UPDATE wallet_grants SET expired = 1 WHERE key IS NULL") == "ck_wallet_grants_overdraft"
    assert refused("UPDATE wallet_grants SET activated_at = now() WHERE key IS NULL") == "ck_wallet_grants_activated_at"
    assert refused("UPDATE wallets SET uncovered = 'owe'") == "ck_wallets_uncovered"
    assert refused("UPDATE wallets SET uncovered = 'lend'") == "ck_wallets_uncovered"
    assert refused("UPDATE wallets SET overdraft = 5") == "ck_wallets_uncovered"
    assert refused("UPDATE wallets SET uncovered = 'owe', overdraft = 0") == "ck_wallets_overdraft"


_SCHEDULE = (
    "INSERT INTO wallet_schedules (id, wallet_id, key, category, priority, amount, interval, interval_count, timezone,"
    " starts_at, until_next, grace_seconds, next_at) VALUES (gen_random_uuid(), 'w', 'k', 'promotional', 50, 10,"
    " 'month', 1, 'UTC', '2026-01-01Z', true, 0, '2026-02-01Z')"
)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ("'amount', 0", "ck_wallet_schedules_amount"),
        ("'amount', 'NaN'", "ck_wallet_schedules_amount"),
        ("'priority', -1", "ck_wallet_schedules_priority"),
        ("'category', 'purchased'", "ck_wallet_schedules_category"),
        ("'interval', 'hour'", "ck_wallet_schedules_interval"),
        ("'interval_count', 0", "ck_wallet_schedules_interval"),
        ("'validity_interval', 'day', 'until_next', false", "ck_wallet_schedules_validity"),
        ("'validity_interval', 'day', 'validity_count', 1", "ck_wallet_schedules_until_next"),
        ("'rollover_max', 1", "ck_wallet_schedules_rollover"),
        ("'rollover_periods', 1, 'until_next', false", "ck_wallet_schedules_rollover"),
        ("'rollover_periods', 0", "ck_wallet_schedules_rollover"),
        ("'rollover_periods', 1, 'rollover_max', 0", "ck_wallet_schedules_rollover_max"),
        ("'rollover_periods', 1, 'rollover_percent', 101", "ck_wallet_schedules_rollover_percent"),
        ("'next_at', '2025-12-31Z'", "ck_wallet_schedules_next_at"),
        ("'ends_at', '2026-01-15Z'", "ck_wallet_schedules_next_at"),
        ("'grace_seconds', -1", "ck_wallet_schedules_grace_seconds"),
        ("'key', 'k'", "uq_wallet_schedules_wallet_id_key"),
    ],
)
def test_a_schedule_is_one_that_can_be_kept(granted: Session, refused: Refused, changes: str, constraint: str) -> None:
    granted.execute(text(_SCHEDULE))
    other = "" if "'key'" in changes else ", 'key', 'other'"
    assert refused(copy_of("wallet_schedules", f"'id', gen_random_uuid(), {changes}{other}")) == constraint


def test_an_occurrence_makes_one_grant(granted: Session, refused: Refused) -> None:
    granted.execute(text(_SCHEDULE))
    made = (
        "INSERT INTO wallet_grants (id, wallet_id, schedule_id, category, priority, amount, effective_at)"
        " SELECT gen_random_uuid(), 'w', id, 'promotional', 50, 10, '2026-01-01Z' FROM wallet_schedules"
    )
    granted.execute(text(made))
    assert refused(made) == "uq_wallet_grants_schedule_id_effective_at"


def test_what_is_left_of_a_grant_is_carried_over_once(granted: Session, refused: Refused) -> None:
    granted.execute(text(_SCHEDULE))
    made = (
        "INSERT INTO wallet_grants (id, wallet_id, {0}, category, priority, amount, effective_at)"
        " SELECT gen_random_uuid(), 'w', {1}, {2}, 50, {3}, '2026-01-01Z' FROM {4}"
    )
    granted.execute(text(made.format("schedule_id", "id", "'promotional'", "10", "wallet_schedules")))
    of_one = "wallet_grants WHERE schedule_id IS NOT NULL"
    carried = made.format("rolls_from", "id", "'rollover'", "0", of_one)
    assert refused(made.format("rolls_from", "gen_random_uuid()", "'rollover'", "0", of_one)) == (
        "fk_wallet_grants_rolls_from"
    )
    assert refused(made.format("rolls_from", "id", "'promotional'", "1", of_one)) == "ck_wallet_grants_rollover"
    granted.execute(text(carried))
    assert refused(carried) == "uq_wallet_grants_rolls_from"


def test_what_a_period_leaves_of_an_allowance_is_carried_over_once(granted: Session, refused: Refused) -> None:
    made = (
        "INSERT INTO wallet_grants (id, wallet_id, unused_of, usage_types, category, priority, amount, effective_at)"
        " SELECT gen_random_uuid(), 'w', {0}, ARRAY['assessment'], {1}, 50, {2}, '2026-01-01Z'"
        " FROM subscriptions LIMIT 1"
    )
    assert refused(made.format("'nothing'", "'rollover'", "0")) == "fk_wallet_grants_unused_of"
    assert refused(made.format("id", "'promotional'", "1")) == "ck_wallet_grants_rollover"
    assert refused(made.format("id", "'rollover'", "-1")) == "ck_wallet_grants_amount"
    granted.execute(text(made.format("id", "'rollover'", "0")))
    assert refused(made.format("id", "'rollover'", "0")) == "uq_wallet_grants_unused_of"


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ("rollover_periods = 1", "ck_usage_quotas_rollover"),
        ("rollover_periods = 0, rollover_grace_seconds = 0", "ck_usage_quotas_rollover"),
        ("rollover_periods = 1, rollover_grace_seconds = -1", "ck_usage_quotas_rollover"),
        ("rollover_periods = 1, rollover_grace_seconds = 0, monthly_limit = NULL", "ck_usage_quotas_rollover"),
        ("rollover_max = 1", "ck_usage_quotas_rollover"),
        ("rollover_periods = 1, rollover_grace_seconds = 0, rollover_max = 0", "ck_usage_quotas_rollover_max"),
        (
            "rollover_periods = 1, rollover_grace_seconds = 0, rollover_percent = 101",
            "ck_usage_quotas_rollover_percent",
        ),
    ],
)
def test_a_quota_carries_over_what_can_be(world: Session, refused: Refused, changes: str, constraint: str) -> None:
    assert world.execute(text("SELECT count(*) FROM usage_quotas")).scalar_one()
    assert refused(f"UPDATE usage_quotas SET {changes}") == constraint


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ("'debit', 'sold'", "ck_wallet_transfers_accounts"),
        ("'credit', 'given', 'debit', 'used'", "ck_wallet_transfers_accounts"),
        ("'amount', 0", "ck_wallet_transfers_amount"),
        ("'amount', 'NaN'", "ck_wallet_transfers_amount"),
        ("'cost', -1", "ck_wallet_transfers_cost"),
        ("'kind', 'used'", "ck_wallet_transfers_cause"),
        ("'kind', 'lost'", "ck_wallet_transfers_kind"),
        ("'events', 1", "ck_wallet_transfers_known"),
        ("'key', 'k'", "ck_wallet_transfers_key"),
    ],
)
def test_a_transfer_is_balanced(granted: Session, refused: Refused, changes: str, constraint: str) -> None:
    assert refused(copy_of("wallet_transfers", f"'id', 99, {changes}")) == constraint
    assert granted.execute(text("SELECT count(*) FROM wallet_transfers")).scalar_one() == 1


@pytest.fixture
def bought(granted: Session) -> Session:
    """A package of assessments, bought once by the wallet's customer and charged on the next invoice."""
    for statement in (
        "INSERT INTO packages (id, name, unit_name, usage_types, currency)"
        " VALUES ('ten', 'Ten', 'assessment', '{assessment}', 'USD')",
        "INSERT INTO package_versions (package_id, version, amount, price, priority, tax_category, payment_days,"
        " effective_from) VALUES ('ten', 1, 10, 5, 50, 'S', 30, '2026-01-01Z')",
        "INSERT INTO purchase_charges (subscription_id, package_name, count, sold_at, amount, currency,"
        " tax_category, payment_days, to_charge)"
        " SELECT id, 'Ten', 1, '2026-01-01Z', 5, 'USD', 'S', 30, true FROM subscriptions",
        "INSERT INTO purchases (id, customer_id, subscription_id, package_id, version, key, count, charge, wallet_id,"
        " grant_id, charge_id, at) SELECT gen_random_uuid(), 'user123', c.subscription_id, 'ten', 1, 'k', 1,"
        " 'next_invoice', 'w', g.id, c.id, '2026-01-01Z' FROM wallet_grants AS g, purchase_charges AS c",
    ):
        granted.execute(text(statement))
    return granted


@pytest.mark.parametrize(
    ("table", "changes", "constraint"),
    [
        ("packages", "'id', 'x', 'usage_types', '[]'::jsonb", "ck_packages_usage_types"),
        ("packages", "'id', 'half', 'unit_name', null", "ck_packages_unit"),
        ("package_versions", "'version', 2", "uq_package_versions_package_id_effective_from"),
        ("package_versions", "'effective_from', '2027-01-01Z'", "pk_package_versions"),
        ("package_versions", "'version', 0, 'effective_from', '2027-01-01Z'", "ck_package_versions_version"),
        ("package_versions", "'version', 2, 'amount', 'NaN'", "ck_package_versions_amount"),
        ("package_versions", "'version', 2, 'price', 0", "ck_package_versions_price"),
        ("package_versions", "'version', 2, 'priority', 101", "ck_package_versions_priority"),
        ("package_versions", "'version', 2, 'validity_count', 1", "ck_package_versions_validity"),
        (
            "package_versions",
            "'version', 2, 'validity_count', 1, 'validity_interval', 'hour'",
            "ck_package_versions_validity_interval",
        ),
        (
            "package_versions",
            "'version', 2, 'validity_count', 0, 'validity_interval', 'day'",
            "ck_package_versions_validity_count",
        ),
        ("package_versions", "'version', 2, 'payment_days', -1", "ck_package_versions_payment_days"),
        ("package_versions", "'version', 2, 'tax_category', 'X'", "ck_package_versions_tax_category"),
        ("purchase_charges", "'amount', -1", "ck_purchase_charges_amount"),
        ("purchase_charges", "'count', 0", "ck_purchase_charges_count"),
        ("purchase_charges", "'subscription_id', null", "ck_purchase_charges_to_charge"),
        ("purchases", "'grant_id', gen_random_uuid(), 'charge_id', 9", "uq_purchases_customer_id_key"),
        ("purchases", "'key', 'x', 'charge_id', 9", "uq_purchases_grant_id"),
        ("purchases", "'key', 'x', 'grant_id', gen_random_uuid()", "uq_purchases_charge_id"),
        ("purchases", "'key', 'x', 'charge', 'later'", "ck_purchases_charge"),
        ("purchases", "'key', 'x', 'charge', 'paid'", "ck_purchases_charge_id"),
        ("purchases", "'key', 'x', 'subscription_id', null", "ck_purchases_next_invoice"),
        ("purchases", "'key', 'x', 'count', 0", "ck_purchases_count"),
        ("purchases", "'key', 'x', 'version', 2, 'grant_id', gen_random_uuid(), 'charge_id', 9", "fk_purchases"),
    ],
)
def test_what_is_sold_is_sold_once(
    bought: Session, refused: Refused, table: str, changes: str, constraint: str
) -> None:
    number = {"purchases": "'id', gen_random_uuid(), ", "purchase_charges": "'id', 99, "}.get(table, "")
    assert (refused(copy_of(table, number + changes)) or "").startswith(constraint)
    assert bought.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 1


@pytest.mark.parametrize(
    ("table", "changes", "constraint"),
    [
        ("top_up_rules", "'below', 0", "ck_top_up_rules_below"),
        ("top_up_rules", "'amount', 0", "ck_top_up_rules_amount"),
        ("top_up_rules", "'amount', null, 'up_to', 5", "ck_top_up_rules_up_to"),
        ("top_up_rules", "'up_to', 50", "ck_top_up_rules_one_of"),
        ("top_up_rules", "'most_count', 1", "ck_top_up_rules_most"),
        ("top_up_rules", "'most_count', 0, 'most_per', 'day'", "ck_top_up_rules_most"),
        ("top_up_rules", "'most_count', 1, 'most_per', 'year'", "ck_top_up_rules_most_per"),
        ("top_up_rules", "'cooldown_seconds', -1", "ck_top_up_rules_counts"),
        ("wallet_top_ups", "'cycle', 2", "uq_wallet_top_ups_asked"),
        ("wallet_top_ups", "'state', 'failed', 'answered_at', now()", "uq_wallet_top_ups_wallet_id_cycle"),
        ("wallet_top_ups", "'state', 'lost', 'answered_at', now()", "ck_wallet_top_ups_state"),
        ("wallet_top_ups", "'state', 'failed'", "ck_wallet_top_ups_answered_at"),
        ("wallet_top_ups", "'state', 'paid', 'answered_at', now()", "ck_wallet_top_ups_grant_id"),
        ("wallet_top_ups", "'amount', 0", "ck_wallet_top_ups_amount"),
        ("wallet_top_ups", "'cycle', 0", "ck_wallet_top_ups_cycle"),
        ("wallet_top_ups", "'expires_at', '2026-01-01Z'", "ck_wallet_top_ups_expires_at"),
    ],
)
def test_a_wallet_asks_once(granted: Session, refused: Refused, table: str, changes: str, constraint: str) -> None:
    for statement in (
        "INSERT INTO top_up_rules (wallet_id, customer_id, below, amount, cooldown_seconds)"
        " VALUES ('w', 'user123', 10, 20, 0)",
        "INSERT INTO wallet_top_ups (id, wallet_id, cycle, state, amount, available, asked_at, expires_at)"
        " VALUES (gen_random_uuid(), 'w', 1, 'asked', 20, 5, '2026-11-01Z', '2026-11-02Z')",
    ):
        granted.execute(text(statement))
    number = "'id', gen_random_uuid(), " if table == "wallet_top_ups" else ""
    assert refused(copy_of(table, number + changes)) == constraint


def test_a_key_refunds_once(granted: Session, refused: Refused) -> None:
    refund = (
        "INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost, key)"
        " SELECT 'w', id, 'refunded', 'refunded', 'grant', 1, 0.5, 'k' FROM wallet_grants"
    )
    granted.execute(text(refund))
    assert refused(refund) == "uq_wallet_transfers_key"


@pytest.mark.parametrize("statement", ["UPDATE wallet_transfers SET cost = 0", "DELETE FROM wallet_transfers"])
def test_the_ledger_of_wallets_is_only_added_to(granted: Session, refused: Refused, statement: str) -> None:
    assert refused(statement) == RESTRICT_VIOLATION
    assert granted.execute(text("SELECT count(*) FROM wallet_transfers")).scalar_one() == 1


def test_one_wallet_pays_for_a_type_and_nothing_is_posted_below_zero(granted: Session, refused: Refused) -> None:
    granted.execute(text("INSERT INTO wallets (id, customer_id, unit_name) VALUES ('v', 'user123', 'assessment')"))
    scope = "INSERT INTO wallet_scopes (wallet_id, usage_type_id, customer_id) VALUES ('v', 'assessment', 'user123')"
    assert refused(scope) == "uq_wallet_scopes_overlap"
    assert refused("UPDATE wallet_draws SET posted = 0") == "ck_wallet_draws_posted"
    cover = "INSERT INTO covered_summaries SELECT id, 'NaN' FROM usage_summaries"
    assert refused(cover) == "ck_covered_summaries_covered"


_OPERATOR = (
    "INSERT INTO operator_sessions (id, actor, code_hash, code_until, cookie_hash, opened_at, seen_at, expires_at)"
    " VALUES (gen_random_uuid(), 'cli:ann', CAST(:code AS bytea), CAST(:until AS timestamptz),"
    " CAST(:cookie AS bytea), CAST(:opened AS timestamptz), CAST(:seen AS timestamptz), now())"
)


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"code": b"short"}, "code_hash"),
        ({"cookie": b"short"}, "cookie_hash"),
        ({"until": None}, "code"),
        ({"opened": None}, "opened"),
        ({"seen": None}, "opened"),
        ({"code": None, "until": None, "cookie": None, "opened": None, "seen": None}, "way_in"),
    ],
)
def test_an_operators_session_has_a_way_in_and_says_when_it_was_used(
    refused: Refused, now: datetime, wrong: dict[str, object], constraint: str
) -> None:
    whole = {"code": b"x" * 32, "until": now, "cookie": b"y" * 32, "opened": now, "seen": now}
    assert refused(_OPERATOR, **(whole | wrong)) == f"ck_operator_sessions_{constraint}"


def test_a_code_and_a_cookie_of_operators_open_one_session_each(
    session: Session, refused: Refused, now: datetime
) -> None:
    whole = {"code": b"x" * 32, "until": now, "cookie": b"y" * 32, "opened": now, "seen": now}
    session.execute(text(_OPERATOR), whole)
    assert refused(_OPERATOR, **(whole | {"cookie": b"z" * 32})) == "uq_operator_sessions_code_hash"
    assert refused(_OPERATOR, **(whole | {"code": b"z" * 32})) == "uq_operator_sessions_cookie_hash"


def test_a_wallet_holds_one_thing_and_one_pays_in_a_currency(granted: Session, refused: Refused) -> None:
    add = (
        "INSERT INTO wallets (id, customer_id, unit_name, currency, fees) VALUES (:id, 'user123', :unit, :money, :fees)"
    )
    right = {"id": "m", "unit": None, "money": "USD", "fees": True}
    assert refused(add, **{**right, "unit": "assessment"}) == "ck_wallets_unit"
    assert refused(add, **{**right, "money": None, "fees": False}) == "ck_wallets_unit"
    assert refused(add, **{**right, "unit": "assessment", "money": None}) == "ck_wallets_fees"
    granted.execute(text(add), right)
    assert refused(add, **{**right, "id": "n"}) == "uq_wallets_currency"


def test_what_was_paid_of_an_invoice_is_said_once_and_stays(
    finalized: UUID, granted: Session, refused: Refused
) -> None:
    say = (
        "INSERT INTO invoice_prepaid (invoice_id, wallet_id, grant_id, summary_id, amount)"
        " SELECT :invoice, 'w', g.id, {}, :amount FROM wallet_grants AS g, usage_summaries AS s"
    )
    right = {"invoice": finalized, "amount": 1}
    assert refused(say.format("NULL"), **right) == "ck_invoice_prepaid_cause"
    assert refused(say.format("s.id"), **{**right, "amount": 0}) == "ck_invoice_prepaid_amount"
    granted.execute(text(say.format("s.id")), right)
    assert refused(say.format("s.id"), **right) == "uq_invoice_prepaid_cause"
    assert refused("UPDATE invoice_prepaid SET amount = 2") == RESTRICT_VIOLATION
    assert refused("DELETE FROM invoice_prepaid") == RESTRICT_VIOLATION
    assert refused("UPDATE wallet_draws SET summary_id = NULL") == "ck_wallet_draws_cause"
    twice = "INSERT INTO wallet_draws (summary_id, window_start, grant_id, wallet_id, posted)"
    same = f"{twice} SELECT summary_id, window_start, grant_id, wallet_id, 1 FROM wallet_draws"
    assert refused(same) == "uq_wallet_draws_need"


@pytest.fixture
def fired(world: Session) -> Session:
    """An alert that told a line."""
    for statement in (
        "INSERT INTO alert_rules (id, subscription_id, watches, thresholds, holds_since)"
        " VALUES ('a', 'sub456', 'units', '{1,2}', now())",
        "INSERT INTO alert_firings (id, rule_id, subject, period_start, round, threshold, period_end, customer_id,"
        " value, late, state, fired_at) VALUES (gen_random_uuid(), 'a', 'sub456/x', now(), 0, 1, now(), 'user123',"
        " 5, false, 'open', now())",
    ):
        world.execute(text(statement))
    return world


@pytest.mark.parametrize(
    ("table", "changes", "constraint"),
    [
        ("alert_firings", "'id', gen_random_uuid()", "uq_alert_firings_once"),
        ("alert_firings", "'id', gen_random_uuid(), 'round', 1, 'rule_id', 'b'", "fk_alert_firings_rule_id"),
        ("alert_firings", "'id', gen_random_uuid(), 'round', -1", "ck_alert_firings_round"),
        ("alert_firings", "'id', gen_random_uuid(), 'round', 1, 'state', 'back'", "ck_alert_firings_resolved"),
        ("alert_rules", "'id', 'b', 'plan_id', 'business'", "ck_alert_rules_scope"),
        ("alert_rules", "'id', 'b', 'every', 5", "ck_alert_rules_lines"),
        ("alert_rules", "'id', 'b', 'thresholds', '{}'::numeric[]", "ck_alert_rules_thresholds"),
        ("alert_rules", "'id', 'b', 'thresholds', null, 'every', 'NaN'", "ck_alert_rules_every"),
        ("alert_rules", "'id', 'b', 'currency', 'USD'", "ck_alert_rules_currency"),
        ("alert_rules", "'id', 'b', 'basis', 'allowance'", "ck_alert_rules_basis"),
        ("alert_rules", "'id', 'b', 'told_to', '{}'::text[]", "ck_alert_rules_told_to"),
        ("alert_rules", "'id', 'b', 'customer_id', 'none', 'subscription_id', null", "fk_alert_rules_customer_id"),
    ],
)
def test_a_line_is_told_once_and_a_rule_is_whole(
    fired: Session, refused: Refused, table: str, changes: str, constraint: str
) -> None:
    assert fired.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 1
    assert refused(copy_of(table, changes)) == constraint


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alert_firings",
        "UPDATE alert_firings SET value = 6",
        "UPDATE alert_firings SET state = 'told'",
        "UPDATE alert_firings SET state = 'back', resolved_at = now(), late = true",
    ],
)
def test_what_an_alert_told_stays(fired: Session, refused: Refused, statement: str) -> None:
    assert refused(statement) == RESTRICT_VIOLATION
    fired.execute(text("UPDATE alert_firings SET state = 'back', resolved_at = now()"))
    assert refused("UPDATE alert_firings SET state = 'over'") == RESTRICT_VIOLATION
