"""The fold of a subscription's changes: three tracks that do not know each other."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from usage_billing.subscriptions.changes import TRACKS, Change, ChangeKind, Span, Track, end_of, fold

START = datetime(2026, 1, 1, tzinfo=UTC)
BEGUN = Change(at=START, kind=ChangeKind.PLAN, plan_id="a")


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def plan(number: int, name: str, *, cuts: bool = False) -> Change:
    return Change(at=day(number), kind=ChangeKind.PLAN, plan_id=name, cuts=cuts)


def other(number: int, kind: ChangeKind) -> Change:
    return Change(at=day(number), kind=kind)


def span(name: str, start: int, end: int | None, *, paused: bool = False) -> Span:
    return Span(plan_id=name, starts_at=day(start), ends_at=None if end is None else day(end), paused=paused)


def _of_one_instant(found: list[Change]) -> list[Change]:
    """As they are stored: one of a track at an instant, and one end."""
    return list({(change.track, None if change.track == Track.END else change.at): change for change in found}.values())


changes = st.lists(
    st.builds(plan, st.integers(1, 9), st.sampled_from("abc"))
    | st.builds(other, st.integers(1, 9), st.sampled_from([ChangeKind.PAUSE, ChangeKind.RESUME, ChangeKind.END])),
    max_size=8,
).map(_of_one_instant)


def state(spans: list[Span], at: datetime) -> tuple[str, bool] | None:
    return next(
        (
            (one.plan_id, one.paused)
            for one in spans
            if one.starts_at <= at and (one.ends_at is None or at < one.ends_at)
        ),
        None,
    )


@given(found=changes)
def test_terms_tile_the_subscription_and_neighbours_differ(found: list[Change]) -> None:
    spans = fold(START, [BEGUN, *found])
    assert spans[0].starts_at == START
    assert spans[-1].ends_at == end_of(found)
    for before, after in pairwise(spans):
        assert before.ends_at == after.starts_at
        assert (before.plan_id, before.paused) != (after.plan_id, after.paused)


@given(found=changes, seed=st.randoms())
def test_the_order_in_which_they_were_made_does_not_matter(found: list[Change], seed: object) -> None:
    shuffled = [BEGUN, *found]
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(START, shuffled) == fold(START, [BEGUN, *found])


@given(found=changes, track=st.sampled_from(list(Track)), at=st.integers(0, 10))
def test_a_track_knows_nothing_of_the_others(found: list[Change], track: Track, at: int) -> None:
    """What the plan is, or whether it is paused, does not depend on changes of the other."""
    alone = [change for change in found if change.track in {track, Track.END}]
    whole, part = state(fold(START, [BEGUN, *found]), day(at)), state(fold(START, [BEGUN, *alone]), day(at))
    assert (whole is None) == (part is None)
    if whole is not None and part is not None and track != Track.END:
        index = 0 if track == Track.PLAN else 1
        assert whole[index] == part[index]


@given(found=changes, kind=st.sampled_from(list(ChangeKind)), at=st.integers(1, 9))
def test_what_holds_already_changes_nothing(found: list[Change], kind: ChangeKind, at: int) -> None:
    spans = fold(START, [BEGUN, *found])
    here = state(spans, day(at))
    if here is None or kind == ChangeKind.END:
        return
    again = plan(at, here[0]) if kind == ChangeKind.PLAN else other(at, kind)
    if kind != ChangeKind.PLAN and here[1] != (kind == ChangeKind.PAUSE):
        return
    rest = [change for change in found if (change.at, change.track) != (again.at, again.track)]
    if len(rest) == len(found):
        assert fold(START, [BEGUN, *found, again]) == spans


def test_a_pause_keeps_a_planned_end_and_a_planned_plan() -> None:
    planned = [BEGUN, plan(20, "b"), other(25, ChangeKind.END)]
    paused = [*planned, other(5, ChangeKind.PAUSE), other(10, ChangeKind.RESUME)]
    assert fold(START, paused) == [
        span("a", 0, 5),
        span("a", 5, 10, paused=True),
        span("a", 10, 20),
        span("b", 20, 25),
    ]


def test_an_earlier_plan_keeps_a_later_one() -> None:
    assert fold(START, [BEGUN, plan(20, "b"), plan(10, "c")]) == [
        span("a", 0, 10),
        span("c", 10, 20),
        span("b", 20, None),
    ]


def test_a_division_that_is_older_than_the_changes_stays() -> None:
    assert fold(START, [BEGUN, plan(5, "a", cuts=True)]) == [span("a", 0, 5), span("a", 5, None)]
    assert fold(START, [BEGUN, plan(5, "a")]) == [span("a", 0, None)]


def test_every_kind_has_a_track() -> None:
    assert TRACKS.keys() == set(ChangeKind)
