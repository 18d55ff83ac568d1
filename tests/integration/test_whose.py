"""Whose usage it is, where a sender names a subscription or a customer and not both."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from tests.factories import make_customer, make_plan, make_recording, make_subscription, record
from tests.support.books import check_books, rows, scalars
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.administration.change_subscription import pause
from usage_billing.flows.administration.situation import When
from usage_billing.flows.recording.quarantine import replay
from usage_billing.metering.recording import TO_BE_MADE, Beside, Recording, decode_recordings, encode_recordings


def named(name: str, *, now: datetime, key: str = "", unread: str = "", **more: Any) -> Recording:
    """An event of another program's as it waits in the inbox."""
    made = make_recording(now=now, customer="", subscription=name, key=key, **more)
    return replace(made, quantity=TO_BE_MADE, beside=Beside(made=True, whose=name, unread=unread))


def recorded(engine: Engine, *recordings: Recording) -> list[tuple[str, Any]]:
    """(subscription, quantity) of what ``recordings`` added to the books."""
    with transaction(engine) as session:
        record(session, *recordings)
    found = rows(
        engine,
        "SELECT subscription_id, quantity FROM usage WHERE id = ANY(:ids) ORDER BY id",
        ids=[one.id for one in recordings],
    )
    return [tuple(row) for row in found]


def refused(engine: Engine) -> list[tuple[str, str]]:
    """(reason, detail) of what is in quarantine."""
    return [tuple(row) for row in rows(engine, "SELECT reason, detail FROM quarantined_usage ORDER BY id")]


@pytest.mark.parametrize("name", ["sub456", "user123"])
def test_a_subscription_or_its_customer_is_named(world: Engine, now: datetime, name: str) -> None:
    assert recorded(world, named(name, now=now)) == [("sub456", Decimal(1))]
    check_books(world)


def test_a_subscription_goes_before_a_customer_without_one(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_customer(session, id="lone")
        make_subscription(session, id="lone")
    assert recorded(world, named("lone", now=now)) == [("lone", 1)]


@pytest.mark.parametrize("customer", ["user123", "other"])
def test_a_name_that_becomes_a_subscription_counts_nothing_twice(world: Engine, now: datetime, customer: str) -> None:
    assert recorded(world, named("user123", now=now, key="e1")) == [("sub456", 1)]
    with transaction(world) as session:
        if customer == "other":
            make_customer(session, id="other")
        make_subscription(session, id="user123", customer=customer)
    assert recorded(world, named("user123", now=now, key="e1")) == []
    assert scalars(world, "SELECT count(*) FROM usage") == [1]
    reasons = [reason for reason, _ in refused(world)]
    assert reasons == ([] if customer == "user123" else ["ambiguous_subscription"])


def test_an_event_that_an_earlier_worker_put_aside_is_replayed(world: Engine, now: datetime) -> None:
    """It does not know ``whose``: to it the customer has no name."""
    event = replace(named("sub456", now=now), quantity=Decimal(1), beside=Beside())
    assert recorded(world, event) == []
    assert [reason for reason, _ in refused(world)] == ["wrong_customer"]
    with transaction(world) as session:
        assert replay(session, event.id, actor="test", now=now).outcome == "recorded"


def test_nothing_of_that_name(world: Engine, now: datetime) -> None:
    assert recorded(world, named("none", now=now)) == []
    assert refused(world) == [("unknown_subscription", "there is no subscription none, and no customer none with one")]


def test_of_several_the_one_that_ran_then(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_subscription(session, id="later", started_at=now - timedelta(days=1))
        pause(session, "sub456", when=When(moment=now - timedelta(days=2)), actor="test", now=now)
    early, late = now - timedelta(days=3), now - timedelta(hours=1)
    assert recorded(world, named("user123", now=now, occurred_at=early)) == [("sub456", 1)]
    assert recorded(world, named("user123", now=now, occurred_at=late)) == [("later", 1)]
    between = named("user123", now=now, occurred_at=now - timedelta(days=1, hours=12))
    assert recorded(world, between) == []
    assert refused(world) == [
        ("outside_subscription", "none of the subscriptions of user123 ran when it occurred: later, sub456")
    ]


def test_of_several_the_one_whose_plan_has_a_quota(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_plan(session, id="bare")
        make_subscription(session, id="aside", plan="bare")
    assert recorded(world, named("user123", now=now)) == [("sub456", 1)]


def test_what_may_belong_to_several_waits_and_is_replayed(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_subscription(session, id="second")
    event = named("user123", now=now, key="k")
    assert recorded(world, event) == []
    assert refused(world) == [
        ("ambiguous_subscription", "by the name user123 it may belong to several subscriptions: second, sub456")
    ]
    assert scalars(world, "SELECT customer_id FROM quarantined_usage") == ["user123"]
    with pytest.raises(Conflict, match="ambiguous_subscription"), transaction(world) as session:
        replay(session, event.id, actor="test", now=now)
    with transaction(world) as session:
        pause(session, "second", when=When(moment=now - timedelta(days=1)), actor="test", now=now)
    with transaction(world) as session:
        assert replay(session, event.id, actor="test", now=now).outcome == "recorded"
    assert scalars(world, "SELECT subscription_id FROM usage") == ["sub456"]
    assert recorded(world, event) == [("sub456", 1)]
    check_books(world)


def test_a_repeat_after_a_move_counts_once(world: Engine, now: datetime) -> None:
    first = named("user123", now=now, key="k")
    assert recorded(world, first) == [("sub456", 1)]
    with transaction(world) as session:
        make_subscription(session, id="second", started_at=now)
        pause(session, "sub456", when=When(moment=now + timedelta(microseconds=1)), actor="test", now=now)
    later = now + timedelta(minutes=5)
    assert recorded(world, named("user123", now=later, key="k"), named("user123", now=later, key="k")) == []
    assert scalars(world, "SELECT count(*) FROM usage_duplicates") == [2]
    assert recorded(world, named("user123", now=later, key="k2")) == [("second", 1)]
    assert refused(world) == []
    check_books(world)


def test_repeats_in_one_batch_that_would_go_apart_count_once(world: Engine, now: datetime) -> None:
    with transaction(world) as session:
        make_subscription(session, id="second", started_at=now)
        pause(session, "sub456", when=When(moment=now), actor="test", now=now)
    before = named("user123", now=now - timedelta(seconds=1), key="k")
    assert recorded(world, before, named("user123", now=now, key="k")) == [("sub456", 1)]
    assert scalars(world, "SELECT count(*) FROM usage_duplicates") == [1]


def test_an_event_that_could_not_be_read_is_never_counted(world: Engine, now: datetime) -> None:
    event = named("", now=now, unread="event 0: id is required")
    for _ in range(2):
        assert recorded(world, event) == []
    assert refused(world) == [("broken_payload", "event 0: id is required")]
    with pytest.raises(Conflict, match="event 0: id is required"), transaction(world) as session:
        replay(session, event.id, actor="test", now=now)


def test_a_key_for_one_customer_records_for_no_other(world: Engine, now: datetime) -> None:
    """The key named its customer, and a stranger's subscription has the same name."""
    with transaction(world) as session:
        make_customer(session, id="other")
        make_subscription(session, id="user123", customer="other")
    bound = replace(named("user123", now=now), customer_id="user123")
    assert recorded(world, bound) == []
    assert [reason for reason, _ in refused(world)] == ["ambiguous_subscription"]


def test_what_travels_is_read_by_every_version(now: datetime) -> None:
    event = named("user123", now=now, key="k", unread="no")
    assert decode_recordings(encode_recordings([event])) == [event]
