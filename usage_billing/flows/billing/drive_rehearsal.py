"""Rehearses a run: does it and rolls it back, to show what it would charge now, by the code of the real run."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from usage_billing.billing_runs.pins import find_rehearsal
from usage_billing.db.session import read_only, rolled_back
from usage_billing.flows.billing.finalize_invoices import finalize_invoices
from usage_billing.flows.billing.held_run import digest_changed
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
    held_to: UUID | None = None,
) -> SliceOutcome:
    """What the run would do now; with ``held_to`` what it would do with the recordings that this dry run rated.

    Its digest equals the real run's if nothing is recorded or changed in between.
    """
    as_of, outcome = request.as_of or now, SliceOutcome()
    how: Any = {"as_of": as_of, "adjust_within": adjust_within, "held_to": held_to}
    with rolled_back(engine) as session:
        ids = due_subscriptions(session, as_of=as_of, grace=grace, only=request.subscription_id)
    for start in range(0, len(ids), SLICE):
        with rolled_back(engine) as session:
            part = ids[start : start + SLICE]
            outcome.merge(invoice_subscriptions(session, part, **how))
            outcome.merge(finalize_invoices(session, part, grace=grace, now=now, actor="rehearsal", **how))
    return outcome


def expect(
    engine: Engine,
    request: RunRequest,
    digest: str,
    *,
    grace: timedelta,
    now: datetime,
    adjust_within: timedelta = ADJUSTMENT_SPAN,
) -> RunRequest:
    """``request``, held to the dry run that showed ``digest``, and as of the same instant unless it names another.

    Raises Conflict (``digest_changed``) when there is no such dry run of the last days, or when a run held to it would
    charge something else, because terms, prices or invoices changed.
    """
    with read_only(engine) as session:
        rehearsal = find_rehearsal(session, digest, subscription_id=request.subscription_id, now=now)
    if rehearsal is None:
        raise digest_changed()
    held = replace(request, as_of=request.as_of or rehearsal.as_of, expected_digest=digest, rehearsal_id=rehearsal.id)
    found = rehearse(engine, held, grace=grace, now=now, adjust_within=adjust_within, held_to=rehearsal.id)
    if found.digest_text() != digest:
        raise digest_changed()
    return held
