"""However recordings are delivered, in whatever batches, orders and repetitions: the books are the same."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.factories import make_recording, make_subscription, make_world, record
from tests.support.books import Counts, check_books, counts, rows, scalars
from tests.support.databases import empty
from tests.support.properties import examples, small_quantities
from usage_billing.core.decimals import EXACT
from usage_billing.db.session import transaction
from usage_billing.metering.recording import Recording

NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)
SENT = st.builds(
    make_recording,
    now=st.just(NOW),
    quantity=st.sampled_from(["1", "2.5", "30"]) | small_quantities.map(str),
    subscription=st.sampled_from(["sub456", "other", "nobody"]),
    usage_type=st.sampled_from(["assessment", "report"]),
    occurred_at=st.sampled_from([None, datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]),
    source=st.sampled_from(["", "s"]),
    key=st.sampled_from(["", "", "a", "b", "c"]),
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Recording], list[list[Recording]]]:
    """Acceptances, and batches in which each is delivered at least once, some more often."""
    sent = draw(st.lists(SENT, min_size=1, max_size=12))
    delivered = draw(st.permutations([*sent, *draw(st.lists(st.sampled_from(sent), max_size=12))]))
    batches: list[list[Recording]] = []
    while delivered:
        size = draw(st.integers(1, len(delivered)))
        batches.append(list(delivered[:size]))
        delivered = delivered[size:]
    return sent, batches


def content(recording: Recording) -> tuple[object, ...]:
    """What a repeated key must repeat."""
    return (
        recording.customer_id,
        recording.usage_type,
        recording.quantity,
        recording.metadata,
        recording.occurred_at if recording.timed else None,
    )


@given(deliveries())
@examples(15)
def test_recorded_once_however_often_and_in_whatever_batches(
    engine: Engine, delivery: tuple[list[Recording], list[list[Recording]]]
) -> None:
    sent, batches = delivery
    empty(engine)
    with transaction(engine) as session:
        make_world(session)
        make_subscription(session, id="other")
    for batch in batches:
        with transaction(engine) as session:
            record(session, *batch)

    # The oracle: one acceptance after the other, in the order first delivered.
    first: dict[tuple[str, str, str], Recording] = {}
    became = {"recorded": set(), "duplicates": set(), "quarantined": set()}
    for recording in dict.fromkeys(r.id for batch in batches for r in batch):
        one = next(r for r in sent if r.id == recording)
        name = (one.subscription_id, one.source, one.key or str(one.id))
        if one.subscription_id == "nobody":
            became["quarantined"].add(one.id)
        elif name not in first:
            first[name] = one
            became["recorded"].add(one.id)
        else:
            became["duplicates" if content(first[name]) == content(one) else "quarantined"].add(one.id)

    check_books(engine)
    assert counts(engine) == Counts(*(len(ids) for ids in became.values()))
    assert set(scalars(engine, "SELECT id FROM usage")) == became["recorded"]
    assert set(scalars(engine, "SELECT id FROM usage_duplicates")) == became["duplicates"]
    assert set(scalars(engine, "SELECT id FROM quarantined_usage")) == became["quarantined"]
    totals: dict[tuple[str, str, int], Decimal] = {}
    for one in first.values():
        key = (one.subscription_id, one.usage_type, one.occurred_at.month)
        totals[key] = EXACT.add(totals.get(key, Decimal(0)), one.quantity)
    kept = rows(
        engine,
        "SELECT subscription_id, usage_type_id, extract(month from period_start)::int, total FROM usage_summaries",
    )
    assert {(row[0], row[1], row[2]): row[3] for row in kept} == totals
