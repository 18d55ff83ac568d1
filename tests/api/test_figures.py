"""What /metrics gives, and that the alerts and the dashboard in deploy/ ask for nothing else."""

import json
import re
import subprocess
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from tests.factories import make_recording, make_world, record
from tests.support.billing import bill
from tests.support.programs import find_program
from usage_billing.db.session import transaction
from usage_billing.processes.models import WorkDone
from usage_billing.processes.service import add_work

DEPLOY = Path(__file__).parents[2] / "deploy"
OURS = re.compile(r"usage_billing_\w+")


def scrape(client: FlaskClient) -> dict[tuple[str, ...], float]:
    """The value of each sample, by its name and the values of its labels in the order of their names."""
    answer = client.get("/metrics").get_data(as_text=True)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer)
        for sample in family.samples
    }


@pytest.fixture
def busy(engine: Engine, client: FlaskClient, now: datetime) -> dict[tuple[str, ...], float]:
    """The figures of a service of which each part has done something."""
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now, quantity=53), make_recording(now=now, usage_type="unheard"))
        add_work(
            session,
            [
                WorkDone("recordings", "duplicate", 3, Decimal(0)),
                WorkDone("recordings", "recorded", 10, Decimal(0)),
                WorkDone("usage.drain", "success", 4, Decimal("0.5")),
            ],
        )
        add_work(session, [WorkDone("recordings", "recorded", 5, Decimal(0))])
        session.execute(
            text(
                "INSERT INTO process_heartbeats (id, role, name, beat_at, ahead)"
                " SELECT gen_random_uuid(), 'worker', 'w', clock_timestamp() - make_interval(secs => s), '0'"
                " FROM unnest(ARRAY[0, 1, 60]) AS s"
            )
        )
    bill(engine, now)
    client.get("/health/ready")
    return scrape(client)


def test_the_figures_of_the_database(busy: dict[tuple[str, ...], float]) -> None:
    expected = {
        ("usage_billing_database_up",): 1,
        ("usage_billing_quarantine_open", "unknown_usage_type"): 1,
        ("usage_billing_invoices", "USD", "draft"): 1,
        ("usage_billing_processes_alive", "worker"): 2,
        ("usage_billing_processes_alive", "beat"): 0,
        ("usage_billing_runs_unfinished",): 0,
        ("usage_billing_runs_failing",): 0,
        ("usage_billing_subscriptions_unbilled",): 0,
        ("usage_billing_last_run_status", "completed"): 1,
        ("usage_billing_recordings_total", "recorded"): 15,
        ("usage_billing_recordings_total", "duplicate"): 3,
        ("usage_billing_tasks_total", "success", "usage.drain"): 4,
        ("usage_billing_task_seconds_total", "success", "usage.drain"): 0.5,
    }
    assert {name: busy.get(name) for name in expected} == expected
    assert ("usage_billing_last_run_age_seconds",) in busy
    assert busy["usage_billing_database_connections_limit",] > 0


def test_a_run_that_could_not_bill_is_a_figure(engine: Engine, client: FlaskClient, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now, quantity=53))
        session.execute(text("UPDATE usage_quotas SET price = '{}'"))
    bill(engine, now)
    assert scrape(client)["usage_billing_subscriptions_unbilled",] == 1


def asked_for() -> dict[str, set[str]]:
    """The figures that each file in deploy/ asks for."""
    rules = re.findall(r"expr: (.*)", (DEPLOY / "prometheus-rules.yml").read_text())
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return {"rules": set(OURS.findall(" ".join(rules))), "board": set(OURS.findall(" ".join(panels)))}


@pytest.mark.parametrize("file", ["rules", "board"])
def test_alerts_and_dashboard_ask_for_figures_that_exist(busy: dict[tuple[str, ...], float], file: str) -> None:
    there = {name[0] for name in busy} | {"usage_billing_recordings_waiting", "usage_billing_oldest_waiting_seconds"}
    assert asked_for()[file] - there == set()
    assert len(asked_for()[file]) >= 10


def test_promtool_takes_the_rules() -> None:
    command = [find_program("promtool", "prometheus"), "check", "rules", str(DEPLOY / "prometheus-rules.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
