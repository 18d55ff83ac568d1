"""Rehearses a run: does it and rolls it back, to show what it would charge now, by the code of the real run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine

from usage_billing.billing_runs.pins import find_rehearsal
from usage_billing.db import clock
from usage_billing.db.session import read_only, rolled_back
from usage_billing.flows.billing.bill_slice import ITS_OWN_FAULT, SliceWork, Windows, bill_apart, bill_together
from usage_billing.flows.billing.held_run import digest_changed
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

    Its digest equals the real run's if nothing is recorded or changed in between. As in the real run, a subscription
    that cannot be billed is a warning. ``now`` is the present by this machine's clock; raises Unavailable when it is
    too far from the database's.
    """
    with rolled_back(engine) as session:
        as_of = request.as_of or clock.agreed_now(session, now)
        ids = due_subscriptions(session, as_of=as_of, grace=grace, only=request.subscription_id)
    work = SliceWork(
        as_of=as_of,
        windows=Windows(grace, adjust_within),
        held_to=held_to,
        actor="rehearsal",
        rates=True,
        finalizes=True,
    )
    outcome = SliceOutcome()
    for start in range(0, len(ids), SLICE):
        outcome.merge(_rehearse_slice(engine, work, ids[start : start + SLICE]))
    return outcome


def _rehearse_slice(engine: Engine, work: SliceWork, ids: Sequence[str]) -> SliceOutcome:
    try:
        with rolled_back(engine) as session:
            return bill_together(session, work, ids)
    except ITS_OWN_FAULT:
        with rolled_back(engine) as session:
            return bill_apart(session, work, ids)


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
