"""Levels beside brute force: in any order and pieces, with voids, over periods, cuts and time without recordings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.factories import make_plan, make_quota, make_recording, make_world, record
from tests.factories.meters import fold, make_meter
from tests.meters.test_fold import fold_and_undo
from tests.support.billing import bill, driven
from tests.support.statements import statements_of
from usage_billing.core.spans import Span
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.flows.administration.change_subscription import cancel, change_plan, pause, resume
from usage_billing.flows.administration.manage_meters import retire_meter
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.meters.running import last_recorded
from usage_billing.reports import level_changes
from usage_billing.reports.usage import usage_of_customer
from usage_billing.reports.verify.books import find_differences
from usage_billing.reports.what_if import Question, what_if

MAY, JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 6, 7, 8))
AUTUMN = [datetime(2026, month, 1, tzinfo=UTC) for month in (9, 10, 11, 12)]
PERS = {"second": 1, "hour": 3600, "day": 86400}
KINDS = [(mode, per, carry) for mode in ("change", "set") for per in (*PERS, "period") for carry in (False, True)]
_US = timedelta(microseconds=1)


@dataclass
class Said:
    """A recording as the test made it."""

    id: UUID
    at: datetime
    order: int
    value: Decimal
    volume: str
    counts: bool = True


def area_between(said: Sequence[Said], mode: str, *, since: datetime, start: datetime, end: datetime) -> Fraction:
    """Units times seconds from ``start`` to ``end``, of a level that is 0 before ``since``, step by step."""
    known = sorted((one for one in said if one.counts and one.at >= since), key=lambda one: (one.at, one.order))
    stands: dict[str, Fraction] = {}
    area, at = Fraction(0), since
    for one in [*known, Said(UUID(int=0), end, 10**6, Decimal(0), "end")]:
        if one.at > at:
            here = max(min(one.at, end) - max(at, start), timedelta(0))
            area += sum(stands.values(), Fraction(0)) * Fraction(here // _US, 10**6)
            at = one.at
        before = Fraction(0) if mode == "set" else stands.get(one.volume, Fraction(0))
        stands[one.volume] = before + Fraction(one.value)
    return area


def come_to(
    said: Sequence[Said], kind: tuple[str, str, bool], start: datetime, end: datetime, upto: datetime
) -> Fraction:
    """What a level comes to from ``start`` to ``end``, as of ``upto``."""
    mode, per, carry = kind
    ends = min(end, upto)
    area = area_between(said, mode, since=MAY if carry else start, start=start, end=ends)
    return area / (PERS[per] if per in PERS else Fraction((ends - start) // _US, 10**6))


def rounded(value: Fraction) -> Decimal:
    scaled = int(abs(value) * 10**12 + Fraction(1, 2))
    return Decimal(scaled if value >= 0 else -scaled).scaleb(-12)


def name_of(kind: tuple[str, str, bool]) -> str:
    return "-".join((kind[0], kind[1], "on" if kind[2] else "off"))


def make_meters(session: Session, kinds: Sequence[tuple[str, str, bool]] = KINDS, **terms: Any) -> None:
    for kind in kinds:
        mode, per, carry = kind
        make_meter(session, id=name_of(kind), aggregation="level", value="gb", mode=mode, per=per, carry=carry, **terms)


def stored(session: Session) -> dict[str, dict[datetime, Decimal]]:
    found: dict[str, dict[datetime, Decimal]] = {}
    for row in session.execute(text("SELECT * FROM usage_summaries WHERE usage_type_id <> 'assessment'")):
        found.setdefault(row.usage_type_id, {})[row.period_start] = row.total
    return found


def some(engine: Engine, random: Random, said: list[Said], start: datetime, end: datetime, number: int) -> None:
    made = []
    for _ in range(number):
        at = start + (end - start) * random.random()
        at = at.replace(minute=at.minute // 20 * 20, second=0, microsecond=random.choice((0, 0, 1)))
        value, volume = Decimal(random.choice(("5", "-2", "0.333333333333", "40", "0"))), random.choice("ab")
        metadata = json.dumps({"gb": str(value), "volume": volume})
        one = make_recording(now=at, metadata=metadata, occurred_at=at)
        made.append(one)
        said.append(Said(one.id, at, len(said), value, volume))
    with transaction(engine) as session:
        assert record(session, *made).recorded == number


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_any_pieces_any_voids_come_to_the_same(engine: Engine, seed: int) -> None:
    random, said = Random(seed), list[Said]()
    kinds = random.sample(KINDS, 7)
    with transaction(engine) as session:
        make_world(session)
        make_meters(session, kinds, dimensions=["volume"])
    for _ in range(14):
        step = random.randrange(5)
        if step <= 1:
            month = random.choice((MAY, MAY, JUNE))
            some(engine, random, said, month, month + timedelta(days=30), random.randrange(1, 6))
        elif step == 2 and (counting := [one for one in said if one.counts]):
            gone = random.choice(counting)
            with transaction(engine) as session:
                void_usage(session, gone.id, reason="a mistake", actor="a test", now=AUGUST)
            gone.counts = False
        elif step == 3:
            fold_and_undo(engine)
        else:
            with transaction(engine) as session:
                fold(session, at_most=random.choice((None, 3, 20)))
    upto = JULY + timedelta(days=3, microseconds=7)
    bill(engine, upto)
    with read_only(engine) as session:
        found = stored(session)
        assert [str(one) for one in find_differences(session)] == []
    for kind in kinds:
        for start, end in pairwise((MAY, JUNE, JULY, AUGUST)):
            expected = rounded(max(come_to(said, kind, start, end, upto), Fraction(0)))
            assert found.get(name_of(kind), {}).get(start, Decimal(0)) == expected, (kind, start)


STORAGE = {"of": "assessment", "value": "gb", "aggregation": "level", "mode": "change", "per": "hour", "carry": True}


@pytest.fixture
def storage(engine: Engine) -> Engine:
    """GB-hours at a cent, 100 of them free, carried on from month to month."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, id="gb-hours", **STORAGE)
        make_quota(session, usage_type="gb-hours", limit=100, unit_price="0.01")
    return engine


def put(engine: Engine, gb: str, at: datetime, *, now: datetime | None = None) -> UUID:
    with transaction(engine) as session:
        made = make_recording(now=now or at, occurred_at=at, metadata=json.dumps({"gb": gb}))
        record(session, made)
        fold(session)
    return made.id


def items(engine: Engine) -> list[tuple[str, datetime, Decimal, Decimal]]:
    """(status of the invoice, segment, quantity, amount)"""
    with read_only(engine) as session:
        rows = session.execute(
            text(
                "SELECT i.status, t.period_start, t.quantity, t.amount FROM usage_invoice_items AS t"
                " JOIN invoices AS i ON i.id = t.invoice_id WHERE t.usage_type_id = 'gb-hours'"
                " ORDER BY i.created_at, t.period_start"
            )
        )
        return [tuple(row) for row in rows]


def check(engine: Engine) -> None:
    with read_only(engine) as session:
        assert [str(one) for one in find_differences(session)] == []


def used(engine: Engine, now: datetime) -> dict[datetime, tuple[Decimal, Decimal]]:
    with read_only(engine) as session:
        lines = usage_of_customer(session, "user123", now=now, span=Span(start=MAY, end=AUGUST))
        return {one.period_start: (one.used, one.estimated_charge) for one in lines if one.usage_type == "gb-hours"}


def used_in_all(engine: Engine) -> Decimal:
    with read_only(engine) as session:
        found: Decimal = session.execute(
            text("SELECT sum(total) FROM usage_summaries WHERE usage_type_id = 'gb-hours'")
        ).scalar_one()
        return found


def test_a_level_goes_on_costing_without_any_recording(storage: Engine) -> None:
    put(storage, "10", MAY + timedelta(days=30))  # a day before June
    bill(storage, MAY + timedelta(days=30, hours=12))
    assert items(storage) == [("draft", MAY, 20, Decimal("0.20"))]
    check(storage)
    assert used(storage, JUNE - timedelta(hours=4))[MAY] == (200, Decimal("1.00"))
    assert used(storage, JUNE + timedelta(hours=5)) == {
        MAY: (240, Decimal("1.40")),
        JUNE: (50, Decimal("0.00")),
    }
    with read_only(storage) as session:
        found = upcoming(session, "sub456", now=JUNE + timedelta(hours=11))
        assert found is not None
        assert [(item.period_start, item.total) for item in found[1]] == [(JUNE, 110)]
    assert used(storage, JUNE + timedelta(hours=11))[JUNE] == (110, Decimal("0.10"))
    bill(storage, JUNE + timedelta(hours=2))
    assert items(storage) == [("finalized", MAY, 140, Decimal("1.40"))]
    assert used(storage, JUNE + timedelta(hours=5))[JUNE] == (50, 0)
    bill(storage, JULY + timedelta(hours=2))
    assert items(storage)[1:] == [("finalized", JUNE, 7100, Decimal("71.00"))]
    check(storage)
    # All of it is taken away, and nothing more is due, nor looked at.
    put(storage, "-10", JULY + timedelta(hours=20))
    bill(storage, AUGUST + timedelta(hours=2))
    assert items(storage)[2:] == [("finalized", JULY, 100, Decimal("1.00"))]
    check(storage)
    with transaction(storage) as session:
        assert not session.scalar(text("SELECT count(*) FROM usage_summaries WHERE to_rate"))
        assert session.scalar(text("SELECT count(*) FROM usage_summaries WHERE usage_type_id = 'gb-hours'")) == 3


def test_a_part_of_a_period_goes_by_what_the_level_came_to_before_it(storage: Engine) -> None:
    put(storage, "10", MAY + timedelta(days=30))
    cut, now = JULY + timedelta(days=14), JULY + timedelta(days=24)
    with transaction(storage) as session:
        make_plan(session, id="other")
        make_quota(session, plan="other", usage_type="gb-hours", limit=100, unit_price="0.01")
        change_plan(session, "sub456", plan_id="other", when=When(moment=cut), actor="a test", now=cut)
    with read_only(storage) as session:
        for since in (JULY, cut + timedelta(days=5)):  # nothing is stored of July
            lines = usage_of_customer(session, "user123", now=now, span=Span(start=since, end=AUGUST))
            last = [one for one in lines if one.usage_type == "gb-hours"][-1]
            assert (last.period_start, last.used, last.used_before, last.overage) == (cut, 2400, 100, 2400), since


def test_the_last_recording_is_looked_for_after_what_is_reckoned(storage: Engine) -> None:
    put(storage, "10", JUNE)
    with read_only(storage) as session:
        of = session.scalar(text("SELECT of FROM usage_types WHERE id = 'gb-hours'"))
        assert last_recorded(session, "sub456", of) == JUNE
        assert last_recorded(session, "sub456", of, after=JUNE) == JUNE
        assert last_recorded(session, "sub456", of, after=JUNE + _US) is None


def test_a_run_that_is_held_to_a_dry_run_reckons_as_of_the_same_moment(storage: Engine) -> None:
    put(storage, "10", MAY)
    moment = JUNE + timedelta(hours=2)
    shown = bill(storage, moment, dry_run=True)
    put(storage, "0", JUNE + timedelta(hours=3))
    with transaction(storage) as session:
        request = RunRequest(as_of=moment, expected_digest=shown.digest)
        run = open_run(session, request, requested_by="test", now=JUNE + timedelta(hours=4))
    assert driven(storage, run).digest == shown.digest
    assert [one[1:] for one in items(storage)] == [(MAY, 7340, Decimal("73.40"))]
    check(storage)


def test_a_late_change_adjusts_all_that_came_after(storage: Engine) -> None:
    first = put(storage, "10", MAY)
    bill(storage, JULY + timedelta(hours=2))
    assert [one[1:] for one in items(storage)] == [
        (MAY, 7340, Decimal("73.40")),
        (JUNE, 7100, Decimal("71.00")),
    ]
    put(storage, "-4", JUNE - timedelta(hours=10), now=JULY + timedelta(hours=3))
    bill(storage, JULY + timedelta(days=1))
    check(storage)
    late = [one for one in items(storage) if one[3] < 0]
    assert [one[1:] for one in late] == [(MAY, -40, Decimal("-0.40")), (JUNE, -2880, Decimal("-28.80"))]
    with transaction(storage) as session:
        void_usage(session, first, reason="a mistake", actor="a test", now=JULY + timedelta(days=1))
    bill(storage, AUGUST + timedelta(hours=2))
    check(storage)
    assert sum(one[3] for one in items(storage)) == 0
    assert used_in_all(storage) == 0


@pytest.mark.parametrize("per", ["hour", "period"])
def test_a_cut_changes_no_amount_and_each_part_has_its_price(engine: Engine, per: str) -> None:
    cut = datetime(2026, 5, 11, tzinfo=UTC)
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_plan(session, id="other")
        make_meter(session, id="gb-hours", **STORAGE | {"per": per})
        make_quota(session, usage_type="gb-hours", limit=0, unit_price="1")
        make_quota(session, plan="other", usage_type="gb-hours", limit=0, unit_price="2")
    put(engine, "31", MAY)
    with transaction(engine) as session:
        change_plan(session, "sub456", plan_id="other", when=When(moment=cut), actor="a test", now=cut)
    bill(engine, JUNE + timedelta(hours=2))
    check(engine)
    parts = (Decimal(7440), Decimal(15624)) if per == "hour" else (Decimal(10), Decimal(21))
    assert [one[1:] for one in items(engine)][:2] == [(MAY, parts[0], parts[0]), (cut, parts[1], 2 * parts[1])]
    with read_only(engine) as session:
        [looked] = what_if(session, Question(start=MAY, end=JUNE, customer_id="user123"))
        assert looked.actual == parts[0] + 2 * parts[1]


def test_it_is_told_when_time_passes_the_allowance(storage: Engine) -> None:
    put(storage, "10", MAY)
    with transaction(storage) as session:
        told = "SELECT count(*) FROM outbox_messages WHERE topic = 'quota.exceeded'"
        assert session.scalar(text(told)) == 0
    bill(storage, MAY + timedelta(hours=11))
    with transaction(storage) as session:
        assert session.scalar(text(told)) == 1


def test_what_is_retired_stands_still(storage: Engine) -> None:
    put(storage, "10", MAY)
    with transaction(storage) as session:
        retired = retire_meter(session, "gb-hours", actor="a test", now=MAY).retired_at
    assert retired is not None
    for days in (40, 80):
        bill(storage, retired + timedelta(days=days))
        check(storage)
    assert used_in_all(storage) == rounded(10 * Fraction((retired - MAY) // _US, 3600 * 10**6))


def test_verify_finds_what_is_spoilt(storage: Engine) -> None:
    put(storage, "10", MAY)
    bill(storage, JUNE + timedelta(hours=2))
    for spoil, kind in (
        ("UPDATE meter_levels SET area = area + 1", "meter_level"),
        ("UPDATE meter_totals SET weighted = weighted + 1", "meter_series"),
        ("UPDATE meter_buckets SET weighted = weighted + 1", "meter_buckets"),
        ("UPDATE usage_summaries SET total = total + 1 WHERE usage_type_id = 'gb-hours'", "summary_total"),
        (
            "DELETE FROM usage_summaries WHERE usage_type_id = 'gb-hours' AND period_start >= '2026-06-01'",
            "meter_level",
        ),
    ):
        with rolled_back(storage) as session:
            session.execute(text(spoil))
            assert kind in {one.kind for one in find_differences(session)}, spoil


@pytest.mark.parametrize("seed", [1, 2])
def test_a_series_is_the_area_of_each_window_and_of_all_of_them(
    engine: Engine, admin: FlaskClient, now: datetime, seed: int
) -> None:
    random, said = Random(seed), list[Said]()
    kinds = random.sample(KINDS, 6)
    with transaction(engine) as session:
        make_world(session)
        make_meters(session, kinds, dimensions=["volume"])
    for since in AUTUMN[:3]:
        some(engine, random, said, since, min(since + timedelta(days=30), now), 9)
        with transaction(engine) as session:
            fold(session)
    bill(engine, now)
    for kind in kinds:
        for by, since, ends in (
            ("day", "2026-10-20T00:00:00Z", "2026-11-20T00:00:00Z"),
            ("month", "2026-09-01T00:00:00Z", "2026-11-20T00:00:00Z"),
            ("period", "2026-10-01T00:00:00Z", "2026-11-20T00:00:00Z"),
            ("5m", "2026-10-26T13:25:00Z", "2026-11-04T00:00:00Z"),
            ("minute", "2026-10-31T22:03:00Z", "2026-11-01T02:00:00Z"),
        ):
            asked = f"usageType={name_of(kind)}&by={by}&from={since}&to={ends}&groupBy=volume"
            answer = admin.get(f"/api/usage/subscription/sub456/series?{asked}")
            assert answer.status_code == 200, answer.json
            windows = [
                (datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"]))
                for one in answer.json["windows"]
            ]
            for one in answer.json["series"]:
                mine = [each for each in said if each.volume == one["dimensions"]["volume"]]
                areas = [windowed(mine, kind, *window, now) for window in windows]
                lengths = [max(Fraction((min(end, now) - start) // _US, 10**6), Fraction(0)) for start, end in windows]
                for value, area, length in zip(one["values"], areas, lengths, strict=True):
                    assert Decimal(value) == rounded(area / (PERS.get(kind[1], length) or 1)), (kind, by)
                whole = sum(areas, Fraction(0)) / PERS.get(kind[1], sum(lengths, Fraction(0)))
                assert Decimal(one["total"]) == rounded(whole)


def test_by_five_minutes_no_more_is_counted_than_a_read_may(
    storage: Engine, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(storage, "10", MAY)
    put(storage, "5", JUNE + timedelta(minutes=31))
    put(storage, "-1", JUNE + timedelta(minutes=37, seconds=30))
    asked = "usageType=gb-hours&by=5m&from=2026-06-01T00:30:00Z&to=2026-06-01T00:45:00Z"
    answer = admin.get(f"/api/usage/subscription/sub456/series?{asked}").json
    expected = [10 * 60 + 15 * 240, 15 * 150 + 14 * 150, 14 * 300]
    assert answer["series"][0]["values"] == [format(rounded(Fraction(one, 3600)).normalize(), "f") for one in expected]
    monkeypatch.setattr(level_changes, "MAX_TAIL", 1)
    refused = admin.get(f"/api/usage/subscription/sub456/series?{asked}")
    assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "too_fine")


def windowed(
    said: Sequence[Said], kind: tuple[str, str, bool], start: datetime, end: datetime, upto: datetime
) -> Fraction:
    """Units times seconds in a window, whatever periods it is in."""
    mode, _, carry = kind
    periods = [(AUTUMN[0], AUTUMN[-1])] if carry else list(pairwise(AUTUMN))
    return sum(
        (
            area_between(said, mode, since=begins, start=max(start, begins), end=min(end, ends, upto))
            for begins, ends in periods
            if max(start, begins) < min(end, ends, upto)
        ),
        Fraction(0),
    )


def test_nothing_stands_in_a_pause_and_it_goes_on_after_it(engine: Engine, admin: FlaskClient) -> None:
    september, october = AUTUMN[:2]
    with transaction(engine) as session:
        make_world(session)
        make_meters(session, KINDS, dimensions=["volume"])
    begins, ends = september + timedelta(days=9, minutes=7), september + timedelta(days=19, seconds=1)
    some(engine, Random(5), [], september, begins, 6)
    with transaction(engine) as session:
        fold(session)
        pause(session, "sub456", when=When(moment=begins), actor="a test", now=begins)
    with transaction(engine) as session:
        resume(session, "sub456", when=When(moment=ends), actor="a test", now=ends)
    bill(engine, october + timedelta(days=20))
    check(engine)
    with read_only(engine) as session:
        found = stored(session)
    for kind in KINDS:
        answer = admin.get(
            f"/api/usage/subscription/sub456/series?usageType={name_of(kind)}&by=period&from=2026-09-01T00:00:00Z"
            "&to=2026-10-01T00:00:00Z"
        ).json
        if kind[1] == "period":
            continue  # the mean of a window is over all of its time
        assert max(Decimal(answer["total"]), Decimal(0)) == sum(
            total for start, total in found[name_of(kind)].items() if start < october
        ), kind


@pytest.mark.parametrize("planned", [False, True])
def test_what_stood_before_a_pause_that_runs_went_by_is_billed_after_it(storage: Engine, planned: bool) -> None:
    put(storage, "10", MAY)
    begins, ends = MAY + timedelta(days=9, hours=3), JUNE + timedelta(days=10)
    with transaction(storage) as session:
        pause(session, "sub456", when=When(moment=begins), actor="a test", now=begins)
    if planned:
        with transaction(storage) as session:
            resume(session, "sub456", when=When(moment=ends), actor="a test", now=begins)
    bill(storage, JUNE + timedelta(days=9))
    check(storage)
    if not planned:
        with transaction(storage) as session:
            resume(session, "sub456", when=When(moment=ends), actor="a test", now=ends)
    bill(storage, JULY + timedelta(days=9))
    assert items(storage)[1:] == [
        ("finalized", ends, Decimal("4733.333333333333"), Decimal("47.33")),
        ("draft", JULY, Decimal(2060), Decimal("20.60")),
    ]
    check(storage)
    with rolled_back(storage) as session:
        for table in ("usage_invoice_items", "invoices"):
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        later = "SELECT id FROM usage_summaries WHERE usage_type_id = 'gb-hours' AND period_start >= '2026-06-01'"
        session.execute(text(f"DELETE FROM usage_invoice_items WHERE summary_id IN ({later})"))
        session.execute(text(f"DELETE FROM usage_summaries WHERE id IN ({later})"))
        assert "meter_level" in {one.kind for one in find_differences(session)}


def test_what_stands_at_the_end_of_a_subscription_is_looked_at_no_more(storage: Engine) -> None:
    put(storage, "10", MAY)
    ends = MAY + timedelta(days=9)
    with transaction(storage) as session:
        cancel(session, "sub456", when=When(moment=ends), actor="a test", now=ends)
    bill(storage, JULY)
    with read_only(storage) as session:
        assert not session.scalar(text("SELECT count(*) FROM usage_summaries WHERE to_rate"))


LEVEL: dict[str, Any] = {"aggregation": "level", "value": "gb", "mode": "change", "per": "hour"}


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"aggregation": "level", "value": "gb", "per": "hour"}, "/mode", "required"),
        ({"aggregation": "level", "value": "gb", "mode": "set"}, "/per", "required"),
        (LEVEL | {"mode": "add"}, "/mode", "not_supported"),
        (LEVEL | {"per": "minute"}, "/per", "not_supported"),
        ({"value": "gb", "mode": "set"}, "/mode", "contradiction"),
        ({"value": "gb", "per": "hour"}, "/per", "contradiction"),
        ({"value": "gb", "carry": True}, "/carry", "contradiction"),
        (LEVEL | {"mode": "set", "seriesLimit": 5}, "/seriesLimit", "contradiction"),
        (LEVEL | {"carry": "yes"}, "/carry", "not_a_flag"),
    ],
)
def test_what_contradicts_a_level_is_refused(
    world: Engine, admin: FlaskClient, given: dict[str, Any], pointer: str, code: str
) -> None:
    new = {"id": "tokens", "of": "assessment", "unitName": "GB-hour", **given}
    for path, body in (("/api/usage-types", new), ("/api/usage-types/evaluate", given | {"metadata": {}})):
        if pointer == "/seriesLimit" and path.endswith("evaluate"):
            continue
        answer = admin.post(path, json=body)
        assert answer.status_code == 422
        assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [(pointer, code)]
    assert admin.get("/api/usage-types/tokens").status_code == 404


def test_a_level_is_shown_and_keeps_how_it_is_counted(world: Engine, admin: FlaskClient) -> None:
    new = {"id": "gb-hours", "of": "assessment", "unitName": "GB-hour", "dimensions": ["volume"], **LEVEL}
    made = admin.post("/api/usage-types", json=new | {"mode": "set", "carry": True}).json
    assert (made["mode"], made["per"], made["carry"], made["seriesLimit"]) == ("set", "hour", True, None)
    for given, code in (({"mode": "change"}, "unknown"), ({"dimensions": []}, "contradiction")):
        refused = admin.patch("/api/usage-types/gb-hours", json=given)
        assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, code)
    changed = admin.patch("/api/usage-types/gb-hours", json={"where": "status == 1"}).json
    assert (changed["version"], changed["mode"], changed["carry"], changed["where"]) == (2, "set", True, "status == 1")
    quota = {"planId": "business", "usageType": "gb-hours", "monthlyLimit": 0, "price": BY_VOLUME}
    assert admin.post("/api/quotas", json=quota).status_code == 201


BY_VOLUME = {
    "model": "by_dimension",
    "cells": [{"name": "a", "when": {"volume": "a"}, "price": {"model": "per_unit", "unitPrice": "1"}}],
    "default": {"model": "per_unit", "unitPrice": "1"},
}


STEPS = [(0, 2), (1, 3), (1.5, 1), (2, -4), (4, -2), (5, 10), (5.5, -10)]


@pytest.mark.parametrize(
    ("mode", "month", "given", "expected"),
    [
        # Published by other systems: a weighted sum of units added and taken away at these hours of a month of 31 days;
        # the same of what stood before; storage of 100 GB for 10 days and 130 GB for the 20 others.
        ("change", MAY, STEPS, "0.02218"),
        ("change", JULY, [(-24, 1000), *STEPS], "1000.02218"),
        ("change", MAY, [(0, 3), (0, 3)], "6"),
        ("set", JUNE, [(0, 100), (240, 130)], "120"),
    ],
)
def test_published_cases(
    engine: Engine, mode: str, month: datetime, given: list[tuple[float, int]], expected: str
) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, id="mean", aggregation="level", value="gb", mode=mode, per="period", carry=True)
        for hours, gb in given:
            at = month + timedelta(hours=hours)
            record(session, make_recording(now=at, metadata=json.dumps({"gb": gb})))
        fold(session)
    bill(engine, AUGUST)
    with read_only(engine) as session:
        assert stored(session)["mean"][month].quantize(Decimal(expected)) == Decimal(expected)


def test_verify_reads_the_recordings_of_a_level_once_for_all_its_periods(engine: Engine) -> None:
    """A level that is carried goes on from all recordings before, of which there may be many, in many periods."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, id="gb", aggregation="level", value="gb", mode="change", per="hour", carry=True)
        make_quota(session, usage_type="gb", limit=0, unit_price="1")
        record(session, *(make_recording(now=MAY, occurred_at=MAY, metadata=f'{{"gb":{n}}}') for n in (5, 2, 4)))
    for month in (JUNE, JULY, AUGUST, *AUTUMN):
        bill(engine, month + timedelta(days=1))
    with statements_of(engine) as sent, read_only(engine) as session:
        assert list(find_differences(session)) == []
    reading = [one for one in sent if "AS void" in one and "metadata" in one]
    assert len(reading) == 1
