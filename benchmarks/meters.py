"""What meters cost: recording while ten are defined, counting into one, looking back over a million, and reading one.

Recordings are calls with tokens, models and directions in their metadata. While recording is measured, the benchmark
holds the lock of folds: what folding costs is measured by itself.
"""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import events
from benchmarks.batches import PATH, SUBSCRIPTIONS
from benchmarks.copy_rows import copy_bodies
from benchmarks.load import get, request, save
from benchmarks.machine import Machine, Spent, key, machine, served
from benchmarks.report import Figure, rate
from benchmarks.seed import seed_usage
from benchmarks.turns import in_turns
from tests.faults.world import STARTED
from usage_billing.db.locks import try_lock_folds
from usage_billing.db.session import make_engine, transaction
from usage_billing.flows.administration.manage_meters import create_meter
from usage_billing.flows.folding.drive_folds import fold_all
from usage_billing.meters.asked import NewMeter

COUNTED = "report"
TOKENS = {
    "value": "input_tokens - cached_tokens + 0.25 * cached_tokens + 4 * output_tokens",
    "where": 'status == "ok"',
    "dimensions": ["model", "direction"],
}
VALUES = {"aggregation": "unique_count", "value": "input_tokens", "dimensions": ["model"]}
# By what is counted: the terms of a meter, and the bound of its cost beside COPY.
KINDS: dict[str, tuple[dict[str, Any], float]] = {
    "a count": ({"aggregation": "count"}, 0.3),
    "a sum with a condition and two dimensions": (TOKENS, 0.3),
    "distinct values by one dimension": (VALUES, 0.8),
}
_MODELS = ("gpt", "gpt-mini", "opus", "sonnet", "haiku")
_EACH = 2_000
_QUESTIONS = 500
_WAIT_SECONDS = 0.2
# Until the server has taken over the CPU of a connection that was closed.
_REAPED_SECONDS = 0.5


def run(*, quick: bool) -> list[Figure]:
    """Measure recording on two machines in turns, folding on one of them, then reading from small and large books."""
    number, rounds, million = (10_000, 1, 20_000) if quick else (100_000, 5, 1_000_000)
    few, many, turns = (4_000, 40_000, 3) if quick else (10_000, 10_000_000, 40)
    with machine() as without, machine() as with_ten:
        for made in (without, with_ten):
            made.subscribe(SUBSCRIPTIONS)
        for place in range(10):
            _define(with_ten, f"meter{place}", COUNTED, **TOKENS)
        with _without_folds(with_ten):
            for made in (without, with_ten):
                _record(made, 5_000)
            seconds = in_turns(
                rounds,
                {
                    "none": lambda: _record(without, number).seconds,
                    "ten": lambda: _record(with_ten, number).seconds,
                },
            )
    with machine() as made:
        made.subscribe(SUBSCRIPTIONS)
        spent = sum(sum(_record(made, min(number, million - at)).cpu.values()) for at in range(0, million, number))
        copied = _copied(made, number)
        costs = {name: _folded(made, name, **terms) for name, (terms, _) in KINDS.items()}
    found = [
        Figure(
            what="recording with ten meters defined, batches of 1,000",
            measured=rate(number, seconds.middle("ten")),
            yardstick=f"{rate(number, seconds.middle('none'))} with none",
            value=seconds.ratio("none", "ten"),
            at_least=0.97,
        )
    ]
    for name, (postgres, everything) in costs.items():
        found += [
            Figure(
                what=f"counting a recording into {name}",
                measured=f"{postgres / million * 1e6:.2f} us of PostgreSQL's CPU",
                yardstick=f"{copied * 1e6:.2f} us to COPY it",
                value=postgres / million / copied,
                at_most=KINDS[name][1],
            ),
            Figure(
                what=f"looking back over {million:,} recordings into it",
                measured=f"{everything:.1f} s of CPU",
                yardstick=f"{spent:.1f} s to record them",
                value=everything / spent,
                at_most=0.3,
            ),
        ]
    return found + _reads(few, many, rounds=turns)


def _call(place: int) -> dict[str, Any]:
    """What a sender says of one call."""
    draw = random.Random(place)
    tokens = {name: draw.randrange(5_000) for name in ("input_tokens", "cached_tokens", "output_tokens")}
    named = {"model": draw.choice(_MODELS), "direction": draw.choice(("in", "out"))}
    return {"status": "ok" if draw.random() < 0.9 else "error", **named, **tokens}


def _bodies(number: int) -> Iterator[bytes]:
    for start in range(0, number, 1_000):
        made = [
            events.event(subscriptions=SUBSCRIPTIONS) | {"usageType": COUNTED, "metadata": _call(place)}
            for place in range(start, min(start + 1_000, number))
        ]
        yield json.dumps({"events": made}).encode()


def _record(made: Machine, number: int) -> Spent:
    file = made.home / "requests"
    save(file, (request(PATH, body, key=key()) for body in _bodies(number)))
    return made.record(file, number, connections=8)


def _copied(made: Machine, number: int) -> float:
    """Seconds of PostgreSQL's CPU to COPY one recording, as plain COPY does."""
    before = made.cpu()["postgres"]
    copy_bodies(made.postgres.url(), _bodies(number))
    time.sleep(_REAPED_SECONDS)
    return (made.cpu()["postgres"] - before) / number


def _folded(made: Machine, name: str, **terms: Any) -> tuple[float, float]:
    """Define a meter over what is recorded and count it in this process.

    Returns PostgreSQL's seconds of CPU, and those of this process with it.
    """
    made.vacuum()
    postgres, ours = made.cpu()["postgres"], time.process_time()
    _define(made, name.replace(" ", "-"), COUNTED, **terms)
    with _engine(made) as engine:
        fold_all(engine)
    postgres = made.cpu()["postgres"] - postgres
    return postgres, postgres + time.process_time() - ours


def _define(made: Machine, name: str, of: str, **terms: Any) -> None:
    new = NewMeter(id=name, of=of, unit_name="units", since=STARTED, **terms)
    with _engine(made) as engine, transaction(engine) as session:
        create_meter(session, new, actor="a benchmark", now=datetime.now(UTC))


@contextmanager
def _without_folds(made: Machine) -> Iterator[None]:
    """Within the block workers fold nothing."""
    with _engine(made) as engine, transaction(engine) as session:
        while not try_lock_folds(session):
            time.sleep(_WAIT_SECONDS)
        yield


@contextmanager
def _engine(made: Machine) -> Iterator[Any]:
    engine = make_engine(made.postgres.url().replace("postgresql://", "postgresql+psycopg://"))
    try:
        yield engine
    finally:
        engine.dispose()


def _reads(few: int, many: int, *, rounds: int) -> list[Figure]:
    """A month by day and model of one subscription, from small and from large books, and a GET that does nothing."""
    with _holding(few) as little, _holding(many) as much, served("benchmarks.baselines.noop:app", much) as port:
        times: dict[str, list[float]] = {"noop": [], "little": [], "much": []}
        for turn in range(rounds):
            asked = range(turn * _QUESTIONS, (turn + 1) * _QUESTIONS)
            times["noop"] += _ask(much, ["/"] * _QUESTIONS, port=port)
            for name, made, books in (("little", little, few), ("much", much, many)):
                times[name] += _ask(made, [_question(number, books) for number in asked])
    # The first round fills the caches.
    p99 = {name: events.percentile(found[_QUESTIONS:], 99) for name, found in times.items()}
    what = "p99 of a month by day and model"
    return [
        Figure(
            what=f"{what}, {many:,} recordings",
            measured=f"{p99['much']:.1f} ms",
            yardstick=f"{p99['little']:.1f} ms beside {few:,}",
            value=p99["much"] / p99["little"],
            at_most=1.2,
        ),
        Figure(
            what="the same beside a GET that does nothing",
            measured=f"{p99['much']:.1f} ms",
            yardstick=f"{p99['noop']:.1f} ms",
            value=p99["much"] / p99["noop"],
            at_most=6,
        ),
    ]


@contextmanager
def _holding(recordings: int) -> Iterator[Machine]:
    """A machine with so many recordings, half of them counted by a meter by model."""
    with machine() as made:
        url = made.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        seed_usage(url, subscriptions=max(recordings // _EACH, 1), events=recordings, at=datetime.now(UTC))
        _define(made, "by-model", "type0", dimensions=[{"as": "model", "value": "region"}])
        with _engine(made) as engine:
            fold_all(engine)
        made.vacuum()
        yield made


def _question(number: int, recordings: int) -> str:
    owner = 1 + number * 7919 % max(recordings // _EACH, 1)
    return f"/api/usage/subscription/sub{owner:07d}/series?usageType=by-model&by=day&groupBy=model"


def _ask(made: Machine, paths: list[str], *, port: int | None = None) -> list[float]:
    file: Path = made.home / "requests"
    save(file, (get(path, key=key()) for path in paths))
    answers = made.client(file, connections=2, port=port)
    if set(answers.statuses) != {"200"}:
        raise RuntimeError(f"not all were answered: {answers.statuses}")
    return answers.times
