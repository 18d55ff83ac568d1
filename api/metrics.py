"""What Prometheus asks for: requests, recordings, the backlog, and what the database knows. No id is ever a label."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import Engine, QueuePool, event

from api.database_figures import DatabaseFigures
from api.metrics_folder import folder, locked

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The figures of this process; with PROMETHEUS_MULTIPROC_DIR those of all API processes together.

    The figures that stand in the database are read by ``engine``, whose connections are counted as well.
    """

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self.database = DatabaseFigures(engine)
        self._requests = Counter(
            "usage_billing_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "usage_billing_http_request_seconds",
            "How long an answer took.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        # A cache: finding a counter by its labels costs as much as counting.
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._accepted = Counter(
            "usage_billing_recordings_accepted", "Recordings accepted into the inbox.", registry=self._registry
        )
        self._backlog = Gauge(
            "usage_billing_recordings_waiting",
            "Recordings that no worker has recorded yet.",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self._oldest = Gauge(
            "usage_billing_oldest_waiting_seconds",
            "Age of the oldest recording that waits; 0 when none does.",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )

        self._watch_pool(engine)

    def _watch_pool(self, engine: Engine) -> None:
        in_use = Gauge(
            "usage_billing_database_connections_in_use",
            "Connections of the API to the database that requests use at this moment.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        limit = Gauge(
            "usage_billing_database_connections_limit",
            "Connections to the database that the API may use.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

        def taken(*_: object) -> None:
            in_use.inc()
            limit.set(_size(engine))

        event.listen(engine, "checkout", taken)
        event.listen(engine, "checkin", lambda *_: in_use.dec())

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        counted = self._answers.get((method, route, status))
        if counted is None:
            children = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            counted = self._answers[method, route, status] = children
        counted[0].inc()
        counted[1].observe(seconds)

    def accepted(self, count: int) -> None:
        """Count accepted recordings."""
        self._accepted.inc(count)

    def show_backlog(self, waiting: int, *, oldest_seconds: float) -> None:
        """Set the gauges of the backlog: recordings that wait, and the age of the oldest in seconds."""
        self._backlog.set(waiting)
        self._oldest.set(oldest_seconds)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        of_database = CollectorRegistry()
        of_database.register(self.database)
        return self._text_of_processes() + generate_latest(of_database)

    def _text_of_processes(self) -> bytes:
        place = folder()
        if place is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        with locked(place, alone=False):
            return generate_latest(registry)


def _size(engine: Engine) -> int:
    return engine.pool.size() if isinstance(engine.pool, QueuePool) else 1
