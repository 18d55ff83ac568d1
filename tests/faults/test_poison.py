"""A recording that raises, hangs or kills, among a thousand good ones: it alone ends in quarantine, to be replayed."""

from pathlib import Path

import pytest

from tests.faults.bystanders import ask
from tests.faults.system import System

pytestmark = pytest.mark.faults

# Each in a subscription of its own, of which some share a shard.
POISON = {"kills": 3, "hangs": 9, "blocks": 14, "raises": 20}
BATCH, BATCHES = 40, 25


def event(key: str, subscription: int) -> dict[str, object]:
    return {
        "userId": f"user{subscription}",
        "subscriptionId": f"sub{subscription}",
        "usageType": "report",
        "quantity": 1,
        "idempotencyKey": key,
    }


def test_poison_alone_is_set_aside_and_a_thousand_others_are_counted(home: Path) -> None:
    with System(home, celery="tests.faults.poisoned") as system:
        system.start("api")
        system.wait_ready()
        for number in range(BATCHES):
            events = [event(f"good-{number}-{place}", place % 24) for place in range(BATCH)]
            if number == 12:
                events[17:17] = [event(f"{kind}-0", subscription) for kind, subscription in POISON.items()]
            assert ask(f"{system.url}/api/usage/record/batch", body={"events": events})[0] == 202
        system.start("worker", "beat")
        system.wait_drained(150)
        good = system.sql("SELECT count(*), count(DISTINCT idempotency_key) FROM usage")
        aside = system.sql("SELECT payload->>'key', reason, detail FROM quarantined_usage ORDER BY 1")
        assert good == [(BATCH * BATCHES, BATCH * BATCHES)]
        assert [(key, reason) for key, reason, _ in aside] == [(f"{kind}-0", "failed") for kind in sorted(POISON)]
        details = {key: detail for key, _, detail in aside}
        assert "RuntimeError: this one cannot be counted" in details["raises-0"]
        assert "died or hung" in details["hangs-0"]
        assert "died or hung" in details["kills-0"]
        assert "died or hung" in details["blocks-0"]
        assert system.sql("SELECT sum(total) FROM usage_summaries") == [(BATCH * BATCHES,)]

        # The harm is repaired, say by a new version: what was set aside is counted after all.
        for (record_id,) in system.sql("SELECT id::text FROM quarantined_usage"):
            status, answer = ask(f"{system.url}/api/quarantine/{record_id}/replay", body={})
            assert status == 200, answer
        assert system.sql("SELECT sum(total) FROM usage_summaries") == [(BATCH * BATCHES + len(POISON),)]
