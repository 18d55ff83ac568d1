"""Everything that can happen to money, in any order, on the real database, against brute force over the events.

Customers, plans of every interval, fees, proration and pricing model; quotas that change at once or at the next
period; quotas and fees of a subscription's own, given, ended or left behind by a move; versions of base fees;
recordings in any order and lateness, taken back; plan changes, pauses and cancellations, looked at before or not,
planned and taken back; starts that are moved; runs at any time, some killed half-way, some resumed later; invoices made
final by hand, paid, void.
After every run what is charged is what is due, to the cent. ``MONEY_EXAMPLES=500`` looks longer.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, select

from tests.factories import make_customer, make_recording, make_usage_type, record
from tests.money.books import charged, check_everything
from tests.money.oracle import FEE, Agreement, Event, Plan, Version
from tests.support.billing import GRACE, bill, driven, opened
from tests.support.books import rows, scalars
from tests.support.databases import empty
from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.own_quota import OwnQuota
from usage_billing.catalog.plan_versions import NewPlanVersion
from usage_billing.catalog.service import NewPlan, NewQuota
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.administration import change_subscription
from usage_billing.flows.administration.agree import AgreedChange, Precaution
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.manage_catalog import create_plan
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.flows.administration.move_start import move_start
from usage_billing.flows.administration.own_quotas import end_own_quota
from usage_billing.flows.administration.plan_versions import define_plan_version
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing import manage_invoices
from usage_billing.flows.billing.drive_run import do_slice, next_of_run
from usage_billing.flows.billing.foresee import Foreseen
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.subscriptions.service import NewSubscription

EXAMPLES = int(os.environ.get("MONEY_EXAMPLES", "6"))
STEPS = int(os.environ.get("MONEY_STEPS", "30"))
START = datetime(2026, 1, 20, 10, tzinfo=UTC)
TYPES = ["calls", "bytes"]
TIERS = [
    {"upTo": "5", "unitPrice": "2", "flatFee": "1"},
    {"upTo": "20.5", "unitPrice": "0.333333333333", "flatFee": "0"},
    {"upTo": None, "unitPrice": "0.01", "flatFee": "3"},
]
PRICES: list[dict[str, Any]] = [
    {"model": "per_unit", "unitPrice": "0.335"},
    {"model": "per_unit", "unitPrice": "10", "minimumAmount": "7.77", "maximumAmount": "120"},
    {"model": "graduated", "tiers": TIERS},
    {"model": "volume", "tiers": TIERS, "discountPercent": "12.5"},
    {"model": "package", "packageSize": "7", "packagePrice": "4.99", "freeUnits": "3"},
    {"model": "percentage", "rate": "0.029", "fixedFee": "0.3"},
    {"model": "flat", "amount": "9.99"},
    {"model": "flat", "amount": "5", "minimumAmount": "2.5"},
    {"model": "per_unit", "unitPrice": "2", "maximumAmount": "60"},
    {"model": "percentage", "rate": "0.5", "fixedFee": "0.3", "freeRecordings": 1, "maximumPerRecording": "9"},
    {"model": "per_unit", "unitPrice": "0.7", "roundQuantity": {"to": "25", "mode": "up"}},
]
LIMITS = st.sampled_from([None, "0", "10", "10", "31", "99.999999999999"])

plans: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    interval=st.sampled_from(["month", "month", "week", "day", "quarter", "year"]),
    interval_count=st.sampled_from([1, 1, 1, 2]),
    base_fee=st.sampled_from([None, "10", "29.99", "0.05"]),
    base_fee_timing=st.sampled_from(["arrears", "advance"]),
    proration=st.sampled_from(["time", "time", "days", "none"]),
    prorates_edges=st.booleans(),
    on_downgrade=st.sampled_from(["keep", "keep", "charge"]),
)
FEES = ["10", "29.99", "0.05", "31"]
TIMINGS = ["arrears", "advance"]
subscriptions: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland", "America/St_Johns"]),
    anniversary=st.booleans(),
    day=st.sampled_from([None, None, 15, 31]),
    age=st.sampled_from([timedelta(0), timedelta(days=12, hours=7), timedelta(days=45, minutes=1)]),
    fee=st.sampled_from([None, None, "7.50", "40"]),
    timing=st.sampled_from(TIMINGS),
    own=st.one_of(st.none(), st.tuples(LIMITS, st.sampled_from(PRICES))),
)
own_ends = st.fixed_dictionaries(
    {}, optional={"quotas": st.sampled_from(["keep", "end"]), "base_fee": st.sampled_from(["keep", "end"])}
)
moments = st.sampled_from(["now", "now", "period_end", 75, -26, -24 * 12])


@contextmanager
def allowed(*codes: str) -> Iterator[list[str]]:
    """A conflict with one of these codes is an answer; the list holds it afterwards."""
    refused: list[str] = []
    try:
        yield refused
    except Conflict as error:
        refused.append(error.code)
    except InvalidInput as error:
        refused.extend(field.code for field in error.fields)
    assert set(refused) <= set(codes)


class Boom(Exception):
    """A process that dies in the midst of its transaction."""


class Money(RuleBasedStateMachine):
    """One database, and a clock that only goes forward."""

    engine: Engine

    @initialize(
        terms=st.lists(plans, min_size=3, max_size=3),
        people=st.lists(subscriptions, min_size=3, max_size=3),
        quotas=st.lists(st.tuples(LIMITS, st.sampled_from(PRICES)), min_size=6, max_size=6),
    )
    def begin(
        self,
        terms: list[dict[str, Any]],
        people: list[dict[str, Any]],
        quotas: list[tuple[str | None, dict[str, Any]]],
    ) -> None:
        empty(self.engine)
        self.now = START
        self.versions: list[Version] = []
        self.numbers = count(1)
        self.ids: dict[int, int] = {}
        self.runs: list[UUID] = []
        self.plans: dict[str, Plan] = {}
        self.subscriptions: dict[str, Agreement] = {}
        self.is_billed = False
        with transaction(self.engine) as session:
            for name in TYPES:
                make_usage_type(session, id=name)
            for name in ("ann", "bob"):
                make_customer(session, id=name)
        for index, term in enumerate(terms):
            self._make_plan(f"p{index}", term)
        for index, (limit, price) in enumerate(quotas):
            self._define(f"p{index % 3}", TYPES[index // 3], limit, price, own=None, how=None)
            if index % 2:  # before or after the first prices of its plan
                self._subscribe(f"s{index // 2}", f"p{index // 2}", people[index // 2])
        self.use([(name, type, "33.333333333333", 0) for name in self.subscriptions for type in TYPES])

    def _make_plan(self, name: str, term: dict[str, Any]) -> None:
        fee = term["base_fee"]
        values = {**term, "base_fee": None if fee is None else Decimal(fee)}
        with transaction(self.engine) as session:
            create_plan(session, NewPlan(id=name, name=name, currency="USD", **values), actor="test", now=self.now)
        self.plans[name] = Plan(
            id=name,
            interval=term["interval"],
            count=term["interval_count"],
            proration=term["proration"],
            edges=term["prorates_edges"],
            charges=term["on_downgrade"] == "charge",
        )
        self._know_fee(name, fee, term["base_fee_timing"], how="start", first=True)

    def _know_fee(
        self,
        plan: str,
        fee: str | None,
        timing: str,
        *,
        how: str | datetime,
        own: str | None = None,
        first: bool = False,
    ) -> None:
        price = {"baseFee": fee, "baseFeeTiming": timing}
        number = next(self.numbers)
        version = Version(
            plan=plan, type=FEE, own=own, asked=self.now, how=how, limit=None, price=price, first=first, number=number
        )
        self.versions.append(version)

    def _subscribe(self, name: str, plan: str, person: dict[str, Any]) -> None:
        started, by_months = START - person["age"], self.plans[plan].interval in {"month", "quarter", "year"}
        day = person["day"] if by_months and not person["anniversary"] else None
        new = NewSubscription(
            id=name,
            customer_id=self._customer(name),
            plan_id=plan,
            started_at=started,
            timezone=person["zone"],
            anchor="anniversary" if person["anniversary"] else "calendar",
            anchor_day=day,
            base_fee=None if person["fee"] is None else Decimal(person["fee"]),
            base_fee_timing=None if person["fee"] is None else person["timing"],
            quotas=[] if person["own"] is None else [_own_quota(*person["own"])],
            allow_backdating=True,
        )
        with transaction(self.engine) as session:
            create_subscription(session, new, actor="test", now=self.now)
            ids = list(session.scalars(select(UsageQuota.id).where(UsageQuota.subscription_id == name)))
        self.subscriptions[name] = Agreement(
            id=name,
            zone=person["zone"],
            started=started,
            anniversary=person["anniversary"],
            plans={started: self.plans[plan]},
            number=next(self.numbers),
            day=day or 1,
        )
        if person["fee"] is not None:
            self._know_fee(plan, person["fee"], person["timing"], how="start", own=name)
        if person["own"] is not None:
            (limit, price), number = person["own"], next(self.numbers)
            self.ids[number] = ids[0]
            version = Version(
                plan=plan,
                type=TYPES[0],
                own=name,
                asked=started,
                how="start",
                limit=None if limit is None else Fraction(limit),
                price=price,
                number=number,
            )
            self.versions.append(version)

    def _customer(self, subscription: str) -> str:
        return "bob" if subscription == "s2" else "ann"

    def _define(
        self,
        plan: str,
        type: str,
        limit: str | None,
        price: dict[str, Any],
        *,
        own: str | None,
        how: str | datetime | None,
        reprice: bool = True,
    ) -> None:
        new = NewQuota(
            plan_id=plan,
            usage_type=type,
            limit=None if limit is None else Decimal(limit),
            price=price,
            subscription_id=own,
            effective=how,
            reprice_usage=reprice,
        )
        before = {} if reprice else self._dues()
        with transaction(self.engine) as session:
            made = define_quota(session, new, actor="test", now=self.now).quota
        first = own is None and not any((v.plan, v.type, v.own) == (plan, type, None) for v in self.versions)
        priced = first or any((v.plan, v.type, v.own) == (plan, type, None) for v in self.versions)
        default = "period" if first or (own and not priced) else "next_period"
        version = Version(
            plan=plan,
            type=type,
            own=own,
            asked=made.effective_from if own or how == "now" else self.now,
            how=how or default,
            limit=None if limit is None else Fraction(limit),
            price=price,
            first=first,
            number=next(self.numbers),
        )
        self.ids[version.number] = made.id
        self.versions.append(version)
        if not reprice and not first and how != "now":
            self._check_nothing_is_dearer(before, type)
        self.is_billed = False

    def _dues(self) -> dict[Any, Fraction]:
        found: dict[Any, Fraction] = {}
        for agreement in self.subscriptions.values():
            found |= agreement.dues(self.versions, TYPES, self.now)
        return found

    def _check_nothing_is_dearer(self, before: dict[Any, Fraction], type: str) -> None:
        """What is used of a type costs no more in all than it did; a minimum may be due where nothing was."""
        after = self._dues()
        if any("minimumAmount" in version.price for version in self.versions):
            return
        for name in self.subscriptions:
            was, now = (sum(found[key] for key in found if key[:2] == (name, type)) for found in (before, after))
            assert now <= was, (name, type)

    @rule(
        uses=st.lists(
            st.tuples(
                st.sampled_from(["s0", "s1", "s2"]),
                st.sampled_from(TYPES),
                st.sampled_from(["1", "4.25", "10", "33.333333333333", "0.000000000001", "400"]),
                st.sampled_from([0, 0, 0, 1, 30, 24 * 9, 24 * 33]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def use(self, uses: list[tuple[str, str, str, int]]) -> None:
        """Record, some of it late; what nothing runs for at its time is not counted."""
        batch = [
            make_recording(
                now=self.now,
                customer=self._customer(name),
                subscription=name,
                usage_type=type,
                quantity=quantity,
                occurred_at=self.now - timedelta(hours=hours),
            )
            for name, type, quantity, hours in uses
        ]
        counted = 0
        for one in batch:
            agreement = self.subscriptions[one.subscription_id]
            if agreement.runs(one.occurred_at):
                counted += 1
                agreement.events.append(Event(one.id, one.usage_type, one.occurred_at, Fraction(one.quantity)))
        with transaction(self.engine) as session:
            outcome = record(session, *batch)
        assert (outcome.recorded, len(outcome.quarantined)) == (counted, len(batch) - counted)
        self.is_billed = False

    @precondition(lambda self: any(a.events for a in self.subscriptions.values()))
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        agreement = data.draw(st.sampled_from([a for a in self.subscriptions.values() if a.events]))
        event = data.draw(st.sampled_from(agreement.events))
        with allowed("already_voided") as refused, transaction(self.engine) as session:
            void_usage(session, event.id, reason="wrong", actor="test", now=self.now)
        assert bool(refused) == (event.id in agreement.voided)
        agreement.voided.add(event.id)
        self.is_billed = False

    @rule(
        plan=st.sampled_from(["p0", "p1", "p2"]),
        type=st.sampled_from(TYPES),
        limit=LIMITS,
        price=st.sampled_from(PRICES),
        how=st.sampled_from([None, "next_period", "period", "now", "now", "start", -26, -24 * 12, 75]),
        own=st.sampled_from([None, None, "s0", "s1"]),
        reprice=st.booleans(),
    )
    def define_a_quota(
        self,
        plan: str,
        type: str,
        limit: str | None,
        price: dict[str, Any],
        how: str | int | None,
        own: str | None,
        reprice: bool,
    ) -> None:
        """In every way to take effect; what would make recorded usage dearer only where that is said to be meant."""
        if own is not None:
            plan = self._plan_now(own)
        at = self.now + timedelta(hours=how) if isinstance(how, int) else how
        codes = ("usage_later", "already_invoiced", "would_reprice", "already_ended", "not_started")
        with allowed(*codes):
            self._define(plan, type, limit, price, own=own, how=at, reprice=reprice)

    def _plan_now(self, name: str) -> str:
        agreement = self.subscriptions[name]
        return agreement.plans[max(at for at in agreement.plans if at <= max(self.now, agreement.started))].id

    @rule(
        plan=st.sampled_from(["p0", "p1", "p2"]),
        fee=st.sampled_from(FEES),
        timing=st.sampled_from([None, *TIMINGS]),
        how=st.sampled_from(["next_period", "period", "now", "now", "start", -26, -24 * 12, 75]),
    )
    def define_a_fee(self, plan: str, fee: str, timing: str | None, how: str | int) -> None:
        """A version of a plan's base fee, in every way to take effect."""
        at = self.now + timedelta(hours=how) if isinstance(how, int) else how
        new = NewPlanVersion(
            plan_id=plan, base_fee=Decimal(fee), base_fee_timing=timing, effective=at, reprice_usage=True
        )
        with allowed("already_invoiced") as refused, transaction(self.engine) as session:
            made = define_plan_version(session, new, actor="test", now=self.now)
            stands = made.base_fee_timing
        if not refused:
            self._know_fee(plan, fee, stands, how=at)
            self.is_billed = False

    @precondition(lambda self: self.ids and any(v.number in self.ids and v.own for v in self.versions))
    @rule(data=st.data(), how=st.sampled_from(["next_period", "period", "now", "start", -26, 75]))
    def end_an_own_quota(self, data: st.DataObject, how: str | int) -> None:
        """From then on another of its own holds, or the plan's."""
        version = data.draw(st.sampled_from([v for v in self.versions if v.own and v.type != FEE]))
        at = self.now + timedelta(hours=how) if isinstance(how, int) else how
        codes = ("usage_later", "already_invoiced", "already_ended", "not_started")
        with allowed(*codes) as refused, transaction(self.engine) as session:
            ended = end_own_quota(
                session, self.ids[version.number], effective=at, reprice_usage=True, actor="test", now=self.now
            ).ended_at
        if not refused:
            version.ends["delete"] = ended
            self.is_billed = False

    @rule(
        name=st.sampled_from(["s0", "s1", "s2"]),
        plan=st.sampled_from(["p0", "p1", "p2"]),
        moment=moments,
        reprice=st.sampled_from([None, *PRICES]),
        own=own_ends,
        then=st.booleans(),
        look=st.booleans(),
    )
    def move(
        self,
        name: str,
        plan: str,
        moment: str | int,
        reprice: dict[str, Any] | None,
        own: dict[str, str],
        then: bool,
        look: bool,
    ) -> None:
        """To another plan, perhaps one whose prices have just changed, and use it."""
        if reprice is not None:
            self._define(plan, TYPES[0], "10", reprice, own=None, how=None)
        self._change(name, moment, "change_plan", look=look, plan_id=plan, own=own)
        self._use_now(name, then)

    @rule(
        name=st.sampled_from(["s0", "s1", "s2"]),
        moment=moments,
        kind=st.sampled_from(["pause", "resume", "resume", "cancel"]),
        voids=st.sampled_from([False, False, True]),
        then=st.booleans(),
        look=st.booleans(),
    )
    def halt(self, name: str, moment: str | int, kind: str, voids: bool, then: bool, look: bool) -> None:
        """Pause, resume or cancel, perhaps with what was used after it taken back."""
        more = {"later_usage": "void"} if voids and kind != "resume" else {}
        self._change(name, moment, kind, look=look, **more)
        self._use_now(name, then)

    @rule(name=st.sampled_from(["s0", "s1", "s2"]), data=st.data())
    def take_a_change_back(self, name: str, data: st.DataObject) -> None:
        """What is planned does not happen; what it was to end goes on."""
        planned = rows(
            self.engine,
            "SELECT id, at, kind FROM subscription_changes WHERE subscription_id = :name AND at > :now"
            " AND taken_back_at IS NULL ORDER BY id",
            name=name,
            now=self.now,
        )
        agreement = self.subscriptions[name]
        planned = [row for row in planned if row.at != agreement.started]
        if not planned:
            return
        change = data.draw(st.sampled_from(range(len(planned))))
        at = planned[change].at.astimezone(UTC)
        with allowed("usage_later") as refused, transaction(self.engine) as session:
            change_subscription.take_back(session, name, planned[change].id, actor="test", now=self.now)
        if refused:
            return
        match planned[change].kind:
            case "plan":
                del agreement.plans[at]
                for version in self.versions:
                    version.ends.pop((name, at), None)
            case "end":
                agreement.ended = None
            case _:
                del agreement.pauses[at]
        self.is_billed = False

    @rule(name=st.sampled_from(["s0", "s1", "s2"]), hours=st.sampled_from([-24 * 40, -24 * 3, -5, 5, 24 * 8]))
    def move_a_start(self, name: str, hours: int) -> None:
        """While nothing of it is final; what is its own from its start on moves with it."""
        agreement = self.subscriptions[name]
        before, at = agreement.started, agreement.started + timedelta(hours=hours)
        codes = ("already_invoiced", "usage_before", "already_ended", "conflicting_change")
        with allowed(*codes) as refused, transaction(self.engine) as session:
            move_start(session, name, started_at=at, actor="test", now=self.now)
        if refused:
            return
        agreement.started = at
        agreement.plans = {at if begun == before else begun: plan for begun, plan in agreement.plans.items()}
        for place, version in enumerate(self.versions):
            if version.own == name and version.asked == before:
                how = at if isinstance(version.how, datetime) else version.how
                self.versions[place] = replace(version, asked=at, how=how)
            if version.own == name:
                for by, ended in version.ends.items():
                    version.ends[by] = at if ended == before else ended
        self.is_billed = False

    def _use_now(self, name: str, wanted: bool) -> None:
        if wanted:
            self.now += timedelta(minutes=1)
            self.use([(name, TYPES[0], "33.333333333333", 0)])

    def _change(self, name: str, moment: str | int, kind: str, *, look: bool, **more: Any) -> None:
        """The flow says when it takes effect; the oracle says what follows."""
        agreement = self.subscriptions[name]
        when = When(moment=moment if isinstance(moment, str) else self.now + timedelta(hours=moment))
        codes = ("usage_later", "not_started", "already_ended", "not_running", "conflicting_change", "contradiction")
        flow = getattr(change_subscription, kind)
        seen: AgreedChange | None = None
        with allowed(*codes) as refused:
            if look:
                with read_only(self.engine) as session:
                    dry = Precaution(dry_run=True)
                    seen = flow(session, name, when=when, actor="test", now=self.now, precaution=dry, **more)
                when = When(moment=seen.effective_at)
            with transaction(self.engine) as session:
                done = flow(session, name, when=when, actor="test", now=self.now, **more)
        assert not (refused and seen), "what was looked at is refused"
        if refused or not done.changed:
            return
        at, before = done.effective_at, agreement.changes
        match kind:
            case "change_plan":
                agreement.plans[at] = self.plans[more["plan_id"]]
                ends = {"quotas": "keep", "base_fee": "end"} | more["own"]
                for version in self.versions:
                    if version.own == name and ends["base_fee" if version.type == FEE else "quotas"] == "end":
                        version.ends[name, at] = at
            case "cancel":
                agreement.ended = at
            case _:
                agreement.pauses[at] = kind == "pause"
        agreement.keep_divided(before, self.now)
        gone = scalars(self.engine, "SELECT usage_id FROM usage_voids")
        agreement.voided |= {event.id for event in agreement.events} & set(gone)
        if moment != "period_end" and seen is None:
            assert at >= self.now if moment == "now" else at == when.moment
        self.is_billed = False
        if seen is not None and seen.foreseen is not None and seen.foreseen.until < self.now + timedelta(days=40):
            self._see_it_come(name, seen.foreseen)

    def _see_it_come(self, name: str, foreseen: Foreseen) -> None:
        """Bill to where a dry run looked to: what it said stands there."""
        corrections = scalars(self.engine, "SELECT count(*) FROM invoices WHERE kind = 'correction'")[0]
        self.now = max(self.now, foreseen.at)
        self.bill(rehearse=False)
        self.now = max(self.now, foreseen.until)
        self.bill(rehearse=False)
        for invoice in foreseen.invoices:
            if invoice.kind == "correction" and corrections:
                continue
            total = scalars(
                self.engine,
                "SELECT coalesce(sum(total), 0) FROM invoices WHERE subscription_id = :name AND kind = :kind"
                " AND (kind = 'correction' OR closes_at = :closing) AND status <> 'void'",
                name=name,
                kind=invoice.kind,
                closing=invoice.closes_at,
            )
            assert total == [invoice.total], (invoice.kind, invoice.closes_at)

    @rule(hours=st.sampled_from([0, 1, 5, 24 * 3, 24 * 9, 24 * 40]))
    def let_time_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours, minutes=17)
        self.is_billed = False

    @rule()
    def let_an_invoice_become_final(self) -> None:
        """Go to where the next draft has been due for long enough, and run."""
        ends = scalars(self.engine, "SELECT min(closes_at) FROM invoices WHERE status = 'draft'")[0]
        if ends is not None and ends < START + timedelta(days=200):
            shown = {name: self._upcoming(name) for name in self.subscriptions}
            self.now = max(self.now, ends.astimezone(UTC) + timedelta(hours=1))
            self.bill(rehearse=False)
            for name, invoice in shown.items():
                if invoice is not None and invoice[1] == ends:
                    self._came(name, *invoice)

    def _came(self, name: str, kind: str, end: datetime, shown: list[Any]) -> None:
        """What was shown stands there; an adjustment may stand on the draft of the period that ran at the run."""
        own, adjustments = _parted(shown)
        assert own == _parted(self._items(name, kind, end))[0]
        assert not Counter(adjustments) - Counter(self._adjustments(name))

    def _adjustments(self, name: str) -> list[Any]:
        found = rows(
            self.engine,
            "SELECT x.kind, x.usage_type_id, x.period_start, x.quantity, x.amount FROM invoices i"
            " JOIN usage_invoice_items x ON x.invoice_id = i.id"
            " WHERE i.subscription_id = :name AND x.kind = 'adjustment' AND i.status <> 'void'",
            name=name,
        )
        return [tuple(row) for row in found]

    @rule(rehearse=st.booleans())
    def bill(self, rehearse: bool) -> None:
        """A whole run; what it was said to be is what it is."""
        rehearsal = bill(self.engine, self.now, dry_run=True) if rehearse else None
        shown = {name: self._upcoming(name) for name in self.subscriptions} if rehearse else {}
        run = bill(self.engine, self.now)
        assert run.warnings == []
        if rehearsal is not None:
            same = ("digest", "amounts", "items", "finalized", "invoices", "subscriptions")
            assert [getattr(rehearsal, name) for name in same] == [getattr(run, name) for name in same]
        for name, invoice in shown.items():
            if invoice is not None:
                begun = [line for line in invoice[2] if line[2] <= self.now]  # the rest comes when it closes
                assert begun == [line for line in self._items(name, *invoice[:2]) if line[2] <= self.now]
        self.is_billed = True
        self._compare()

    def _upcoming(self, name: str) -> tuple[str, datetime, list[Any]] | None:
        with rolled_back(self.engine) as session:
            found = upcoming(session, name, now=self.now)
            if found is None:
                return None
            lines = [(i.kind, i.usage_type_id, i.period_start, i.quantity, i.amount) for i in found[1]]
            return found[0].kind, found[0].closes_at, sorted(lines, key=str)

    def _items(self, name: str, kind: str, end: datetime) -> list[Any]:
        found = rows(
            self.engine,
            "SELECT x.kind, x.usage_type_id, x.period_start, x.quantity, x.amount FROM invoices i"
            " JOIN usage_invoice_items x ON x.invoice_id = i.id"
            " WHERE i.subscription_id = :name AND i.kind = :kind AND i.closes_at = :end AND i.status <> 'void'",
            name=name,
            kind=kind,
            end=end,
        )
        return sorted((tuple(row) for row in found), key=str)

    def _compare(self) -> None:
        assert charged(self.engine) == self._dues()
        check_everything(self.engine)

    @rule(name=st.sampled_from(["s0", "s1", "s2"]))
    def die_in_the_midst(self, name: str) -> None:
        """What a transaction did that dies is undone."""
        before = charged(self.engine)
        with pytest.raises(Boom):
            self._invoice_and_die(name)
        assert charged(self.engine) == before

    def _invoice_and_die(self, name: str) -> None:
        with transaction(self.engine) as session:
            invoice_subscriptions(session, [name], as_of=self.now)
            raise Boom

    @rule()
    def die_between_slices(self) -> None:
        """A run that did its first slices and nothing more, until the machine resumes it."""
        run = opened(self.engine, self.now)
        due = next_of_run(self.engine, run.id, grace=GRACE)
        for position in due.positions:
            do_slice(self.engine, run.id, due.phase or "", position, grace=GRACE)
        self.runs.append(run.id)

    @precondition(lambda self: self.runs)
    @rule()
    def resume_a_run(self) -> None:
        run = self.runs.pop()
        driven(self.engine, type("Run", (), {"id": run}))  # type: ignore[arg-type]

    @rule(data=st.data(), what=st.sampled_from(["void", "void", "pay", "give_up", "finalize"]))
    def by_hand(self, data: st.DataObject, what: str) -> None:
        """Void an invoice, pay it, give it up, or make a draft final before its time."""
        ids = scalars(
            self.engine,
            "SELECT id FROM invoices WHERE status <> 'void' AND (status = 'draft') = :draft"
            " ORDER BY number DESC, closes_at, id",
            draft=what == "finalize",
        )
        if not ids:
            return
        invoice = data.draw(st.sampled_from(range(len(ids))))
        moment = self.now if what == "finalize" else utc_now()
        refusals = ("invoice_status", "credit_spent", "period_open", "nothing_due")
        with allowed(*refusals), transaction(self.engine) as session:
            getattr(manage_invoices, f"{what}_invoice")(session, ids[invoice], actor="test", now=moment)
        self.is_billed = False

    def teardown(self) -> None:
        if hasattr(self, "is_billed") and self.subscriptions:
            self.bill(rehearse=True)


def _own_quota(limit: str | None, price: dict[str, Any]) -> OwnQuota:
    return OwnQuota(usage_type=TYPES[0], limit=None if limit is None else Decimal(limit), price=price)


def _parted(lines: list[Any]) -> tuple[list[Any], list[Any]]:
    """What has its invoice by its own period, and the adjustments."""
    return [line for line in lines if line[0] != "adjustment"], [line for line in lines if line[0] == "adjustment"]


def test_whatever_happens_what_is_due_is_charged(engine: Engine) -> None:
    Money.engine = engine
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
