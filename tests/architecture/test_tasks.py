"""Task names are wire format: they are pinned, routed to a declared queue, and named right by those who send them."""

import logging
import re
from pathlib import Path

import pytest
from celery.app.amqp import AMQP
from redbeat.schedulers import RedBeatConfig

import celeryconfig
from tasks.celery import app
from tests.architecture.sources import ROOT, sources
from usage_billing.cli.stack.services import services
from usage_billing.queues import QueueName
from usage_billing.settings import Settings

# A message with an old name may be on its way while a new version starts, and operators' scripts hold names too:
# names are added, never changed.
NAMES = {
    "alerts.find_anomalies",
    "alerts.judge",
    "alerts.project",
    "billing.aggregate",
    "billing.close_run",
    "billing.finalize",
    "billing.finalize_slice",
    "billing.invoice_slice",
    "billing.resume_runs",
    "billing.run_daily",
    "billing.sweep_ticks",
    "documents.make",
    "documents.make_waiting",
    "housekeeping.prune",
    "mail.deliver",
    "outbox.relay",
    "usage.drain",
    "usage.fold",
    "usage.record_usage",
    "usage.sweep",
    "wallets.close_grants",
    "wallets.expire_top_ups",
    "wallets.open_occurrences",
    "webhooks.deliver",
    "webhooks.prune",
}
QUEUES = {
    "alerts": "housekeeping",
    "billing": "billing",
    "documents": "messages",
    "housekeeping": "housekeeping",
    "mail": "messages",
    "outbox": "messages",
    "usage": "usage",
    "usage.fold": "folding",
    "wallets": "billing",
    "webhooks": "messages",
}
WORKER = re.compile(r"celery -A tasks\.celery worker .*-Q (\S+)")


def ours() -> set[str]:
    app.loader.import_default_modules()
    return {name for name in app.tasks if not name.startswith("celery.")}


def test_task_names_are_these() -> None:
    assert ours() == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_task_has_a_queue_that_is_declared(name: str) -> None:
    amqp: AMQP = app.amqp
    queue = amqp.Router(create_missing=False).route({}, name)["queue"]
    assert queue.name == QUEUES.get(name, QUEUES[name.partition(".")[0]])
    assert queue.name in {declared.name for declared in celeryconfig.task_queues}


def test_a_queue_that_is_declared_is_worked_on_by_up_and_in_the_documentation(tmp_path: Path) -> None:
    declared = [queue.name for queue in celeryconfig.task_queues]
    assert declared == list(QueueName)
    settings = Settings(home=tmp_path)
    [worker] = [one for one in services(settings, {}) if one.name == "worker"]
    assert worker.command[worker.command.index("-Q") + 1].split(",") == declared
    files = (ROOT / "docs/operations.md", *(ROOT / "deploy/systemd").iterdir())
    documented = WORKER.findall("\n".join(file.read_text(encoding="utf-8") for file in files))
    assert len(documented) > 1
    assert all(queues.split(",") == declared for queues in documented)


def test_no_queue_is_without_a_task() -> None:
    routed = {app.amqp.Router(create_missing=False).route({}, name)["queue"].name for name in NAMES}
    assert routed == set(QueueName)


def test_the_schedule_names_tasks_that_exist() -> None:
    assert {entry["task"] for entry in celeryconfig.beat_schedule.values()} <= NAMES


@pytest.mark.filterwarnings("error")
def test_beat_has_nothing_to_say_about_its_settings(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What beat's scheduler adds.
    monkeypatch.setitem(app.conf, "redbeat_redis_url", "redis://127.0.0.1:1/0")
    with caplog.at_level(logging.WARNING):
        RedBeatConfig(app)
    assert caplog.messages == []


@pytest.mark.parametrize("name", sorted({"usage.drain", "billing.aggregate"}))
def test_who_sends_by_name_sends_names_that_exist(name: str) -> None:
    assert name in NAMES
    enqueue = next(file for file in sources("api") if file.name == "api/enqueue.py")
    assert f'"{name}"' in enqueue.text


def test_messages_are_json_and_hold_no_results() -> None:
    assert app.conf.task_serializer == "json"
    assert set(app.conf.accept_content) == {"json"}
    assert app.conf.result_backend is None
    assert app.conf.task_create_missing_queues is False


@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_task_tries_again_by_itself_for_whatever_reason(name: str) -> None:
    """The inbox and the run's rows are the retry; a message that comes back by itself hides a poison recording."""
    ours()
    task = app.tasks[name]
    assert not getattr(task, "autoretry_for", ())
    assert task.acks_late
    assert task.ignore_result
