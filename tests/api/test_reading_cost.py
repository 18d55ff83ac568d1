"""How many statements a request sends, so that one more is seen. It is the same however much there is."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api.state import state_of
from tests.factories import make_quota, make_recording, make_subscription, make_usage_type, make_world, record
from tests.support.statements import after_each_statement, statements_of
from usage_billing.db.session import transaction
from usage_billing.flows.folding import drive_reads
from usage_billing.flows.folding.drive_folds import fold_all
from usage_billing.flows.folding.keep_by_time import keep_usage_by_time
from usage_billing.metering.recording import Recording

# Of usage: contracts, quotas, levels that go on, totals, wallets.
USAGE_AND_RECORDS = [
    ("user/user123", 5),
    ("user/user123?from=2026-10-01T00:00:00Z", 5),
    ("subscription/sub456", 5),
    ("subscription/sub456/records?limit=2", 2),
]
# Contracts with the usage type; what is counted with what is left, for each subscription.
SERIES = "subscription/sub456/series?usageType=assessment&by=day"


@pytest.fixture(autouse=True)
def no_meters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there are meters by now is asked once a second; here once."""
    monkeypatch.setattr(drive_reads, "LOOK_EVERY_SECONDS", 3600)


def many_recordings(now: datetime) -> list[Recording]:
    """Of every subscription and usage type in three months, with a quota and without."""
    return [
        make_recording(now=now, subscription=name, usage_type=kind, occurred_at=now - timedelta(days=30 * months))
        for name in ("sub456", *(f"sub{number}" for number in range(5)))
        for kind in ("assessment", "analysis", "report")
        for months in range(3)
    ]


@pytest.mark.parametrize(("path", "expected"), USAGE_AND_RECORDS)
def test_statements_of_a_request_do_not_grow_with_what_there_is(
    engine: Engine, app: Flask, reader: FlaskClient, path: str, expected: int
) -> None:
    now = state_of(app).clock()
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now))
    assert reader.get(f"/api/usage/{path}").status_code == 200
    with statements_of(state_of(app).engine) as few:
        assert reader.get(f"/api/usage/{path}").status_code == 200
    with transaction(engine) as session:
        make_usage_type(session, id="analysis")
        make_quota(session, usage_type="analysis", limit=3)
        for number in range(5):
            make_subscription(session, id=f"sub{number}")
        record(session, *many_recordings(now))
    with statements_of(state_of(app).engine) as many:
        assert reader.get(f"/api/usage/{path}").status_code == 200
    assert (len(few), len(many)) == (expected, expected)


def test_usage_over_time_is_two_statements_whatever_is_left_to_count(
    engine: Engine, app: Flask, reader: FlaskClient
) -> None:
    now = state_of(app).clock()
    with transaction(engine) as session:
        make_world(session)
        keep_usage_by_time(session, "assessment")
    assert reader.get(f"/api/usage/{SERIES}").status_code == 200
    empty, counted = list[str](), list[str]()
    with after_each_statement(empty.append):
        assert reader.get(f"/api/usage/{SERIES}").status_code == 200
    with transaction(engine) as session:
        record(session, *many_recordings(now)[:3])
    fold_all(engine)
    with after_each_statement(counted.append):
        assert reader.get(f"/api/usage/{SERIES}").status_code == 200
    assert (len(empty), len(counted)) == (2, 2)
