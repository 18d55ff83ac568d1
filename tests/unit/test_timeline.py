"""The picture of terms over time: spans in order and within the picture, each in its state; versions side by side."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from web.admin.versions import side_by_side
from web.timeline import WIDTH, AgreedSpan, bounds, draw

NOW = datetime(2026, 11, 15, tzinfo=UTC)
DAY = timedelta(days=1)


@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=8),
    begins=st.integers(-900, 200),
    pauses=st.lists(st.booleans(), min_size=8, max_size=8),
    ends=st.booleans(),
)
def test_spans_stand_in_order_within_the_picture(
    lengths: list[int], begins: int, pauses: list[bool], ends: bool
) -> None:
    at, spans = NOW + begins * DAY, []
    for place, days in enumerate(lengths):
        last = place == len(lengths) - 1
        until = None if last and not ends else at + days * DAY
        spans.append(AgreedSpan(plan="p", starts_at=at, ends_at=until, paused=pauses[place]))
        at += days * DAY
    first, last_shown = bounds(spans, now=NOW)
    picture = draw(spans, [first, first + 30 * DAY, last_shown + DAY], now=NOW)
    edges = [edge for block in picture.blocks for edge in (block.x, block.x + block.width)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= WIDTH for edge in edges)
    assert [month.x for month in picture.months] == sorted(month.x for month in picture.months)
    assert len(picture.months) == 2
    states = [block.state for block in picture.blocks if "paused" not in block.state]
    assert states == sorted(states, key=["over", "force", "planned"].index)
    assert picture.end is None or ends


def test_what_differs_from_the_version_before_is_told() -> None:
    versions = [{"id": 1, "limit": "5", "price": "1"}, {"id": 2, "limit": "6", "price": "1"}]
    assert side_by_side(versions, ("limit", "price")) == [
        {"id": 2, "limit": "6", "price": "1", "was": {"limit": "5"}},
        {"id": 1, "limit": "5", "price": "1", "was": {}},
    ]
