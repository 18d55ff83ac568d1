"""Segments tile the time in which a subscription runs, and their parts add up to the whole, for any terms at all."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import any_quantities, examples
from usage_billing.core.choices import INTERVALS, METHODS
from usage_billing.core.periods import Cadence
from usage_billing.subscriptions.lifecycle import Segment, Term, Terms, Timeline

START = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"])
MADE = START
instants = st.integers(0, 100 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def timelines(draw: st.DrawFn, *, methods: Sequence[str] = METHODS, one_plan: bool = False) -> Timeline:
    """One term after the other, each another plan or a pause; perhaps an end."""
    plans = [
        Terms(
            cadence=Cadence(
                draw(st.sampled_from(INTERVALS)), draw(st.integers(1, 3)), draw(st.sampled_from([None, START]))
            ),
            proration=draw(st.sampled_from(methods)),
            prorates_edges=draw(st.booleans()),
        )
        for _ in range(1 if one_plan else 3)
    ]
    starts = [START, *sorted(draw(st.sets(instants.filter(lambda at: at > START), max_size=5)))]
    ends: list[datetime | None] = [*starts[1:], None]
    if len(starts) > 1 and draw(st.booleans()):
        starts, ends = starts[:-1], ends[:-1]
    terms: list[Term] = []
    for start, end in zip(starts, ends, strict=True):
        number = draw(st.integers(0, len(plans) - 1))
        paused = not one_plan and draw(st.integers(0, 3)) == 0
        terms.append(Term(plan_id=f"p{number}", starts_at=start, ends_at=end, paused=paused, terms=plans[number]))
    return Timeline(draw(ZONES), terms, MADE)


def segments_of(timeline: Timeline, term: Term, *, until: datetime, cuts: Sequence[datetime] = ()) -> list[Segment]:
    """Every segment of a term, found one from the end of the other."""
    found: list[Segment] = []
    at = term.starts_at
    while at < (term.ends_at or until):
        segment = timeline.segment_at(at, cuts=cuts)
        assert segment is not None
        found.append(segment)
        at = segment.end
    return found


@examples(60)
@given(timeline=timelines(), cuts=st.lists(instants, max_size=4))
def test_segments_tile_the_running_time(timeline: Timeline, cuts: list[datetime]) -> None:
    until = timeline.terms[-1].starts_at + timedelta(days=40)
    for term in timeline.terms:
        if term.paused:
            assert timeline.segment_at(term.starts_at, cuts=cuts) is None
            continue
        segments = segments_of(timeline, term, until=until, cuts=cuts)
        assert segments[0].start == term.starts_at
        assert term.ends_at is None or segments[-1].end == term.ends_at
        assert all(before.end == after.start for before, after in pairwise(segments))
        for one in segments:
            assert one.period.start <= one.start < one.end <= one.period.end
            assert one.end <= one.bills_at <= one.period.end
            assert one.period.start <= one.start
            assert not any(one.start < cut < one.end for cut in cuts)
            assert one.plan_id == term.plan_id


@examples(60)
@given(timeline=timelines(), cuts=st.lists(instants, max_size=4), at=instants)
def test_every_instant_of_a_segment_finds_that_segment(timeline: Timeline, cuts: list[datetime], at: datetime) -> None:
    segment = timeline.segment_at(at, cuts=cuts)
    term = timeline.term_at(at)
    assert (segment is None) == (term is None or term.paused)
    if segment is not None:
        assert segment.start <= at < segment.end
        for other in (segment.start, segment.end - timedelta(microseconds=1)):
            assert timeline.segment_at(other, cuts=cuts) == segment


@examples(60)
@given(
    timeline=timelines(methods=["time", "days"], one_plan=True),
    cuts=st.lists(instants, max_size=4),
    whole=any_quantities,
    places=st.sampled_from([0, 2, 3, 12]),
)
def test_the_parts_of_a_period_add_up_to_the_whole(
    timeline: Timeline, cuts: list[datetime], whole: Decimal, places: int
) -> None:
    """One plan, changed as often as you like and never paused: nothing of any period is left out but its edges."""
    until = timeline.terms[-1].starts_at + timedelta(days=40)
    by_period: dict[datetime, list[Segment]] = {}
    for term in timeline.terms:
        for segment in segments_of(timeline, term, until=until, cuts=cuts):
            by_period.setdefault(segment.period.start, []).append(segment)
    begun, ended = timeline.terms[0].starts_at, timeline.terms[-1].ends_at
    for segments in by_period.values():
        assert all(before.last == after.first for before, after in pairwise(segments))
        if segments[-1].end not in {segments[-1].period.end, ended}:
            continue  # that is where we stopped looking
        edges = timeline.terms[0].terms.prorates_edges and (segments[0].start == begun or segments[-1].end == ended)
        if not edges:
            assert (segments[0].first, segments[-1].last) == (Fraction(0), Fraction(1))
            parts = [segment.part_of(whole, places=places) for segment in segments]
            exact = Fraction(whole) * 10**places
            assert Fraction(sum(parts)) == Fraction((2 * exact + 1) // 2, 10**places)
            assert all(part >= 0 for part in parts)


@pytest.mark.parametrize("edges", [False, True])
def test_the_edges_are_divided_only_if_the_plan_says_so(edges: bool) -> None:
    terms = Terms(cadence=Cadence(), proration="time", prorates_edges=edges)
    begins, ends = datetime(2026, 1, 11, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC)
    timeline = Timeline("UTC", [Term(plan_id="p", starts_at=begins, ends_at=ends, paused=False, terms=terms)], MADE)
    first, last = timeline.segment_at(begins), timeline.segment_at(ends - timedelta(days=1))
    assert first is not None
    assert last is not None
    parts = [first.part_of(Decimal(31), places=2), last.part_of(Decimal(28), places=2)]
    assert parts == [Decimal(part) for part in ((21, 14) if edges else (31, 28))]


def test_a_plan_that_was_left_and_taken_again_is_agreed_anew() -> None:
    terms = Terms(cadence=Cadence(), proration="time", prorates_edges=False)
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 5, 8, 12, 20)]
    rows = [("a", False), ("a", True), ("a", False), ("b", False), ("a", False)]
    line = Timeline(
        "UTC",
        [
            Term(plan_id=plan, starts_at=start, ends_at=end, paused=paused, terms=terms)
            for (plan, paused), start, end in zip(rows, days, [*days[1:], None], strict=True)
        ],
        MADE,
    )
    holder = line.holder_of("a")
    assert holder is not None
    assert holder.joined == [days[0], days[4]]
