"""Recording on a real PostgreSQL: once, split at the allowance, in the right period, or in quarantine."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tests.factories import (
    make_customer,
    make_plan,
    make_quota,
    make_recording,
    make_subscription,
    make_usage_type,
    make_world,
    record,
)
from tests.support.books import Counts, check_books, counts, rows, scalars, totals
from tests.support.plans import analyze, index_of, scans_of
from usage_billing.db.bulk import find_by_index
from usage_billing.db.session import rolled_back, transaction
from usage_billing.flows.administration.change_subscription import cancel
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.situation import When
from usage_billing.flows.recording.record_usage import Outcome
from usage_billing.metering.queries import recorded_keys
from usage_billing.metering.recording import Recording


def deliver(engine: Engine, *recordings: Recording) -> Outcome:
    """One batch, as a worker would record it; the books are checked after it."""
    with transaction(engine) as session:
        outcome = record(session, *recordings)
    check_books(engine)
    return outcome


def beyonds(engine: Engine) -> list[Decimal]:
    return [
        Decimal(f"{part.normalize():f}") for part in scalars(engine, "SELECT beyond_limit FROM usage ORDER BY ordinal")
    ]


# --- once ----------------------------------------------------------------------------------------------------


def test_a_delivery_that_comes_again_changes_nothing(world: Engine, now: datetime) -> None:
    batch = [make_recording(now=now, quantity=30), make_recording(now=now, quantity=30, key="a")]
    assert deliver(world, *batch).recorded == 2
    for again in (batch, batch[:1], batch[::-1], [*batch, *batch]):
        outcome = deliver(world, *again)
        assert (outcome.recorded, outcome.known) == (0, len(again))
    assert counts(world) == Counts(2, 0, 0)
    assert totals(world) == [("sub456", "assessment", Decimal(60), Decimal(10))]


def test_one_acceptance_twice_in_a_batch_is_recorded_once(world: Engine, now: datetime) -> None:
    one = make_recording(now=now, quantity=7)
    assert deliver(world, one, make_recording(now=now), one).recorded == 2
    assert totals(world)[0][2] == 8


@pytest.mark.parametrize("together", [True, False])
def test_the_same_key_with_the_same_content_is_a_duplicate(world: Engine, now: datetime, together: bool) -> None:
    first = make_recording(now=now, quantity=5, key="k")
    retry = make_recording(now=now + timedelta(minutes=3), quantity="5.000", key="k")
    for batch in [[first, retry]] if together else [[first], [retry]]:
        outcome = deliver(world, *batch)
    assert [repeated.usage_id for repeated in outcome.duplicates] == [first.id]
    assert counts(world) == Counts(1, 1, 0)
    assert scalars(world, "SELECT usage_id FROM usage_duplicates WHERE id = :id", id=retry.id) == [first.id]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "other",
    [
        {"quantity": 6},
        {"metadata": '{"a":1}'},
        {"usage_type": "report"},
        {"occurred_at": datetime(2026, 11, 1, tzinfo=UTC)},
    ],
)
def test_the_same_key_with_other_content_goes_to_quarantine(
    world: Engine, now: datetime, together: bool, other: dict[str, object]
) -> None:
    first = make_recording(now=now, quantity=5, key="k")
    second = make_recording(**({"now": now, "quantity": 5, "key": "k"} | other))  # type: ignore[arg-type]
    for batch in [[first, second]] if together else [[first], [second]]:
        deliver(world, *batch)
    assert counts(world) == Counts(1, 0, 1)
    assert scalars(world, "SELECT reason FROM quarantined_usage") == ["conflicting_duplicate"]
    assert totals(world) == [("sub456", "assessment", Decimal(5), Decimal(0))]


def test_a_key_is_the_subscriptions_and_the_sources_own(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_subscription(session, id="other")
    deliver(
        world,
        make_recording(now=now, key="k"),
        make_recording(now=now, key="k", source="billing-bridge"),
        make_recording(now=now, key="k", subscription="other"),
        make_recording(now=now, key="K"),
    )
    assert counts(world) == Counts(4, 0, 0)


def test_without_a_key_equal_recordings_are_two(world: Engine, now: datetime) -> None:
    deliver(world, make_recording(now=now, quantity=5), make_recording(now=now, quantity=5))
    assert totals(world)[0][2] == 10


def test_a_key_that_spells_the_id_of_another_recording_does_not_lose_either(world: Engine, now: datetime) -> None:
    first = make_recording(now=now, quantity=5)
    deliver(world, first)
    deliver(world, make_recording(now=now, quantity=5, key=str(first.id)))
    deliver(world, make_recording(now=now, quantity=6, key=str(first.id)))
    assert counts(world) == Counts(1, 1, 1)


def test_a_key_whose_first_use_was_quarantined_is_free(world: Engine, now: datetime) -> None:
    deliver(world, make_recording(now=now, key="k", usage_type="unheard-of"))
    deliver(world, make_recording(now=now, key="k", quantity=3))
    assert counts(world) == Counts(1, 0, 1)


# --- what cannot be counted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"subscription": "nobody"}, "unknown_subscription"),
        ({"usage_type": "unheard-of"}, "unknown_usage_type"),
        ({"customer": "somebody-else"}, "wrong_customer"),
        ({"customer": "user1234"}, "wrong_customer"),
        ({"occurred_at": datetime(2019, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)}, "outside_subscription"),
        ({"occurred_at": datetime(2026, 11, 10, tzinfo=UTC)}, "outside_subscription"),
    ],
)
def test_what_cannot_be_counted_waits_in_quarantine_with_its_reason(
    world: Engine, now: datetime, wrong: dict[str, object], reason: str
) -> None:
    with transaction(world) as session:
        cancel(session, "sub456", when=When(moment=datetime(2026, 11, 10, tzinfo=UTC)), actor="test", now=now)
    within = datetime(2026, 11, 9, 23, 59, 59, 999999, tzinfo=UTC)
    good = [make_recording(now=now, occurred_at=within, quantity=2) for _ in range(2)]
    bad = make_recording(**({"now": now, "occurred_at": within, "key": "k", "metadata": '{"a":"b"}'} | wrong))  # type: ignore[arg-type]
    outcome = deliver(world, good[0], bad, good[1])
    assert (outcome.recorded, [refused.reason for refused in outcome.quarantined]) == (2, [reason])
    row = rows(world, "SELECT * FROM quarantined_usage")[0]
    assert (row.id, row.reason, row.status, row.received_at) == (bad.id, reason, "open", now)
    assert (row.customer_id, row.subscription_id) == (bad.customer_id, bad.subscription_id)
    assert row.payload["quantity"] == "1"
    assert row.payload["metadata"] == '{"a":"b"}'
    again = deliver(world, bad)
    assert (again.known, again.quarantined) == (1, [])


def test_the_first_moment_of_a_subscription_belongs_to_it_and_the_moment_of_its_end_does_not(
    world: Engine, now: datetime
) -> None:
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)
    with transaction(world) as session:
        cancel(session, "sub456", when=When(moment=end), actor="test", now=now)
    moment = timedelta(microseconds=1)
    for instant, counted in ((start, True), (start - moment, False), (end - moment, True), (end, False)):
        assert deliver(world, make_recording(now=now, occurred_at=instant)).recorded == counted


# --- the allowance -------------------------------------------------------------------------------------------


def test_the_split_at_the_limit_goes_on_across_batches(world: Engine, now: datetime) -> None:
    for quantity in (20, 29, "0.5", "0.75", 5):
        deliver(world, make_recording(now=now, quantity=quantity))
    assert beyonds(world) == [Decimal(0), Decimal(0), Decimal(0), Decimal("0.25"), Decimal(5)]
    assert totals(world) == [("sub456", "assessment", Decimal("55.25"), Decimal("5.25"))]


def test_the_limit_itself_is_within(world: Engine, now: datetime) -> None:
    deliver(world, make_recording(now=now, quantity=50))
    assert beyonds(world) == [Decimal(0)]
    deliver(world, make_recording(now=now, quantity="0.000000000001"))
    assert totals(world)[0][3] == Decimal("0.000000000001")


@pytest.mark.parametrize(("limit", "beyond"), [(0, 7), (None, 0)])
def test_a_limit_of_zero_charges_from_the_first_unit_and_none_never(
    engine: Engine, now: datetime, limit: int | None, beyond: int
) -> None:
    with transaction(engine) as session:
        make_world(session, limit=limit)
    deliver(engine, make_recording(now=now, quantity=3), make_recording(now=now, quantity=4))
    assert totals(engine) == [("sub456", "assessment", Decimal(7), Decimal(beyond))]


def test_the_largest_and_the_smallest_quantity_are_kept_exactly(world: Engine, now: datetime) -> None:
    for _ in range(3):
        deliver(
            world,
            make_recording(now=now, quantity="1000000000000000"),
            make_recording(now=now, quantity="0.000000000001"),
        )
    found = rows(world, "SELECT total, beyond_limit FROM usage_summaries")[0]
    assert found.total == Decimal("3000000000000000.000000000003")
    assert found.beyond_limit == Decimal("2999999999999950.000000000003")


def test_a_usage_type_without_a_quota_is_counted_and_nothing_of_it_is_beyond(world: Engine, now: datetime) -> None:
    deliver(world, make_recording(now=now, quantity=500, usage_type="report"))
    assert rows(world, "SELECT total, beyond_limit, quota_id FROM usage_summaries") == [(500, 0, None)]


def test_a_new_quota_holds_from_the_next_period_on(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_quota(session, limit=10, unit_price="20", now=now)
    later = datetime(2026, 12, 1, tzinfo=UTC)
    deliver(
        world,
        make_recording(now=later, quantity=53, occurred_at=later - timedelta(microseconds=1)),
        make_recording(now=later, quantity=53, occurred_at=later),
        make_recording(now=later, quantity=53, occurred_at=datetime(2026, 10, 31, tzinfo=UTC)),
    )
    assert [beyond for _, _, _, beyond in totals(world)] == [3, 3, 43]


def test_the_allowance_is_told_once_when_it_is_first_exceeded(world: Engine, now: datetime) -> None:
    deliver(world, make_recording(now=now, quantity=50))
    assert scalars(world, "SELECT topic FROM outbox_messages") == []
    over = make_recording(now=now, quantity=1)
    batch = [over, make_recording(now=now, quantity=1)]
    deliver(world, *batch)
    deliver(world, *batch, make_recording(now=now, quantity=1))
    message = rows(world, "SELECT topic, payload FROM outbox_messages")
    assert [row.topic for row in message] == ["quota.exceeded"]
    assert message[0].payload == {
        "userId": "user123",
        "subscriptionId": "sub456",
        "usageType": "assessment",
        "periodStart": "2026-11-01T00:00:00Z",
        "periodEnd": "2026-12-01T00:00:00Z",
        "recordId": str(over.id),
    }


def test_each_period_tells_of_its_own_allowance(world: Engine, now: datetime) -> None:
    for month in (9, 10, 11):
        deliver(world, make_recording(now=now, quantity=51, occurred_at=datetime(2026, month, 3, tzinfo=UTC)))
    assert len(scalars(world, "SELECT id FROM outbox_messages")) == 3


# --- periods -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("UTC", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("Europe/Berlin", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("America/New_York", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("Pacific/Kiritimati", "2026-10-31T10:00", "2026-11-30T10:00"),
        ("Asia/Kathmandu", "2026-10-31T18:15", "2026-11-30T18:15"),
    ],
)
def test_a_recording_belongs_to_the_month_of_its_subscriptions_time_zone(
    engine: Engine, now: datetime, zone: str, start: str, end: str
) -> None:
    with transaction(engine) as session:
        make_customer(session)
        make_plan(session)
        make_usage_type(session)
        make_quota(session)
        make_subscription(session, timezone=zone)
    first, last = (datetime.fromisoformat(text_).replace(tzinfo=UTC) for text_ in (start, end))
    moment = timedelta(microseconds=1)
    instants = [first, last - moment, first - moment, last]
    deliver(engine, *(make_recording(now=now, occurred_at=instant) for instant in instants))
    found = rows(engine, "SELECT period_start, period_end, events FROM usage_summaries ORDER BY period_start")
    assert [row.events for row in found] == [1, 2, 1]
    assert (found[1].period_start, found[1].period_end) == (first, last)


def test_subscriptions_of_several_zones_share_a_batch(engine: Engine, now: datetime) -> None:
    zones = ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Apia", "Pacific/Niue"]
    with transaction(engine) as session:
        make_world(session)
        for zone in zones:
            make_subscription(session, id=zone.replace("/", "."), timezone=zone)
    edge = datetime(2026, 11, 1, 5, tzinfo=UTC)
    batch = [make_recording(now=now, occurred_at=edge, subscription=zone.replace("/", ".")) for zone in zones * 2]
    deliver(engine, *batch)
    months = dict(
        rows(
            engine,
            "SELECT subscription_id, extract(month from period_start + interval '1 day')::int FROM usage_summaries",
        )
    )
    assert months == {"UTC": 11, "Asia.Tokyo": 11, "America.Los_Angeles": 10, "Pacific.Apia": 11, "Pacific.Niue": 10}


def test_ordinals_of_each_summary_have_no_gap_over_batches_and_rollbacks(world: Engine, now: datetime) -> None:
    for number in range(6):
        batch = [make_recording(now=now, usage_type=kind) for kind in ("assessment", "report", "assessment")]
        with (rolled_back if number % 2 else transaction)(world) as session:
            record(session, *batch)
    check_books(world)
    assert counts(world).recorded == 9
    assert len(set(rows(world, "SELECT summary_id, ordinal FROM usage"))) == 9


def test_the_database_itself_refuses_a_second_row_for_a_key(world: Engine, now: datetime) -> None:
    deliver(world, make_recording(now=now, key="k"))
    names = scalars(
        world,
        "SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indrelid = 'usage'::regclass AND indisunique AND indisvalid AND indimmediate",
    )
    assert {"pk_usage", "uq_usage_key_digest", "uq_usage_ordinal"} <= set(names)


@pytest.mark.parametrize("statistics", ["as_they_are", "of_two", "of_none_after_many"])
def test_keys_are_looked_up_one_by_one_in_a_table_that_has_just_begun_to_grow(
    world: Engine, now: datetime, statistics: str
) -> None:
    if statistics != "as_they_are":
        deliver(world, make_recording(now=now, key="first"), make_recording(now=now, key="second"))
        analyze(world, "usage")
    if statistics == "of_none_after_many":
        with rolled_back(world) as session:
            record(session, *[make_recording(now=now, key=f"undone{index}") for index in range(3000)])
        with transaction(world) as session:
            session.execute(text("DELETE FROM usage"))
        analyze(world, "usage")
    with transaction(world) as session:
        record(session, *[make_recording(now=now, key=f"k{index}") for index in range(3000)])
    asked = [("sub456", "", f"k{index}") for index in range(2500, 3500)]
    with transaction(world) as session, scans_of(session, "usage") as scans:
        find_by_index(session)
        assert recorded_keys(session, asked).keys() == set(asked[:500])
    (scan,) = scans
    assert index_of(scan) == "uq_usage_key_digest"
    assert scan["Actual Loops"] == 1000
    assert scan.get("Rows Removed by Filter", 0) == 0


def test_defining_the_first_quota_marks_what_was_counted_before_for_billing(world: Engine, now: datetime) -> None:
    from usage_billing.catalog.service import NewQuota

    deliver(world, make_recording(now=now, quantity=500, usage_type="report"))
    with transaction(world) as session:
        session.execute(text("UPDATE usage_summaries SET to_rate = false"))
    with transaction(world) as session:
        price: dict[str, object] = {"model": "per_unit", "unitPrice": "1"}
        new = NewQuota(plan_id="business", usage_type="report", limit=Decimal(100), price=price)
        define_quota(session, new, actor="test", now=now)
    assert scalars(world, "SELECT to_rate FROM usage_summaries") == [True]
