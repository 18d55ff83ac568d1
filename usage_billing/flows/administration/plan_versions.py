"""Versions of base fees: a plan's, and those that subscriptions are given."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.billing_runs.models import BillingRun
from usage_billing.catalog.fees import FeeBook, FeeVersion
from usage_billing.catalog.models import Plan, PlanVersion
from usage_billing.catalog.plan_versions import (
    NewPlanVersion,
    add_plan_version,
    next_plan_version,
    store_plan_version,
)
from usage_billing.catalog.queries import fees_of, get_named
from usage_billing.core.choices import Effective
from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import Conflict
from usage_billing.core.instants import INSTANT
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.core.money import money_text
from usage_billing.db.locks import lock_shards
from usage_billing.flows.administration.agree import PLAIN, Precaution
from usage_billing.flows.administration.effect import EVER, Scope, check_not_invoiced
from usage_billing.flows.administration.held_change import check_digest, reckon_expected
from usage_billing.flows.billing.marks import Marks
from usage_billing.flows.billing.open_run import open_rehearsal
from usage_billing.flows.billing.plan_change import PlanChange
from usage_billing.flows.billing.reckoned_ahead import ReckonedAhead
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.metering.recording import SHARDS
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.agreement import fee_parts
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription, SubscriptionTerm
from usage_billing.subscriptions.openings import lock_to_open, open_again
from usage_billing.subscriptions.queries import timelines_of

_AT_A_TIME = 500
_NOTHING = Decimal(0)
_FINAL = (InvoiceKind.PERIOD, InvoiceKind.CHANGE)
# A fee in advance that is invoiced stays as it is, unless a version begins within its period.
_IN_ADVANCE = text("""
    SELECT max(f.period_start)
    FROM fee_charges AS f
    WHERE f.plan_id = :plan AND f.bills_at = f.period_start
        AND CASE WHEN :running THEN f.period_start <= :since AND f.period_end > :since ELSE f.period_start >= :since END
        AND EXISTS (
            SELECT FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
            WHERE t.fee_id = f.id AND i.status IN ('finalized', 'paid', 'uncollectible')
        )
""")


def define_plan_version(
    session: Session, new: NewPlanVersion, *, actor: str, now: datetime, precaution: Precaution = PLAIN
) -> PlanVersion:
    """Store a version of a plan's base fee, and have billing look again at the periods that it applies to.

    Raises NotFound for an unknown plan. Raises Conflict for an instant before a final invoice (``already_invoiced``),
    where fees of periods that have begun would become dearer unasked (``would_reprice``), and where it would not charge
    what was expected (``digest_changed``).
    """
    get_named(session, Plan, new.plan_id)
    ahead: ReckonedAhead | None = None
    known = Marks()
    foreseen, _ = _next_version(session, new, now=now, lock=False, known=known)
    if precaution.expected_digest is not None:
        ahead = reckon_expected(session, _change(session, foreseen, now=now), precaution, now=now)
        # While what it would charge is compared with what was expected no worker records.
        lock_shards(session, range(SHARDS))
    lock_to_open(session, plan_id=new.plan_id)
    version, since = _next_version(session, new, now=now, lock=True, known=known)
    if ahead is not None:
        check_digest(session, _change(session, version, now=now), ahead, precaution)
    store_plan_version(session, version)
    open_again(session, plan_id=new.plan_id, subscription_id=None, since=since)
    _note(session, version, actor=actor, now=now)
    return version


def rehearse_plan_version(session: Session, new: NewPlanVersion, *, actor: str, now: datetime) -> BillingRun:
    """Open a run that looks what a version of a plan's base fee would charge and give back.

    Raises as ``define_plan_version`` does. Nothing but the run is stored.
    """
    version, _ = _next_version(session, new, now=now, lock=False, known=Marks())
    return open_rehearsal(session, _change(session, version, now=now), requested_by=actor, now=now)


def _next_version(
    session: Session, new: NewPlanVersion, *, now: datetime, lock: bool, known: Marks
) -> tuple[PlanVersion, datetime]:
    """The version that would be stored, and from when on it may change what is owed.

    Subscriptions whose fees an earlier call found to be no more are ``known``, until something of them changes.
    """
    effective = new.effective
    at = now if effective == Effective.NOW else effective if isinstance(effective, datetime) else None
    since = EVER if effective == Effective.START else at or now
    if since < now:
        check_not_invoiced(session, Scope(plan_id=new.plan_id), since=since, kinds=_FINAL)
    if since < now or effective == Effective.PERIOD:
        _check_in_advance(session, new.plan_id, since=since, running=effective == Effective.PERIOD)
    version = next_plan_version(session, new, now=now, holds_from=at, lock=lock)
    if not new.reprice_usage and effective not in {Effective.NEXT_PERIOD, Effective.NOW} and since <= now:
        _check_dearer(session, version, since=since, now=now, known=known)
    return version, since


def _change(session: Session, version: PlanVersion, *, now: datetime) -> PlanChange:
    currency = get_named(session, Plan, version.plan_id).currency
    return PlanChange(plan_id=version.plan_id, currency=currency, fee=_unstored(version, now=now))


def _unstored(version: PlanVersion, *, now: datetime) -> FeeVersion:
    """A version that is not stored yet, the last of all."""
    return FeeVersion(
        id=MAX_BIGINT,
        plan_id=version.plan_id,
        base_fee=version.base_fee,
        base_fee_timing=version.base_fee_timing,
        effective=version.effective,
        exact=version.immediate,
        first=False,
        asked_at=version.asked_at,
        effective_from=version.effective_from,
        made_at=now,
        ended_at=None,
    )


def give_own_fee(
    session: Session, subscription: Subscription, base_fee: Decimal, timing: str | None, *, actor: str, now: datetime
) -> None:
    """Give a subscription that is being made a base fee of its own, which holds from its start.

    ``base_fee`` is per period; a ``timing`` of None is its plan's.
    """
    new = NewPlanVersion(
        plan_id=subscription.plan_id,
        base_fee=base_fee,
        base_fee_timing=timing,
        effective=Effective.START,
        subscription_id=subscription.id,
    )
    version = add_plan_version(session, new, now=now, holds_from=subscription.started_at)
    _note(session, version, actor=actor, now=now)


def _check_in_advance(session: Session, plan_id: str, *, since: datetime, running: bool) -> None:
    begun: datetime | None = session.scalar(_IN_ADVANCE, {"plan": plan_id, "since": since, "running": running})
    if begun is not None:
        first = (begun.astimezone(UTC) + INSTANT).isoformat()
        message = f"fees in advance are invoiced of periods that begin by then; the first possible instant is {first}"
        raise Conflict(message, code="already_invoiced")


def _check_dearer(session: Session, version: PlanVersion, *, since: datetime, now: datetime, known: Marks) -> None:
    """Raises Conflict (``would_reprice``) where fees of segments that have begun become dearer."""
    plan = get_named(session, Plan, version.plan_id)
    statement = select(SubscriptionTerm.subscription_id).where(SubscriptionTerm.plan_id == plan.id).distinct()
    ids, more = known.changed(session, sorted(session.scalars(statement))), _NOTHING
    for start in range(0, len(ids), _AT_A_TIME):
        lines = timelines_of(session, ids[start : start + _AT_A_TIME])
        plans = {term.plan_id for line in lines.values() for term in line.terms}
        book = fees_of(session, plans, subscription_ids=lines)
        altered = book.with_version(_unstored(version, now=now))
        for name, line in lines.items():
            old, new = (_due(line, fees, name, plan, since, now) for fees in (book, altered))
            more = EXACT.add(more, max(EXACT.subtract(new, old), _NOTHING))
    if more:
        amount = f"{money_text(more, minor_unit(plan.currency))} {plan.currency}"
        raise Conflict(f"fees would be {amount} more; say repriceUsage if that is meant", code="would_reprice")


def _due(line: Timeline, fees: FeeBook, name: str, plan: Plan, since: datetime, now: datetime) -> Decimal:
    """The fees of a plan for all segments of one subscription that end after ``since`` and began by ``now``."""
    total = _NOTHING
    for term in line.terms:
        at = term.starts_at
        while at <= now and (term.ends_at is None or at < term.ends_at) and not term.paused:
            segment = line.segment_at(at)
            if segment is None:
                break
            if segment.end > since and segment.plan_id == plan.id:
                for part, held in fee_parts(line, fees, name, segment):
                    if held is not None and held.base_fee is not None and part.start <= now:
                        total = EXACT.add(total, part.part_of(held.base_fee, places=minor_unit(plan.currency)))
            at = segment.end
    return total


def _note(session: Session, version: PlanVersion, *, actor: str, now: datetime) -> None:
    note(
        session,
        actor=actor,
        action="plan.version",
        subject=f"plan:{version.plan_id}",
        at=now,
        version=version.version,
        subscriptionId=version.subscription_id,
        baseFee=plain(version.base_fee),
        baseFeeTiming=version.base_fee_timing,
        effectiveFrom=version.effective_from.isoformat(),
    )
