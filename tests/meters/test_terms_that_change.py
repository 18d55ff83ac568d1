"""Terms change under meters whose value depends on how long a period is: what is shown is what a run then makes."""

import json
import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.conftest import Clock
from tests.factories import make_recording, record
from tests.factories.meters import fold, make_meter
from tests.integration.conftest import Cli
from tests.money.house import House, day, make_house
from tests.money.test_foreseen import check_comes, look, seen
from tests.support.books import scalars
from usage_billing.core.errors import UsageBillingError
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.metering.recording import Recording
from usage_billing.reports.usage import usage_under
from usage_billing.reports.verify.books import find_differences
from usage_billing.subscriptions.queries import get_contract

DAY = timedelta(days=1)
METERS: dict[str, dict[str, Any]] = {
    "sum": {"aggregation": "sum"},
    "percentile": {
        "aggregation": "sum", "window": {"every": "day", "across": "percentile", "percent": "90", "empty": "zero"},
    },
    "mean of days": {"aggregation": "sum", "window": {"every": "day", "across": "average"}},
    "averages of days": {"aggregation": "average", "window": {"every": "day", "across": "sum"}},
    "largest day": {"aggregation": "sum", "window": {"every": "day", "across": "max"}},
    "min": {"aggregation": "min"},
    "latest": {"aggregation": "latest"},
    "average": {"aggregation": "average"},
    "max": {"aggregation": "max"},
    "unique_count": {"aggregation": "unique_count"},
    "mean": {"aggregation": "level", "mode": "set", "per": "period"},
    "carried mean": {"aggregation": "level", "mode": "change", "per": "period", "carry": True},
    "hours": {"aggregation": "level", "mode": "change", "per": "hour", "carry": True},
}  # fmt: skip


def metered(engine: Engine, kind: str) -> House:
    """One is free, and one beyond is 1.00 on plan a and 2.00 on plan b; requests cost nothing themselves."""
    house = make_house(engine)
    with transaction(engine) as session:
        make_meter(session, id="m", of="calls", value="n", **METERS[kind])
    for plan, dollars in (("a", "1"), ("b", "2")):
        house.plan(plan)
        house.quota(plan, "1", {"model": "per_unit", "unitPrice": dollars}, of="m")
    house.subscribe()
    return house


def count(house: House, n: int, *, at: datetime, now: datetime | None = None) -> None:
    """A request with a value, counted at once."""
    with transaction(house.engine) as session:
        record(session, _request(n, at=at, now=now or at))
    with transaction(house.engine) as session:
        fold(session)


def _request(n: int, *, at: datetime, now: datetime) -> Recording:
    said = {"customer": "ann", "subscription": "s", "usage_type": "calls", "metadata": json.dumps({"n": n})}
    return make_recording(now=now, occurred_at=at, **said)


def head(session: Session, now: datetime) -> Any:
    """The upcoming invoice: when it closes, its total, and what each item says."""
    found = upcoming(session, "s", now=now)
    if found is None:
        return None
    invoice, items = found
    lines = sorted((i.usage_type_id or "", i.kind, i.period_start, i.quantity, i.amount) for i in items if i.amount)
    return invoice.closes_at, invoice.total, lines


def used(session: Session, now: datetime) -> list[tuple[str, datetime, Decimal, Decimal]]:
    """What usage says of each segment that has any."""
    lines = usage_under(session, [get_contract(session, "s")], now=now, span=None)
    return sorted((one.usage_type, one.period_start, one.used, one.estimated_charge) for one in lines if one.used)


def check_shown(house: House, *, now: datetime) -> None:
    """Upcoming invoice and usage are what a run of now makes of them."""
    with read_only(house.engine) as session:
        shown = head(session, now), used(session, now)
    with rolled_back(house.engine) as session:
        invoice_subscriptions(session, ["s"], as_of=now, adjust_within=ADJUSTMENT_SPAN)
        assert (head(session, now), used(session, now)) == shown


@pytest.mark.parametrize("kind", METERS)
@pytest.mark.parametrize(
    ("change", "more", "billed"),
    [("cancel", {}, True), ("cancel", {}, False), ("pause", {}, True), ("change_plan", {"plan_id": "b"}, False)],
    ids=str,
)
def test_what_a_dry_run_says_is_what_comes(
    engine: Engine, kind: str, change: str, more: dict[str, Any], billed: bool
) -> None:
    house = metered(engine, kind)
    count(house, 188, at=day(1, hour=3))
    count(house, 44, at=day(2, hour=3))
    if billed:
        house.bill(day(3))
    found = look(house, change, at=day(4), **more)
    check_comes(house, found, kind=change, now=day(4), **more)


def test_a_percentile_of_a_period_that_is_cut_short_is_told(engine: Engine) -> None:
    house = metered(engine, "percentile")
    count(house, 188, at=day(1, hour=3))
    found = look(house, "cancel", at=day(1, hour=9))
    assert [(one.total_before, one.total) for one in seen(found).invoices] == [(0, Decimal("187.00"))]
    check_comes(house, found, kind="cancel", now=day(1, hour=9))


@pytest.mark.parametrize("change", ["cancel", "pause"])
@pytest.mark.parametrize("kind", ["sum", "max", "average", "hours"])
def test_what_a_change_takes_back_counts_in_no_meter(engine: Engine, kind: str, change: str) -> None:
    house = metered(engine, kind)
    count(house, 10, at=day(3))
    count(house, 44, at=day(7))
    house.bill(day(8))
    found = look(house, change, at=day(9), when=day(6), later_usage="void")
    assert scalars(engine, "SELECT count(*) FROM usage_voids") == [0]
    assert seen(found).invoices
    check_comes(house, found, kind=change, now=day(9), later_usage="void")


def test_over_http_and_at_the_terminal_too(engine: Engine, admin: FlaskClient, clock: Clock, cli: Cli) -> None:
    house = metered(engine, "sum")
    count(house, 10, at=day(3))
    count(house, 44, at=day(7))
    clock.now = day(9)
    body = {"at": "2026-01-06T00:00:00Z", "laterUsage": "void"}
    look = admin.post("/api/subscriptions/s/cancel", json=body | {"dryRun": True}).json
    assert [one["total"] for one in look["foreseen"]["invoices"]] == ["9.00", "0.00"]
    asked = ("subscriptions", "cancel", "s", "--at", "2026-01-06", "--later-usage", "void")
    shown = cli(*asked, "--dry-run", "--json").json
    assert shown["foreseen"]["invoices"] == look["foreseen"]["invoices"]
    assert scalars(engine, "SELECT count(*) FROM usage_voids") == [0]
    digest = shown["foreseen"]["digest"]
    done = admin.post("/api/subscriptions/s/cancel", json=body | {"expectedDigest": digest})
    assert (done.status_code, done.json["voidedRecordings"]) == (200, 1)


def test_what_no_fold_has_counted_is_counted_before_a_change_is_compared(
    engine: Engine, admin: FlaskClient, clock: Clock
) -> None:
    house = metered(engine, "sum")
    count(house, 10, at=day(3))
    clock.now = day(9)
    look = admin.post("/api/subscriptions/s/cancel", json={"at": "now", "dryRun": True}).json
    with transaction(engine) as session:
        record(session, _request(5, at=day(8), now=day(8)))
    body = {"at": "now", "expectedDigest": look["foreseen"]["digest"]}
    refused = admin.post("/api/subscriptions/s/cancel", json=body)
    assert (refused.status_code, refused.json["code"]) == (409, "digest_changed")


@pytest.mark.parametrize("kind", ["average", "min", "latest"])
def test_a_change_that_a_run_saw_coming_is_charged_once_it_has_come(engine: Engine, kind: str) -> None:
    """100 over 31 days: 14 days at 1.00, of which a unit is free, and 17 days at 2.00."""
    house = metered(engine, kind)
    count(house, 100, at=day(2))
    house.change("change_plan", plan_id="b", at=day(3), when=day(15))
    house.bill(day(5))
    check_shown(house, now=day(6))
    check_shown(house, now=day(16))
    house.bill(day(5, month=2))
    assert [items for *_, items in house.invoices()] == [[("usage", Decimal("44.16")), ("usage", Decimal("109.68"))]]


@pytest.mark.parametrize("kind", ["average", "min", "latest"])
def test_periods_of_two_cadences_that_close_together_are_each_charged_whole(engine: Engine, kind: str) -> None:
    """A month around ten days of a year, in December: 9 and 12 of its 21 days share 100, the year has 60."""
    house = metered(engine, kind)
    house.plan("y", interval="year")
    house.quota("y", "1", {"model": "per_unit", "unitPrice": "2"}, of="m")
    house.change("change_plan", plan_id="y", at=day(1, month=11), when=day(10, month=12))
    house.change("change_plan", plan_id="a", at=day(1, month=11), when=day(20, month=12))
    count(house, 100, at=day(2, month=12))
    count(house, 60, at=day(11, month=12))
    house.bill(day(12, month=12))
    check_shown(house, now=day(13, month=12))
    check_shown(house, now=day(25, month=12))
    house.bill(day(5, month=2, year=2027))
    assert scalars(engine, "SELECT sum(total) FROM usage_summaries WHERE usage_type_id = 'm'") == [160]
    ((*_, total, _),) = house.invoices()
    assert total == Decimal("218.88")


CARRIED = ["carried mean", "hours", "average", "max", "percentile"]


def differences(engine: Engine) -> list[str]:
    with read_only(engine) as session:
        return [str(one) for one in find_differences(session)]


@pytest.mark.parametrize("back", [day(29), day(20), day(2)], ids=["late", "void", "start"])
@pytest.mark.parametrize("change", ["pause", "cancel"])
@pytest.mark.parametrize("kind", CARRIED)
def test_what_lies_after_an_end_that_is_agreed_later_comes_to_nothing(
    engine: Engine, kind: str, change: str, back: datetime
) -> None:
    house = metered(engine, kind)
    count(house, 10, at=day(3))
    count(house, 5, at=day(28, hour=23))
    house.bill(day(31, hour=23))
    now = day(3, month=2)
    with transaction(engine) as session:
        invoice_subscriptions(session, ["s"], as_of=now, adjust_within=ADJUSTMENT_SPAN)
    house.change(change, at=now, when=back, later_usage="void")
    assert differences(engine) == []
    with transaction(engine) as session:
        fold(session)
    assert differences(engine) == []
    check_shown(house, now=now)
    with transaction(engine) as session:
        invoice_subscriptions(session, ["s"], as_of=now, adjust_within=ADJUSTMENT_SPAN)
    assert differences(engine) == []
    if change == "pause":
        found = look(house, "resume", at=now, when=day(26) if back < day(26) else now)
        house.change("resume", at=now, when=found.effective_at)
        check_shown(house, now=now)
        assert differences(engine) == []
        with read_only(engine) as session:
            shown = head(session, now)
        if shown is not None:
            foreseen = {one.closes_at: one.total for one in seen(found).invoices}
            assert foreseen.get(shown[0], shown[1]) == shown[1]


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("cancel", {}),
    ("pause", {}),
    ("resume", {}),
    ("change_plan", {"plan_id": "a"}),
    ("change_plan", {"plan_id": "b"}),
]


def change_terms(house: House, chance: random.Random, *, now: datetime, goes_on: bool) -> datetime:
    """Another plan, a pause, an end, or another quota; what a dry run says comes. Returns what time it is then.

    A level ``goes_on`` after a dry run, which says what it came to by then.
    """
    act = chance.random()
    try:
        if act < 0.2:
            house.quota(
                chance.choice("ab"), str(chance.randrange(20)), {"model": "per_unit", "unitPrice": "3"}, at=now,
                own=chance.choice(["s", None]), effective=chance.choice(["now", "period"]), reprice=True, of="m",
            )  # fmt: skip
            return now
        kind, more = chance.choice(CHANGES)
        when = chance.choice(["now", "period_end", now + chance.randrange(1, 20) * DAY, now - DAY / 4])
        if act < 0.6 and not goes_on:
            found = look(house, kind, at=now, when=when, **more)
            check_comes(house, found, kind=kind, now=now, **more)
            return max(now, found.effective_at, seen(found).until)
        house.change(kind, at=now, when=when, **more)
    except UsageBillingError as refused:
        if refused.code == "digest_changed":
            raise
    return now


@pytest.mark.parametrize("kind", METERS)
def test_in_any_order_what_is_shown_is_what_a_run_makes(engine: Engine, kind: str) -> None:
    chance = random.Random(kind)
    house, now = metered(engine, kind), day(1, hour=1)
    for _ in range(12):
        now += chance.randrange(1, 100) * timedelta(hours=1)
        act = chance.random()
        if act < 0.5:
            try:
                count(house, chance.randrange(-3, 60), at=now - chance.randrange(40) * timedelta(hours=1), now=now)
            except AssertionError:
                continue
        elif act < 0.6:
            house.bill(now)
        else:
            now = change_terms(house, chance, now=now, goes_on=METERS[kind]["aggregation"] == "level")
        check_shown(house, now=now)
        assert differences(engine) == []
