"""What was just recorded is in every figure that is read of a meter, before any fold, and the same in each."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.factories import make_quota, make_recording, make_world, record
from tests.factories.meters import make_meter
from tests.integration.conftest import Cli
from usage_billing.db.session import transaction
from usage_billing.flows.folding import drive_reads
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.subscriptions.openings import lock_to_bill

FUNCTIONS: dict[str, dict[str, Any]] = {
    "sum": {"value": "n"},
    "count": {},
    "max": {"value": "n"},
    "min": {"value": "n"},
    "latest": {"value": "n"},
    "unique_count": {"value": "n"},
    "average": {"value": "n"},
    "level": {"value": "n", "mode": "change", "per": "hour", "carry": True},
}
AFTER = {"sum": 24, "count": 3, "max": 12, "min": 5, "latest": 5, "unique_count": 3, "average": 8}
"""Of 7, 9, 12 and 5, of which the 9 is taken back."""


def recorded(now: datetime, n: int, *, hours: int) -> Any:
    at = now - timedelta(hours=hours)
    return make_recording(now=now, occurred_at=at, metadata=json.dumps({"n": n}))


@pytest.fixture
def metered(engine: Engine, now: datetime) -> Engine:
    with transaction(engine) as session:
        make_world(session, limit=None)
        for name, terms in FUNCTIONS.items():
            make_meter(session, id=name, aggregation=name, dimensions=["model"] if name == "sum" else (), **terms)
            make_quota(session, usage_type=name, limit=0, unit_price="1")
        record(session, recorded(now, 7, hours=4))
    return engine


def used(admin: FlaskClient, path: str = "subscription/sub456") -> tuple[dict[str, str], int]:
    found = admin.get(f"/api/usage/{path}").json
    return {line["usageType"]: line["used"] for line in found["usage"]}, found["behind"]


def invoiced(admin: FlaskClient) -> tuple[dict[str, str], int]:
    found = admin.get("/api/subscriptions/sub456/upcoming-invoice").json
    return {item["usageType"]: item["billable"] for item in found["items"] if item["usageType"]}, found["behind"]


def more(engine: Engine, now: datetime) -> None:
    """Counted by nothing yet: two more, one that was late, and one of them taken back."""
    with transaction(engine) as session:
        gone = recorded(now, 9, hours=3)
        record(session, gone, recorded(now, 12, hours=6), recorded(now, 5, hours=2))
        void_usage(session, gone.id, reason="wrong", actor="a test", now=now)


def test_usage_lines_the_upcoming_invoice_and_series_have_what_no_fold_has_counted(
    metered: Engine, admin: FlaskClient, now: datetime
) -> None:
    first, behind = used(admin)
    assert behind == 0
    assert {first[name] for name in ("sum", "max", "min", "latest", "average")} == {"7"}
    more(metered, now)
    lines, behind = used(admin)
    assert behind == 0
    assert {name: lines[name] for name in AFTER} == {name: str(value) for name, value in AFTER.items()}
    assert lines["level"] == "110"  # 12 for two hours, then 19 for two, 24 for two
    assert invoiced(admin) == ({name: lines[name] for name in FUNCTIONS}, 0)
    assert used(admin, "user/user123") == (lines, 0)
    for name in FUNCTIONS:
        series = admin.get(f"/api/usage/subscription/sub456/series?usageType={name}&by=period").json
        assert (series["total"], series["behind"]) == (lines[name], 0), name


@pytest.mark.parametrize("first", ["upcoming", "series", "dry run", "series at the terminal"])
def test_whatever_is_read_first_has_it(
    metered: Engine, admin: FlaskClient, cli: Cli, now: datetime, first: str
) -> None:
    more(metered, now)
    if first == "upcoming":
        assert invoiced(admin)[0]["max"] == "12"
    elif first == "series":
        series = admin.get("/api/usage/user/user123/series?usageType=max&by=period").json
        assert (series["total"], series["behind"]) == ("12", 0)
    elif first == "dry run":
        asked = {"planId": "business", "subscriptionId": "sub456", "usageType": "max", "monthlyLimit": 0}
        asked |= {
            "price": {"model": "per_unit", "unitPrice": "2"},
            "effective": "period",
            "dryRun": True,
            "repriceUsage": True,
        }
        found = admin.post("/api/quotas", json=asked)
        assert found.status_code == 200, found.json
        [item] = found.json["foreseen"]["invoices"][0]["items"]
        assert (item["amountBefore"], item["amount"]) == ("12.00", "24.00")
    else:
        november = ("--from", "2026-11-01T00:00:00Z", "--to", "2026-12-01T00:00:00Z")
        assert cli("usage", "series", "sub456", "max", "--by", "period", *november, "--json").json["total"] == "12"
    assert used(admin)[0]["max"] == "12"


def test_more_than_can_be_counted_for_a_read_is_told(
    metered: Engine, admin: FlaskClient, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(admin)
    more(metered, now)
    monkeypatch.setattr(drive_reads, "MAX_TAIL", 3)
    lines, behind = used(admin)
    assert (lines["sum"], behind) == ("7", 4 * len(FUNCTIONS))
    assert invoiced(admin)[1] == behind
    monkeypatch.undo()
    assert used(admin)[0]["sum"] == "24"


def test_another_writer_of_the_subscription_hinders_no_read(metered: Engine, admin: FlaskClient, now: datetime) -> None:
    used(admin)
    more(metered, now)
    with transaction(metered) as session:
        lock_to_bill(session, ["sub456"])
        lines, behind = used(admin)
        assert (lines["sum"], behind) == ("7", 4 * len(FUNCTIONS))
    assert used(admin)[0]["sum"] == "24"
