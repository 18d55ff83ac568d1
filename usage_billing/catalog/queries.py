"""Reads the catalogue: plans, and the versions of their quotas."""

from collections.abc import Iterable

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan
from usage_billing.catalog.quotas import QuotaBook, QuotaKey, QuotaVersion

_QUOTAS = text("""
    SELECT plan_id, usage_type_id, subscription_id, id, version, immediate, monthly_limit, price, unit_name,
        effective_from
    FROM usage_quotas
    WHERE plan_id = ANY(CAST(:plans AS text[]))
        AND (subscription_id IS NULL OR subscription_id = ANY(CAST(:owners AS text[])))
    ORDER BY version DESC
""")


def quotas_of(session: Session, plan_ids: Iterable[str], *, subscription_ids: Iterable[str] = ()) -> QuotaBook:
    """Every quota version of these plans, and every own version that these subscriptions have on them."""
    versions: dict[QuotaKey, list[QuotaVersion]] = {}
    rows = session.execute(_QUOTAS, {"plans": list(set(plan_ids)), "owners": list(set(subscription_ids))})
    for plan_id, usage_type_id, subscription_id, *version in rows:
        versions.setdefault((plan_id, usage_type_id, subscription_id), []).append(QuotaVersion(*version))
    return QuotaBook(versions)


def plans_by_id(session: Session, plan_ids: Iterable[str]) -> dict[str, Plan]:
    """The plans with these ids, by id; an id without a plan is absent."""
    return {plan.id: plan for plan in session.scalars(_plans(plan_ids))}


def hold_plans(session: Session, plan_ids: Iterable[str]) -> dict[str, Plan]:
    """The plans with these ids, by id, each locked so that no admin can change its quotas until the transaction ends.

    Without the lock a run could rate usage by the old quotas while an admin's transaction defines a new one. That
    transaction does not see the usage yet and reopens none of it, so billing would never look at it again.
    """
    return {plan.id: plan for plan in session.scalars(_plans(plan_ids).with_for_update(read=True))}


def _plans(plan_ids: Iterable[str]) -> Select[Plan]:
    return select(Plan).where(Plan.id.in_(set(plan_ids))).order_by(Plan.id)
