"""A customer with two subscriptions, 10 calls free and 2.00 each beyond, and alerts over them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from tests.factories import (
    make_customer,
    make_plan,
    make_quota,
    make_recording,
    make_subscription,
    make_usage_type,
    record,
)
from tests.support.books import rows
from usage_billing.alerts.service import last_look
from usage_billing.core.periods import period_at
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.flows.alerting.judge_anew import judge_anew, judge_due, resolve_over
from usage_billing.flows.alerting.manage_alerts import change_alert, create_alert
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.reports.verify.books import find_differences


@dataclass
class Watched:
    """The books. ``now`` is the present by this machine, in the middle of no period's end."""

    engine: Engine
    now: datetime

    @property
    def start(self) -> datetime:
        """When the present billing period begins."""
        return period_at(self.now, zone="UTC").start

    def alert(self, id: str, *, at: Sequence[int | str] | None = None, **said: Any) -> None:
        """A rule over the subscription s, unless said otherwise, judged at once."""
        if not {"everything", "customer_id", "plan_id", "subscription_id", "wallet_id"} & said.keys():
            said["subscription_id"] = "s"
        lines = None if at is None else [Decimal(one) for one in at]
        with transaction(self.engine) as session:
            create_alert(session, NewAlert(id=id, thresholds=lines, **said), actor="test", now=self.now)
        self.judge()

    def change(self, id: str, **changes: Any) -> None:
        """Change a rule, and judge."""
        with transaction(self.engine) as session:
            change_alert(session, id, changes, actor="test", now=datetime.now(UTC))
        self.judge()

    def judge(self) -> None:
        """What beat has done within seconds."""
        with transaction(self.engine) as session:
            now, upto = datetime.now(UTC), last_look(session)
            while (
                judge_anew(session, now=now, upto=upto) + judge_due(session, now=now) + resolve_over(session, now=now)
            ):
                pass

    def use(self, *quantities: int | str, of: str = "calls", by: str = "s", at: datetime | None = None) -> list[UUID]:
        """Record usage as one batch; returns the ids."""
        made = [
            make_recording(
                now=self.now, quantity=one, customer="ann", subscription=by, usage_type=of, occurred_at=at or self.now
            )
            for one in quantities
        ]
        with transaction(self.engine) as session:
            outcome = record(session, *made)
            assert (outcome.recorded, outcome.quarantined) == (len(made), [])
        return [one.id for one in made]

    def void(self, id: UUID) -> None:
        """Take a recording back."""
        with transaction(self.engine) as session:
            void_usage(session, id, reason="test", actor="test", now=datetime.now(UTC))

    def told(self, topic: str = "alert.triggered") -> list[dict[str, Any]]:
        """The data of the events, in the order told."""
        return [
            row.payload
            for row in rows(self.engine, f"SELECT payload FROM outbox_messages WHERE topic = '{topic}' ORDER BY id")
        ]

    def crossed(self, topic: str = "alert.triggered") -> list[list[str]]:
        """What each event says was crossed."""
        return [one["crossed"] for one in self.told(topic)]

    def firings(self) -> list[tuple[str, str, str, int]]:
        """Rule, subject, threshold and round of each firing, in the order told."""
        found = rows(self.engine, "SELECT rule_id, subject, threshold, round FROM alert_firings ORDER BY id")
        return [(row.rule_id, row.subject, f"{row.threshold:f}".rstrip("0").rstrip("."), row.round) for row in found]

    def lines(self) -> dict[str, Decimal | None]:
        """From which total on each usage type of s is looked at."""
        found = rows(
            self.engine, "SELECT usage_type_id, next_alert FROM usage_summaries WHERE subscription_id = 's' ORDER BY id"
        )
        return {row.usage_type_id: row.next_alert for row in found}

    def verified(self) -> None:
        """Nothing differs."""
        with read_only(self.engine) as session:
            assert list(find_differences(session)) == []


MakeWatched = Callable[[], Watched]


@pytest.fixture
def watched(engine: Engine) -> Watched:
    now = datetime.now(UTC)
    began = period_at(period_at(now, zone="UTC").start - timedelta(days=40), zone="UTC").start
    with transaction(engine) as session:
        make_customer(session, id="ann")
        make_customer(session, id="bob")
        make_plan(session, id="p")
        make_plan(session, id="other")
        for name in ("calls", "pages", "free"):
            make_usage_type(session, id=name)
        make_quota(session, plan="p", usage_type="calls", limit=10, unit_price="2")
        make_quota(session, plan="p", usage_type="pages", limit=0, unit_price="1")
        make_quota(session, plan="p", usage_type="free", limit=None)
        make_quota(session, plan="other", usage_type="calls", limit=100, unit_price="2")
        for name in ("s", "t"):
            make_subscription(session, id=name, customer="ann", plan="p", started_at=began)
    return Watched(engine, now)
