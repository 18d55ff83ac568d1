"""Each mechanism matters: with it turned off a small load under one fault ends in books that the judge refuses.

The same steps with the mechanism in place are the control. Two more are where their faults are: a power cut without
an fsync before every answer (``test_power_cut``), and a wake-up as the only copy (``test_wake_ups``).
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from tasks.draining.drain import drain_shard
from tasks.inbox.protocol import Entry, Inbox
from tests.factories import make_recording
from tests.faults.checker import Sql, judge_recordings
from tests.faults.load import Load, Told
from tests.faults.system import System
from tests.faults.world import make_many
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.recording import record_usage
from usage_billing.metering.models import KEY
from usage_billing.metering.recording import SHARDS, Recording, decode_recordings
from usage_billing.settings import Settings

pytestmark = pytest.mark.faults


class Death(BaseException):
    """The process ends here."""


@pytest.fixture
def sql(engine: Engine, settings: Settings) -> Iterator[Sql]:
    """Ask the database beside the product."""
    with transaction(engine) as session:
        make_many(session)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield lambda statement, *values: connection.execute(statement, values).fetchall()


@pytest.fixture
def accepted(inbox: Inbox) -> Told:
    """Sixty recordings that were answered 202."""
    told = Told()
    for number in range(60):
        recording = make_recording(
            now=utc_now(),
            subscription=f"sub{number % 24}",
            customer=f"user{number % 24}",
            usage_type="report",
            key=f"key{number}",
            occurred_at=utc_now().replace(microsecond=0),
        )
        accept(inbox, told, recording)
    return told


def accept(inbox: Inbox, told: Told, recording: Recording) -> None:
    """Append, and note what the client knows then."""
    told.sent[recording.key] = {
        "subscriptionId": recording.subscription_id,
        "usageType": recording.usage_type,
        "quantity": str(recording.quantity),
        "timestamp": recording.occurred_at.isoformat(),
    }
    inbox.append([recording])
    told.acknowledged.append((recording.key, "good", str(recording.id)))


def drain_all(inbox: Inbox, engine: Engine) -> None:
    for shard in range(SHARDS):
        drain_shard(shard, inbox=inbox, engine=engine)


class DeletesFirst:
    """An inbox that forgets what it hands out: acknowledging before the commit."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """Hand out, and forget."""
        entries = self._inbox.read(shard, at_most=at_most)
        self._inbox.delete(shard, entries)
        return entries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)


@pytest.mark.parametrize("off", [False, True])
def test_forgetting_before_the_commit_loses(
    off: bool, inbox: Inbox, engine: Engine, sql: Sql, accepted: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = DeletesFirst(inbox) if off else inbox

    def die(*_: object, **__: object) -> None:
        raise Death

    with monkeypatch.context() as patched:
        patched.setattr("tasks.draining.batch.record_batch", die)
        with pytest.raises(Death):
            drain_shard(0, inbox=used, engine=engine)
    inbox.nap(0, seconds=0)
    drain_all(used, engine)
    verdict = " ".join(judge_recordings(accepted, sql))
    assert ("was acknowledged and is nowhere" in verdict) is off
    assert off or verdict == ""


def test_answering_before_it_is_kept_loses(home: Path, seed: int) -> None:
    """Real processes, killed as one; ``test_crash_points`` and the monkey are the control."""
    with System(home, api="tests.faults.hasty:create_app()") as system:
        system.start()
        system.wait_ready()
        with Load(home, system.url, seed=seed, processes=1, threads=3, pause=0.03) as load:
            time.sleep(1)
            system.kill("api")
            system.pick_up()
            system.wait_ready()
        system.wait_drained()
        assert any("was acknowledged and is nowhere" in line for line in judge_recordings(load.told, system.sql))


@pytest.mark.parametrize("off", [False, True])
def test_without_keys_that_are_looked_up_a_repetition_counts_twice(
    off: bool, inbox: Inbox, engine: Engine, sql: Sql, accepted: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the look nor, behind it, the constraint."""
    if off:
        monkeypatch.setattr(record_usage, "known_ids", nobody)
        monkeypatch.setattr(record_usage, "recorded_keys", lambda _session, _keys: {})
        alter(engine, "DROP INDEX uq_usage_key_digest; ALTER TABLE usage DROP CONSTRAINT pk_usage")
    try:
        entries = {shard: inbox.read(shard, at_most=1000) for shard in range(SHARDS)}
        drain_all(inbox, engine)
        give_back(inbox, entries)
        drain_all(inbox, engine)
        verdict = " ".join(judge_recordings(accepted, sql))
        assert ("is recorded more than once" in verdict) is off
        assert off or verdict == ""
    finally:
        if off:
            alter(engine, "DELETE FROM usage")
            alter(engine, "ALTER TABLE usage ADD CONSTRAINT pk_usage PRIMARY KEY (id)")
            alter(engine, f"CREATE UNIQUE INDEX uq_usage_key_digest ON usage ({KEY})")


def test_the_constraint_alone_keeps_a_repetition_out(
    inbox: Inbox, engine: Engine, sql: Sql, accepted: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that is wrong is no double: the database refuses, and what it refuses is set aside, seen by all."""
    drain_all(inbox, engine)
    monkeypatch.setattr(record_usage, "recorded_keys", lambda _session, _keys: {})
    again = make_recording(
        now=utc_now(), subscription="sub1", customer="user1", usage_type="report", key="key1", occurred_at=utc_now()
    )
    inbox.append([again])
    drain_all(inbox, engine)
    assert sql("SELECT count(*) FROM usage") == [(60,)]
    assert sql("SELECT reason FROM quarantined_usage") == [("failed",)]
    assert sql("SELECT sum(total) FROM usage_summaries") == [(60,)]


def nobody(_session: object, _ids: object) -> set[object]:
    return set()


def alter(engine: Engine, statement: str) -> None:
    with transaction(engine) as session:
        session.execute(text(statement))


def give_back(inbox: Inbox, entries: dict[int, list[Entry]]) -> None:
    """Deliver again what was delivered, as after a worker that died before it could delete."""
    for delivered in entries.values():
        for entry in delivered:
            inbox.append(decode_recordings(entry.data))
