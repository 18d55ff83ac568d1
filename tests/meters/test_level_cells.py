"""Levels priced by dimension: each cell is what stood in its series, beside brute force; verified and shown."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text

from tests.factories import make_plan, make_recording, make_world, record
from tests.factories.meters import fold, make_meter
from tests.meters.test_levels import KINDS, PERS, Said, area_between, check
from tests.support.billing import bill
from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.service import NewQuota
from usage_billing.core.spans import Span
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.change_subscription import change_plan
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.reports.explain import explain
from usage_billing.reports.usage import usage_of_customer
from usage_billing.reports.what_if import Question, what_if

MAY, JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 6, 7, 8))
_US = timedelta(microseconds=1)


def unit(price: str) -> dict[str, Any]:
    return {"model": "per_unit", "unitPrice": price}


CLASSES: dict[str, Any] = {
    "model": "by_dimension",
    "cells": [
        {"name": "hot", "when": {"volume": "hot"}, "price": unit("0.02")},
        {"name": "cold", "when": {"volume": ["cold", "frozen"]}, "price": unit("0.005")},
    ],
    "default": unit("0.01"),
}


def world(engine: Engine, price: dict[str, Any] = CLASSES, *, limit: str = "0", **terms: Any) -> Engine:
    level = {"aggregation": "level", "value": "gb", "mode": "change", "per": "hour", "carry": True} | terms
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_plan(session, id="other")
        make_meter(session, id="gb-hours", of="assessment", dimensions=["volume"], **level)
    for plan in ("business", "other"):
        define(engine, price, limit=limit, plan=plan)
    return engine


def define(
    engine: Engine,
    price: dict[str, Any],
    *,
    limit: str = "0",
    plan: str = "business",
    now: datetime = MAY,
    **given: Any,
) -> None:
    new = NewQuota(plan_id=plan, usage_type="gb-hours", limit=Decimal(limit), price=price, **given)
    with transaction(engine) as session:
        define_quota(session, new, actor="a test", now=now)


def put(engine: Engine, gb: str, volume: str, at: datetime, *, now: datetime | None = None) -> UUID:
    with transaction(engine) as session:
        metadata = json.dumps({"gb": gb, "volume": volume})
        made = make_recording(now=now or at, occurred_at=at, metadata=metadata)
        record(session, made)
        fold(session)
    return made.id


def items(engine: Engine) -> list[tuple[str, str, Decimal, Decimal]]:
    """(kind, cell, quantity, amount), in the order in which they were made."""
    with transaction(engine) as session:
        asked = select(
            UsageInvoiceItem.kind, UsageInvoiceItem.cell, UsageInvoiceItem.quantity, UsageInvoiceItem.amount
        ).where(UsageInvoiceItem.usage_type_id == "gb-hours")
        return [tuple(row) for row in session.execute(asked.order_by(UsageInvoiceItem.id))]


def cells_of(engine: Engine, now: datetime, start: datetime = MAY) -> dict[str, tuple[Decimal, Decimal]]:
    """What the usage line that begins at ``start`` shows by cell: used, and its charge."""
    with read_only(engine) as session:
        lines = usage_of_customer(session, "user123", now=now, span=Span(start=start, end=AUGUST))
        [line] = [one for one in lines if one.usage_type == "gb-hours" and one.period_start == start]
        return {one.name: (one.used, one.estimated_charge) for one in line.cells or ()}


def test_each_cell_is_what_stood_in_its_series_also_in_months_without_a_recording(engine: Engine) -> None:
    world(engine, limit="1000")
    put(engine, "100", "hot", MAY)
    put(engine, "40", "cold", MAY)
    # By now; the allowance goes to hot first.
    assert cells_of(engine, MAY + timedelta(days=1)) == {
        "hot": (2400, 28),
        "cold": (960, Decimal("4.80")),
        "default": (0, 0),
    }
    put(engine, "7", "tape", MAY + timedelta(days=30))
    put(engine, "-100", "hot", MAY + timedelta(days=10))
    assert cells_of(engine, JUNE) == {
        "hot": (24000, 460),
        "cold": (29760, Decimal("148.80")),
        "default": (168, Decimal("1.68")),
    }
    bill(engine, JUNE + timedelta(hours=10))
    assert items(engine)[:3] == [
        ("usage", "hot", 23000, 460),
        ("usage", "cold", 29760, Decimal("148.80")),
        ("usage", "default", 168, Decimal("1.68")),
    ]
    check(engine)
    bill(engine, JULY + timedelta(hours=2))
    june = [one for one in items(engine) if one[2] in {27800, 28800, 5040}]
    assert june == [("usage", "cold", 27800, 139), ("usage", "default", 5040, Decimal("50.40"))]
    check(engine)


def test_upcoming_says_by_now_what_each_cell_comes_to(engine: Engine) -> None:
    world(engine)
    put(engine, "10", "hot", MAY)
    put(engine, "3", "cold", MAY + timedelta(hours=1))
    bill(engine, MAY + timedelta(hours=2))
    for hours in (5, 24 * 31 + 8):
        now = MAY + timedelta(hours=hours)
        with read_only(engine) as session:
            found = upcoming(session, "sub456", now=now)
            assert found is not None
            start = MAY if now < JUNE else JUNE
            shown = {item.cell: (item.total, item.amount) for item in found[1] if item.period_start == start}
        within = (now - start) // timedelta(hours=1)
        cold = within if start == JUNE else within - 1
        assert {name: total for name, (total, _) in shown.items()} == {"hot": 10 * within, "cold": 3 * cold}
        assert {name: one for name, one in cells_of(engine, now, start).items() if one[0]} == shown


def test_what_moves_from_cell_to_cell_late_is_adjusted_in_all_later_months(engine: Engine) -> None:
    """The meter's total stays what it was; only who pays how much for it changes."""
    world(engine)
    put(engine, "10", "hot", MAY)
    bill(engine, JULY + timedelta(hours=2))
    assert items(engine)[:2] == [("usage", "hot", 7440, Decimal("148.80")), ("usage", "hot", 7200, 144)]
    put(engine, "-10", "hot", MAY + timedelta(days=21), now=JULY + timedelta(hours=3))
    gone = put(engine, "10", "cold", MAY + timedelta(days=21), now=JULY + timedelta(hours=3))
    bill(engine, JULY + timedelta(days=1))
    check(engine)
    assert sorted(one for one in items(engine) if one[0] == "adjustment") == [
        ("adjustment", "cold", 2400, 12),
        ("adjustment", "cold", 7200, 36),
        ("adjustment", "hot", -7200, -144),
        ("adjustment", "hot", -2400, -48),
    ]
    with transaction(engine) as session:
        void_usage(session, gone, reason="a mistake", actor="a test", now=JULY + timedelta(days=1))
    bill(engine, AUGUST + timedelta(hours=2))
    check(engine)
    totals: dict[str, Decimal] = {}
    for _, cell, quantity, _ in items(engine):
        totals[cell] = totals.get(cell, Decimal(0)) + quantity
    assert {name: one for name, one in totals.items() if one} == {"hot": 10 * 24 * 21}


def test_a_cell_below_nothing_is_taken_off_the_others_as_long_as_it_stands(engine: Engine) -> None:
    world(engine)
    put(engine, "10", "hot", MAY)
    put(engine, "-10", "tape", MAY + timedelta(days=1))
    put(engine, "2", "cold", MAY + timedelta(days=1))
    put(engine, "-2", "hot", MAY + timedelta(days=1))
    # All series together stand at 0 from the second day on, and the month comes to 240. By the 31st tape is 7200 below.
    for days, hot, cold in ((1, 240, 0), (2, 192, 48), (6, 0, 240), (8, 0, 240), (20, 0, 240)):
        now = MAY + timedelta(days=days)
        assert {name: one for name, (one, _) in cells_of(engine, now).items()} == {
            "hot": hot, "cold": cold, "default": 0
        }  # fmt: skip
        if days == 2:
            bill(engine, now)
            check(engine)
    bill(engine, JUNE + timedelta(hours=2))
    check(engine)
    assert [one for one in items(engine) if one[2]] == [("usage", "cold", 240, Decimal("1.20"))]


def test_a_level_item_is_explained_by_the_recordings_of_its_cell(engine: Engine) -> None:
    world(engine)
    hot, cold = put(engine, "10", "hot", MAY), put(engine, "5", "frozen", MAY)
    bill(engine, JULY + timedelta(hours=2))
    with transaction(engine) as session:
        asked = select(UsageInvoiceItem).where(UsageInvoiceItem.usage_type_id == "gb-hours")
        found = session.scalars(asked.join(Invoice).where(UsageInvoiceItem.period_start == JUNE)).all()
        explained = {item.cell: explain(session, item.invoice_id, item.id) for item in found}
        assert {cell: [event.id for event in one.events.events] for cell, one in explained.items()} == {
            "hot": [hot],
            "cold": [cold],
        }
        assert explained["hot"].amount_due == Decimal("144.00")


PACKAGES = CLASSES | {
    "cells": [
        {
            "name": "hot",
            "when": {"volume": "hot"},
            "price": {"model": "package", "packageSize": "100", "packagePrice": "1"},
        },
        {
            "name": "cold",
            "when": {"volume": "cold"},
            "price": {"model": "package", "packageSize": "7", "packagePrice": "1"},
        },
    ],
    "default": {"model": "package", "packageSize": "1", "packagePrice": "1"},
}


@pytest.mark.parametrize("minutes", [1, 7, 20, 31])
def test_a_cut_at_any_minute_begins_no_package_more(engine: Engine, minutes: int) -> None:
    """An hour that is cut in three has parts that no decimal spells; what they come to together has."""
    world(engine, PACKAGES)
    put(engine, "100", "hot", MAY)
    put(engine, "7", "cold", MAY)
    put(engine, "1", "tape", MAY)
    for days in (3, 9, 17):
        at = MAY + timedelta(days=days, minutes=minutes, seconds=days)
        own = {"subscription_id": "sub456", "effective": "now", "reprice_usage": True}
        define(engine, PACKAGES, now=at, **own)
    bill(engine, JUNE + timedelta(hours=2))
    check(engine)
    found = {cell: (Decimal(0), Decimal(0)) for cell in ("hot", "cold", "default")}
    for _, cell, quantity, amount in items(engine):
        found[cell] = (found[cell][0] + quantity, found[cell][1] + amount)
    assert found == {"hot": (74600, 746), "cold": (5222, 746), "default": (746, 746)}


BY_VOLUME: dict[str, Any] = {
    "model": "by_dimension",
    "cells": [
        {"name": "a", "when": {"volume": "a"}, "price": PACKAGES["cells"][0]["price"], "limit": "300"},
        {"name": "b", "when": {"volume": ["b", "x"]}, "price": unit("0.02") | {"minimumAmount": "3"}, "limit": "50"},
    ],
    "default": unit("0.01"),
    "allowance": "limit",
    "discountPercent": "12.5",
}
WAYS = [
    (CLASSES | {"cells": [CLASSES["cells"][0] | {"when": {"volume": "b"}}]}, "120"),
    (PACKAGES | {"cells": [PACKAGES["cells"][0] | {"when": {"volume": "a"}}], "allowance": "in_proportion"}, "333"),
    (BY_VOLUME, "0"),
    (unit("0.03"), "10"),
]


def model_cells(
    said: list[Said], kind: tuple[str, str, bool], price: dict[str, Any], segment: Span, *, now: datetime
) -> dict[str, Fraction]:
    """What each cell of a segment comes to by stepping from recording to recording, where there is no pause."""
    mode, per, carry = kind
    assert segment.start is not None
    assert segment.end is not None
    month = max(one for one in (MAY, JUNE, JULY) if one <= segment.start)
    until = min(now, {MAY: JUNE, JUNE: JULY, JULY: AUGUST}[month])
    here, elapsed = (segment.start, min(segment.end, now)), Fraction((until - month) // _US, 10**6)
    found = {cell["name"]: Fraction(0) for cell in price["cells"]} | {"default": Fraction(0)}
    for volume in {one.volume for one in said}:
        mine = [one for one in said if one.volume == volume]
        wants = [cell["name"] for cell in price["cells"] if volume in cell["when"]["volume"]]
        start, end = here if per in PERS else (month, until)
        area = area_between(mine, mode, since=MAY if carry else month, start=start, end=end)
        if per not in PERS:
            area = area / elapsed * Fraction(max(here[1] - here[0], 0 * _US) // _US, 10**6) / elapsed
        found[(wants or ["default"])[0]] += area / PERS.get(per, 1)
    owed = -sum((one for one in found.values() if one < 0), Fraction(0))
    for name, one in found.items():
        found[name] = max(max(one, Fraction(0)) - owed, Fraction(0))
        owed -= max(one, Fraction(0)) - found[name]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_random_terms_and_usage_come_to_what_stood(engine: Engine, seed: int) -> None:
    random, said, plan = Random(seed), list[Said](), "business"
    kind = random.choice(KINDS)
    world(engine, WAYS[seed][0], limit=WAYS[seed][1], mode=kind[0], per=kind[1], carry=kind[2])
    for now in (MAY + timedelta(days=9, minutes=7), MAY + timedelta(days=23, seconds=1), JUNE + timedelta(days=11)):
        for _ in range(4):
            at = now - timedelta(minutes=random.choice((0, 1, 77, 1440, 10000)), microseconds=random.choice((0, 1)))
            gb, volume = random.choice(("5", "-2", "0.333333333333", "40", "12", "-31")), random.choice("aabcx")
            id = put(engine, gb, volume, at, now=now)
            said.append(Said(id, at, len(said), Decimal(gb), volume))
        gone = random.choice([one for one in said if one.counts])
        with transaction(engine) as session:
            void_usage(session, gone.id, reason="a mistake", actor="a test", now=now)
            fold(session)
        gone.counts = False
        if random.random() < 0.7:
            price, limit = random.choice(WAYS)
            own = {"subscription_id": "sub456", "effective": "now", "reprice_usage": True}
            define(engine, price, limit=limit, plan=plan, now=now, **own)
        elif plan == "business":
            plan = "other"
            with transaction(engine) as session:
                change_plan(session, "sub456", plan_id="other", when=When(moment="now"), actor="a test", now=now)
        later = now + timedelta(hours=5, minutes=11)
        compare(engine, said, kind, later)
        bill(engine, later)
        check(engine)
        compare(engine, said, kind, later + timedelta(days=1, microseconds=3))
    bill(engine, AUGUST + timedelta(hours=2))
    check(engine)
    compare(engine, said, kind, AUGUST)
    with read_only(engine) as session:
        [found] = what_if(session, Question(start=MAY, end=AUGUST, customer_id="user123"))
        asked = (
            "SELECT coalesce(sum(amount), 0) FROM usage_invoice_items"
            " WHERE usage_type_id = 'gb-hours' AND period_start < :at"
        )
        assert found.actual == session.scalar(text(asked), {"at": AUGUST})


def compare(engine: Engine, said: list[Said], kind: tuple[str, str, bool], now: datetime) -> None:
    with read_only(engine) as session:
        lines = usage_of_customer(session, "user123", now=now, span=Span(start=MAY, end=AUGUST))
        for line in (one for one in lines if one.cells is not None):
            price = session.get_one(UsageQuota, line.quota_id).price
            shown = {one.name: one.used for one in line.cells or () if one.name}
            assert sum(shown.values()) == line.used
            expected = model_cells(said, kind, price, Span(start=line.period_start, end=line.period_end), now=now)
            for name, used in shown.items():
                assert abs(Fraction(used) - expected[name]) < Fraction(6, 10**12), (kind, name, line.period_start)
