"""Rehearses a run: does it and rolls it back, to show what it would charge now, by the code of the real run."""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from usage_billing.core.errors import Conflict
from usage_billing.db.session import rolled_back
from usage_billing.flows.billing.finalize_invoices import finalize_invoices
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.open_run import RunRequest
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.run_stages import SLICE, due_subscriptions
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN


def rehearse(
    engine: Engine,
    request: RunRequest,
    *,
    grace: timedelta,
    now: datetime,
    adjust_within: timedelta = ADJUSTMENT_SPAN,
) -> SliceOutcome:
    """What the run would do now. Its digest equals the real run's if nothing is recorded or changed in between."""
    as_of, outcome = request.as_of or now, SliceOutcome()
    with rolled_back(engine) as session:
        ids = due_subscriptions(session, as_of=as_of, grace=grace, only=request.subscription_id)
    for start in range(0, len(ids), SLICE):
        with rolled_back(engine) as session:
            part = ids[start : start + SLICE]
            outcome.merge(invoice_subscriptions(session, part, as_of=as_of, adjust_within=adjust_within))
            outcome.merge(
                finalize_invoices(
                    session,
                    part,
                    as_of=as_of,
                    grace=grace,
                    now=now,
                    actor="rehearsal",
                    adjust_within=adjust_within,
                )
            )
    return outcome


def expect(
    engine: Engine,
    request: RunRequest,
    digest: str,
    *,
    grace: timedelta,
    now: datetime,
    adjust_within: timedelta = ADJUSTMENT_SPAN,
) -> None:
    """Check that a run now would charge what the dry run with ``digest`` showed; raises Conflict if it would not."""
    if rehearse(engine, request, grace=grace, now=now, adjust_within=adjust_within).digest_text() != digest:
        raise Conflict("the run would charge something else than expected; look at it again", code="digest_changed")
