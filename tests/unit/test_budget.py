"""The one allowance of a period: worked figures, laws, and a slow model that reckons each budget from scratch."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.properties import decimals, examples
from usage_billing.core.periods import Period
from usage_billing.metering.budget import Division, divide

NOVEMBER = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Part:
    """A segment, from a day of November to before another."""

    first: Fraction | int
    last: Fraction | int
    limit: Decimal | None
    plan_id: str = "a"
    method: str = "time"
    prorates_edges: bool = False
    claws_back: bool = False

    @property
    def start(self) -> datetime:
        return day(self.first)

    @property
    def end(self) -> datetime:
        return day(self.last)


@dataclass(frozen=True)
class November:
    """The month as some subscription has it."""

    parts: list[Part]
    begun: datetime
    zone: str
    period: Period = NOVEMBER


def day(number: Fraction | int) -> datetime:
    """The first is 1; the end of the period 31."""
    minutes = floor((number - 1) * 1440)
    return NOVEMBER.start + timedelta(minutes=minutes)


def divided(*used: tuple[Part, str | int], begun: datetime = LONG_AGO) -> list[Division]:
    cut = November([part for part, _ in used], begun, "UTC")
    return divide(cut, [Decimal(total) for _, total in used])


def n(number: str | int) -> Decimal:
    return Decimal(number)


def test_a_raise_leaves_what_is_not_used_of_the_new_limit() -> None:
    _, after = divided((Part(1, 29, n(300)), 300), (Part(29, 31, n(1000)), 0))
    assert (after.budget, after.before, after.beyond, after.remaining) == (1000, 300, 0, 700)


def test_another_price_at_the_same_limit_changes_nothing_of_it() -> None:
    before, after = divided((Part(1, 29, n(300)), 300), (Part(29, 31, n(300)), 0))
    assert (before.beyond, after.remaining) == (0, 0)


def test_lowering_a_limit_charges_nothing_of_what_was_used() -> None:
    before, after = divided((Part(1, 11, n(1000)), 500), (Part(11, 31, n(300)), 7))
    assert (before.beyond, after.remaining, after.beyond) == (0, 0, 7)


def test_an_upgrade_by_time() -> None:
    _, after = divided((Part(1, 11, n(300)), 250), (Part(11, 31, n(1000), "b"), 0))
    assert after.budget == n("766.666666666667")
    assert after.remaining == n("516.666666666667")


def test_a_downgrade_by_time_keeps_what_was_free() -> None:
    before, after = divided((Part(1, 11, n(1000)), 500), (Part(11, 31, n(100), "b"), 0))
    assert (before.beyond, after.budget, after.remaining) == (0, 400, 0)


def test_a_plan_made_so_charges_at_the_downgrade_what_is_no_longer_covered() -> None:
    before, after = divided((Part(1, 11, n(1000), claws_back=True), 500), (Part(11, 31, n(100), "b"), 5))
    assert (before.within, before.beyond, before.allowance) == (400, 100, 400)
    assert (after.before, after.remaining, after.beyond) == (400, 0, 5)


@pytest.mark.parametrize(("used", "beyond"), [(300, 0), (500, Fraction(500, 3))])
def test_a_pause_or_an_end_leaves_such_a_plan_too(used: int, beyond: Fraction) -> None:
    (only,) = divided((Part(1, 11, n(1000), claws_back=True), used))
    assert abs(Fraction(only.beyond) - beyond) < Fraction(1, 10**11)


def test_a_version_never_takes_anything_back() -> None:
    before, after = divided((Part(1, 11, n(1000), claws_back=True), 500), (Part(11, 31, n(100), claws_back=True), 5))
    assert (before.beyond, after.beyond) == (0, 5)


def test_leaving_such_a_plan_while_it_is_unlimited_takes_nothing_back() -> None:
    limited, unlimited, after = divided(
        (Part(1, 6, n(1000), claws_back=True), 900),
        (Part(6, 11, None, claws_back=True), 5000),
        (Part(11, 31, n(100), "b"), 0),
    )
    assert (limited.beyond, unlimited.beyond, after.before) == (0, 0, 900)


def test_what_another_plan_left_free_is_not_taken_back() -> None:
    kept, left, last = divided(
        (Part(1, 2, n(1000)), 600), (Part(2, 11, n(900), "b", claws_back=True), 100), (Part(11, 31, n(0), "c"), 0)
    )
    assert (kept.beyond, left.beyond, last.budget) == (0, 100, n("303.333333333333"))


def test_two_plans_share_the_part_of_the_period_that_was_subscribed() -> None:
    begun = day(29)
    _, after = divided((Part(29, 30, n(600)), 0), (Part(30, 31, n(300), "b"), 0), begun=begun)
    assert after.budget == 450
    assert divided((Part(29, 31, n(600)), 0), begun=begun)[0].budget == 600
    assert divided((Part(29, 31, n(600), prorates_edges=True), 0), begun=begun)[0].budget == 40


def test_a_pause_earns_nothing_and_a_plan_before_and_after_it_is_one_term() -> None:
    before, after = divided((Part(1, 11, n(300)), 150), (Part(21, 31, n(600)), 0))
    assert (before.budget, after.budget) == (300, 400)


def test_what_is_never_charged_adds_nothing_and_takes_nothing() -> None:
    free, after = divided((Part(1, 21, None), 5000), (Part(21, 31, n(300)), 120))
    assert (free.within, free.beyond, free.allowance) == (5000, 0, None)
    assert (after.budget, after.before, after.beyond) == (100, 0, 20)


def test_without_division_the_limit_now_is_the_budget() -> None:
    _, after = divided((Part(1, 11, n(100), method="none"), 110), (Part(11, 31, n(100), "b", method="none"), 120))
    assert (after.budget, after.before, after.beyond) == (100, 100, 120)


# The slow model: each budget from the definition alone, quadratic and in fractions.


def share(at: datetime, since: datetime, method: str, zone: str) -> Fraction:
    if method == "days":
        first, now, last = (i.astimezone(ZoneInfo(zone)).date() for i in (since, at, NOVEMBER.end))
        if last > first:
            return Fraction((now - first).days, (last - first).days)
    unit = timedelta(microseconds=1)
    return Fraction((at - since) // unit, (NOVEMBER.end - since) // unit)


def slow_budget(parts: list[Part], k: int, begun: datetime, zone: str, *, until_end: bool = True) -> Fraction | None:
    now = parts[k]
    if now.limit is None:
        return None
    if now.method == "none":
        return Fraction(now.limit)
    since = NOVEMBER.start if now.prorates_edges else max(NOVEMBER.start, begun)

    def length(part: Part, end: datetime) -> Fraction:
        return share(end, since, now.method, zone) - share(part.start, since, now.method, zone)

    terms: list[list[Part]] = []
    for part in parts[: k + 1]:
        if not terms or terms[-1][-1].plan_id != part.plan_id:
            terms.append([])
        terms[-1].append(part)
    total = Fraction(0)
    for term in terms[:-1]:
        counted = [part for part in term if part.limit is not None]
        if counted:
            total += Fraction(counted[-1].limit or 0) * sum(length(part, part.end) for part in counted)
    own = [part for part in terms[-1][:-1] if part.limit is not None]
    earned = sum((length(part, part.end) for part in own), Fraction(0))
    earned += length(now, NOVEMBER.end if until_end else now.end)
    return total + Fraction(now.limit) * earned


def to_places(value: Fraction) -> Fraction:
    return Fraction(floor(value * 10**12 + Fraction(1, 2)), 10**12)


def slow(parts: list[Part], totals: list[Decimal], begun: datetime, zone: str) -> list[tuple[Fraction, Fraction]]:
    """(within, beyond) of each."""
    within: list[Fraction] = []
    used = Fraction(0)
    for k, part in enumerate(parts):
        total = Fraction(totals[k])
        budget = slow_budget(parts, k, begun, zone)
        if budget is None:
            within.append(total)
        else:
            within.append(min(total, max(Fraction(0), to_places(budget) - used)))
            used += within[-1]
        after = parts[k + 1] if k + 1 < len(parts) else None
        stays = after is not None and after.plan_id == part.plan_id and after.start == part.end
        ends = after is None and part.end == NOVEMBER.end
        if not part.claws_back or stays or ends or part.limit is None:
            continue
        if after is not None and after.start == part.end:
            covered = slow_budget(parts, k + 1, begun, zone)
        else:
            covered = slow_budget(parts, k, begun, zone, until_end=False)
        if covered is None:
            continue
        missing = max(Fraction(0), used - to_places(covered))
        for j in range(k, -1, -1):
            if parts[j].limit is not None and parts[j].claws_back:
                taken = min(missing, within[j])
                within[j] -= taken
                used -= taken
                missing -= taken
    return [(part, Fraction(total) - part) for part, total in zip(within, totals, strict=True)]


limits = st.sampled_from([None, n(0), n(10), n(100), n("99.999999999999"), n(1000)])
plans = st.builds(
    dict,
    plan_id=st.just("?"),
    method=st.sampled_from(["time", "time", "days", "none"]),
    prorates_edges=st.booleans(),
    claws_back=st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn, *, keep: bool = False) -> tuple[list[Part], list[Decimal], datetime, str]:
    """Up to six segments on three plans, some of them with gaps; totals; the start; the zone."""
    known = {name: {**draw(plans), "plan_id": name} for name in "abc"}
    if keep:
        known = {name: plan | {"claws_back": False} for name, plan in known.items()}
    cuts = sorted(draw(st.sets(st.integers(0, 30 * 8), min_size=2, max_size=7)))
    days = [1 + Fraction(cut, 8) for cut in cuts]
    if draw(st.booleans()):
        days[-1] = Fraction(31)
        assume(days[-2] < 31)
    parts = [
        Part(start, end, draw(limits), **known[draw(st.sampled_from("abc"))])
        for start, end in pairwise(days)
        if not (draw(st.integers(0, 4)) == 0 and end != days[-1])
    ]
    totals = [draw(decimals("0", "400", places=3)) for _ in parts]
    begun = parts[0].start if draw(st.booleans()) else LONG_AGO
    return parts, totals, begun, draw(st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland"]))


def run(parts: list[Part], totals: list[Decimal], begun: datetime, zone: str) -> list[Division]:
    return divide(November(parts, begun, zone), totals)


@examples(400)
@given(histories())
def test_it_agrees_with_the_slow_model(history: tuple[list[Part], list[Decimal], datetime, str]) -> None:
    found = run(*history)
    assert [(Fraction(d.within), Fraction(d.beyond)) for d in found] == slow(*history)
    for division, total in zip(found, history[1], strict=True):
        assert division.within + division.beyond == total
        if division.allowance is not None:
            assert division.within == min(total, division.allowance)


@examples(200)
@given(histories(keep=True), st.integers(0, 5))
def test_no_change_makes_earlier_usage_dearer(
    history: tuple[list[Part], list[Decimal], datetime, str], keep: int
) -> None:
    parts, totals, begun, zone = history
    kept = parts[: keep + 1]
    whole = [*kept[:-1], Part(kept[-1].first, Fraction(31), **_terms(kept[-1]))]
    before, after = run(whole, totals[: len(whole)], begun, zone), run(*history)
    assert [d.beyond for d in before] == [d.beyond for d in after[: len(whole)]]


def _terms(part: Part) -> dict[str, object]:
    return {
        "limit": part.limit,
        "plan_id": part.plan_id,
        "method": part.method,
        "prorates_edges": part.prorates_edges,
        "claws_back": part.claws_back,
    }


@examples(200)
@given(histories(), st.data())
def test_a_change_that_changes_nothing_leaves_every_figure(
    history: tuple[list[Part], list[Decimal], datetime, str], data: st.DataObject
) -> None:
    parts, totals, begun, zone = history
    index = data.draw(st.integers(0, len(parts) - 1))
    part, total = parts[index], totals[index]
    middle = (part.first + part.last) / 2
    halves = [Part(part.first, middle, **_terms(part)), Part(middle, part.last, **_terms(part))]
    assume(halves[0].end < halves[1].end)
    first = data.draw(st.integers(0, 4)) * total / 4
    cut = run(
        [*parts[:index], *halves, *parts[index + 1 :]],
        [*totals[:index], first, total - first, *totals[index + 1 :]],
        begun,
        zone,
    )
    whole = run(*history)
    merged = [*cut[:index], None, *cut[index + 2 :]]
    for one, other in zip(whole, merged, strict=True):
        if other is not None:
            assert one == other
    assert cut[index].within + cut[index + 1].within == whole[index].within


@examples(200)
@given(histories())
def test_no_more_is_free_than_the_largest_budget_that_ever_held(
    history: tuple[list[Part], list[Decimal], datetime, str],
) -> None:
    found = run(*history)
    free = sum((d.within for d in found if d.budget is not None), n(0))
    assert free <= max((d.budget for d in found if d.budget is not None), default=n(0))
