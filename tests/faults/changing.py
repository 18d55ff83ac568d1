"""Processes that change subscriptions, record or bill until they are killed: ``python -m tests.faults.changing URL``.

For each line on stdin, a seed and a role (``change``, ``record`` or ``bill``), a process begins, and its id is printed.
It is forked, for to start Python takes longer than many changes.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

import usage_billing.all_models  # noqa: F401  what the mapper's tables point to
from tests.factories import make_recording
from tests.support.billing import bill
from usage_billing.catalog.service import NewQuota
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import UsageBillingError
from usage_billing.db.session import make_engine, read_only, transaction
from usage_billing.flows.administration import change_subscription
from usage_billing.flows.administration.agree import Precaution
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.situation import When
from usage_billing.flows.recording.record_usage import record_batch
from usage_billing.subscriptions.kept_terms import KeptTerms
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import customers_and_timelines

CHANGES = int(os.environ.get("USAGE_BILLING_FAULT_CHANGES", "60"))
SUBSCRIPTIONS = max(12, CHANGES // 25)
"""Few enough that changes meet at one; with many changes not so few that each has hundreds in one day."""
PLANS, TYPES = ("a", "b", "c"), ("calls", "bytes")
GRACE = timedelta(minutes=30)
REST = {"change": 0.0, "record": 0.2, "bill": 1.0}
"""How many seconds each rests after an act, so that changes have most of the machine."""

_terms = KeptTerms()


def main() -> None:
    """Begin processes until stdin ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        seed, role = line.split()
        begun = os.fork()
        if not begun:
            try:
                act_until_killed(sys.argv[1], int(seed), role)
            finally:
                os._exit(1)
        print(begun, flush=True)


def act_until_killed(url: str, seed: int, role: str) -> NoReturn:
    """Do what the role says, one thing after the other, without an end."""
    engine, chance = make_engine(url, pool_size=2), random.Random(seed)
    act = {"change": change, "record": record, "bill": run}[role]
    while True:
        with suppress(UsageBillingError):
            act(engine, chance)
        time.sleep(REST[role])


def change(engine: Engine, chance: random.Random) -> None:
    """One change of one subscription, looked at before or not; sometimes a quota's next version."""
    name, now = f"s{chance.randrange(SUBSCRIPTIONS)}", utc_now()
    kind = chance.choice(["change_plan", "change_plan", "pause", "resume", "resume", "cancel", "take_back", "quota"])
    if kind == "quota":
        price = {"model": "per_unit", "unitPrice": chance.choice(["1", "2", "0.335"])}
        new = NewQuota(
            plan_id=chance.choice(PLANS),
            usage_type=chance.choice(TYPES),
            limit=Decimal(chance.choice([0, 10, 500])),
            price=price,
            effective=chance.choice(["now", "next_period"]),
            reprice_usage=True,
        )
        with transaction(engine) as session:
            define_quota(session, new, actor="test", now=now)
        return
    if kind == "take_back":
        with transaction(engine) as session:
            found = session.scalar(
                text(
                    "SELECT id FROM subscription_changes WHERE subscription_id = :name AND at > :now"
                    " AND taken_back_at IS NULL LIMIT 1"
                ),
                {"name": name, "now": now},
            )
            if found is not None:
                change_subscription.take_back(session, name, found, actor="test", now=now)
        return
    flow = getattr(change_subscription, kind)
    more = {"plan_id": chance.choice(PLANS)} if kind == "change_plan" else {}
    when: str | datetime = "period_end" if kind == "cancel" else chance.choice(["now", "now", "now", "period_end"])
    careful = Precaution()
    if chance.random() < 0.3:
        with read_only(engine) as session:
            look = Precaution(dry_run=True)
            seen = flow(session, name, when=When(moment=when), actor="test", now=now, precaution=look, **more)
        when, careful = seen.effective_at, Precaution(expected_digest=seen.foreseen.digest)
    with transaction(engine) as session:
        flow(session, name, when=When(moment=when), actor="test", now=now, precaution=careful, **more)


def record(engine: Engine, chance: random.Random) -> None:
    """A batch over several subscriptions, a part of it late by up to two days."""
    now = utc_now()
    batch = [
        make_recording(
            now=now,
            quantity=chance.randrange(1, 9),
            customer="ann",
            subscription=f"s{chance.randrange(SUBSCRIPTIONS)}",
            usage_type=chance.choice(TYPES),
            occurred_at=now - timedelta(seconds=chance.choice([0, 0, 60, chance.randrange(172_800)])),
        )
        for _ in range(chance.randrange(1, 40))
    ]
    with transaction(engine) as session:
        record_batch(session, batch, read_terms=_kept_terms)


def _kept_terms(session: Session, subscription_ids: Collection[str]) -> tuple[dict[str, str], dict[str, Timeline]]:
    """What this process keeps. It ends if other terms stand in the books, which nothing changes under its locks."""
    kept = _terms.customers_and_timelines(session, subscription_ids)
    assert kept == customers_and_timelines(session, subscription_ids)
    return kept


def run(engine: Engine, chance: random.Random) -> None:
    """A run over everything, sometimes a dry one."""
    bill(engine, utc_now(), dry_run=chance.random() < 0.2, grace=GRACE)


if __name__ == "__main__":
    main()
