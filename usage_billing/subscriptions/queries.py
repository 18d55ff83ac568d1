"""Reads subscriptions: who owns them, their terms, and their contracts."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, TextClause, and_, exists, func, not_, or_, select, text
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageQuota
from usage_billing.catalog.queries import plans_by_id
from usage_billing.core.choices import OnDowngrade
from usage_billing.core.errors import NotFound
from usage_billing.core.periods import Cadence
from usage_billing.core.spans import ALWAYS, Span
from usage_billing.db.bulk import joined
from usage_billing.db.filters import begins_with, equal, within
from usage_billing.db.rows import read_rows
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.changes import Span as TermSpan
from usage_billing.subscriptions.lifecycle import Term, Terms, Timeline
from usage_billing.subscriptions.models import Subscription, SubscriptionTerm
from usage_billing.subscriptions.states import ENDED, PAUSED
from usage_billing.subscriptions.term_rows import COLUMNS, TABLES, THESE, ContractRow, TermRow, timelines_from

OF_IDS = "string_to_array(:ids, chr(31))"
OF_SUBSCRIPTION = "ARRAY[CAST(:id AS text)]"
OF_CUSTOMER = "ARRAY(SELECT id FROM subscriptions WHERE customer_id = :id)"
"""Which subscriptions: for ``THESE``."""

_TERMS = text(f"SELECT {COLUMNS}{TABLES}{THESE % OF_IDS}")


def contracts_with(these: str, *, column: str = "") -> TextClause:
    """The statement for the terms of ``these`` subscriptions, each a ``ContractRow``, and a column beside them.

    It asks for ``:anniversary``, which is ``Anchor.ANNIVERSARY``, and for what ``these`` and the column name.
    """
    return text(f"SELECT {COLUMNS}, p.currency{column}{TABLES}{THESE % these}")


_CONTRACT = contracts_with(OF_SUBSCRIPTION)
_CONTRACTS_BY_ID = contracts_with("CAST(:ids AS text[])")
_CONTRACTS_OF_CUSTOMER = contracts_with(OF_CUSTOMER)
_CONTRACTS_OF_CUSTOMERS = contracts_with(
    "ARRAY(SELECT id FROM subscriptions WHERE customer_id = ANY(CAST(:ids AS text[])))"
)
CURRENCIES = text("""
    SELECT DISTINCT p.currency
    FROM subscriptions AS s
    JOIN plans AS p ON p.id = s.plan_id
    WHERE s.customer_id = :customer
""")
"""The currencies of a customer's plans."""

_OWNER = text("SELECT customer_id FROM subscriptions WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Contract:
    """A subscription to be read: its customer, its terms, and the currency of its plans."""

    id: str
    timeline: Timeline
    customer_id: str
    currency: str


def subscriptions_where(
    *,
    now: datetime,
    customer_id: str | None = None,
    plan_id: str | None = None,
    status: str | None = None,
    span: Span = ALWAYS,
    prefix: str = "",
) -> Select[Subscription]:
    """The statement for a list of subscriptions that start in ``span``, and whose ids begin with ``prefix``.

    ``plan_id`` is the plan at ``now``: before the start the first one, after the end the last. ``status``, one of
    STATUSES, is that of ``now``; a subscription that is yet to start has none of them.
    """
    statement = within(
        equal(select(Subscription), {Subscription.customer_id: customer_id}), Subscription.started_at, span
    )
    statement = begins_with(statement, Subscription.id, prefix)
    over = and_(Subscription.ended_at.is_not(None), Subscription.ended_at <= now)
    if plan_id is not None:
        statement = statement.where(or_(_is_on(plan_id, now), and_(over, Subscription.plan_id == plan_id)))
    if status is None:
        return statement
    if status == ENDED:
        return statement.where(over)
    paused = exists().where(
        SubscriptionTerm.subscription_id == Subscription.id,
        SubscriptionTerm.paused,
        SubscriptionTerm.starts_at <= now,
        or_(SubscriptionTerm.ends_at.is_(None), SubscriptionTerm.ends_at > now),
    )
    return statement.where(not_(over), Subscription.started_at <= now, paused if status == PAUSED else ~paused)


def _is_on(plan_id: str, now: datetime) -> ColumnElement[bool]:
    """Whether a subscription is on a plan at ``now``, or begins on it."""
    at = func.greatest(now, Subscription.started_at)
    runs = and_(
        SubscriptionTerm.starts_at <= at, or_(SubscriptionTerm.ends_at.is_(None), SubscriptionTerm.ends_at > at)
    )
    return exists().where(
        SubscriptionTerm.subscription_id == Subscription.id, SubscriptionTerm.plan_id == plan_id, runs
    )


def plans_of_customer(session: Session, customer_id: str) -> set[str]:
    """The plans that the customer's subscriptions are, were or will be on."""
    statement = select(SubscriptionTerm.plan_id).join(Subscription, Subscription.id == SubscriptionTerm.subscription_id)
    return set(session.scalars(statement.where(Subscription.customer_id == customer_id)))


def prices_seen_by(quotas: Select[UsageQuota], customer_id: str | None) -> Select[UsageQuota]:
    """Those of the quotas that the customer may see: of its plans, for all or for its own subscriptions.

    None sees all of them.
    """
    if customer_id is None:
        return quotas
    own = select(Subscription.id).where(Subscription.customer_id == customer_id)
    plans = select(SubscriptionTerm.plan_id).where(SubscriptionTerm.subscription_id.in_(own))
    mine = or_(UsageQuota.subscription_id.is_(None), UsageQuota.subscription_id.in_(own))
    return quotas.where(UsageQuota.plan_id.in_(plans), mine)


def owner_of(session: Session, subscription_id: str) -> str:
    """The id of a subscription's customer; raises NotFound."""
    owner: str | None = session.scalar(_OWNER, {"id": subscription_id})
    if owner is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    return owner


def timelines_of(session: Session, subscription_ids: Collection[str]) -> dict[str, Timeline]:
    """The terms of these subscriptions in order, by subscription id; a subscription that does not exist is absent."""
    return timelines_from(_terms(session, subscription_ids))


def customers_and_timelines(
    session: Session, subscription_ids: Collection[str]
) -> tuple[dict[str, str], dict[str, Timeline]]:
    """The customers and the terms of these subscriptions, each by subscription id, as ``timelines_of`` has them."""
    rows = _terms(session, subscription_ids)
    return {row.id: row.customer_id for row in rows}, timelines_from(rows)


def _terms(session: Session, subscription_ids: Collection[str]) -> list[TermRow]:
    asked = {"ids": joined(subscription_ids), "anniversary": Anchor.ANNIVERSARY}
    return read_rows(session.execute(_TERMS, asked), TermRow)


def timeline_of(session: Session, subscription: Subscription, spans: Sequence[TermSpan]) -> Timeline:
    """The timeline that a subscription would have with these spans as its terms."""
    plans = plans_by_id(session, {span.plan_id for span in spans})
    return Timeline(
        subscription.timezone,
        tuple(
            Term(
                plan_id=span.plan_id,
                starts_at=span.starts_at,
                ends_at=span.ends_at,
                paused=span.paused,
                terms=terms_on(plans[span.plan_id], subscription),
            )
            for span in spans
        ),
        subscription.created_at,
    )


def terms_on(plan: Plan, subscription: Subscription) -> Terms:
    """What a plan says about time for a subscription."""
    anchor = subscription.started_at if subscription.anchor == Anchor.ANNIVERSARY else None
    return Terms(
        cadence=Cadence(plan.interval, plan.interval_count, anchor, subscription.anchor_day or 1),
        proration=plan.proration,
        prorates_edges=plan.prorates_edges,
        claws_back=plan.on_downgrade == OnDowngrade.CHARGE,
    )


def get_contract(session: Session, subscription_id: str) -> Contract:
    """The contract of a subscription; raises NotFound."""
    found = _contracts(session, _CONTRACT, id=subscription_id)
    if not found:
        raise NotFound(f"there is no subscription {subscription_id}")
    return found[0]


def contracts_by_id(session: Session, ids: Collection[str]) -> list[Contract]:
    """The contracts of these subscriptions, ordered by id; a subscription that does not exist is absent."""
    return _contracts(session, _CONTRACTS_BY_ID, ids=list(ids))


def contracts_of(session: Session, customer_id: str) -> list[Contract]:
    """The contracts of a customer, ordered by subscription id; none when there is no such customer."""
    return _contracts(session, _CONTRACTS_OF_CUSTOMER, id=customer_id)


def contracts_of_customers(session: Session, customer_ids: Collection[str]) -> list[Contract]:
    """The contracts of these customers, ordered by subscription id."""
    return _contracts(session, _CONTRACTS_OF_CUSTOMERS, ids=list(customer_ids))


def _contracts(session: Session, statement: TextClause, **asked: str | list[str]) -> list[Contract]:
    return contracts_from(
        read_rows(session.execute(statement, {**asked, "anniversary": Anchor.ANNIVERSARY}), ContractRow)
    )


def contracts_from(rows: Sequence[ContractRow]) -> list[Contract]:
    """The contracts of which ``rows`` are the terms, as a statement of ``contracts_with`` orders them."""
    last = {row.id: row for row in rows}
    return [
        Contract(
            id=id,
            timeline=timeline,
            customer_id=last[id].customer_id,
            currency=last[id].currency,
        )
        for id, timeline in timelines_from(rows).items()
    ]


def get_subscription(session: Session, subscription_id: str) -> Subscription:
    """The subscription with this id; raises NotFound."""
    found = session.get(Subscription, subscription_id)
    if found is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    return found


def terms_by_subscription(session: Session, ids: Iterable[str]) -> dict[str, list[SubscriptionTerm]]:
    """The terms of several subscriptions, each in order."""
    found: dict[str, list[SubscriptionTerm]] = {}
    statement = select(SubscriptionTerm).where(SubscriptionTerm.subscription_id.in_(set(ids)))
    for term in session.scalars(statement.order_by(SubscriptionTerm.starts_at)):
        found.setdefault(term.subscription_id, []).append(term)
    return found
