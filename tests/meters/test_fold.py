"""Folding counts each recording exactly once, in whatever pieces, with voids before and after, killed anywhere."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.factories import make_world
from tests.factories.meters import fold, make_meter
from tests.factories.recordings import make_recording, record
from tests.meters.oracle import Call, expected_of, stored
from usage_billing.db.session import rolled_back, transaction
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.meters.stretches import bucket_minutes

MODELS: tuple[Any, ...] = ("gpt", "gpt-mini", "", None, 4, True, ["x"], {"a": 1}, "x" * 129)
TOKENS: tuple[Any, ...] = (0, 1, 25, 1000, "7", "1.5", "NaN", "", " 1", None, True, [1])
TERMS = {
    "value": "input + 2 * output",
    "where": 'status == "ok"',
    "dimensions": ["model", {"as": "direction", "value": "direction"}],
}


def make_call(random: Random, now: datetime) -> tuple[dict[str, Any], datetime]:
    metadata: dict[str, Any] = {
        "status": random.choice(("ok", "ok", "ok", "error", None)),
        "input": random.choice(TOKENS[:6]) if random.random() < 0.8 else random.choice(TOKENS),
        "output": random.choice(TOKENS[:6]),
        "model": random.choice(MODELS),
        "direction": random.choice(("in", "out")),
    }
    if random.random() < 0.1:
        del metadata[random.choice(list(metadata))]
    return metadata, now - timedelta(minutes=random.randrange(0, 14 * 24 * 60))


def fold_and_undo(engine: Engine) -> None:
    """A fold that dies before it commits."""
    with rolled_back(engine) as session:
        fold(session)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_any_pieces_any_voids_come_to_the_same(engine: Engine, now: datetime, seed: int) -> None:
    random, calls = Random(seed), list[Call]()
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, **TERMS)
    for _ in range(25):
        step = random.randrange(5)
        if step <= 1:
            given = [make_call(random, now) for _ in range(random.randrange(1, 12))]
            made = [make_recording(now=now, metadata=json.dumps(m), occurred_at=at) for m, at in given]
            with transaction(engine) as session:
                assert record(session, *made).recorded == len(made)
            calls += [Call(r.id, m, at.strftime("%d-%H:00")) for r, (m, at) in zip(made, given, strict=True)]
        elif step == 2 and (counting := [call for call in calls if call.counts]):
            call = random.choice(counting)
            with transaction(engine) as session:
                void_usage(session, call.id, reason="a mistake", actor="a test", now=now)
            call.counts = False
        elif step == 3:
            fold_and_undo(engine)
        else:
            with transaction(engine) as session:
                fold(session, at_most=random.choice((None, 1, 3, 10)))
    with transaction(engine) as session:
        while fold(session, at_most=5).recordings:
            pass
        expected, found = expected_of(calls), stored(session, "tokens")
        assert found.series == expected.series
        assert found.buckets == expected.buckets
        assert found.skipped == expected.skipped
        summaries = session.execute(
            text(
                "SELECT sum(total) AS total, sum(events - voids) AS events FROM usage_summaries"
                " WHERE usage_type_id = 'tokens'"
            )
        ).one()
        assert (summaries.total or 0) == sum((total for _, total in expected.series.values()), Decimal(0))
        assert (summaries.events or 0) == sum(number for number, _ in expected.series.values())


def test_a_fold_that_finds_nothing_changes_nothing(session: Session, now: datetime) -> None:
    make_world(session)
    make_meter(session, aggregation="count")
    record(session, make_recording(now=now))
    assert fold(session).recordings == 1
    session.execute(text("UPDATE usage_summaries SET to_rate = false WHERE usage_type_id = 'tokens'"))
    assert fold(session).recordings == 0
    assert session.scalar(text("SELECT to_rate FROM usage_summaries WHERE usage_type_id = 'tokens'")) is False


def test_series_beyond_the_limit_are_one_and_nothing_is_lost(session: Session, now: datetime) -> None:
    make_world(session)
    make_meter(session, aggregation="count", dimensions=["model"], series_limit=2)
    for model in ("a", "b", "c", "a", "d", "b"):
        record(session, make_recording(now=now, metadata=json.dumps({"model": model})))
        fold(session)
    gone = make_recording(now=now, metadata='{"model":"c"}')
    record(session, gone)
    fold(session)
    void_usage(session, gone.id, reason="a mistake", actor="a test", now=now)
    fold(session)
    rows = session.execute(
        text("SELECT CAST(dimensions AS text) AS name, events FROM meter_totals JOIN meter_series USING (series)")
    )
    assert {row.name: row.events for row in rows} == {'["a"]': 2, '["b"]': 2, '{"other": true}': 2}


def test_a_negative_total_is_kept_and_counts_as_nothing(session: Session, now: datetime) -> None:
    make_world(session)
    make_meter(session, value="delta")
    for delta in ("3", "-5"):
        record(session, make_recording(now=now, metadata=json.dumps({"delta": delta})))
    fold(session)
    assert session.scalar(text("SELECT total FROM usage_summaries WHERE usage_type_id = 'tokens'")) == 0
    assert session.scalar(text("SELECT total FROM meter_totals")) == -2
    record(session, make_recording(now=now, metadata='{"delta":4}'))
    fold(session)
    assert session.scalar(text("SELECT total FROM usage_summaries WHERE usage_type_id = 'tokens'")) == 2


def test_what_is_recorded_as_a_meter_is_quarantined(session: Session, now: datetime) -> None:
    make_world(session)
    make_meter(session)
    outcome = record(session, make_recording(now=now, usage_type="tokens"))
    assert [refused.detail for refused in outcome.quarantined] == [
        "tokens is a meter, which counts what is recorded as assessment"
    ]


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [("UTC", 60), ("Europe/Berlin", 60), ("Asia/Kathmandu", 15), ("Asia/Kolkata", 30), ("Australia/Lord_Howe", 30)],
)
def test_hours_of_every_zone_are_made_of_whole_buckets(zone: str, minutes: int) -> None:
    assert bucket_minutes(zone, 2026) == minutes
    assert datetime(2026, 1, 1, tzinfo=UTC).minute % minutes == 0
