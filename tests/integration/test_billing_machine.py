"""Months of recording, taking back, late usage, new quotas and runs in any order, against an oracle.

It is written from the product's description alone: brute force over every event, in fractions. After each step the
books agree to the cent.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from tests.factories import make_recording, make_subscription, make_usage_type, make_world, record
from tests.support.billing import GRACE, bill
from tests.support.books import check_billed, check_books, counts, rows
from tests.support.databases import empty
from usage_billing.catalog.service import NewQuota
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.metering.recording import Recording

ZONES = {"sub456": "UTC", "berlin": "Europe/Berlin", "auckland": "Pacific/Auckland"}
START = datetime(2026, 1, 20, 10, tzinfo=UTC)
Month = tuple[int, int]
Key = tuple[str, str, Month]
"""(subscription, usage type, month in the subscription's time zone)"""
Lines = dict[Key, tuple[Fraction, Fraction]]
"""What an invoice holds: quantity and amount by what they are for."""


@dataclass(frozen=True)
class Version:
    """A quota as it was defined.

    ``since`` is None where it holds from always. ``is_first``: it has no version before it, so it holds from the start
    of the period that runs at ``since``; a later one holds from the next period on.
    """

    since: datetime | None
    limit: Fraction | None
    price: Fraction
    is_first: bool = False


def half_up(amount: Fraction) -> Fraction:
    """To the cent; amounts due are never negative."""
    cents = amount * 100
    return Fraction((2 * cents.numerator + cents.denominator) // (2 * cents.denominator), 100)


@dataclass
class Oracle:
    """What the books must say, worked out anew from every event whenever it is asked."""

    events: dict[Key, dict[UUID, Fraction]] = field(default_factory=dict)
    quotas: dict[str, list[Version]] = field(default_factory=dict)
    drafts: dict[tuple[str, Month], Lines] = field(default_factory=dict)
    final: dict[tuple[str, Month], Lines] = field(default_factory=dict)

    def month(self, subscription: str, instant: datetime) -> Month:
        local = instant.astimezone(ZoneInfo(ZONES[subscription]))
        return local.year, local.month

    def starts(self, subscription: str, month: Month) -> datetime:
        return datetime(*month, 1, tzinfo=ZoneInfo(ZONES[subscription])).astimezone(UTC)

    def ends(self, subscription: str, month: Month) -> datetime:
        year, number = month
        return self.starts(subscription, (year + number // 12, number % 12 + 1))

    def due(self, key: Key) -> tuple[Fraction, Fraction]:
        """Quantity beyond the allowance and its amount, by the quota that holds for the period."""
        subscription, usage_type, month = key
        start = self.starts(subscription, month)
        versions = self.quotas.get(usage_type, [])
        holding = [v for v in versions if v.since is None or self._begins(v, subscription, v.since) <= start]
        if not holding or holding[-1].limit is None:
            return Fraction(0), Fraction(0)
        beyond = max(Fraction(0), sum(self.events[key].values(), Fraction(0)) - holding[-1].limit)
        return beyond, half_up(beyond * holding[-1].price)

    def _begins(self, version: Version, subscription: str, since: datetime) -> datetime:
        """From when a version holds at the earliest: a first one from the period that runs when it is made."""
        return self.starts(subscription, self.month(subscription, since)) if version.is_first else since

    def run(self, as_of: datetime) -> None:
        """The daily chain: charge what is due and not charged, then make final what is over."""
        for key in sorted(self.events):
            subscription, _, month = key
            if self.starts(subscription, month) > as_of:
                continue
            charged = [lines[key] for lines in self.final.values() if key in lines]
            quantity, amount = self.due(key)
            quantity -= sum((line[0] for line in charged), Fraction(0))
            amount -= sum((line[1] for line in charged), Fraction(0))
            self._put(key, (quantity, amount), as_of)
        for place in [p for p in self.drafts if self.ends(*p) + GRACE <= as_of]:
            lines = self.drafts.pop(place)
            if any(amount for _, amount in lines.values()):  # or else every item is 0.00, and it becomes no invoice
                self.final[place] = lines

    def _put(self, key: Key, line: tuple[Fraction, Fraction], as_of: datetime) -> None:
        subscription, _, month = key
        place = next((p for p, lines in self.drafts.items() if key in lines), None)
        own = (subscription, month)
        is_adjustment = (place or own) != own or own in self.final
        if line == (0, 0) or (is_adjustment and line[1] == 0):
            if place is not None:
                del self.drafts[place][key]
            return
        if place is None:
            place = own
            if own in self.final:  # late: on the next invoice
                place = (subscription, self.month(subscription, as_of))
        self.drafts.setdefault(place, {})[key] = line


class Months(RuleBasedStateMachine):
    """One database, one clock that only goes forward."""

    engine: Engine

    @initialize()
    def begin(self) -> None:
        empty(self.engine)
        self.now = START
        self.oracle = Oracle()
        self.sent: list[list[Recording]] = []
        self.kept: dict[tuple[str, str], Recording] = {}
        self.taken_back: set[UUID] = set()
        self.repeated = 0
        self.conflicting = 0
        self.is_billed = True
        with transaction(self.engine) as session:
            make_world(session)
            make_usage_type(session, id="analysis")
            for name, zone in ZONES.items():
                if name != "sub456":
                    make_subscription(session, id=name, timezone=zone)
        self.oracle.quotas["assessment"] = [Version(None, Fraction(50), Fraction(10))]

    @rule(
        uses=st.lists(
            st.tuples(
                st.sampled_from([*ZONES]),
                st.sampled_from(["assessment", "assessment", "report", "analysis"]),
                st.sampled_from(["1", "7", "20.5", "49.999", "0.000000000001", "3000"]),
                st.sampled_from([-1, 0, 0, 0, 2, 30 * 24, 70 * 24]),
                st.sampled_from(["", "", "a", "b"]),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def use(self, uses: list[tuple[str, str, str, int, str]]) -> None:
        """Record in one batch; some of it happened long ago, or an hour from now by its sender's clock."""
        batch = [
            make_recording(
                now=self.now,
                subscription=subscription,
                usage_type=usage_type,
                quantity=quantity,
                occurred_at=self.now - timedelta(hours=hours),
                key=key,
            )
            for subscription, usage_type, quantity, hours, key in uses
        ]
        self._deliver(batch)
        self.sent.append(batch)

    def _deliver(self, batch: list[Recording]) -> None:
        for one in batch:
            name = (one.subscription_id, one.idempotency_key)
            first = self.kept.setdefault(name, one)
            if first is one:
                month = self.oracle.month(one.subscription_id, one.occurred_at)
                events = self.oracle.events.setdefault((one.subscription_id, one.usage_type, month), {})
                events[one.id] = Fraction(one.quantity)
                self.is_billed = False
            elif self._content(first) == self._content(one):
                self.repeated += 1
            else:
                self.conflicting += 1
        with transaction(self.engine) as session:
            record(session, *batch)

    def _content(self, one: Recording) -> tuple[Any, ...]:
        return one.usage_type, one.quantity, one.occurred_at

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        """A worker died before it deleted what it had recorded."""
        batch = data.draw(st.sampled_from(self.sent))
        with transaction(self.engine) as session:
            assert record(session, *batch).known == len(batch)

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        """It was a mistake of the sender's: it counts no more, and what it cost is given back."""
        one = data.draw(st.sampled_from(list(self.kept.values())))
        month = self.oracle.month(one.subscription_id, one.occurred_at)
        events = self.oracle.events[one.subscription_id, one.usage_type, month]
        is_first_time = one.id not in self.taken_back
        try:
            with transaction(self.engine) as session:
                void_usage(session, one.id, reason="mistake", actor="test", now=self.now)
        except Conflict:
            assert not is_first_time
        else:
            assert is_first_time
            events[one.id] = Fraction(0)
            self.taken_back.add(one.id)
            self.is_billed = False

    @rule(
        usage_type=st.sampled_from(["assessment", "report", "analysis"]),
        limit=st.sampled_from(["0", "5", "49.5", "1000", None]),
        price=st.sampled_from(["0", "0.005", "0.333333333333", "2.5", "10"]),
    )
    def define_a_quota(self, usage_type: str, limit: str | None, price: str) -> None:
        new = NewQuota(
            plan_id="business",
            usage_type=usage_type,
            limit=None if limit is None else Decimal(limit),
            price={"model": "per_unit", "unitPrice": price},
        )
        with transaction(self.engine) as session:
            define_quota(session, new, actor="test", now=self.now)
        versions = self.oracle.quotas.setdefault(usage_type, [])
        value = None if limit is None else Fraction(limit)
        versions.append(Version(self.now, value, Fraction(price), is_first=not versions))
        self.is_billed = False

    @rule(hours=st.sampled_from([0, 1, 5, 24 * 9]))
    def let_time_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours, minutes=17)

    @rule(offset=st.sampled_from([-1, 0, 13, 59, 60, 61]))
    def let_the_month_end(self, offset: int) -> None:
        """Go to some minutes around the end of the month, or of the grace time after it."""
        following = self.oracle.ends("sub456", (self.now.year, self.now.month))
        self.now = max(self.now, following + timedelta(minutes=offset))

    @rule(rehearse=st.booleans())
    def bill(self, rehearse: bool) -> None:
        rehearsal = bill(self.engine, self.now, dry_run=True) if rehearse else None
        run = bill(self.engine, self.now)
        assert run.warnings == []
        if rehearsal is not None:
            same = ("digest", "amounts", "items", "finalized", "invoices", "subscriptions")
            assert [getattr(rehearsal, name) for name in same] == [getattr(run, name) for name in same]
        charged = self._charged()
        self.oracle.run(self.now)
        assert Fraction(run.amounts.get("USD", "0")) == self._charged() - charged
        self.is_billed = True

    def _charged(self) -> Fraction:
        invoices = [*self.oracle.drafts.values(), *self.oracle.final.values()]
        return sum((line[1] for lines in invoices for line in lines.values()), Fraction(0))

    @rule()
    def rehearse(self) -> None:
        """A dry run over a time to come changes nothing."""
        bill(self.engine, self.now + timedelta(days=45), dry_run=True, now=self.now)

    @invariant()
    def everything_accepted_is_somewhere(self) -> None:
        found = counts(self.engine)
        assert found.recorded == len(self.kept)
        assert (found.duplicates, found.quarantined) == (self.repeated, self.conflicting)

    @invariant()
    def the_totals_are_the_sums_of_the_events(self) -> None:
        kept = rows(self.engine, "SELECT subscription_id, usage_type_id, period_start, total FROM usage_summaries")
        totals = {(r[0], r[1], self.oracle.month(r[0], r[2])): Fraction(r[3]) for r in kept}
        assert totals == {key: sum(events.values()) for key, events in self.oracle.events.items()}

    @invariant()
    def the_invoices_are_those_of_the_oracle(self) -> None:
        check_books(self.engine)
        kept = rows(
            self.engine,
            "SELECT i.subscription_id, i.status, i.period_start, x.usage_type_id, x.period_start AS own, x.quantity,"
            " x.amount, x.kind FROM invoices i JOIN usage_invoice_items x ON x.invoice_id = i.id",
        )
        found: dict[str, dict[tuple[str, Month], Lines]] = {"draft": {}, "finalized": {}}
        for row in kept:
            name, month = row.subscription_id, self.oracle.month(row.subscription_id, row.period_start)
            own = self.oracle.month(name, row.own)
            assert row.kind == ("usage" if own == month else "adjustment")
            lines = found[row.status].setdefault((name, month), {})
            lines[name, row.usage_type_id, own] = (Fraction(row.quantity), Fraction(row.amount))
        assert found["finalized"] == self.oracle.final
        assert found["draft"] == {place: lines for place, lines in self.oracle.drafts.items() if lines}

    @invariant()
    def after_a_run_every_unit_that_is_due_is_charged(self) -> None:
        started = [key for key in self.oracle.events if self.oracle.starts(key[0], key[2]) <= self.now]
        if self.is_billed and len(started) == len(self.oracle.events):
            check_billed(self.engine)


def test_months_of_anything_agree_with_brute_force(engine: Engine) -> None:
    Months.engine = engine
    run_state_machine_as_test(
        Months, settings=settings(max_examples=6, stateful_step_count=25, deadline=None, print_blob=True)
    )
