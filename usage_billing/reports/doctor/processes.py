"""Do a worker and a beat run? Each leaves a sign of life every two seconds, as a row, with what its clock says."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from usage_billing.processes.models import Heartbeat, Role
from usage_billing.processes.queries import alive, last_sign
from usage_billing.queues import QueueName
from usage_billing.reports.doctor.clocks import compare_clocks
from usage_billing.reports.doctor.finding import FAIL, OK, WARN, Finding, fine, listed

_MISSING: Mapping[Role, tuple[str, str, str]] = {
    Role.WORKER: (
        "no_worker",
        "no worker runs: what is accepted waits, and so do billing runs",
        f"start one: celery -A tasks.celery worker -P prefork -Q {','.join(QueueName)}; its log says what it lacks",
    ),
    Role.BEAT: (
        "no_beat",
        "no beat runs: no run starts by itself, and a wake-up that was lost is not looked for",
        "start it: celery -A tasks.celery beat; its log says what it lacks",
    ),
}


def check_processes(session: Session) -> Iterator[Finding]:
    """Workers and beats: whether there are any, whether two have one name, and whether their clocks agree."""
    for role in Role:
        running = alive(session, role)
        if not running:
            yield _missing(role, last_sign(session, role))
            continue
        names = Counter(process.name for process in running)
        yield fine(role, f"{len(running)} at work: {listed(list(names))}")
        if role == Role.WORKER:
            yield from _namesakes(names)
        yield from _clocks(role, running)


def _missing(role: Role, last: timedelta | None) -> Finding:
    code, message, cure = _MISSING[role]
    since = "none within a day" if last is None else f"{last.total_seconds():.0f} s ago"
    return Finding(role, FAIL, code, f"{message} (last sign of life: {since})", cure)


def _namesakes(names: Mapping[str, int]) -> Iterator[Finding]:
    shared = [f"{number} are called {name}" for name, number in names.items() if number > 1]
    if shared:
        yield Finding(
            Role.WORKER,
            WARN,
            "workers_share_name",
            f"workers share a name: {listed(shared)}; Flower and Celery's commands take them for one",
            "give each its own: celery -A tasks.celery worker -n NAME@%h ...",
        )


def _clocks(role: Role, running: Sequence[Heartbeat]) -> Iterator[Finding]:
    for process in running:
        finding = compare_clocks(f"the {role} {process.name}'s", process.ahead)
        if finding.state != OK:
            yield finding
