"""Health and metrics: they say which part is missing, and no secret and no id."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api.state import state_of
from tests.api.conftest import EVENT
from tests.conftest import Clock
from usage_billing.db.session import make_engine


def test_a_process_that_answers_is_live(client: FlaskClient) -> None:
    assert client.get("/health/live").json == {"status": "ok"}


def test_everything_there_is_ready(client: FlaskClient) -> None:
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json) == (
        200,
        {"status": "ok", "parts": {"database": "ok", "inbox": "ok"}},
    )


def test_without_a_database_it_is_live_but_not_ready(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = make_engine("postgresql+psycopg://nobody:a-secret@127.0.0.1:1/nothing")
    monkeypatch.setattr(state_of(app), "engine", gone)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["parts"]) == (503, {"database": "database_unavailable", "inbox": "ok"})
    assert "a-secret" not in answer.get_data(as_text=True)
    assert client.get("/health/live").status_code == 200


def test_without_the_inbox_it_is_not_ready(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "usage_billing.enqueue", None)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["parts"]) == (503, {"database": "ok", "inbox": "inbox_unavailable"})
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("statement", ["UPDATE alembic_version SET version_num = '0001'", "DROP TABLE alembic_version"])
def test_an_old_schema_is_not_ready(
    app: Flask, client: FlaskClient, databases: Any, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    old = make_engine(databases.migrated())
    with old.begin() as connection:
        connection.execute(text(statement))
    monkeypatch.setattr(state_of(app), "engine", old)
    assert client.get("/health/ready").json["parts"]["database"] == "migrations_pending"
    old.dispose()


def test_metrics_count_requests_and_recordings(
    writer: FlaskClient, client: FlaskClient, engine: Engine, clock: Clock
) -> None:
    writer.post("/api/usage/record", json=EVENT)
    clock.now = datetime.now(UTC) + timedelta(seconds=30)  # Redis dates what waits
    client.get("/api/usage/user/somebody-special")
    figures = client.get("/metrics").get_data(as_text=True)
    assert 'usage_billing_http_requests_total{method="POST",route="/api/usage/record",status="202"}' in figures
    assert "usage_billing_recordings_accepted_total" in figures
    assert "usage_billing_recordings_waiting 1.0" in figures
    found = re.search(r"^usage_billing_oldest_waiting_seconds (\S+)$", figures, re.MULTILINE)
    assert found is not None
    assert 29 < float(found[1]) < 60
    assert 'usage_billing_http_request_seconds_bucket{le="0.005",route="/api/usage/record"}' in figures
    assert "somebody-special" not in figures
    assert client.open("/nothing/somebody-special", method="WEIRD").status_code == 404
    assert "WEIRD" not in client.get("/metrics").get_data(as_text=True)
