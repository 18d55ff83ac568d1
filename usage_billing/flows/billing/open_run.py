"""Opens a billing run: it stores a row, and from then on the workers take the run to its end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.billing_runs.models import BillingRun, RunKind
from usage_billing.billing_runs.pins import forget_pins
from usage_billing.billing_runs.service import NewRun, add_run
from usage_billing.core.errors import InvalidInput
from usage_billing.core.limits import MAX_ACTOR
from usage_billing.db import clock
from usage_billing.flows.billing.plan_change import PlanChange
from usage_billing.subscriptions.models import Subscription

# The clock of the machine that names a moment may be ahead of the database's by so much.
_CLOCK_SKEW = timedelta(minutes=1)
# No usage is older, and no calendar is needed further ahead. A run outside these bounds could never be finished.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run covers. ``as_of`` None means now; ``subscription_id`` None means every subscription.

    A run that expects a digest is held to the dry run ``rehearsal_id``.
    """

    as_of: datetime | None = None
    subscription_id: str | None = None
    dry_run: bool = False
    expected_digest: str | None = None
    rehearsal_id: UUID | None = None


def open_run(
    session: Session, request: RunRequest, *, requested_by: str, now: datetime, key: str | None = None
) -> BillingRun:
    """Open a run. If a run was opened with this ``key`` before, that run is returned and none is opened.

    ``now`` is the present by this machine's clock. It is compared with the database's, by which the run is dated.

    Raises Unavailable when the two clocks are too far apart. Raises InvalidInput for an unknown subscription, for an
    ``as_of`` outside 2000 to 2200, and for one in the future unless it is a dry run: what has not happened cannot be
    invoiced.
    """
    now = clock.agreed_now(session, now)
    as_of = request.as_of or now
    if not _EARLIEST <= as_of < _LATEST:
        raise InvalidInput.field("/asOf", "must lie between 2000 and 2200", code="out_of_range")
    if as_of > now + _CLOCK_SKEW and not request.dry_run:
        raise InvalidInput.field("/asOf", "must not be in the future, except in a dry run", code="out_of_range")
    if request.subscription_id is not None and session.get(Subscription, request.subscription_id) is None:
        raise InvalidInput.field(
            "/subscriptionId", f"there is no subscription {request.subscription_id}", code="unknown_subscription"
        )
    opened = add_run(
        session,
        NewRun(
            key=key,
            as_of=as_of,
            subscription_id=request.subscription_id,
            dry_run=request.dry_run,
            requested_by=requested_by[:MAX_ACTOR],
            started_at=now,
            expected_digest=request.expected_digest,
            rehearsal_id=request.rehearsal_id,
        ),
    )
    if request.dry_run:
        forget_pins(session, now=now)
    if opened is None:
        return session.scalars(select(BillingRun).where(BillingRun.key == key)).one()
    note(session, actor=requested_by, action="billing.run", subject=f"run:{opened.id}", dryRun=request.dry_run)
    return opened


def open_rehearsal(session: Session, change: PlanChange, *, requested_by: str, now: datetime) -> BillingRun:
    """Open a run that looks, as of ``now``, what a change of a plan would charge and give back."""
    opened = add_run(
        session,
        NewRun(
            key=None,
            as_of=now,
            subscription_id=None,
            dry_run=True,
            requested_by=requested_by[:MAX_ACTOR],
            started_at=clock.database_now(session),
            kind=RunKind.REHEARSAL,
            plan_change=change.to_json(),
        ),
    )
    if opened is None:
        raise LookupError("a run without a key is always opened")
    note(session, actor=requested_by, action="billing.run", subject=f"run:{opened.id}", dryRun=True)
    return opened
