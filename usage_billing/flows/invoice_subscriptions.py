"""Rate what is new of some subscriptions and put it on their invoices: one transaction, one set at a time.

A charge goes on its own period's invoice while that is a draft, or is not there yet; once it is final, as an
adjustment on the draft of the period at ``as_of``. Whatever is asked twice is written once.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.queries import hold_plans, quotas_of
from usage_billing.core.decimals import EXACT
from usage_billing.core.identifiers import new_id
from usage_billing.core.periods import Period, next_period, period_at
from usage_billing.flows.aggregate import aggregate
from usage_billing.flows.run_outcome import SliceOutcome
from usage_billing.invoicing.builder import ADJUSTMENT, USAGE, Charge, Charged, Standing, Tariff, charge_for
from usage_billing.invoicing.models import DRAFT, Invoice
from usage_billing.invoicing.queries import History, history_of, standing_invoices
from usage_billing.invoicing.service import NewDraft, add_drafts, add_up, put_items, remove_items
from usage_billing.metering.summaries import Unrated, lock_unrated, settle
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.service import lock_subscriptions


def invoice_subscriptions(session: Session, ids: Collection[str], *, as_of: datetime) -> SliceOutcome:
    """Charge what these subscriptions owe as of ``as_of``; what is charged already is left alone.

    Locks, in this order: the subscriptions, their plans, their summaries to rate, their invoices.
    """
    outcome = SliceOutcome()
    subscriptions, currencies = lock_agreements(session, ids)
    summaries = lock_unrated(session, subscriptions.keys(), as_of=as_of)
    if not summaries:
        return outcome
    desk = _Desk(session, subscriptions, currencies, summaries, as_of=as_of)
    for summary in summaries:
        desk.charge(summary, outcome)
    desk.write()
    settle(session, summaries)
    outcome.subscriptions = len({summary.subscription_id for summary in summaries})
    outcome.invoices = len(desk.touched)
    return outcome


def lock_agreements(session: Session, ids: Collection[str]) -> tuple[dict[str, Subscription], dict[str, str]]:
    """Lock these subscriptions and hold their plans; returns them by id, and the plans' currencies."""
    subscriptions = {subscription.id: subscription for subscription in lock_subscriptions(session, ids)}
    return subscriptions, hold_plans(session, (subscription.plan_id for subscription in subscriptions.values()))


@dataclass(slots=True)
class _Changes:
    drafts: list[NewDraft] = field(default_factory=list)
    items: list[tuple[UUID, Charge]] = field(default_factory=list)
    removed: list[UUID] = field(default_factory=list)


class _Desk:
    """Everything read once, and the changes collected until they are written as sets."""

    def __init__(
        self,
        session: Session,
        subscriptions: dict[str, Subscription],
        currencies: dict[str, str],
        summaries: list[Unrated],
        *,
        as_of: datetime,
    ) -> None:
        self._session = session
        self._subscriptions = subscriptions
        self._as_of = as_of
        plans = {subscription.id: subscription.plan_id for subscription in subscriptions.values()}
        self._currencies = currencies
        self._quotas = aggregate(session, summaries, plans=plans, quotas=quotas_of(session, plans.values()))
        self._history: History = history_of(session, [summary.id for summary in summaries])
        self._invoices: dict[tuple[str, datetime], Invoice | NewDraft] = dict(
            standing_invoices(session, subscriptions.keys())
        )
        self._changes = _Changes()
        self.touched: set[UUID] = set()

    def charge(self, summary: Unrated, outcome: SliceOutcome) -> None:
        """Decide what becomes of one summary's charge."""
        subscription = self._subscriptions[summary.subscription_id]
        currency = self._currencies[subscription.plan_id]
        drafted = self._history.drafted.get(summary.id)
        kind = drafted.kind if drafted else self._kind(summary)
        charge = charge_for(
            _standing(summary),
            _tariff(self._quotas.get(summary.id), currency),
            before=self._history.charged.get(summary.id, Charged()),
            kind=kind,
        )
        if charge is None:
            if drafted is not None:
                self._changes.removed.append(drafted.id)
                self.touched.add(drafted.invoice_id)
                outcome.add(summary, quantity=Decimal(0), change=EXACT.minus(drafted.amount), currency=currency)
            return
        invoice_id = drafted.invoice_id if drafted else self._open_draft(subscription, summary, kind)
        self._changes.items.append((invoice_id, charge))
        self.touched.add(invoice_id)
        change = EXACT.subtract(charge.amount, drafted.amount if drafted else Decimal(0))
        outcome.add(summary, quantity=charge.quantity, change=change, currency=currency)

    def write(self) -> None:
        """Write what was decided."""
        add_drafts(self._session, self._changes.drafts)
        put_items(self._session, self._changes.items)
        remove_items(self._session, self._changes.removed)
        add_up(self._session, self.touched)

    def _kind(self, summary: Unrated) -> str:
        own = self._invoices.get((summary.subscription_id, summary.period_start))
        return USAGE if own is None or _is_open(own) else ADJUSTMENT

    def _open_draft(self, subscription: Subscription, summary: Unrated, kind: str) -> UUID:
        """The draft for a charge: its own period's, or for an adjustment the next one that is still open."""
        period = Period(summary.period_start, summary.period_end)
        if kind == ADJUSTMENT:
            period = period_at(self._as_of, zone=subscription.timezone)
        while True:
            invoice = self._invoices.get((subscription.id, period.start))
            if invoice is None:
                return self._add_draft(subscription, period)
            if _is_open(invoice):
                return invoice.id
            period = next_period(period, zone=subscription.timezone)

    def _add_draft(self, subscription: Subscription, period: Period) -> UUID:
        draft = NewDraft(
            id=new_id(),
            customer_id=subscription.customer_id,
            subscription_id=subscription.id,
            currency=self._currencies[subscription.plan_id],
            period_start=period.start,
            period_end=period.end,
        )
        self._invoices[subscription.id, period.start] = draft
        self._changes.drafts.append(draft)
        return draft.id


def _is_open(invoice: Invoice | NewDraft) -> bool:
    return isinstance(invoice, NewDraft) or invoice.status == DRAFT


def _standing(summary: Unrated) -> Standing:
    return Standing(
        summary_id=summary.id,
        usage_type_id=summary.usage_type_id,
        period_start=summary.period_start,
        period_end=summary.period_end,
        total=summary.total,
        billable=summary.beyond_limit,
        events=summary.events,
        billable_events=summary.beyond_events,
    )


def _tariff(quota: UsageQuota | None, currency: str) -> Tariff | None:
    if quota is None or quota.limit is None:
        return None
    return Tariff(quota_id=quota.id, price=quota.price, unit_name=quota.unit_name, currency=currency)
