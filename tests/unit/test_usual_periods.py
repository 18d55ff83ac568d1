"""Where a recording is placed does not depend on what was placed before it in its batch."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import make_recording
from tests.support.properties import examples
from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.core.choices import Effective
from usage_billing.core.periods import Cadence
from usage_billing.flows.recording.context import Context
from usage_billing.metering.new_summaries import NewSummary
from usage_billing.subscriptions.lifecycle import Term, Terms, Timeline

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO, WITHIN, END = (
    BEGIN - timedelta(days=400),
    BEGIN + timedelta(days=9, hours=5),
    datetime(2026, 4, 1, tzinfo=UTC),
)
MONTHLY = Terms(cadence=Cadence(), proration="time", prorates_edges=False)
EDGES = Terms(cadence=Cadence(), proration="time", prorates_edges=True)


def term(
    start: datetime, end: datetime | None = None, *, plan: str = "p", paused: bool = False, terms: Terms = MONTHLY
) -> Term:
    return Term(plan_id=plan, starts_at=start, ends_at=end, paused=paused, terms=terms)


# What a subscription can be in March 2026: usual, or in each of the ways in which it is not.
TERMS: dict[str, Sequence[Term]] = {
    "usual": [term(LONG_AGO)],
    "from the first on": [term(BEGIN)],
    "begun within": [term(WITHIN)],
    "ends within": [term(LONG_AGO, WITHIN)],
    "ends with it": [term(LONG_AGO, END)],
    "paused": [term(LONG_AGO, paused=True)],
    "paused within": [term(LONG_AGO, WITHIN), term(WITHIN, paused=True)],
    "another plan later": [term(LONG_AGO, WITHIN), term(WITHIN, plan="q")],
    "by anniversary": [
        term(LONG_AGO, terms=Terms(cadence=Cadence(anchor=WITHIN), proration="time", prorates_edges=False))
    ],
    "edges divided": [term(WITHIN, terms=EDGES)],
}
INSTANTS = (BEGIN - timedelta(days=1), BEGIN, WITHIN - timedelta(hours=1), WITHIN, END - timedelta(hours=1), END)


def version(id: int, *, made: datetime, effective: str = Effective.START, exact: bool = False) -> QuotaVersion:
    first = id == 1
    return QuotaVersion(
        id,
        "p",
        Decimal(id),
        {},
        "unit",
        effective,
        exact,
        first,
        asked_at=made,
        effective_from=made,
        made_at=made,
        ended_at=None,
    )


LISTED: dict[str, list[QuotaVersion]] = {
    "none": [],
    "from the start": [version(1, made=WITHIN)],
    "for those who came after it": [version(1, made=WITHIN, effective=Effective.NEXT_PERIOD)],
    "and another within": [
        version(1, made=WITHIN),
        version(2, made=WITHIN, effective=Effective.INSTANT, exact=True),
    ],
}
placings = st.tuples(
    st.sampled_from(sorted(TERMS)),
    st.sampled_from(["UTC", "Asia/Tokyo"]),
    st.booleans(),
    st.sampled_from(["", "", "own"]),
    st.sampled_from(INSTANTS),
)


@pytest.mark.parametrize("listed", LISTED)
@given(placed=st.lists(placings, min_size=2, max_size=12))
@examples(60)
def test_a_batch_places_each_recording_as_if_it_were_alone(
    listed: str, placed: list[tuple[str, str, bool, str, datetime]]
) -> None:
    timelines, own, recordings = {}, {}, []
    for number, (kind, zone, came_after, has_own, at) in enumerate(placed):
        name = f"s{number}"
        timelines[name] = Timeline(zone, TERMS[kind], WITHIN + timedelta(days=1 if came_after else -1))
        if has_own:
            own[name, "assessment"] = [version(9, made=WITHIN, effective=Effective.INSTANT, exact=True)]
        recordings += [
            make_recording(now=at, subscription=name, customer="c"),
            make_recording(now=WITHIN, subscription=name, customer="c"),
        ]

    def context() -> Context:
        return Context(
            customers=dict.fromkeys(timelines, "c"),
            timelines=timelines,
            usage_types=frozenset({"assessment"}),
            meters={},
            quantities={},
            quotas=QuotaBook({("p", "assessment"): LISTED[listed]}, own),
        )

    together = context()
    assert [together.place(one) for one in recordings] == [context().place(one) for one in recordings]


def test_usual_periods_are_shared(now: datetime) -> None:
    def place(customer: str) -> NewSummary:
        found = context.place(make_recording(now=WITHIN, subscription="b", customer=customer))
        assert isinstance(found, NewSummary)
        return found

    context = Context(
        customers={"a": "c", "b": "c"},
        timelines={name: Timeline("UTC", TERMS["usual"], WITHIN) for name in "ab"},
        usage_types=frozenset({"assessment"}),
        meters={},
        quantities={},
        quotas=QuotaBook({("p", "assessment"): LISTED["from the start"]}, {}),
    )
    first = context.place(make_recording(now=WITHIN, subscription="a", customer="c"))
    assert isinstance(first, NewSummary)
    assert place("c").period_end is first.period_end
