"""What an operator looks at first: what is in quarantine, on drafts, not folded yet, and how the last runs went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun
from usage_billing.db.rows import read_rows
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.queries import invoices_where
from usage_billing.meters.progress import lags
from usage_billing.processes.queries import work_done
from usage_billing.reports.doctor.books import check_books
from usage_billing.reports.doctor.finding import FAIL, OK, Finding
from usage_billing.reports.doctor.processes import check_processes

_LAST_RUNS = 5
_DAY = timedelta(days=1)
_RECORDED = ("recordings", "recorded")
_QUARANTINE = text("""
    SELECT reason, count(*) AS recordings, count(*) FILTER (WHERE quarantined_at >= :since) AS recent
    FROM quarantined_usage
    WHERE status = 'open'
    GROUP BY reason
    ORDER BY count(*) DESC, reason
""")


@dataclass(frozen=True, slots=True)
class OpenReason:
    """How many recordings are open in quarantine for one ``reason``; ``recent`` ones came within a day."""

    reason: str
    recordings: int
    recent: int


@dataclass(frozen=True, slots=True)
class DraftMoney:
    """The drafts in one ``currency``: how many, the sum of their totals without tax, and when the first is due."""

    currency: str
    invoices: int
    total: Decimal
    closes_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """The figures of one moment.

    ``recorded`` is how many recordings workers counted since the beginning. ``behind`` is by meter, in recordings.
    ``runs`` are the last ones, the newest first.
    """

    recorded: int
    quarantine: Sequence[OpenReason]
    drafts: Sequence[DraftMoney]
    behind: Mapping[str, int]
    runs: Sequence[BillingRun]


def look_at_today(session: Session, *, now: datetime) -> Today:
    """Read the figures; all statements but that of the drafts use an index of what is open."""
    return Today(
        recorded=sum(done.number for done in work_done(session) if (done.name, done.outcome) == _RECORDED),
        quarantine=read_rows(session.execute(_QUARANTINE, {"since": now - _DAY}), OpenReason),
        drafts=drafts_of(session),
        behind={meter: number for meter, number in lags(session).items() if number},
        runs=session.scalars(select(BillingRun).order_by(BillingRun.id.desc()).limit(_LAST_RUNS)).all(),
    )


def to_do(session: Session, *, now: datetime) -> list[Finding]:
    """What the doctor finds wrong in the books and with the processes: what fails first."""
    found = [*check_processes(session), *check_books(session, now=now)]
    return sorted((one for one in found if one.state != OK), key=lambda one: one.state != FAIL)


def drafts_of(session: Session, customer_id: str | None = None) -> list[DraftMoney]:
    """The money on drafts that an invoice is made of, by currency; of one customer, or of all."""
    made = invoices_where(status=InvoiceStatus.DRAFT, customer_id=customer_id).subquery()
    number = func.count().label("invoices")
    sums = (number, func.sum(made.c.total).label("total"), func.min(made.c.closes_at).label("closes_at"))
    statement = select(made.c.currency, *sums).group_by(made.c.currency).order_by(number.desc(), made.c.currency)
    return read_rows(session.execute(statement), DraftMoney)
