"""One history of a subscription, told twice: to the product's rules on books in memory, and to the slow model.

What is drawn does not depend on what has happened, so any part of a history can be left out and the rest be told again.
What does not fit at its moment (usage lies behind it, an invoice is final) is passed over, as the product refuses it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from tests.factories import make_recording
from tests.money.memory import Memory, Used
from tests.money.oracle import FEE, Agreement, Event, Version
from tests.money.oracle import Plan as OraclePlan
from usage_billing.catalog.fees import FeeBook, FeeVersion
from usage_billing.catalog.models import Plan
from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.core.choices import Effective
from usage_billing.core.errors import Conflict
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period, period_at
from usage_billing.flows.administration.decide import reckoned_from, stays_divided
from usage_billing.flows.administration.effect import own_moment
from usage_billing.flows.billing.books import Agreements
from usage_billing.flows.billing.foreseen_drafts import ForeseenDrafts
from usage_billing.flows.billing.invoice_subscriptions import charge_subscriptions
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.flows.recording.context import Context
from usage_billing.invoicing.builder import ItemKind
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.metering.new_summaries import NewSummary
from usage_billing.rating.price import has_minimum, parse_price
from usage_billing.subscriptions.agreement import agreed_period
from usage_billing.subscriptions.changes import Change, ChangeKind, Track, end_of, fold
from usage_billing.subscriptions.lifecycle import Term, Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.openings import BilledSubscription
from usage_billing.subscriptions.queries import terms_on

START = datetime(2026, 1, 20, 10, tzinfo=UTC)
NAME, CUSTOMER, TYPES, PLANS = "s", "ann", ("calls", "bytes"), ("a", "b", "c")
LONGEST = timedelta(days=366)
TIERS = [
    {"upTo": "5", "unitPrice": "2", "flatFee": "1"},
    {"upTo": "20.5", "unitPrice": "0.333333333333", "flatFee": "0"},
    {"upTo": None, "unitPrice": "0.01", "flatFee": "3"},
]
PRICES: list[dict[str, Any]] = [
    {"model": "per_unit", "unitPrice": "0.335"},
    {"model": "per_unit", "unitPrice": "1"},
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
LIMITS = [None, "0", "10", "10", "31", "99.999999999999"]
QUANTITIES = ["1", "4.25", "10", "33.333333333333", "0.000000000001", "400"]
LATENESS = [0, 0, 0, 1, 30, 24 * 9, 24 * 33, -0.5]
MOMENTS = ["now", "now", "period_end", 75, -26, -24 * 12]
HOWS = ["next_period", "next_period", "period", "now", "now", "start", 75, -26, -24 * 12]
FEES = [None, "10", "29.99", "0.05", "31"]
TIMINGS = ["arrears", "advance"]
ZONES = ["UTC", "Europe/Berlin", "Pacific/Auckland", "America/St_Johns"]
AGES = [timedelta(0), timedelta(days=12, hours=7), timedelta(days=45, minutes=1)]
ENDS = ["keep", "end"]

Step = tuple[str, tuple[Any, ...]]

EVER = datetime.min.replace(tzinfo=UTC)


def draw_world(chance: Random) -> dict[str, Any]:
    """Plans, the quotas that there are from the beginning, and the subscription."""
    one = chance.choice
    return {
        "plans": [
            {
                "interval": one(["month", "month", "week", "day", "quarter", "year"]),
                "interval_count": one([1, 1, 1, 2]),
                "base_fee": one(FEES),
                "base_fee_timing": one(TIMINGS),
                "proration": one(["time", "time", "days", "none"]),
                "prorates_edges": one([True, False]),
                "on_downgrade": one(["keep", "keep", "charge"]),
            }
            for _ in PLANS
        ],
        "quotas": [(plan, name, one(LIMITS), one(PRICES)) for plan in PLANS for name in TYPES],
        "before": chance.randrange(7),
        "zone": one(ZONES),
        "anniversary": one([False, False, True]),
        "day": one([1, 1, 15, 31]),
        "age": one(AGES),
        "own": [(name, one(LIMITS), one(PRICES)) for name in TYPES if one([False, False, True])],
        "fee": one([None, None, "7.50", "40"]),
        "timing": one(TIMINGS),
    }


def draw_steps(chance: Random) -> list[Step]:
    """What happens, in order."""
    one = chance.choice
    draws: list[tuple[str, Callable[[], tuple[Any, ...]]]] = [
        ("use", lambda: tuple((one(TYPES), one(QUANTITIES), one(LATENESS)) for _ in range(chance.randint(1, 3)))),
        ("use", lambda: tuple((one(TYPES), one(QUANTITIES), one(LATENESS)) for _ in range(chance.randint(1, 3)))),
        ("take_back", lambda: (chance.randrange(99),)),
        ("quota", lambda: (one(PLANS), one(TYPES), one(LIMITS), one(PRICES), one(HOWS), one([False, False, True]))),
        ("quota", lambda: (one(PLANS), one(TYPES), one(LIMITS), one(PRICES), one(HOWS), one([False, False, True]))),
        ("end_quota", lambda: (chance.randrange(99), one(HOWS))),
        ("fee", lambda: (one(PLANS), one(FEES[1:]), one(TIMINGS), one(HOWS))),
        ("move", lambda: (one(PLANS), one(MOMENTS), one(ENDS), one(ENDS))),
        ("move", lambda: (one(PLANS), one(MOMENTS), one(ENDS), one(ENDS))),
        ("halt", lambda: (one(["pause", "resume", "resume", "end"]), one(MOMENTS), one([False, False, True]))),
        ("halt", lambda: (one(["pause", "resume", "resume"]), one(MOMENTS), one([False, False, True]))),
        ("withdraw", lambda: (chance.randrange(99),)),
        ("move_start", lambda: (one([-24 * 40, -24 * 3, -5, 5, 24 * 8]),)),
        ("wait", lambda: (one([0, 1, 5, 24 * 3, 24 * 9, 24 * 40]),)),
        ("wait", lambda: (one([0, 1, 5, 24 * 3, 24 * 9]),)),
        ("bill", lambda: ()),
        ("bill_at_closing", lambda: ()),
        ("void_invoice", lambda: (chance.randrange(99),)),
        ("finalize", lambda: (chance.randrange(99),)),
    ]
    steps: list[Step] = []
    for _ in range(chance.randint(8, 40)):
        name, draw = one(draws)
        steps.append((name, draw()))
    return steps


@dataclass(slots=True)
class Told:
    """A version of a quota or a fee as the product has it; ``ends`` says what ends it, and when."""

    version: Any
    type: str
    own: bool
    slow: Version

    @property
    def now(self) -> Any:
        """It as it holds."""
        return self.version._replace(ended_at=self.slow.ended)


@dataclass(slots=True)
class History:
    """The product's books and the slow model side by side; the clock only goes forward."""

    world: dict[str, Any]
    now: datetime = START
    told: list[Told] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    done: int = 0
    plans: dict[str, Plan] = field(default_factory=dict)
    slow_plans: dict[str, OraclePlan] = field(default_factory=dict)
    books: Memory = field(default_factory=lambda: Memory(ForeseenDrafts(START)))
    comparisons: int = 0
    kinds: set[str] = field(default_factory=set)
    subscription: Subscription = field(init=False)
    billed: BilledSubscription = field(init=False)
    slow: Agreement = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        for name, terms in zip(PLANS, world["plans"], strict=True):
            self._make_plan(name, terms)
        for place, (plan, name, limit, price) in enumerate(world["quotas"]):
            if place == world["before"]:
                self._subscribe()
            self._define(plan, name, limit, price, how="period", own=False)
        if world["before"] >= len(world["quotas"]):
            self._subscribe()
        self.kinds.clear()

    def _make_plan(self, name: str, terms: dict[str, Any]) -> None:
        fee = None if terms["base_fee"] is None else Decimal(terms["base_fee"])
        self.plans[name] = Plan(id=name, name=name, currency="USD", payment_days=30, **{**terms, "base_fee": fee})
        self.slow_plans[name] = OraclePlan(
            id=name,
            interval=terms["interval"],
            count=terms["interval_count"],
            proration=terms["proration"],
            edges=terms["prorates_edges"],
            charges=terms["on_downgrade"] == "charge",
        )
        price = {"baseFee": terms["base_fee"], "baseFeeTiming": terms["base_fee_timing"]}
        self._tell(name, FEE, fee, price, how="start", at=None, own=False, first=True)

    def _subscribe(self) -> None:
        world, started = self.world, START - self.world["age"]
        day = None if world["anniversary"] or world["day"] == 1 else world["day"]
        if self.plans["a"].interval not in {"month", "quarter", "year"}:
            day = None
        self.done += 1
        self.subscription = Subscription(
            id=NAME,
            customer_id=CUSTOMER,
            plan_id="a",
            started_at=started,
            timezone=world["zone"],
            anchor="anniversary" if world["anniversary"] else "calendar",
            anchor_day=day,
            created_at=START + self.done * INSTANT,
        )
        self.billed = BilledSubscription(NAME, CUSTOMER, "a", started)
        self.changes.append(Change(at=started, kind=ChangeKind.PLAN, plan_id="a"))
        self.slow = Agreement(
            id=NAME,
            zone=world["zone"],
            started=started,
            anniversary=world["anniversary"],
            plans={started: self.slow_plans["a"]},
            number=self.done,
            day=day or 1,
        )
        for name, limit, price in world["own"]:
            number = None if limit is None else Decimal(limit)
            self._tell("a", name, number, price, how="start", at=started, own=True)
        if world["fee"] is not None:
            price = {"baseFee": world["fee"], "baseFeeTiming": world["timing"]}
            self._tell("a", FEE, Decimal(world["fee"]), price, how="start", at=started, own=True)

    # What is agreed, as the product's rules take it

    def timeline(self, changes: list[Change] | None = None) -> Timeline:
        """The terms that follow from the changes."""
        spans = fold(self.subscription.started_at, self.changes if changes is None else changes)
        terms = tuple(
            Term(
                plan_id=span.plan_id,
                starts_at=span.starts_at,
                ends_at=span.ends_at,
                paused=span.paused,
                terms=terms_on(self.plans[span.plan_id], self.subscription),
            )
            for span in spans
        )
        return Timeline(self.subscription.timezone, terms, self.subscription.created_at)

    def quotas(self) -> QuotaBook:
        """All versions of quotas."""
        book = QuotaBook({}, {})
        for one in self.told:
            if one.type != FEE:
                kind, owner = (book.own, NAME) if one.own else (book.listed, one.version.plan_id)
                kind.setdefault((owner, one.type), []).append(one.now)
        return QuotaBook(book.listed, book.own)

    def fees(self) -> FeeBook:
        """All versions of base fees."""
        book = FeeBook({}, {})
        for one in self.told:
            if one.type == FEE:
                kind, owner = (book.own, NAME) if one.own else (book.listed, one.version.plan_id)
                kind.setdefault(owner, []).append(one.now)
        return book

    # What happens

    def use(self, *uses: tuple[str, str, float]) -> None:
        """Record, some of it late, and some ahead of the clock."""
        context = Context(
            customers={NAME: CUSTOMER},
            timelines={NAME: self.timeline()},
            usage_types=frozenset(TYPES),
            meters={},
            quantities={},
            quotas=self.quotas(),
        )
        for name, quantity, hours in uses:
            one = make_recording(
                now=self.now,
                customer=CUSTOMER,
                subscription=NAME,
                usage_type=name,
                quantity=quantity,
                occurred_at=self.now - timedelta(hours=hours),
            )
            place = context.place(one)
            assert isinstance(place, NewSummary) == self.slow.runs(one.occurred_at)
            if isinstance(place, NewSummary):
                self.books.record(place, Used(one.id, one.occurred_at, one.quantity))
                self.slow.events.append(Event(one.id, name, one.occurred_at, Fraction(one.quantity)))

    def take_back(self, place: int) -> None:
        """One recording counts no more."""
        counting = [event.id for event in self.slow.events if event.id not in self.slow.voided]
        if counting:
            self._void({counting[place % len(counting)]})

    def _void(self, ids: set[Any]) -> None:
        self.books.void(ids)
        self.slow.voided |= ids

    def quota(self, plan: str, name: str, limit: str | None, price: dict[str, Any], how: Any, own: bool) -> None:
        """A version of a quota, the plan's or its own, in any way to take effect."""
        if own:
            plan = self.timeline().plan_at(self.now)
        self._define(plan, name, limit, price, how=self._how(how), own=own)

    def _how(self, how: Any) -> Any:
        return self.now + timedelta(hours=how) if isinstance(how, int) else how

    def _define(self, plan: str, name: str, limit: str | None, price: dict[str, Any], *, how: Any, own: bool) -> None:
        at = self._moment(name, how, own=own)
        if at is False:
            return
        number = None if limit is None else Decimal(limit)
        before = list(self.told)
        first = not own and not any((t.version.plan_id, t.type, t.own) == (plan, name, False) for t in self.told)
        self._tell(plan, name, number, price, how=how, at=at, own=own, first=first)
        if own and self._moves_usage(name, before):
            self.told = before
            return
        self.kinds.add(f"{'own' if own else 'plan'} quota {how if isinstance(how, str) else 'instant'}")
        if (own or has_minimum(price)) and hasattr(self, "slow"):
            self._open_again(at or (START - LONGEST * 99 if how == "start" else self.now))

    def _open_again(self, since: datetime) -> None:
        begun = max(self.subscription.started_at, since - 2 * LONGEST)
        self.billed.opens_at = begun if self.billed.opens_at is None else min(self.billed.opens_at, begun)

    def _moment(self, name: str, how: Any, *, own: bool) -> Any:
        """From when a version holds if that is one instant, None if it is each subscription's; False if refused."""
        if not hasattr(self, "slow"):
            return None
        at: datetime | None = None
        if own:
            try:
                at = own_moment(self.timeline(), how, now=self.now)
            except Conflict:
                return False
            assert isinstance(how, datetime) or how == "now" or at == self.slow.own_instant(how, self.now)
        if how == "now":
            later = [e.at for e in self.slow.events if e.type == name and e.id not in self.slow.voided]
            return max([at or self.now, *(instant + INSTANT for instant in later)])
        if isinstance(how, datetime):
            at = how
            if self._divides(name, at):
                return False
        since = datetime(1970, 1, 1, tzinfo=UTC) if how == "start" and not own else at
        if since is not None and since < self.now and self._is_final(since, {InvoiceKind.PERIOD}):
            return False
        return at

    def _divides(self, name: str, at: datetime) -> bool:
        return any(
            summary.usage_type_id == name and summary.period_start < at and any(one.at >= at for one in used)
            for summary, used in ((self.books.summaries[id], used) for id, used in self.books.used.items())
        )

    def _moves_usage(self, name: str, before: list[Told], *, since: datetime = EVER) -> bool:
        """Whether usage from ``since`` on would lie in another segment than it did by the versions ``before``."""
        known = [e for e in self.slow.events if e.type == name and e.id not in self.slow.voided]
        events = [event for event in known if event.at >= since]
        if not events:
            return False
        last = max(event.at for event in events)

        def places(told: list[Told]) -> list[list[datetime]]:
            spans = self.slow.spans(last, [one.slow for one in told], name)
            return [[span.start for span in spans if span.start <= event.at < span.end] for event in events]

        return places(before) != places(self.told)

    def _is_used(self, name: str, since: datetime) -> bool:
        return any(e.type == name and e.at >= since and e.id not in self.slow.voided for e in self.slow.events)

    def _is_final(self, since: datetime, kinds: set[InvoiceKind]) -> bool:
        return any(one.invoice.kind in kinds and one.invoice.closes_at > since for one in self.books.finals)

    def _tell(
        self,
        plan: str,
        type: str,
        value: Decimal | None,
        price: dict[str, Any],
        *,
        how: Any,
        at: datetime | None,
        own: bool,
        first: bool = False,
    ) -> None:
        self.done += 1
        made = START + self.done * INSTANT
        exact = at is not None if type == FEE else own or how == "now" or isinstance(how, datetime)
        common = {
            "id": 0 if first and type == FEE else self.done,
            "plan_id": plan,
            "effective": Effective.INSTANT if isinstance(how, datetime) else Effective(how),
            "exact": exact,
            "first": first,
            "asked_at": self.now,
            "effective_from": at or self.now,
            "made_at": made,
            "ended_at": None,
        }
        version: Any
        if type == FEE:
            version = FeeVersion(base_fee=value, base_fee_timing=price["baseFeeTiming"], **common)
        else:
            version = QuotaVersion(limit=value, price=parse_price(price).fields(), unit_name=type, **common)
        slow = Version(
            plan=plan,
            type=type,
            own=NAME if own else None,
            asked=at or self.now,
            how=how,
            limit=None if value is None else Fraction(value),
            price=price,
            first=first,
            number=self.done,
        )
        self.told.append(Told(version, type, own, slow))

    def end_quota(self, place: int, how: Any) -> None:
        """A quota of its own ends."""
        own = [one for one in self.told if one.own and one.type != FEE]
        if not own:
            return
        one = own[place % len(own)]
        at = self._moment(one.type, self._how(how), own=True)
        if at is False or (one.slow.ended is not None and one.slow.ended <= at):
            return
        if one.slow.ended is not None and self._is_used(one.type, one.slow.ended):
            return
        before, held = [replace(told, slow=replace(told.slow, ends=dict(told.slow.ends))) for told in self.told], one
        one.slow.ends["delete"] = min(at, one.slow.ends.get("delete", at))
        if self._moves_usage(held.type, before):
            self.told = before
            return
        self._open_again(at)
        self.kinds.add(f"own quota ended {how if isinstance(how, str) else 'instant'}")

    def fee(self, plan: str, amount: str, timing: str, how: Any) -> None:
        """A version of a plan's base fee."""
        how = self._how(how)
        at = self.now if how == "now" else how if isinstance(how, datetime) else None
        since = datetime(1970, 1, 1, tzinfo=UTC) if how == "start" else at or self.now
        if since < self.now and self._is_final(since, {InvoiceKind.PERIOD, InvoiceKind.CHANGE}):
            return
        if (since < self.now or how == "period") and self._is_paid_in_advance(since, running=how == "period"):
            return
        price = {"baseFee": amount, "baseFeeTiming": timing}
        self._tell(plan, FEE, Decimal(amount), price, how=how, at=at, own=False)
        self._open_again(since if how != "start" else START - LONGEST * 99)
        self.kinds.add(f"fee {how if isinstance(how, str) else 'instant'}")

    def _is_paid_in_advance(self, since: datetime, *, running: bool) -> bool:
        spans = self.books.fees.spans()
        for final in self.books.finals:
            for item in final.items.values():
                if item.fee_id is not None:
                    start, end = spans[item.fee_id]
                    if (start <= since < end) if running else start >= since:
                        return True
        return False

    def move(self, plan: str, moment: Any, quotas: str, fee: str) -> None:
        """To another plan; what is its own goes on or ends."""
        self._change(ChangeKind.PLAN, moment, plan_id=plan, ends=(quotas == "end", fee == "end"))

    def halt(self, kind: str, moment: Any, voids: bool) -> None:
        """Pause, resume or end it; with ``voids`` recordings after it are taken back."""
        self._change(ChangeKind(kind), moment, voids=voids and kind != "resume")

    def _change(
        self,
        kind: ChangeKind,
        moment: Any,
        *,
        plan_id: str | None = None,
        voids: bool = False,
        ends: tuple[bool, bool] = (False, False),
    ) -> None:
        timeline = self.timeline()
        change = self._fitting(Change(at=self.now, kind=kind, plan_id=plan_id), moment, timeline)
        if change is None:
            return
        kept = [one for one in self.changes if not (kind == ChangeKind.END == one.kind)]
        started = self.subscription.started_at
        if fold(started, [*kept, change]) == fold(started, self.changes):
            return
        until = min((c.at for c in self.changes if c.track == change.track and c.at > change.at), default=None)
        later = {
            one.id
            for used in self.books.used.values()
            for one in used
            if one.at >= change.at and (until is None or one.at < until)
        }
        if later and not voids:
            return
        if ends[0] and until is not None and self._ends_move_usage(change, until):
            return
        self._void(later)
        divided = stays_divided(started, self.changes, [*kept, change], now=self.now)
        self.changes = [*(replace(one, cuts=one.cuts or one.at in divided) for one in kept), change]
        before = self.slow.changes
        for one in self.told:
            if one.own and ends[one.type == FEE]:
                one.slow.ends[change] = change.at
        match kind:
            case ChangeKind.PLAN:
                self.slow.plans[change.at] = self.slow_plans[plan_id or ""]
            case ChangeKind.END:
                self.slow.ended = change.at
            case _:
                self.slow.pauses[change.at] = kind == ChangeKind.PAUSE
        self.slow.keep_divided(before, self.now)
        self._reckon_anew(timeline, change.at)
        when = moment if isinstance(moment, str) else "past" if moment < 0 else "future"
        self.kinds |= {f"{kind} {when}", *(["usage after it taken back"] if later else [])}
        self.kinds |= {f"own {what} ended by a move" for what, end in zip(("quotas", "fee"), ends, strict=True) if end}

    def _ends_move_usage(self, change: Change, until: datetime) -> bool:
        """Whether usage after the next change would lie in another segment, once its own quotas end with this one."""
        held = self.told
        self.told = [replace(told, slow=replace(told.slow, ends=dict(told.slow.ends))) for told in held]
        for one in self.told:
            if one.own and one.type != FEE:
                one.slow.ends[change] = change.at
        moves = any(self._moves_usage(name, held, since=until) for name in TYPES)
        self.told = held
        return moves

    def _fitting(self, change: Change, moment: Any, timeline: Timeline) -> Change | None:
        """The change at its moment; None where it is refused."""
        taken = {one.at for one in self.changes if one.track == change.track}
        if moment == "now":
            later = [one.at + INSTANT for used in self.books.used.values() for one in used if one.at >= self.now]
            at = max([self.now, *later])
            while at in taken:
                at += INSTANT
        elif moment == "period_end":
            term = timeline.term_at(self.now)
            if term is None:
                return None
            at = period_at(self.now, zone=timeline.zone, cadence=term.terms.cadence).end
        else:
            at = self.now + timedelta(hours=moment)
        ended = end_of(self.changes)
        if at <= self.subscription.started_at or (ended is not None and ended <= at):
            return None
        if change.track != Track.END and at in taken:
            return None
        return replace(change, at=at)

    def withdraw(self, place: int) -> None:
        """A planned change is taken back, and what it was to end of its own goes on."""
        planned = [one for one in self.changes if one.at > self.now]
        if not planned:
            return
        one, timeline = planned[place % len(planned)], self.timeline()
        if any(u.at >= one.at for used in self.books.used.values() for u in used):
            return
        if one.at == self.subscription.started_at:
            return
        self.changes.remove(one)
        if one.track == Track.PLAN:
            del self.slow.plans[one.at]
        elif one.track == Track.END:
            self.slow.ended = None
        else:
            del self.slow.pauses[one.at]
        for version in self.told:
            version.slow.ends.pop(one, None)
        self._reckon_anew(timeline, one.at)
        self.kinds.add(f"{one.kind} taken back")

    def _reckon_anew(self, before: Timeline, at: datetime) -> None:
        after = self.timeline()
        since = reckoned_from(before, after, at)
        self.billed.opens_at = since if self.billed.opens_at is None else min(self.billed.opens_at, since)
        self.billed.plan_id = after.terms[-1].plan_id
        ended = after.terms[-1].ends_at
        closed = any(
            one.invoice.kind == InvoiceKind.PERIOD and one.invoice.closes_at == at for one in self.books.finals
        )
        if ended == at and not closed:
            self.books.drafts.bring_forward(NAME, final=Period(before.period_cut_at(at), at))

    def move_start(self, hours: int) -> None:
        """It began at another instant, while nothing of it is final."""
        before = self.subscription.started_at
        at = before + timedelta(hours=hours)
        used = [one.at for used in self.books.used.values() for one in used]
        ended = end_of(self.changes)
        if self.books.finals or at > self.now or (ended is not None and ended <= at):
            return
        if any(one.at <= at for one in self.changes[1:]) or (used and (self.slow.anniversary or min(used) < at)):
            return
        timeline = self.timeline()
        counted = self._segments_at(max(before, at))
        self.subscription.started_at = at
        self.changes = [replace(one, at=at) if one.at == before else one for one in self.changes]
        for one in self.told:
            if one.own and one.slow.asked == before:
                one.version = one.version._replace(effective_from=at)
                one.slow = replace(one.slow, asked=at, how=at if isinstance(one.slow.how, datetime) else one.slow.how)
            for by, ended in one.slow.ends.items():
                one.slow.ends[by] = at if ended == before else ended
        self.slow.started = at
        self.slow.plans = {at if instant == before else instant: plan for instant, plan in self.slow.plans.items()}
        self._reckon_anew(timeline, min(before, at))
        self._move_summaries(timeline, counted, max(before, at))
        self.kinds.add("start moved")

    def _segments_at(self, at: datetime) -> dict[str, datetime]:
        agreed = {name: agreed_period(self.timeline(), self.quotas(), NAME, name, at) for name in TYPES}
        parts = {name: None if one is None else one.part_at(at) for name, one in agreed.items()}
        return {name: part.start for name, part in parts.items() if part is not None}

    def _move_summaries(self, before: Timeline, counted: dict[str, datetime], at: datetime) -> None:
        segment, then = self.timeline().segment_at(at), before.segment_at(at)
        if segment is None or then is None or segment.period != then.period:
            return
        for name, begins in self._segments_at(at).items():
            since = counted.get(name, begins)
            here = {s.period_start: s for s in self.books.summaries.values() if s.usage_type_id == name}
            if since in here and since != begins:
                here[since].period_start = begins
                if begins in here:
                    here[begins].period_start = since

    def wait(self, hours: int) -> None:
        """Time passes."""
        self.now += timedelta(hours=hours, minutes=17)

    def bill_at_closing(self) -> None:
        """Go to where the next draft has been due for long enough, and run."""
        closings = [draft.invoice.closes_at for draft in self.books.drafts.drafts.values()]
        if closings and min(closings) < START + timedelta(days=200):
            self.now = max(self.now, min(closings) + timedelta(hours=1))
            self.bill()

    def void_invoice(self, place: int) -> None:
        """A final invoice becomes void; the next run charges anew what it charged."""
        if self.books.finals:
            self.books.finals.pop(place % len(self.books.finals))
            self.kinds.add("invoice void")

    def finalize(self, place: int) -> None:
        """A draft whose period is over becomes final by hand."""
        due = [id for id, one in self.books.drafts.drafts.items() if one.invoice.closes_at <= self.now]
        if due:
            draft = self.books.drafts.drafts.pop(sorted(due)[place % len(due)])
            if any(item.amount for item in draft.items.values()):
                self.books.finals.append(draft)

    # What is compared

    def bill(self) -> None:
        """A run; then what is charged is what is due, to the cent."""
        self._charge()
        self.books.finalize(self.now)
        self._compare()

    def _charge(self) -> None:
        known = {id for draft in self.books.drafts.drafts.values() for id in draft.items}
        agreements = Agreements({NAME: self.billed}, {NAME: self.timeline()}, self.plans, self.quotas(), self.fees())
        charge_subscriptions(self.books, agreements, as_of=self.now, adjust_within=ADJUSTMENT_SPAN)
        for draft in self.books.drafts.drafts.values():
            for id, item in draft.items.items():
                if item.kind == ItemKind.ADJUSTMENT and id not in known and draft.invoice.kind == InvoiceKind.PERIOD:
                    assert draft.invoice.closes_at - self.now <= timedelta(days=31), "a correction waits"

    def _compare(self) -> None:
        charged = {(NAME, *key): Fraction(amount) for key, amount in self.books.charged().items()}
        due = self.slow.dues([one.slow for one in self.told], list(TYPES), self.now)
        wrong = {key: (charged.get(key), due.get(key)) for key in {*charged, *due} if charged.get(key) != due.get(key)}
        assert not wrong, f"charged and due differ: {wrong}"
        self.comparisons += 1

    def tell(self, steps: list[Step]) -> None:
        """All of it, and a last run; one more finds nothing to do."""
        for name, values in steps:
            getattr(self, name)(*values)
        self.bill()
        before = self._items()
        self._charge()
        assert self._items() == before, "a second run changes something"

    def _items(self) -> list[Any]:
        return sorted(
            (str(id), str(item.id), item.amount)
            for id, draft in self.books.drafts.drafts.items()
            for item in draft.items.values()
            if item.amount
        )


def histories(first: int, number: int) -> Iterator[tuple[int, dict[str, Any], list[Step]]]:
    """So many histories by their seeds."""
    for seed in range(first, first + number):
        chance = Random(seed)
        yield seed, draw_world(chance), draw_steps(chance)


def fault_of(world: dict[str, Any], steps: list[Step]) -> str | None:
    """What is wrong with a history; None where it agrees."""
    try:
        History(world).tell(steps)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def shortest(world: dict[str, Any], steps: list[Step]) -> list[Step]:
    """A history that goes wrong as well, without the steps that it does not need."""
    place = 0
    while place < len(steps):
        fewer = [*steps[:place], *steps[place + 1 :]]
        if fault_of(world, fewer) is None:
            place += 1
        else:
            steps = fewer
    return steps
