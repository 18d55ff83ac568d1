"""Replaying and discarding what could not be counted: the flow, concurrency, and the command."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from tests.factories import make_customer, make_recording, make_subscription, make_usage_type, record
from tests.integration.conftest import Cli
from tests.support.books import Counts, check_books, counts, rows, scalars
from usage_billing.core.errors import Conflict, NotFound
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import transaction
from usage_billing.flows.recording.quarantine import discard, replay
from usage_billing.flows.recording.record_usage import set_aside
from usage_billing.metering.recording import Recording
from usage_billing.metering.service import quarantine_broken


@pytest.fixture
def stray(world: Engine, now: datetime) -> Recording:
    """A recording of a subscription that does not exist yet."""
    recording = make_recording(now=now, quantity=60, subscription="late")
    with transaction(world) as session:
        record(session, recording)
    return recording


def make_late(engine: Engine) -> None:
    """The subscription that was missing."""
    with transaction(engine) as session:
        make_subscription(session, id="late")


def refused(engine: Engine, id: UUID, now: datetime, *, code: str) -> str:
    """Replay in vain: nothing may change. Returns what was said."""
    before = rows(engine, "SELECT * FROM quarantined_usage ORDER BY id"), counts(engine)
    with pytest.raises(Conflict) as caught, transaction(engine) as session:
        replay(session, id, actor="test", now=now)
    assert caught.value.code == code
    assert (rows(engine, "SELECT * FROM quarantined_usage ORDER BY id"), counts(engine)) == before
    return caught.value.message


def test_replay_counts_once_and_splits_at_the_limit(world: Engine, stray: Recording, now: datetime) -> None:
    make_late(world)
    with transaction(world) as session:
        assert replay(session, stray.id, actor="ann", now=now).outcome == "recorded"
    assert rows(world, "SELECT id, beyond_limit::text FROM usage") == [(stray.id, "10.000000000000")]
    row = rows(world, "SELECT status, resolved_by, resolved_at FROM quarantined_usage")[0]
    assert tuple(row) == ("replayed", "ann", now)
    assert scalars(world, "SELECT action FROM audit_log") == ["quarantine.replayed"]
    check_books(world)
    refused(world, stray.id, now, code="already_resolved")


def test_a_delivery_again_after_the_replay_changes_nothing(world: Engine, stray: Recording, now: datetime) -> None:
    make_late(world)
    with transaction(world) as session:
        replay(session, stray.id, actor="ann", now=now)
    with transaction(world) as session:
        assert record(session, stray).known == 1
    assert counts(world) == Counts(recorded=1, duplicates=0, quarantined=1)


def test_still_refused_says_the_new_reason_and_changes_nothing(world: Engine, stray: Recording, now: datetime) -> None:
    assert "there is no subscription late" in refused(world, stray.id, now, code="still_refused")
    with transaction(world) as session:
        make_customer(session, id="bob")
        make_subscription(session, id="late", customer="bob")
    assert "wrong_customer" in refused(world, stray.id, now, code="still_refused")


def test_a_replay_of_what_was_sent_again_meanwhile_is_a_duplicate(world: Engine, now: datetime) -> None:
    first = make_recording(now=now, subscription="late", key="k1")
    with transaction(world) as session:
        record(session, first)
    make_late(world)
    with transaction(world) as session:
        record(session, make_recording(now=now, subscription="late", key="k1"))
    with transaction(world) as session:
        assert replay(session, first.id, actor="ann", now=now).outcome == "duplicate"
    assert counts(world) == Counts(recorded=1, duplicates=1, quarantined=1)
    check_books(world)


def test_a_conflicting_duplicate_stays_refused(world: Engine, now: datetime) -> None:
    other = make_recording(now=now, key="k1", quantity=2)
    with transaction(world) as session:
        record(session, make_recording(now=now, key="k1"), other)
    assert "conflicting_duplicate" in refused(world, other.id, now, code="still_refused")


def test_a_broken_payload_cannot_be_replayed_only_discarded(world: Engine, now: datetime) -> None:
    broken = new_id()
    with transaction(world) as session:
        quarantine_broken(session, id=broken, data=b"\x00\xff", detail="no recording", now=now)
    assert "record it again" in refused(world, broken, now, code="broken_payload")
    with transaction(world) as session:
        discard(session, broken, actor="ann", now=now)
    assert scalars(world, "SELECT status FROM quarantined_usage") == ["discarded"]


def test_an_error_is_kept_whatever_characters_it_is_told_in(world: Engine, now: datetime) -> None:
    """One that could not be stored would come back for ever, and hold up those behind it."""
    with transaction(world) as session:
        assert set_aside(session, make_recording(now=now), detail="a NUL \x00 and half a pair \ud800")
    assert scalars(world, "SELECT detail FROM quarantined_usage") == [r"a NUL \0 and half a pair \ud800"]


def test_what_was_discarded_is_decided(world: Engine, stray: Recording, now: datetime) -> None:
    with transaction(world) as session:
        discard(session, stray.id, actor="ann", now=now)
    make_late(world)
    refused(world, stray.id, now, code="already_resolved")
    with pytest.raises(Conflict), transaction(world) as session:
        discard(session, stray.id, actor="ann", now=now)
    assert counts(world).recorded == 0


def test_what_is_not_there_is_not_found(world: Engine, now: datetime) -> None:
    for decide in (replay, discard):
        with pytest.raises(NotFound), transaction(world) as session:
            decide(session, new_id(), actor="ann", now=now)


def test_many_replays_at_once_count_once(world: Engine, stray: Recording, now: datetime) -> None:
    make_late(world)

    def attempt(_: int) -> str:
        try:
            with transaction(world) as session:
                return replay(session, stray.id, actor="ann", now=now).outcome
        except Conflict as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(8)))
    assert outcomes == ["already_resolved"] * 7 + ["recorded"]
    assert counts(world).recorded == 1


def test_the_longest_name_of_an_actor_fits(world: Engine, stray: Recording, now: datetime) -> None:
    with transaction(world) as session:
        discard(session, stray.id, actor="user:" + "x" * 128, now=now)
    assert scalars(world, "SELECT length(resolved_by) FROM quarantined_usage") == [128]


def test_the_command_lists_shows_and_replays(cli: Cli, world: Engine, stray: Recording) -> None:
    listed = cli("quarantine", "list", "--json").json
    assert [(row["id"], row["reason"]) for row in listed] == [(str(stray.id), "unknown_subscription")]
    assert cli("quarantine", "list", "--reason", "wrong_customer", "--json").json == []
    assert cli("quarantine", "show", str(stray.id), "--json").json["payload"]["quantity"] == "60"
    still = cli("quarantine", "replay", str(stray.id))
    assert still.code == 2
    assert still.err.startswith("usage-billing: it still cannot be counted")
    make_late(world)
    assert cli("quarantine", "replay", str(stray.id)).out == "1 recorded\n"
    assert cli("quarantine", "list", "--status", "replayed", "--json").json[0]["resolvedBy"].startswith("cli")


def test_the_command_replays_all_and_names_what_is_still_refused(cli: Cli, world: Engine, now: datetime) -> None:
    strays = [make_recording(now=now, subscription="late", key=f"k{n}") for n in range(5)]
    untyped = [make_recording(now=now, usage_type="unheard") for _ in range(2)]
    with transaction(world) as session:
        record(session, *strays, *untyped)
    make_late(world)
    only = cli("quarantine", "replay", "--all", "--reason", "unknown_subscription", "--json")
    assert (only.code, only.json["counts"]) == (0, {"recorded": 5})
    rest = cli("quarantine", "replay", "--all")
    assert (rest.code, rest.out) == (1, "2 still_refused\n")
    assert rest.err.count("there is no usage type unheard") == 2
    with transaction(world) as session:
        make_usage_type(session, id="unheard")
    assert cli("quarantine", "replay", "--all").out == "2 recorded\n"
    assert cli("quarantine", "replay", "--all").out == "Nothing was open.\n"
    check_books(world)


def test_the_command_discards_several(cli: Cli, world: Engine, now: datetime) -> None:
    strays = [make_recording(now=now, subscription="late") for _ in range(3)]
    with transaction(world) as session:
        record(session, *strays)
    first, second = (str(stray.id) for stray in strays[:2])
    answer = cli("quarantine", "discard", first, second, str(new_id()), "--json")
    assert (answer.code, answer.json["counts"]) == (1, {"discarded": 2, "not_found": 1})
    assert cli("quarantine", "discard", "--all").out == "1 discarded\n"


def test_replay_waits_for_whoever_records_in_that_shard(world: Engine, stray: Recording, now: datetime) -> None:
    make_late(world)
    with transaction(world) as session:
        record(session, make_recording(now=now, subscription="late"))
        with ThreadPoolExecutor(1) as pool:

            def attempt() -> str:
                with transaction(world) as other:
                    other.execute(text("SET LOCAL lock_timeout = '10s'"))
                    return replay(other, stray.id, actor="ann", now=now + timedelta(seconds=1)).outcome

            pending = pool.submit(attempt)
            while not scalars(world, "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"):
                assert not pending.done()
            session.commit()
            assert pending.result(timeout=10) == "recorded"
    assert [row.ordinal for row in rows(world, "SELECT ordinal FROM usage ORDER BY ordinal")] == [1, 2]
    check_books(world)
