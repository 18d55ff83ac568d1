"""What a version of a quota brings with it: usage is reckoned anew, a rise must be meant, and the log remembers it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain

from sqlalchemy.orm import Session

from usage_billing.alerts.service import look_at, look_at_plan
from usage_billing.audit.service import note
from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.catalog.queries import get_named, quotas_of
from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.core.choices import Effective
from usage_billing.core.decimals import plain
from usage_billing.core.errors import Conflict
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.core.money import money_text
from usage_billing.core.spans import Used
from usage_billing.flows.administration.dearer import Alter, dearer_by
from usage_billing.flows.administration.effect import Scope, check_nothing_is_divided
from usage_billing.flows.billing.foresee_plan import ids_on_plan
from usage_billing.flows.billing.marks import Marks
from usage_billing.flows.billing.plan_change import AT_A_TIME
from usage_billing.flows.folding.reckon_meters import reckon_meters
from usage_billing.metering.settling import reopen_for_quota, reopen_from
from usage_billing.metering.voids import used_after
from usage_billing.meters.counted_in import folded_after
from usage_billing.meters.queries import active_meters
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.price import has_minimum
from usage_billing.subscriptions.agreement import AgreedPeriod, agreed_period
from usage_billing.subscriptions.openings import open_again
from usage_billing.subscriptions.queries import contracts_by_id


def check_price(
    session: Session, scope: Scope, *, since: datetime, repriced: bool, alter: Alter, known: Marks | None = None
) -> None:
    """Raises Conflict (``would_reprice``) where recorded usage becomes dearer and that is not said to be meant.

    What an earlier call found to cost no more is ``known``: it is looked at again only where it has changed since.
    """
    if repriced:
        return
    more = dearer_by(session, scope, since=since, alter=alter, known=known)
    if more:
        message = f"recorded usage would cost {_money(session, scope, more)} more; say repriceUsage if that is meant"
        raise Conflict(message, code="would_reprice")


def check_undivided(session: Session, scope: Scope, *, at: datetime, repriced: bool, alter: Alter) -> None:
    """Raises Conflict where ``at`` lies within a segment and usage of the segment lies after it.

    That is ``would_reprice``, with the sum, where the usage would become dearer and that is not said to be meant; or
    else ``usage_later``, for recordings stay in the segment that they were counted in. Of a meter it is always the
    latter: what a part of its segment would cost is not known.
    """
    try:
        check_nothing_is_divided(session, scope, at=at)
    except Conflict as divided:
        told = not repriced and not _is_meter(session, scope.usage_type)
        more = dearer_by(session, scope, since=at, alter=alter, cut=at) if told else Decimal(0)
        if not more:
            raise
        amount = _money(session, scope, more)
        message = f"recorded usage would cost {amount} more, and {divided.message}"
        raise Conflict(message, code="would_reprice") from divided


def check_stays_counted(session: Session, owner: str, usage_type: str, *, since: datetime, alter: Alter) -> None:
    """Raises Conflict (``usage_later``) where usage would lie in another segment than that it was counted in.

    So it does where a version of a subscription's own hides what divided its periods, or where what it hid comes back.
    The caller has locked the subscription: what it finds is all there is, for folds lock it too before they read terms.
    """
    contract = contracts_by_id(session, [owner])[0]
    plans = {term.plan_id for term in contract.timeline.terms}
    book = quotas_of(session, plans, subscription_ids=[owner])
    looked_at = (find(session, owner, usage_type, since=since) for find in (used_after, folded_after))
    for used in chain.from_iterable(looked_at):
        was, then = (
            agreed_period(contract.timeline, quotas, owner, usage_type, used.first) for quotas in (book, alter(book))
        )
        if _holds(was, used) and not _holds(then, used):
            begun = used.period_start.astimezone(UTC).isoformat()
            message = (
                f"usage until {used.last.astimezone(UTC).isoformat()} is counted in a segment from {begun}, which would"
                " be another; the first possible moment is after that"
            )
            raise Conflict(message, code="usage_later")


def check_ends_fit(
    session: Session, owner: str, own: Sequence[UsageQuota], *, at: datetime, until: datetime | None
) -> None:
    """Raises Conflict (``usage_later``) where quotas of a subscription's own that a change at ``at`` ends move usage.

    That is usage after ``until``, when the next change holds. Usage between the two is not there, or is taken back.
    """
    if until is None:
        return

    def alter(book: QuotaBook) -> QuotaBook:
        for quota in own:
            book = with_end(quota.id, at)(book)
        return book

    for usage_type in sorted({quota.usage_type_id for quota in own}):
        check_stays_counted(session, owner, usage_type, since=until, alter=alter)


def _is_meter(session: Session, usage_type: str | None) -> bool:
    found = None if usage_type is None else session.get(UsageType, usage_type)
    return found is not None and found.of is not None


def _holds(agreed: AgreedPeriod | None, used: Used) -> bool:
    part = None if agreed is None else agreed.part_at(used.first)
    return part is not None and part.start == used.period_start and used.last < part.end


def _money(session: Session, scope: Scope, amount: Decimal) -> str:
    currency = get_named(session, Plan, scope.plan_id).currency
    return f"{money_text(amount, minor_unit(currency))} {currency}"


def unstored(version: UsageQuota, *, now: datetime) -> QuotaVersion:
    """A version that is not stored yet, the last of all."""
    return QuotaVersion(
        id=MAX_BIGINT,
        plan_id=version.plan_id,
        limit=version.monthly_limit,
        price=version.price,
        unit_name=version.unit_name,
        effective=version.effective,
        exact=version.immediate,
        first=version.version == 1 and version.subscription_id is None,
        asked_at=version.asked_at or now,
        effective_from=version.effective_from,
        made_at=now,
        ended_at=None,
    )


def with_version(version: UsageQuota, *, now: datetime) -> Alter:
    """The book with a version that is not stored yet."""
    added = unstored(version, now=now)

    def book(known: QuotaBook) -> QuotaBook:
        return known.with_version(version.usage_type_id, added, owner=version.subscription_id)

    return book


def with_end(quota_id: int, at: datetime) -> Alter:
    """The book with a version ended at ``at``."""

    def book(known: QuotaBook) -> QuotaBook:
        return known.changed(lambda quota: quota._replace(ended_at=at) if quota.id == quota_id else quota)

    return book


def reckon_quota_anew(session: Session, quota: UsageQuota, *, since: datetime, now: datetime) -> None:
    """Let billing look again at what a version may change that holds, or ends, from ``since`` on at the earliest.

    A meter comes to what it does by now in periods that the version cuts. Of a plan's version the caller has locked
    the subscriptions, if ``moves_with_terms`` is so.
    """
    if quota.subscription_id is not None:
        reopen_from(session, quota.subscription_id, since=since)
        look_at(session, [quota.subscription_id])
    else:
        comes = quota.effective == Effective.NEXT_PERIOD
        reopen_for_quota(session, plan_id=quota.plan_id, usage_type_id=quota.usage_type_id, since=since, comes=comes)
        look_at_plan(session, quota.plan_id)
    if quota.subscription_id is not None or has_minimum(quota.price):
        open_again(session, plan_id=quota.plan_id, subscription_id=quota.subscription_id, since=since)
    if moves_with_terms(session, quota.usage_type_id):
        own = quota.subscription_id
        ids = ids_on_plan(session, quota.plan_id) if own is None else [own]
        for start in range(0, len(ids), AT_A_TIME):
            reckon_meters(session, ids[start : start + AT_A_TIME], now=now)


def moves_with_terms(session: Session, usage_type: str) -> bool:
    """Whether what a usage type comes to depends on how long billing periods are, and where they are cut."""
    meter = active_meters(session).get(usage_type)
    return meter is not None and not meter.adds_up


def note_quota(session: Session, quota: UsageQuota, *, action: str, actor: str, now: datetime) -> None:
    """Remember in the audit log what was made, or until when it holds."""
    note(
        session,
        actor=actor,
        action=action,
        subject=f"quota:{quota.id}",
        at=now,
        planId=quota.plan_id,
        usageType=quota.usage_type_id,
        version=quota.version,
        monthlyLimit=None if quota.monthly_limit is None else plain(quota.monthly_limit),
        price=quota.price,
        effectiveFrom=quota.effective_from.isoformat(),
        endedAt=None if quota.ended_at is None else quota.ended_at.isoformat(),
    )
