"""``verify`` tells every change of a recording, a void, a summary or an item, however small and however well balanced.

The books have a summary with an allowance in the midst of a recording, voids before and after an invoice, late usage,
and a type without an allowance. Each test plants one change by SQL, in a transaction that is undone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.factories import (
    make_customer,
    make_quota,
    make_recording,
    make_subscription,
    make_usage_type,
    make_world,
    record,
)
from tests.integration.conftest import Bill
from tests.support.books import scalars
from tests.support.kept import kept
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.proofs.queries import find_changed
from usage_billing.proofs.service import keep_all
from usage_billing.reports.verify.books import find_differences

KEY = -(2**60) + 7
JUNE, JULY = datetime(2026, 6, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)
QUANTITIES = ("4", "3.5", "2", "5", "1.25", "6", "5", "7")
TYPES = ("assessment", "report", "trip")


@pytest.fixture
def books(engine: Engine, bill: Bill) -> Engine:
    """June and July of three usage types, twice invoiced."""
    kept(engine, "verify: rows", lambda: _make_books(engine, bill))
    return engine


def _make_books(engine: Engine, bill: Bill) -> None:
    with transaction(engine) as session:
        make_world(session, limit=10, unit_price="1")
        make_usage_type(session, id="trip")
        make_usage_type(session, id="unused")
        make_quota(session, usage_type="report", limit=0, unit_price="2")
        make_quota(session, usage_type="trip", limit=10, unit_price="3")
        make_customer(session, id="eva")
        for name in ("other", "idle"):
            make_subscription(session, id=name, customer="eva")
        made = {
            name: [
                make_recording(now=JUNE, usage_type=name, quantity=quantity, key=f"{name}{at}")
                for at, quantity in enumerate(QUANTITIES)
            ]
            for name in TYPES
        }
        others = [make_recording(now=JUNE, customer="eva", subscription="other", quantity=at) for at in (4, 9)]
        record(session, *(one for every in made.values() for one in every), *others)
        for name in TYPES:
            void_usage(session, made[name][2].id, reason="a mistake", actor="test", now=JUNE)
    bill(datetime(2026, 7, 2, tzinfo=UTC))
    with transaction(engine) as session:
        late = (make_recording(now=JULY, occurred_at=JUNE, usage_type=name, quantity="2.5") for name in TYPES)
        july = (
            make_recording(now=JULY, usage_type=name, quantity=quantity) for name in TYPES for quantity in ("4", "8")
        )
        record(session, *late, *july)
        for name in ("report", "trip"):
            void_usage(session, made[name][4].id, reason="another", actor="test", now=JULY)
    bill(datetime(2026, 7, 20, tzinfo=UTC))


def test_books_are_as_rich_as_they_say(books: Engine) -> None:
    with read_only(books) as session:
        assert list(find_differences(session)) == []
    earlier = (
        "SELECT count(*) FROM usage_invoice_items t JOIN usage_summaries s ON s.id = t.summary_id WHERE t.{0} < s.{0}"
    )
    assert scalars(books, earlier.format("events")) == [3]
    assert scalars(books, earlier.format("voids")) == [2]
    assert scalars(books, "SELECT count(*) FROM usage WHERE beyond_limit > 0 AND beyond_limit < quantity") == [5]
    assert scalars(books, "SELECT count(*) FROM usage_voids") == [5]


SUMMARY = (
    "(SELECT id FROM usage_summaries"
    " WHERE subscription_id = '{}' AND usage_type_id = '{}' AND period_start = '2026-06-01Z')"
)
TRIP, REPORT, PLAIN = (SUMMARY.format("sub456", name) for name in ("trip", "report", "assessment"))
OTHER = SUMMARY.format("other", "assessment")
LOOSE = [
    "ALTER TABLE usage DROP CONSTRAINT uq_usage_ordinal",
    "ALTER TABLE usage DROP CONSTRAINT ck_usage_quantity",
    "ALTER TABLE usage DROP CONSTRAINT ck_usage_beyond_limit",
    "ALTER TABLE usage_voids DROP CONSTRAINT uq_usage_voids_summary_id_ordinal",
    "DROP INDEX uq_usage_key_digest",
]


def _set(what: str, ordinal: int, summary: str = PLAIN) -> str:
    return f"UPDATE usage SET {what} WHERE summary_id = {summary} AND ordinal = {ordinal}"


def _renumber(*pairs: tuple[int, int], summary: str = PLAIN) -> str:
    whens = " ".join(f"WHEN {was} THEN {now}" for was, now in pairs)
    those = ", ".join(str(was) for was, _ in pairs)
    return f"UPDATE usage SET ordinal = CASE ordinal {whens} END WHERE summary_id = {summary} AND ordinal IN ({those})"


def _place(ordinal: int, summary: str = PLAIN) -> str:
    return f"(SELECT id FROM usage WHERE summary_id = {summary} AND ordinal = {ordinal})"


# In a plain June: quantities 4, 3.5, (2), 5, 1.25, 6, 5, 7 and late 2.5; the fourth lies 2.5 beyond the limit of 10.
ROWS: dict[str, tuple[list[str], set[str]]] = {
    "the twelfth place of a quantity": (
        [_set("quantity = quantity + 0.000000000001", 1)],
        {"summary_total", "summary_hash"},
    ),
    "the twelfth place of a mark": ([_set("beyond_limit = beyond_limit - 0.000000000001", 4)], {"usage_mark"}),
    "more recordings than can be counted": (
        [f"UPDATE usage_summaries SET events = 4611686018427387904 WHERE id = {PLAIN}"],
        {"summary_events"},
    ),
    "the sign of a quantity": ([_set("quantity = -quantity", 1)], {"summary_total", "summary_hash"}),
    "a time whose halves have one bit changed each": (
        [_set("occurred_at = '2026-05-20T13:09:36.744960+00:00'", 1)],
        {"usage_period"},
    ),
    "quantities exchanged among what is within": (
        [_set("quantity = 3.5", 1), _set("quantity = 4", 2)],
        {"summary_hash", "item_hash"},
    ),
    "quantities exchanged over an invoice's end": (
        [_set("quantity = 2.5, beyond_limit = 2.5", 8), _set("quantity = 7, beyond_limit = 7", 9)],
        {"summary_hash", "item_total", "item_hash"},
    ),
    "marks exchanged with equal sums": ([_set("beyond_limit = 1", 1), _set("beyond_limit = 1.5", 4)], {"usage_mark"}),
    "marks that are divided twice": ([_set("beyond_limit = 2", 4), _set("beyond_limit = 0.5", 2)], {"usage_mark"}),
    "the part beyond at another recording": (
        [_set("beyond_limit = 5", 4), _set("beyond_limit = 3.5", 6)],
        {"usage_mark"},
    ),
    "a mark above its quantity": ([_set("beyond_limit = 7", 6), _set("beyond_limit = 4", 7)], {"usage_mark"}),
    "a mark below nothing": ([_set("beyond_limit = -1", 1), _set("beyond_limit = 3.5", 4)], {"usage_mark"}),
    "a mark of what was taken back": ([_set("beyond_limit = 1", 3), _set("beyond_limit = 1.5", 4)], {"usage_mark"}),
    "ordinals exchanged over the boundary": ([_renumber((2, 6), (6, 2))], {"usage_mark"}),
    "ordinals exchanged over an invoice's end": ([_renumber((7, 9), (9, 7))], {"item_total", "item_hash"}),
    "ordinals exchanged over an invoice's end, with equal quantities": (
        [_renumber((7, 9), (9, 7)), _set("quantity = 5, beyond_limit = 5", 7)],
        {"summary_hash", "item_hash"},
    ),
    "a gap in the ordinals": ([_renumber((9, 10))], {"usage_ordinal"}),
    "an ordinal of nought": ([_renumber((1, 0))], {"usage_ordinal"}),
    "an ordinal twice": ([_renumber((8, 7))], {"usage_ordinal"}),
    "ordinals twice, with equal sums": ([_renumber((6, 7), (8, 7))], {"usage_ordinal"}),
    "ordinals twice, with equal sums and squares": ([_renumber((1, 2), (5, 3), (6, 7))], {"usage_ordinal"}),
    "a recording that is gone": ([f"DELETE FROM usage WHERE id = {_place(5)}"], {"summary_events", "usage_ordinal"}),
    "the last recording gone": ([f"DELETE FROM usage WHERE id = {_place(9)}"], {"summary_events", "summary_hash"}),
    "a recording twice, under another id": (
        [
            "INSERT INTO usage SELECT (jsonb_populate_record(u, CAST(jsonb_build_object("
            "'id', gen_random_uuid(), 'ordinal', 10) AS jsonb))).*"
            f" FROM usage AS u WHERE id = {_place(9)}"
        ],
        {"summary_events", "summary_total", "key_double"},
    ),
    "a recording's id": ([_set("id = gen_random_uuid()", 1)], {"summary_hash", "item_hash"}),
    "a recording moved to another summary": (
        [f"UPDATE usage SET summary_id = {OTHER}, ordinal = 3 WHERE id = {_place(9)}"],
        {"summary_events", "usage_summary", "summary_total"},
    ),
    "recordings of two summaries exchanged": (
        [
            f"UPDATE usage SET summary_id = CASE summary_id WHEN {OTHER} THEN {PLAIN} ELSE {OTHER} END"
            f" WHERE id IN ({_place(1)}, {_place(1, OTHER)})"
        ],
        {"usage_summary", "summary_hash"},
    ),
    "a recording of no summary": ([_set("summary_id = -1", 9)], {"usage_orphan", "summary_events"}),
    "another subscription": ([_set("subscription_id = 'other'", 2)], {"usage_summary"}),
    "another usage type": ([_set("usage_type_id = 'trip'", 2)], {"usage_summary"}),
    "a time after the period": ([_set("occurred_at = '2026-07-01Z'", 2)], {"usage_period"}),
    "a time before the period": ([_set("occurred_at = '2026-05-31 23:59:59.999999Z'", 2)], {"usage_period"}),
    "a quantity that was made": ([_set("made = true", 2)], {"usage_quantity"}),
    "a quantity that is no number": ([_set("quantity = 'NaN'", 1)], {"usage_quantity", "summary_total"}),
    "a key twice": ([_set("idempotency_key = 'assessment0', source = ''", 2)], {"key_double"}),
    "a void that is gone": ([f"DELETE FROM usage_voids WHERE summary_id = {PLAIN}"], {"summary_voids", "summary_hash"}),
    "a void of nothing": (
        [f"UPDATE usage_voids SET usage_id = gen_random_uuid() WHERE summary_id = {PLAIN}"],
        {"void_orphan", "summary_voids"},
    ),
    "a void redirected": (
        [f"UPDATE usage_voids SET usage_id = {_place(2)} WHERE summary_id = {PLAIN}"],
        {"summary_total", "summary_hash"},
    ),
    "a void redirected to an equal quantity": (
        [
            _set("quantity = 3.5", 3, TRIP),
            f"UPDATE usage_voids SET usage_id = {_place(2, TRIP)} WHERE usage_id = {_place(3, TRIP)}",
        ],
        {"summary_hash", "item_hash"},
    ),
    "a void redirected to another summary": (
        [f"UPDATE usage_voids SET usage_id = {_place(2, OTHER)} WHERE summary_id = {PLAIN}"],
        {"void_orphan", "summary_voids"},
    ),
    "a void of another summary": (
        [f"UPDATE usage_voids SET summary_id = {OTHER} WHERE summary_id = {PLAIN}"],
        {"void_orphan"},
    ),
    "the ordinals of voids exchanged": (
        [f"UPDATE usage_voids SET ordinal = 3 - ordinal WHERE summary_id = {TRIP}"],
        {"item_total", "item_hash"},
    ),
    "the ordinals of voids exchanged, without an allowance": (
        [f"UPDATE usage_voids SET ordinal = 3 - ordinal WHERE summary_id = {REPORT}"],
        {"item_total", "item_hash"},
    ),
    "a gap in the ordinals of voids": (
        [f"UPDATE usage_voids SET ordinal = 4 WHERE summary_id = {PLAIN}"],
        {"void_ordinal"},
    ),
    "an ordinal of voids twice": ([f"UPDATE usage_voids SET ordinal = 1 WHERE summary_id = {TRIP}"], {"void_ordinal"}),
}

# Each field of a summary and of an item: what it is changed to, and what tells it.
SUMMARY_FIELDS: dict[str, tuple[str, set[str]]] = {
    "subscription_id": ("'idle'", {"usage_summary", "item_owner"}),
    "usage_type_id": ("'unused'", {"usage_summary", "item_owner"}),
    "period_start": ("period_start + interval '1 microsecond'", {"summary_period", "item_owner"}),
    "period_end": ("period_end - interval '1 microsecond'", {"summary_period"}),
    "bills_at": ("bills_at + interval '1 microsecond'", {"summary_period"}),
    "quota_id": (f"(SELECT quota_id FROM usage_summaries WHERE id = {TRIP})", {"summary_quota"}),
    "allowance": ("allowance + 0.000000000001", {"summary_allowance", "usage_mark", "summary_beyond"}),
    "total": ("total + 0.000000000001", {"summary_total"}),
    "beyond_limit": ("beyond_limit - 0.000000000001", {"summary_beyond"}),
    "events": ("events + 1", {"summary_events"}),
    "beyond_events": ("beyond_events - 1", {"summary_beyond_events"}),
    "voids": ("voids + 1", {"summary_voids"}),
    "events_hash": ("set_bit(events_hash, 255, 1 - get_bit(events_hash, 255))", {"summary_hash"}),
    "boundary": ("2", {"summary_boundary"}),
}
NOT_PROVEN = {"id", "to_rate", "frozen", "next_alert"}
ITEM_FIELDS: dict[str, tuple[str, set[str]]] = {
    "quota_id": (f"(SELECT quota_id FROM usage_summaries WHERE id = {TRIP})", {"item_price"}),
    "usage_type_id": ("'trip'", {"item_owner"}),
    "period_start": ("period_start + interval '1 microsecond'", {"item_owner"}),
    "total": ("total + 0.000000000001", {"item_total"}),
    "billable": ("billable + 0.000000000001", {"item_billable"}),
    "quantity": ("quantity + 0.000000000001", {"item_quantity"}),
    "charged_before": ("charged_before + 0.01", {"item_charged_before", "item_amount"}),
    "amount": ("amount + 0.01", {"item_amount", "summary_charged", "invoice_total"}),
    "allowance": ("allowance + 0.000000000001", {"item_billable"}),
    "covered": ("0.000000000001", {"item_billable"}),
    "price": ("""'{"model": "per_unit", "unitPrice": "1.0"}'""", {"item_price"}),
    "events": ("events - 1", {"item_total", "item_hash"}),
    "billable_events": ("billable_events + 1", {"item_billable"}),
    "voids": ("0", {"item_total", "item_hash"}),
    "events_hash": ("set_bit(events_hash, 0, 1 - get_bit(events_hash, 0))", {"item_hash"}),
    "before_quantity": ("1", {"item_before", "item_amount"}),
    "before_recordings": ("1", {"item_before"}),
    "before_amount": ("0.01", {"item_amount"}),
    "rated_price": ("""'{"model": "per_unit", "unitPrice": "1.01"}'""", {"item_amount"}),
}
NEEDLESS = {("before_recordings", 1)}  # an adjustment's, by a price that counts no recordings


@pytest.fixture
def spoiling(books: Engine) -> Iterator[Session]:
    """A session in which neither triggers nor constraints object, and whose work is undone."""
    with rolled_back(books) as session:
        for table in ("invoices", "usage_invoice_items"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in LOOSE:
            session.execute(text(statement))
        keep_all(session, KEY)
        yield session


def kinds(session: Session) -> set[str]:
    """The kinds of differences that are found, by a proof of everything and by one of what has changed alike."""
    everything = {difference.kind for difference in find_differences(session)}
    changed = find_changed(session, KEY, most=100)
    assert changed is not None
    assert len(changed.ids) < 8, "only what belongs to the changed summaries is looked at again"
    assert {difference.kind for difference in find_differences(session, changed=changed.ids)} == everything
    return everything


@pytest.mark.parametrize("name", ROWS)
def test_a_change_of_rows_is_told(spoiling: Session, name: str) -> None:
    statements, expected = ROWS[name]
    for statement in statements:
        assert spoiling.execute(text(statement)).rowcount != 0, "nothing was spoilt"
    found = kinds(spoiling)
    assert expected <= found, found


@pytest.mark.parametrize("field", SUMMARY_FIELDS)
def test_a_change_of_any_field_of_a_summary_is_told(spoiling: Session, field: str) -> None:
    value, expected = SUMMARY_FIELDS[field]
    spoiling.execute(text(f"UPDATE usage_summaries SET {field} = {value} WHERE id = {PLAIN}"))
    found = kinds(spoiling)
    assert expected <= found, found


@pytest.mark.parametrize(
    ("field", "place"), [(field, place) for field in ITEM_FIELDS for place in (0, 1) if (field, place) not in NEEDLESS]
)
def test_a_change_of_any_field_of_an_item_is_told(spoiling: Session, field: str, place: int) -> None:
    """Of an invoice's first item, and of the adjustment that follows it."""
    value, expected = ITEM_FIELDS[field]
    one = f"(SELECT id FROM usage_invoice_items WHERE summary_id = {PLAIN} ORDER BY events OFFSET {place} LIMIT 1)"
    spoiling.execute(text(f"UPDATE usage_invoice_items SET {field} = {value} WHERE id = {one}"))
    found = kinds(spoiling)
    assert expected & found, found


def test_no_field_of_a_summary_is_left_out(books: Engine) -> None:
    asked = "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'usage_summaries'"
    there = scalars(books, asked)
    assert set(there) == SUMMARY_FIELDS.keys() | NOT_PROVEN
