"""The figures of the whole service that stand in the database, for those who watch it."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.queries import standing_warnings
from usage_billing.meters.progress import lags
from usage_billing.processes.models import Role, WorkDone
from usage_billing.processes.queries import alive, work_done

_QUARANTINE = text("SELECT reason, count(*) AS recordings FROM quarantined_usage WHERE status = 'open' GROUP BY 1")
_INVOICES = text("SELECT status, currency, count(*) AS invoices FROM invoices GROUP BY 1, 2")
_LAST_RUN = text("""
    SELECT status, extract(epoch FROM clock_timestamp() - started_at) AS age
    FROM billing_runs
    WHERE NOT dry_run AND subscription_id IS NULL
    ORDER BY id DESC
    LIMIT 1
""")
_DELIVERIES = text("""
    SELECT state, count(*) AS deliveries
    FROM webhook_deliveries
    WHERE state IN ('waiting', 'held')
    GROUP BY state
""")
_MAILS = text("""
    SELECT d.state, count(*) AS mails
    FROM webhook_deliveries AS d
    JOIN webhook_endpoints AS e ON e.id = d.endpoint_id AND e.kind = 'email'
    WHERE d.state IN ('waiting', 'held')
    GROUP BY d.state
""")
_EVENTS_WAITING = text("SELECT count(*) FROM outbox_messages WHERE relayed_at IS NULL")
_ENDPOINTS = text("""
    SELECT CASE WHEN status = 'disabled' THEN 'disabled' WHEN failing_since IS NOT NULL THEN 'failing' ELSE 'active' END
        AS status, count(*) AS endpoints
    FROM webhook_endpoints
    GROUP BY 1
""")
_ALERTS = text("""
    SELECT (SELECT count(*) FROM alert_rules WHERE ended_at IS NULL) AS rules,
        (SELECT count(*) FROM alert_looks) AS waiting
""")
_UNFINISHED = text("""
    SELECT count(*) AS running, count(*) FILTER (WHERE error IS NOT NULL) AS failing
    FROM billing_runs
    WHERE status NOT IN ('completed', 'failed')
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest run over all subscriptions: its status, and how many seconds ago it was opened."""

    status: str
    age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Numbers as of one moment.

    ``quarantine`` is by reason, ``invoices`` by status and currency, ``processes`` (at work) by role. ``unbilled``
    subscriptions are those of which the last run that was to bill them warned. ``meters_behind``: recordings that a
    meter has not counted yet, by meter. ``deliveries`` to endpoints, and the ``mails`` among them, are by state,
    ``endpoints`` by how they do, and ``events_waiting`` are not relayed yet. So many ``alerts`` hold, and so many
    ``alert_looks`` wait to be judged anew.
    """

    quarantine: Mapping[str, int]
    invoices: Mapping[tuple[str, str], int]
    last_run: LastRun | None
    running: int
    failing: int
    unbilled: int
    processes: Mapping[str, int]
    work: list[WorkDone]
    meters_behind: Mapping[str, int]
    deliveries: Mapping[str, int]
    mails: Mapping[str, int]
    endpoints: Mapping[str, int]
    events_waiting: int
    alerts: int
    alert_looks: int


def load_figures(session: Session) -> Figures:
    """Read all figures. Counting the invoices reads all of them: ask every few seconds at most."""
    last = session.execute(_LAST_RUN).first()
    unfinished = session.execute(_UNFINISHED).one()
    alerts = session.execute(_ALERTS).one()
    return Figures(
        quarantine={row.reason: row.recordings for row in session.execute(_QUARANTINE)},
        invoices={(row.status, row.currency): row.invoices for row in session.execute(_INVOICES)},
        last_run=None if last is None else LastRun(status=last.status, age=int(last.age)),
        running=unfinished.running,
        failing=unfinished.failing,
        unbilled=len(standing_warnings(session)),
        processes={role.value: len(alive(session, role)) for role in Role},
        work=work_done(session),
        meters_behind=lags(session),
        deliveries={row.state: row.deliveries for row in session.execute(_DELIVERIES)},
        mails={row.state: row.mails for row in session.execute(_MAILS)},
        endpoints={row.status: row.endpoints for row in session.execute(_ENDPOINTS)},
        events_waiting=session.execute(_EVENTS_WAITING).scalar_one(),
        alerts=alerts.rules,
        alert_looks=alerts.waiting,
    )
