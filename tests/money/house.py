"""A company with plans and subscriptions, in the fewest words: what the tests of money are told in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from tests.factories import make_customer, make_recording, make_usage_type, record
from tests.money.books import check_everything
from tests.support.billing import bill
from tests.support.books import rows
from usage_billing.billing_runs.models import BillingRun
from usage_billing.catalog.models import PlanVersion, UsageQuota
from usage_billing.catalog.plan_versions import NewPlanVersion
from usage_billing.catalog.service import NewPlan, NewQuota
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.administration import change_subscription
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.manage_catalog import create_plan
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.flows.administration.plan_versions import define_plan_version
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing import manage_invoices
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.subscriptions.service import NewSubscription

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
DIME = {"model": "per_unit", "unitPrice": "0.1"}


def day(number: int, *, month: int = 1, hour: int = 0, minute: int = 0, year: int = 2026) -> datetime:
    """An instant of 2026 in UTC."""
    return datetime(year, month, number, hour, minute, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class House:
    """Everything by one word, each in a transaction of its own."""

    engine: Engine

    def plan(self, name: str, *, fee: str | None = None, **terms: Any) -> None:
        """A plan in dollars, by the month unless said otherwise."""
        new = NewPlan(
            id=name,
            name=name,
            currency=terms.pop("currency", "USD"),
            base_fee=None if fee is None else Decimal(fee),
            **terms,
        )
        with transaction(self.engine) as session:
            create_plan(session, new, actor="test", now=JANUARY)

    def quota(
        self,
        plan: str,
        limit: str | None,
        price: dict[str, Any] = DIME,
        *,
        at: datetime = JANUARY,
        own: str | None = None,
        effective: Any = None,
        reprice: bool = False,
        of: str = "calls",
    ) -> UsageQuota:
        """A version of the quota on calls, or on another usage type."""
        new = NewQuota(
            plan_id=plan,
            usage_type=of,
            limit=None if limit is None else Decimal(limit),
            price=price,
            subscription_id=own,
            effective=effective,
            reprice_usage=reprice,
        )
        with transaction(self.engine) as session:
            return define_quota(session, new, actor="test", now=at).quota

    def subscribe(self, name: str = "s", plan: str = "a", *, at: datetime = JANUARY, **more: Any) -> None:
        """A subscription of Ann's."""
        new = NewSubscription(id=name, customer_id="ann", plan_id=plan, started_at=at, **more)
        with transaction(self.engine) as session:
            create_subscription(session, new, actor="test", now=at)

    def version(
        self, plan: str, fee: str, *, at: datetime, effective: Any = "next_period", reprice: bool = False, **more: Any
    ) -> PlanVersion:
        """A version of a plan's base fee."""
        new = NewPlanVersion(plan_id=plan, base_fee=Decimal(fee), effective=effective, reprice_usage=reprice, **more)
        with transaction(self.engine) as session:
            return define_plan_version(session, new, actor="test", now=at)

    def use(
        self, quantity: str | int, *, at: datetime, occurred: datetime | None = None, name: str = "s", key: str = ""
    ) -> UUID:
        """Record calls; returns the recording's id."""
        one = make_recording(
            now=at,
            quantity=quantity,
            customer="ann",
            subscription=name,
            usage_type="calls",
            occurred_at=occurred or at,
            key=key,
        )
        with transaction(self.engine) as session:
            assert record(session, one).recorded == 1
        return one.id

    def void(self, usage: UUID, *, at: datetime) -> None:
        """Take a recording back."""
        with transaction(self.engine) as session:
            void_usage(session, usage, reason="wrong", actor="test", now=at)

    def change(self, kind: str, *, at: datetime, when: str | datetime = "now", name: str = "s", **more: Any) -> None:
        """``change_plan``, ``pause``, ``resume`` or ``cancel``."""
        with transaction(self.engine) as session:
            flow = getattr(change_subscription, kind)
            flow(session, name, when=When(moment=when), actor="test", now=at, **more)

    def bill(self, at: datetime, *, dry_run: bool = False) -> BillingRun:
        """A run to its end, and the books in order after it."""
        run = bill(self.engine, at, dry_run=dry_run)
        assert run.warnings == []
        check_everything(self.engine)
        return run

    def by_hand(self, what: str, invoice: UUID, *, at: datetime | None = None) -> None:
        """``finalize``, ``pay``, ``give_up`` or ``void``."""
        with transaction(self.engine) as session:
            getattr(manage_invoices, f"{what}_invoice")(session, invoice, actor="test", now=at or utc_now())

    def invoices(self, name: str = "s") -> list[tuple[str, datetime, Decimal, list[tuple[str, Decimal]]]]:
        """(status, when it is due to be final, total, [(kind, amount)]) of each that stands, in order."""
        found = rows(
            self.engine,
            "SELECT i.status, i.closes_at, i.total, (SELECT array_agg(x.kind ORDER BY x.period_start, x.kind)"
            " FROM usage_invoice_items x WHERE x.invoice_id = i.id) AS kinds,"
            " (SELECT array_agg(x.amount ORDER BY x.period_start, x.kind) FROM usage_invoice_items x"
            " WHERE x.invoice_id = i.id) AS amounts FROM invoices i WHERE i.subscription_id = :name"
            " AND i.status <> 'void' ORDER BY i.closes_at, i.number",
            name=name,
        )
        return [
            (r.status, r.closes_at, Decimal(r.total), list(zip(r.kinds, map(Decimal, r.amounts), strict=True)))
            for r in found
        ]

    def ids(self, name: str = "s") -> list[UUID]:
        """The ids of the same."""
        found = rows(
            self.engine,
            "SELECT id FROM invoices WHERE subscription_id = :name AND status <> 'void' ORDER BY closes_at, number",
            name=name,
        )
        return [row.id for row in found]

    def balance(self) -> Decimal:
        """Ann's credit in dollars."""
        found = rows(self.engine, "SELECT balance FROM credit_balances WHERE customer_id = 'ann' AND currency = 'USD'")
        return Decimal(found[0].balance) if found else Decimal(0)


def make_house(engine: Engine) -> House:
    """Ann, who may use calls."""
    with transaction(engine) as session:
        make_customer(session, id="ann")
        make_usage_type(session, id="calls")
    return House(engine)
