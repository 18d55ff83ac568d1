"""The figures that stand in the database, as families for Prometheus. Each scrape sees those of all processes."""

import threading
import time
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from usage_billing.core.errors import Unavailable
from usage_billing.db.session import read_only
from usage_billing.reports.figures import Figures, load_figures

# For so many seconds figures are given again: a flood of scrapes shall not cost the database anything.
FRESH_SECONDS = 10.0
_STATEMENT_TIMEOUT_MS = 2000


class DatabaseFigures(Collector):
    """Reads the figures when it is scraped. While the database does not answer it gives ``database_up`` 0 alone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._figures: Figures | None = None

    def forget(self) -> None:
        """Read anew at the next scrape."""
        self._read_at = 0.0

    def describe(self) -> list[Metric]:
        """Nothing: the registry asks at its start, when nothing is connected yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The families, with the figures of at most ``FRESH_SECONDS`` ago."""
        with self._lock:
            if self._read_at == 0.0 or time.monotonic() - self._read_at > FRESH_SECONDS:
                self._figures, self._read_at = self._load(), time.monotonic()
            figures = self._figures
        yield _gauge("database_up", "Whether the database answered: 1 or 0.", int(figures is not None))
        if figures is not None:
            yield from _families(figures)

    def _load(self) -> Figures | None:
        try:
            with read_only(self._engine) as session:
                session.execute(text(f"SET LOCAL statement_timeout = {_STATEMENT_TIMEOUT_MS}"))
                return load_figures(session)
        except (Unavailable, SQLAlchemyError):
            return None


def _families(figures: Figures) -> Iterator[Metric]:
    yield _by("quarantine_open", "Recordings in quarantine, by reason.", "reason", figures.quarantine)
    yield _by("processes_alive", "Processes at work, by role: worker, beat.", "role", figures.processes)
    behind = "Recordings that a meter has not counted yet, by meter."
    yield _by("meter_behind_recordings", behind, "meter", figures.meters_behind)
    invoices = GaugeMetricFamily(
        "usage_billing_invoices", "Invoices, by status and currency.", labels=("status", "currency")
    )
    for key, number in sorted(figures.invoices.items()):
        invoices.add_metric(key, number)
    yield invoices
    yield _gauge("runs_unfinished", "Billing runs that are under way.", figures.running)
    yield _gauge("runs_failing", "Billing runs under way that failed and are tried again.", figures.failing)
    yield _gauge("subscriptions_unbilled", "Subscriptions that the last run could not bill.", figures.unbilled)
    if figures.last_run is not None:
        age = "Seconds since the newest run over all subscriptions was opened."
        yield _gauge("last_run_age_seconds", age, figures.last_run.age)
        status = {figures.last_run.status: 1}
        yield _by("last_run_status", "1 for the status of the newest run over all subscriptions.", "status", status)
    yield _by("webhook_deliveries", "Events to be sent, by state: waiting, held.", "state", figures.deliveries)
    yield _by("mails", "Of these, events to be sent by mail, by state: waiting, held.", "state", figures.mails)
    endpoints = "Webhook endpoints, by how they do: active, failing, disabled."
    yield _by("webhook_endpoints", endpoints, "status", figures.endpoints)
    yield _gauge("events_waiting", "Facts that the relay has not numbered yet.", figures.events_waiting)
    yield _gauge("alerts", "Alerts that hold.", figures.alerts)
    yield _gauge("alert_looks_waiting", "Subscriptions to be judged anew by alerts.", figures.alert_looks)
    yield from _work(figures)


def _work(figures: Figures) -> Iterator[Metric]:
    recordings = _counter("recordings", "Recordings that workers took from the inbox, by outcome.", ("outcome",))
    tasks = _counter("tasks", "Tasks that workers ended, by task and outcome.", ("task", "outcome"))
    seconds = _counter("task_seconds", "How long these tasks took together.", ("task", "outcome"))
    for done in figures.work:
        if done.name == "recordings":
            recordings.add_metric([done.outcome], done.number)
        else:
            tasks.add_metric([done.name, done.outcome], done.number)
            seconds.add_metric([done.name, done.outcome], float(done.seconds))
    yield from (recordings, tasks, seconds)


def _gauge(name: str, meaning: str, value: int) -> Metric:
    return GaugeMetricFamily(f"usage_billing_{name}", meaning, value=value)


def _by(name: str, meaning: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"usage_billing_{name}", meaning, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family


def _counter(name: str, meaning: str, labels: tuple[str, ...]) -> CounterMetricFamily:
    return CounterMetricFamily(f"usage_billing_{name}", meaning, labels=labels)
