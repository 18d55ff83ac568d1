"""An answer on usage over time is of one moment, whatever is committed between the statements that it is read by."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.factories import make_plan, make_recording, make_world, record
from tests.factories.meters import fold, make_meter
from tests.meters.test_series import MODELS, ask
from tests.support.statements import after_each_statement
from usage_billing.core.errors import UsageBillingError
from usage_billing.db.session import transaction
from usage_billing.flows.administration.change_subscription import cancel, change_plan, pause, resume
from usage_billing.flows.administration.manage_meters import change_meter
from usage_billing.flows.administration.situation import When
from usage_billing.flows.folding.drive_folds import fold_all
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.meters.asked import MeterChanges

ROUNDS = int(os.environ.get("USAGE_BILLING_SERIES_ROUNDS", "60"))
SPAN = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-16T00:00:00Z"}
STATEMENTS = (
    "UPDATE subscriptions SET timezone = CASE timezone WHEN 'UTC' THEN 'Asia/Kathmandu' ELSE 'UTC' END",
    "UPDATE plans SET interval = CASE interval WHEN 'month' THEN 'week' ELSE 'month' END WHERE id = 'business'",
    "UPDATE usage_types SET unit_name = unit_name || 's'",
    "UPDATE subscriptions SET version = version + 1",
)


@pytest.fixture
def metered(engine: Engine) -> Engine:
    with transaction(engine) as session:
        make_world(session)
        make_plan(session, id="large")
        make_meter(session, value="n", dimensions=["model", {"as": "big", "value": "n > 5"}])
    return engine


class Changes:
    """Whatever may be committed beside a read, by chance."""

    def __init__(self, engine: Engine, chance: Random, now: datetime) -> None:
        self._engine, self._chance, self._now = engine, chance, now
        self._made: list[Any] = []

    def make_one(self) -> None:
        """Commit one of them; one that is refused changes nothing."""
        counted = [self.record, self._record_and_fold, self._record_and_fold, self._fold, self._void]
        agreed = [self._define, self._agree, self._by_sql]
        with suppress(UsageBillingError):
            self._chance.choice(self._chance.choice([counted, agreed]))()

    def record(self) -> None:
        made = [
            make_recording(
                now=self._now,
                occurred_at=self._now - timedelta(minutes=self._chance.randrange(14 * 24 * 60)),
                metadata=json.dumps({"n": self._chance.randrange(10), "model": self._chance.choice(MODELS)}),
            )
            for _ in range(5)
        ]
        with transaction(self._engine) as session:
            record(session, *made)
        self._made += made

    def _record_and_fold(self) -> None:
        self.record()
        fold_all(self._engine)

    def _fold(self) -> None:
        if self._chance.random() < 0.5:
            fold_all(self._engine)
            return
        with transaction(self._engine) as session:
            fold(session, at_most=3)

    def _void(self) -> None:
        one = self._chance.choice(self._made)
        with transaction(self._engine) as session:
            void_usage(session, one.id, reason="a mistake", actor="a test", now=self._now)

    def _define(self) -> None:
        given = {"dimensions": self._chance.choice([["model"], ["model", "n"]])}
        since = self._now + timedelta(days=self._chance.choice([-14, 40]))
        with transaction(self._engine) as session:
            change_meter(
                session, "tokens", MeterChanges(given=given, effective_from=since), actor="a test", now=self._now
            )

    def _agree(self) -> None:
        flow: Callable[..., object] = self._chance.choice([change_plan, change_plan, pause, resume, cancel])
        more = {"plan_id": self._chance.choice(["business", "large"])} if flow is change_plan else {}
        when = When(moment="period_end" if flow is cancel else "now")
        with transaction(self._engine) as session:
            flow(session, "sub456", when=when, actor="a test", now=self._now, **more)

    def _by_sql(self) -> None:
        with transaction(self._engine) as session:
            session.connection().exec_driver_sql(self._chance.choice(STATEMENTS))


@contextmanager
def after_each_that_reads(act: Callable[[int], None]) -> Iterator[None]:
    """Call ``act`` with the number of each statement that reads usage over time, once it has run."""
    number = 0

    def note(statement: str) -> None:
        nonlocal number
        if "subscription_terms" in statement or "usage_summaries" in statement or number:
            number += 1
            act(number)

    with after_each_statement(note):
        yield


@pytest.mark.parametrize("seed", range(int(os.environ.get("USAGE_BILLING_SERIES_SEEDS", "2"))))
def test_an_answer_is_one_of_those_before_and_after_each_change_beside_it(
    metered: Engine, admin: FlaskClient, now: datetime, seed: int
) -> None:
    chance = Random(seed)
    changes, differed, raced = Changes(metered, chance, now), 0, 0
    changes.record()
    for _ in range(ROUNDS):
        asked: dict[str, Any] = {"by": chance.choice(["hour", "day", "day", "week", "period"]), "top": 3}
        asked |= {} if asked["by"] == "period" or chance.random() < 0.2 else SPAN
        if by := chance.choice(["", "model", "n", "big"]):
            asked["groupBy"] = by
        if chance.random() < 0.5:
            fold_all(metered)

        def shown() -> Any:
            said = ask(admin, **asked).json  # noqa: B023  called in this round alone
            return {name: said[name] for name in said if name != "requestId"}

        seen = [shown()]
        due = chance.choice([1, 1, 2, 3, 4])

        def change(number: int) -> None:
            for _ in range(3 if number == due else 0):  # noqa: B023  called in this round alone
                changes.make_one()
                seen.append(shown())  # noqa: B023

        with after_each_that_reads(change):
            answer = shown()
        assert answer in seen, asked
        raced += len(seen) > 1
        differed += any(one != seen[0] for one in seen)
    print(f"{ROUNDS} answers, {raced} with changes between statements, {differed} of them seen")
    assert differed > ROUNDS // 10
