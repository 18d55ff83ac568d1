"""Everything that can happen to meters, in any order, on the real database, against a slow count of the recordings.

Meters of every function, made and defined anew at any time; recordings in any order and lateness, taken back; changes
of plan, pauses, quotas of a subscription's own; folds in any pieces, killed at every named point; billing runs.
After each step what folds have stored, and what is left to count, is what the recordings come to.
``METER_EXAMPLES=500`` looks longer, ``METER_STEPS`` deeper; with ``METER_UNSHRUNK`` what goes wrong is shown at once.
"""

import json
import os
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.factories import make_customer, make_recording, make_usage_type, record
from tests.factories.meters import fold, make_meter
from tests.meters.slow import Books, Counter, Use, Way, number
from tests.support.billing import bill
from tests.support.databases import empty
from usage_billing.catalog.service import NewPlan, NewQuota
from usage_billing.core import crash
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.session import rolled_back, transaction
from usage_billing.flows.administration import change_subscription
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.manage_catalog import create_plan
from usage_billing.flows.administration.manage_meters import change_meter
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.flows.administration.situation import When
from usage_billing.flows.folding.drive_folds import fold_all
from usage_billing.flows.folding.fold_meters import fold_subscriptions
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.meters.asked import MeterChanges
from usage_billing.reports.series import SeriesRequest, usage_series
from usage_billing.reports.usage import UsageLine, usage_of_customer
from usage_billing.reports.verify.books import find_differences
from usage_billing.subscriptions.queries import contracts_of
from usage_billing.subscriptions.service import NewSubscription

EXAMPLES = int(os.environ.get("METER_EXAMPLES", "3"))
STEPS = int(os.environ.get("METER_STEPS", "14"))
SHRINKS = [] if "METER_UNSHRUNK" in os.environ else [Phase.shrink]
START = datetime(2026, 1, 20, 10, tzinfo=UTC)
POINTS = ("fold.claimed", "fold.counted", "fold.committing")
FUNCTIONS = ("sum", "count", "max", "min", "latest", "unique_count", "average", "level", "level")
ADDS_UP = {"sum", "count"}

NUMBERS = (0, 1, 5, 12, "2.5", "0.000000000001", -3, "many", None, True)
metadata = st.fixed_dictionaries(
    {"model": st.sampled_from(("a", "b", "c", None, 1)), "user": st.sampled_from(("ada", "ben", 7, "7", None))},
    optional={"n": st.sampled_from(NUMBERS), "m": st.sampled_from((1, 2, "4")), "ok": st.booleans()},
)
offsets = st.sampled_from((0, 0, 1, 30, 60, 60 * 7, 60 * 24, 60 * 24 * 9, 60 * 24 * 20, 60 * 24 * 33, 60 * 24 * 70))
dimensions = st.sampled_from(((), ("model",)))
# What the models of each cell are; the default has the others.
CELLS: dict[str, tuple[Any, ...]] = {"a": ("a",), "b or none": ("b", None)}


def price_of(unit: str, *, cells: bool) -> dict[str, Any]:
    if not cells:
        return {"model": "per_unit", "unitPrice": unit}
    package = {"model": "package", "packageSize": "3", "packagePrice": unit}
    prices = zip(CELLS.items(), (package, {"model": "per_unit", "unitPrice": unit}), strict=True)
    return {
        "model": "by_dimension",
        "cells": [{"name": name, "when": {"model": list(met)}, "price": price} for (name, met), price in prices],
        "default": package,
    }


def _doubled(given: Any) -> Any:
    n, m = number(given.get("n")), number(given.get("m"))
    return None if n is None or m is None else 2 * n - m


VALUES: dict[str, Any] = {
    "n": lambda given: number(given.get("n")),
    "2 * n - m": _doubled,
    "has(m) ? m : 3": lambda given: number(given["m"]) if "m" in given else Fraction(3),
}
CONDITIONS: dict[str | None, Any] = {
    None: lambda _: True,
    "ok == true": lambda given: given.get("ok"),
    "has(n) && n != 5": lambda given: "n" in given and (None if (n := number(given["n"])) is None else n != 5),
}


def way_of(function: str, value: str, where: str | None, named: tuple[str, ...]) -> Way:
    """One way to count, spelled for the product and for the slow model."""
    terms: dict[str, Any] = {"where": where, "dimensions": list(named)}
    if function == "count":
        return Way(terms, CONDITIONS[where], lambda _: 1)
    if function == "unique_count":
        return Way(terms | {"value": "user"}, CONDITIONS[where], _scalar)
    return Way(terms | {"value": value}, CONDITIONS[where], VALUES[value])


def _scalar(given: Any) -> Any:
    user = given.get("user")
    return None if user is None else (type(user).__name__, user)


ways = st.tuples(st.sampled_from(sorted(VALUES)), st.sampled_from((None, None, "ok == true", "has(n) && n != 5")))


meters = st.tuples(
    st.sampled_from(FUNCTIONS),
    ways,
    dimensions,
    st.sampled_from((0, 5, 400, 400)),
    st.tuples(st.sampled_from(("change", "set")), st.sampled_from(("second", "hour", "day", "period")), st.booleans()),
    st.sampled_from(("", "plain", "by dimension", "by dimension")),
)


class Boom(Exception):
    """A process that dies in the midst of its transaction."""


class Meters(RuleBasedStateMachine):
    """One subscription, and a clock that only goes forward."""

    engine: Engine

    @initialize(
        zone=st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu")),
        age=st.sampled_from((1, 15, 45)),
        first=st.lists(meters, min_size=2, max_size=2),
        uses=st.lists(st.tuples(metadata, offsets), min_size=4, max_size=8),
    )
    def begin(self, zone: str, age: int, first: list[tuple[Any, ...]], uses: list[tuple[dict[str, Any], int]]) -> None:
        empty(self.engine)
        self.now, self.books, self.counters = START, Books(zone, START - timedelta(days=age)), list[Counter]()
        self.is_paused, self.plan = False, "a"
        with transaction(self.engine) as session:
            make_customer(session, id="ann")
            make_usage_type(session, id="calls")
            for name in "ab":
                create_plan(session, NewPlan(id=name, name=name, currency="USD"), actor="test", now=self.books.started)
            new = NewSubscription(
                id="s", customer_id="ann", plan_id="a", started_at=self.books.started, timezone=zone,
                allow_backdating=True,
            )  # fmt: skip
            create_subscription(session, new, actor="test", now=self.now)
        for meter in first:
            self.make(meter)
        self.use(uses)

    @precondition(lambda self: len(self.counters) < 4)
    @rule(meter=meters)
    def make(self, meter: tuple[Any, ...]) -> None:
        """A meter that looks back; some have a price."""
        function, how, named, since, (mode, per, carry), priced = meter
        name, way = f"m{len(self.counters)}", way_of(function, *how, named)
        begins = self.now - timedelta(days=since)
        mode, per = (mode, per) if function == "level" else ("", "")
        carry = carry and function in {"level", "unique_count"}
        terms = {"mode": mode, "per": per, "carry": carry} if function == "level" else {"carry": True} if carry else {}
        with transaction(self.engine) as session:
            make_meter(session, id=name, of="calls", since=begins, aggregation=function, **way.terms, **terms)
        ever = datetime.min.replace(tzinfo=UTC)
        self.counters.append(Counter(name, function, begins, [(ever, way)], mode, per, carry))
        if priced:
            for plan, price in (("a", "1"), ("b", "2")):
                self._quota(name, plan, price, cells=priced == "by dimension")

    @precondition(lambda self: any(not c.mode for c in self.counters))
    @rule(data=st.data(), how=ways, named=dimensions)
    def define_anew(self, data: st.DataObject, how: tuple[str, str | None], named: tuple[str, ...]) -> None:
        counter = data.draw(st.sampled_from([one for one in self.counters if not one.mode]))
        named = counter.ways[0][1].terms["dimensions"] if counter.carry else named
        way = way_of(counter.function, *how, named)
        with suppress(Conflict), transaction(self.engine) as session:
            change_meter(session, counter.name, MeterChanges(given=way.terms), actor="test", now=self.now)
            counter.ways.append((self.now, way))

    @rule(uses=st.lists(st.tuples(metadata, offsets), min_size=1, max_size=8))
    def use(self, uses: list[tuple[dict[str, Any], int]]) -> None:
        """Record a batch, some of it late."""
        made = []
        for given, minutes in uses:
            at = self.now - timedelta(minutes=minutes)
            if self.books.runs(at):
                one = make_recording(
                    now=self.now, customer="ann", subscription="s", usage_type="calls",
                    metadata=json.dumps(given, sort_keys=True, separators=(",", ":")), occurred_at=at,
                )  # fmt: skip
                made.append(one)
                self.books.uses.append(Use(one.id, at, len(self.books.uses), given))
        if made:
            with transaction(self.engine) as session:
                assert record(session, *made).recorded == len(made)

    @precondition(lambda self: any(use.counts for use in self.books.uses))
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        use = data.draw(st.sampled_from([use for use in self.books.uses if use.counts]))
        with transaction(self.engine) as session:
            void_usage(session, use.id, reason="wrong", actor="test", now=self.now)
        use.counts = False

    @rule(at_most=st.sampled_from((None, 1, 2, 5)), size=st.sampled_from((1, 2, 1000)))
    def fold_some(self, at_most: int | None, size: int) -> None:
        with transaction(self.engine) as session:
            fold(session, at_most=at_most, size=size)

    @rule()
    def fold_everything(self) -> None:
        fold_all(self.engine)

    @rule(point=st.sampled_from(POINTS))
    def kill_a_fold(self, point: str) -> None:
        """The transaction is undone, as that of a process that dies there."""

        def die(name: str) -> None:
            if name == point:
                raise Boom

        with patch.object(crash, "point", die), suppress(Boom):
            fold_all(self.engine)

    @rule(hours=st.sampled_from((1, 5, 24, 24 * 4, 24 * 17)))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours, minutes=7, microseconds=11)

    @rule()
    def bill(self) -> None:
        assert bill(self.engine, self.now).warnings == []
        self.now += timedelta(minutes=1)

    @precondition(lambda self: not self.is_paused)
    @rule()
    def move(self) -> None:
        """To the other plan, at once."""
        self.plan = "b" if self.plan == "a" else "a"
        self._change("change_plan", plan_id=self.plan)

    @rule()
    def pause_or_resume(self) -> None:
        at = self._change("resume" if self.is_paused else "pause")
        if self.is_paused:
            self.books.pauses[-1].append(at)
        else:
            self.books.pauses.append([at])
        self.is_paused = not self.is_paused

    @precondition(lambda self: self.counters and not self.is_paused)
    @rule(
        data=st.data(),
        price=st.sampled_from(("0.5", "3")),
        own=st.booleans(),
        cells=st.booleans(),
        effective=st.sampled_from(("now", "period")),
    )
    def price(self, data: st.DataObject, price: str, effective: str, *, own: bool, cells: bool) -> None:
        """Another price of a meter, for all or for the one subscription."""
        name = data.draw(st.sampled_from([counter.name for counter in self.counters]))
        effective = effective if own else "now"
        self._quota(name, self.plan, price, cells=cells, own="s" if own else None, effective=effective)
        self.now += timedelta(minutes=1)  # what begins right after this instant has begun

    def _quota(
        self, meter: str, plan: str, price: str, *, cells: bool, own: str | None = None, effective: str | None = None
    ) -> None:
        """With ``cells``, by dimension; a meter that has none, or does not add up by them, keeps its price."""
        new = NewQuota(
            plan_id=plan,
            usage_type=meter,
            limit=Decimal(2),
            price=price_of(price, cells=cells),
            subscription_id=own,
            effective=effective,
            reprice_usage=True,
        )
        with suppress(Conflict, InvalidInput), transaction(self.engine) as session:
            define_quota(session, new, actor="test", now=self.now)

    def _change(self, kind: str, **more: Any) -> datetime:
        """When it holds: at once, or right after what was recorded of this instant."""
        when = When(moment="now")
        with transaction(self.engine) as session:
            flow = getattr(change_subscription, kind)
            at: datetime = flow(session, "s", when=when, actor="test", now=self.now, **more).effective_at
        self.now += timedelta(minutes=1)
        return at

    @invariant()
    def what_is_counted_is_what_was_recorded(self) -> None:
        """With what is left to count, which is counted here and undone."""
        if not hasattr(self, "now"):
            return
        with rolled_back(self.engine) as session:
            self._stored_adds_up(session)
            fold_subscriptions(session, ["s"], as_of=self.now)
            while fold(session).recordings:
                pass
            self._stored_adds_up(session)
            for counter in self.counters:
                self._compare(session, counter)
            assert [str(one) for one in find_differences(session)] == []

    def _stored_adds_up(self, session: Session) -> None:
        """The buckets of each series come to its total; the series of a summary come to it."""
        wrong = """
            SELECT t.summary_id, t.series FROM meter_totals AS t
            LEFT JOIN LATERAL (
                SELECT coalesce(sum(events), 0) AS events, coalesce(sum(total), 0) AS total, max(maximum) AS maximum,
                    min(minimum) AS minimum, max(latest) AS latest
                FROM meter_buckets AS b WHERE b.summary_id = t.summary_id AND b.series = t.series
            ) AS b ON true
            WHERE (t.events, t.total, t.maximum, t.minimum, t.latest)
                IS DISTINCT FROM (b.events, b.total, b.maximum, b.minimum, b.latest)
                AND t.series <> CAST('ffffffff-ffff-ffff-ffff-ffffffffffff' AS uuid)
        """
        assert session.execute(text(wrong)).all() == []
        wrong = """
            SELECT s.id, s.total FROM usage_summaries AS s JOIN usage_types AS u ON u.id = s.usage_type_id
            JOIN meter_totals AS t ON t.summary_id = s.id
            WHERE u.aggregation IN ('sum', 'count')
            GROUP BY s.id HAVING s.total <> greatest(sum(t.total), 0) OR s.events - s.voids <> sum(t.events)
        """
        assert session.execute(text(wrong)).all() == []

    def _compare(self, session: Session, counter: Counter) -> None:
        asked = "SELECT * FROM usage_summaries WHERE usage_type_id = :name ORDER BY period_start"
        rows: dict[Any, list[Any]] = defaultdict(list)
        for row in session.execute(text(asked), {"name": counter.name}):
            rows[self.books.period(row.period_start)].append(row)
        used = {self.books.period(use.at) for use in self.books.uses}
        for period in sorted(used | rows.keys()):
            self._compare_period(counter, period, rows[period])
        present = self.books.period(self.now)
        billed = sum((Fraction(row.total) for row in rows[present]), Fraction(0))
        lines = usage_of_customer(session, "ann", now=self.now, span=None)
        lines = [one for one in lines if one.usage_type == counter.name]
        shown = sum((Fraction(one.used) for one in lines), Fraction(0))
        assert shown == billed, (counter, shown, billed)
        self._compare_cells(counter, lines)
        if counter.function == "level" or (len(rows[present]) > 1 and counter.function in ADDS_UP):
            return  # of a level as of now, beside what was reckoned as of the last change
        request = SeriesRequest(usage_type=counter.name, by="period")
        series = usage_series(session, contracts_of(session, "ann"), request, now=self.now)
        assert max(Fraction(series.total or 0), Fraction(0)) == billed, (counter, series.total, billed)

    def _compare_cells(self, counter: Counter, lines: list[UsageLine]) -> None:
        """They come to what the meter does; each to what was recorded in it, less what others are below 0."""
        assert all(one.used == sum(cell.used for cell in one.cells) for one in lines if one.cells is not None), counter
        present = self.books.period(self.now)
        if len(lines) != 1 or lines[0].cells is None or not counter.way(present[0]).terms["dimensions"]:
            return
        found: dict[str, Fraction] = {}
        for name, models in (*CELLS.items(), ("default", ("c", 1))):
            found[name] = self.books.of_models(counter, present, models, now=self.now)
        owed = -sum((one for one in found.values() if one < 0), Fraction(0))
        for cell in (one for one in lines[0].cells if one.name):
            expected = max(max(found[cell.name], Fraction(0)) - owed, Fraction(0))
            owed -= max(found[cell.name], Fraction(0)) - expected
            assert abs(Fraction(cell.used) - expected) < Fraction(4, 10**12), (counter, cell, expected)

    def _compare_period(self, counter: Counter, period: Any, rows: list[Any]) -> None:
        counted = self.books.counted(counter, period)
        assert sum(row.events - row.voids for row in rows) == len(counted), counter
        stored = [Fraction(row.total) for row in rows]
        if counter.function in ADDS_UP:
            # What a change has cut since ends there; billing, which it waits for, says so.
            ends = [min(row.period_end, after.period_start) for row, after in pairwise(rows)]
            assert all(row.to_rate or row.period_end == end for row, end in zip(rows, ends, strict=False))
            spans = zip(
                (row.period_start for row in rows), [*ends, *(row.period_end for row in rows[-1:])], strict=True
            )
            slow = [max(self.books.total(counter, span), Fraction(0)) for span in spans]
            assert stored == slow, (counter, period)
        elif counter.function == "level":
            expected, negative = self.books.level(counter, period, now=self.now)
            assert negative or sum(stored, Fraction(0)) == expected, (counter, period)
        else:
            total = (
                self.books.seen(counter, period, now=self.now) if counter.carry else self.books.total(counter, period)
            )
            expected = max(total, Fraction(0))
            assert sum(stored, Fraction(0)) == expected, (counter, period)


def test_whatever_happens_meters_are_what_was_recorded(engine: Engine) -> None:
    Meters.engine = engine
    run_state_machine_as_test(
        Meters,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.generate, *SHRINKS],
            suppress_health_check=list(HealthCheck),
        ),
    )
