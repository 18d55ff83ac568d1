"""The stages of a run as rows: planning slices, claiming one, moving on, closing.

A run goes opened -> invoicing -> finalizing -> completed. Each step looks at the rows and does what is due. So any
worker may ask for any step, at any time and any number of times.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.foreseen import ForeseenChange
from usage_billing.billing_runs.models import BillingRun, BillingRunSlice, RunStatus, SlicePhase
from usage_billing.billing_runs.queries import get_run, outcomes, pending_slices
from usage_billing.billing_runs.service import plan_slices
from usage_billing.flows.billing.facts import tell_run
from usage_billing.flows.billing.held_run import give_up
from usage_billing.flows.billing.plan_change import AT_A_TIME, SUBSCRIBED, PlanChange
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.invoicing.queries import DUE

# Subscriptions in a slice: enough to pay for a transaction, few enough that it ends soon (after about a sixth of a
# second) and holds few locks.
SLICE = 1000
_ALL_IN_ONE = 2**31

_UNRATED = """
    SELECT id
    FROM (
        SELECT subscription_id AS id
        FROM usage_summaries
        WHERE to_rate AND period_start <= :as_of
        UNION
        SELECT subscription_id
        FROM fee_charges
        WHERE to_charge AND period_start <= :as_of
        UNION
        SELECT subscription_id
        FROM purchase_charges
        WHERE to_charge AND sold_at <= :as_of
        UNION
        SELECT id
        FROM subscriptions
        WHERE opens_at <= :as_of
        UNION
        SELECT s.id
        FROM wallets AS w
        JOIN subscriptions AS s ON s.customer_id = w.customer_id
        WHERE s.started_at <= :as_of AND (w.subscription_id IS NULL OR w.subscription_id = s.id)
    ) AS unrated
    WHERE CAST(:only AS text) IS NULL OR id = :only
"""
_DRAFTS = f"""
    FROM invoices
    WHERE {DUE}
        AND (CAST(:only AS text) IS NULL OR subscription_id = :only)
"""
_DUE = f"SELECT DISTINCT subscription_id AS id {_DRAFTS}"
# The drafts of one customer are finalized in one slice: credit that one of them grants is in hand for the others.
_CUSTOMERS = f"SELECT customer_id AS id {_DRAFTS}"
_DUE_OF_CUSTOMERS = f"{_DUE} AND customer_id BETWEEN :first AND :last ORDER BY id"
_ALL = "SELECT id FROM ({}) AS due ORDER BY id"
_WITHIN = "SELECT id FROM ({}) AS due WHERE id BETWEEN :first AND :last ORDER BY id"
_OF = "SELECT id FROM ({}) AS due WHERE id = ANY(CAST(:ids AS text[])) ORDER BY id"
# A dry run does and undoes both stages in one transaction, so its one stage covers what is due in either.
_EITHER = f"{_UNRATED} UNION {_DUE}"


def _what_invoices(run: BillingRun) -> str:
    if run.plan_change is not None:
        return SUBSCRIBED
    return _EITHER if run.dry_run else _UNRATED


def _asked(run: BillingRun, grace: timedelta) -> dict[str, object]:
    plan_id = None if run.plan_change is None else run.plan_change["plan_id"]
    return {
        "as_of": run.as_of,
        "ended_before": run.as_of - grace,
        "only": run.subscription_id,
        "plan": plan_id,
    }


@dataclass(frozen=True, slots=True)
class Next:
    """What is due of a run: the slices of ``phase`` at ``positions``. For a complete run ``phase`` is None."""

    phase: SlicePhase | None
    positions: list[int]


def move_on(session: Session, run_id: UUID, *, grace: timedelta, now: datetime) -> Next:
    """Bring the run to the stage that its rows allow, and return what is due there; raises NotFound."""
    run = get_run(session, run_id, lock=True)
    run.heartbeat_at = now
    if run.status == RunStatus.OPENED:
        _plan(session, run, SlicePhase.INVOICE, grace)
        run.status = RunStatus.INVOICING
    if run.status == RunStatus.INVOICING:
        if positions := pending_slices(session, run_id, SlicePhase.INVOICE):
            return Next(SlicePhase.INVOICE, positions)
        if not run.dry_run:  # each slice of a dry run has already finalized its invoices and undone that
            _plan(session, run, SlicePhase.FINALIZE, grace)
        run.status = RunStatus.FINALIZING
    if run.status == RunStatus.FINALIZING:
        if positions := pending_slices(session, run_id, SlicePhase.FINALIZE):
            return Next(SlicePhase.FINALIZE, positions)
        _close(session, run, now)
    return Next(None, [])


def claim_slice(session: Session, run_id: UUID, phase: SlicePhase, position: int) -> BillingRunSlice | None:
    """Lock and return a slice that is to be done; None when it is done, or another worker has locked it."""
    return session.scalars(
        select(BillingRunSlice)
        .where(
            BillingRunSlice.run_id == run_id,
            BillingRunSlice.phase == phase,
            BillingRunSlice.position == position,
            BillingRunSlice.done.is_(False),
        )
        .with_for_update(skip_locked=True)
    ).first()


def subscriptions_in(session: Session, run: BillingRun, part: BillingRunSlice, *, grace: timedelta) -> list[str]:
    """The subscriptions of a slice that have something to do at this moment."""
    statement = _DUE_OF_CUSTOMERS if part.phase == SlicePhase.FINALIZE else _WITHIN.format(_what_invoices(run))
    found = session.scalars(
        text(statement),
        _asked(run, grace) | {"first": part.first_id, "last": part.last_id},
    )
    return list(found)


def due_subscriptions(session: Session, *, as_of: datetime, grace: timedelta, only: str | None) -> list[str]:
    """Every subscription for which a run would have something to do now, ordered by id."""
    found = session.scalars(
        text(_ALL.format(_EITHER)),
        {"as_of": as_of, "ended_before": as_of - grace, "only": only},
    )
    return list(found)


def unrated_of(session: Session, ids: Collection[str], *, as_of: datetime) -> list[str]:
    """Those of these subscriptions that have something to rate, ordered by id."""
    return list(session.scalars(text(_OF.format(_UNRATED)), {"as_of": as_of, "only": None, "ids": list(ids)}))


def note_done(
    run: BillingRun, part: BillingRunSlice, outcome: SliceOutcome, foreseen: ForeseenChange | None = None
) -> None:
    """Mark a claimed slice as done, and store what it did; of a held run also what is to be taken back if it fails.

    Of a rehearsal of a change of a plan also what it found.
    """
    part.done = True
    part.outcome = outcome.to_json()
    if run.expected_digest is not None:
        part.outcome |= {"added": [str(id) for id in outcome.added]}
    if foreseen is not None:
        part.outcome |= {"foreseen": foreseen.to_json()}


def _plan(session: Session, run: BillingRun, phase: SlicePhase, grace: timedelta) -> None:
    due = _CUSTOMERS if phase == SlicePhase.FINALIZE else _what_invoices(run)
    # A held run finalizes all or nothing, so in one transaction.
    whole = phase == SlicePhase.FINALIZE and run.expected_digest is not None
    size = AT_A_TIME if run.plan_change is not None else _ALL_IN_ONE if whole else SLICE
    plan_slices(session, run.id, phase, due=due, asked=_asked(run, grace), size=size)


def _close(session: Session, run: BillingRun, now: datetime) -> None:
    total = SliceOutcome()
    foreseen = None if run.plan_change is None else PlanChange.from_json(run.plan_change).unseen()
    for stored in outcomes(session, run.id):
        total.merge(SliceOutcome.from_json(dict(stored)))
        if foreseen is not None:
            foreseen.merge(ForeseenChange.from_json(dict[str, Any](stored)["foreseen"]))
    if run.expected_digest not in (None, total.digest_text()):
        give_up(session, run.id, now=now)
        return
    run.subscriptions = total.subscriptions
    run.invoices = total.invoices
    run.items = total.items
    run.finalized = total.finalized
    run.amounts, run.prepaid_applied = total.amount_texts(), total.prepaid_texts()
    run.digest = total.digest_text()
    run.warnings = total.warnings
    run.found = None if foreseen is None else foreseen.to_json()
    run.finished_at = now
    run.status = RunStatus.COMPLETED
    run.error = None
    tell_run(session, run)
