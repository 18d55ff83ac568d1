"""Reads the catalogue: plans, and the versions of their quotas."""

from collections.abc import Iterable
from typing import TypeVar

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from usage_billing.catalog.fees import FeeBook, FeeVersion
from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.core.errors import NotFound
from usage_billing.core.giving_way import in_turns
from usage_billing.core.spans import ALWAYS, Span
from usage_billing.db.bulk import joined
from usage_billing.db.filters import equal, within
from usage_billing.db.rows import reader
from usage_billing.db.session import once_while_agreed

_VERSION = """
    id, plan_id, usage_type_id, subscription_id, monthly_limit AS limit, price, unit_name, effective,
    immediate AS exact, version = 1 AND subscription_id IS NULL AS first, effective_from,
    coalesce(asked_at, effective_from) AS asked_at, created_at AS made_at, ended_at
"""
_QUOTAS = text(f"""
    SELECT {_VERSION} FROM usage_quotas
    WHERE plan_id = ANY(string_to_array(:plans, chr(31))) AND subscription_id IS NULL
    UNION ALL
    SELECT {_VERSION} FROM usage_quotas
    WHERE subscription_id = ANY(string_to_array(:owners, chr(31)))
    ORDER BY id
""")  # noqa: S608

_FEES = text("""
    SELECT 0 AS id, id AS plan_id, CAST(NULL AS text) AS subscription_id, base_fee, base_fee_timing,
        'start' AS effective, false AS exact, true AS first, created_at AS asked_at, created_at AS effective_from,
        created_at AS made_at, CAST(NULL AS timestamptz) AS ended_at
    FROM plans
    WHERE id = ANY(CAST(:plans AS text[]))
    UNION ALL
    SELECT id, plan_id, subscription_id, base_fee, base_fee_timing, effective, immediate, false, asked_at,
        effective_from, created_at, ended_at
    FROM plan_versions
    WHERE (plan_id = ANY(CAST(:plans AS text[])) AND subscription_id IS NULL)
        OR subscription_id = ANY(CAST(:owners AS text[]))
    ORDER BY id
""")

Named = TypeVar("Named", Plan, UsageType)


def quotas_of(session: Session, plan_ids: Iterable[str], *, subscription_ids: Iterable[str] = ()) -> QuotaBook:
    """Every quota version of these plans, and every version that is one of these subscriptions' own."""
    plans, owners = frozenset(plan_ids), frozenset(subscription_ids)
    key = ("quotas", plans, owners)
    return once_while_agreed(session, key, lambda: _quotas_of(session, plans, owners))


def _quotas_of(session: Session, plans: frozenset[str], owners: frozenset[str]) -> QuotaBook:
    listed: dict[tuple[str, str], list[QuotaVersion]] = {}
    own: dict[tuple[str, str], list[QuotaVersion]] = {}
    rows = session.execute(_QUOTAS, {"plans": joined(plans), "owners": joined(owners)})
    version = reader(rows, QuotaVersion)
    for row in in_turns(rows):
        if row.subscription_id is None:
            listed.setdefault((row.plan_id, row.usage_type_id), []).append(version(row))
        else:
            own.setdefault((row.subscription_id, row.usage_type_id), []).append(version(row))
    return QuotaBook(listed, own)


def fees_of(session: Session, plan_ids: Iterable[str], *, subscription_ids: Iterable[str] = ()) -> FeeBook:
    """Every version of the base fees of these plans, and every version that is one of these subscriptions' own."""
    book = FeeBook({}, {})
    rows = session.execute(_FEES, {"plans": list(set(plan_ids)), "owners": list(set(subscription_ids))})
    version = reader(rows, FeeVersion)
    for row in rows:
        if row.subscription_id is None:
            book.listed.setdefault(row.plan_id, []).append(version(row))
        else:
            book.own.setdefault(row.subscription_id, []).append(version(row))
    return book


def has_currency(session: Session, currency: str | None) -> bool:
    """Whether any plan is in this currency."""
    return session.scalar(select(Plan.id).where(Plan.currency == currency).limit(1)) is not None


def plans_by_id(session: Session, plan_ids: Iterable[str]) -> dict[str, Plan]:
    """The plans with these ids, by id; an id without a plan is absent."""
    wanted = frozenset(plan_ids)
    key = ("plans", wanted)
    return once_while_agreed(session, key, lambda: {plan.id: plan for plan in session.scalars(_plans(wanted))})


def hold_plans(session: Session, plan_ids: Iterable[str]) -> dict[str, Plan]:
    """The plans with these ids, by id, each locked so that no admin can change its quotas until the transaction ends.

    Without the lock a run could rate usage by the old quotas while an admin's transaction defines a new one. That
    transaction does not see the usage yet and reopens none of it, so billing would never look at it again.
    """
    return {plan.id: plan for plan in session.scalars(_plans(plan_ids).with_for_update(read=True))}


def _plans(plan_ids: Iterable[str]) -> Select[Plan]:
    return select(Plan).where(Plan.id.in_(set(plan_ids))).order_by(Plan.id)


def get_named(session: Session, model: type[Named], name: str, *, lock: bool = False) -> Named:
    """The plan or usage type ``name``, its row locked as a change would lock it with ``lock``; raises NotFound."""
    found = session.get(model, name, with_for_update={"key_share": True} if lock else None)
    if found is None:
        kind = "plan" if model is Plan else "usage type"
        raise NotFound(f"there is no {kind} {name}")
    return found


def get_quota(session: Session, quota_id: int) -> UsageQuota:
    """The quota version with this id; raises NotFound."""
    found = session.get(UsageQuota, quota_id)
    if found is None:
        raise NotFound(f"there is no quota {quota_id}")
    return found


def plans_where(*, span: Span = ALWAYS) -> Select[Plan]:
    """The statement for a list of plans that were made in ``span``."""
    return within(select(Plan), Plan.created_at, span)


def usage_types_where(*, span: Span = ALWAYS) -> Select[UsageType]:
    """The statement for a list of usage types that were made in ``span``."""
    return within(select(UsageType), UsageType.created_at, span)


def quotas_where(
    *,
    plan_id: str | None = None,
    usage_type: str | None = None,
    subscription_id: str | None = None,
    current: bool | None = None,
) -> Select[UsageQuota]:
    """The statement for a list of versions of quotas; ``current`` False: those of which the end is told."""
    asked = {
        UsageQuota.plan_id: plan_id,
        UsageQuota.usage_type_id: usage_type,
        UsageQuota.subscription_id: subscription_id,
    }
    statement = equal(select(UsageQuota), asked)
    if current is None:
        return statement
    return statement.where(UsageQuota.effective_until.is_(None) == current)
