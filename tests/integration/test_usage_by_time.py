"""Recordings of a subscription by when they occurred: places, and who looks by them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from tests.factories import make_recording, make_subscription, make_world, record
from tests.support.plans import analyze, scans_of
from tests.support.properties import examples
from usage_billing.catalog.service import NewQuota
from usage_billing.db.session import rolled_back, transaction
from usage_billing.flows.administration.change_subscription import cancel
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.situation import When
from usage_billing.metering.models import Usage, first_place

Look = Callable[[Session, datetime], None]
PLACE = text("SELECT usage_place(:at, :ordinal)")
instants = st.datetimes(datetime(1700, 1, 1), datetime(2249, 12, 31), timezones=st.just(UTC))


@given(instants, instants, st.integers(1, 2**63 - 1))
@examples(50)
def test_places_follow_time_to_the_microsecond(engine: Engine, one: datetime, other: datetime, ordinal: int) -> None:
    with engine.connect() as connection:
        for instant in (one, one + timedelta(microseconds=1)):
            place = connection.scalar(PLACE, {"at": instant, "ordinal": ordinal})
            assert first_place(instant) <= place < first_place(instant + timedelta(microseconds=1))
    assert (first_place(one) < first_place(other)) == (one < other)


def test_those_of_an_instant_are_spread_evenly_in_the_order_recorded(engine: Engine) -> None:
    statement = "SELECT usage_place('2026-11-01T00:00Z', ordinal) AS p FROM generate_series(1, 65535) AS ordinal"
    with engine.connect() as connection:
        places = [row[0] for row in connection.execute(text(statement))]
        counts = connection.execute(text(f"SELECT count(*) FROM ({statement}) AS of_one GROUP BY p")).scalars()
    assert places == sorted(places)
    assert sorted(counts) == [63, *[64] * 1023]


@pytest.mark.parametrize("year", [1, 1699, 2251, 9999])
def test_any_time_can_be_compared_with(engine: Engine, now: datetime, year: int) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now))
        moment = datetime(year, 1, 1, tzinfo=UTC)
        assert len(session.scalars(select(Usage).where(Usage.since(moment))).all()) == (year < 2026)
        assert len(session.scalars(select(Usage).where(Usage.before(moment))).all()) == (year > 2026)


@pytest.fixture
def busy(engine: Engine, now: datetime) -> None:
    """3,000 recordings of ``sub456``, and as many of others."""
    with transaction(engine) as session:
        make_world(session)
        make_subscription(session, id="other")
        for name in ("sub456", "other"):
            made = [
                make_recording(now=now, subscription=name, occurred_at=now - timedelta(seconds=second))
                for second in range(3000)
            ]
            record(session, *made)
    analyze(engine, "usage")


def look_for_later_usage_of_a_plan(session: Session, now: datetime) -> None:
    price: dict[str, object] = {"model": "per_unit", "unitPrice": "1"}
    new = NewQuota(plan_id="business", usage_type="assessment", limit=Decimal(1), price=price, effective="now")
    define_quota(session, new, actor="test", now=now + timedelta(seconds=1))


def look_for_later_usage(session: Session, now: datetime) -> None:
    cancel(session, "sub456", when=When(), actor="test", now=now + timedelta(seconds=1))


@pytest.mark.parametrize("look", [look_for_later_usage_of_a_plan, look_for_later_usage])
def test_who_asks_by_time_reads_no_more_than_that(engine: Engine, now: datetime, busy: None, look: Look) -> None:
    with rolled_back(engine) as session, scans_of(session, "usage") as scans:
        look(session, now)
    assert scans
    for scan in scans:
        assert scan["Index Name"] == "ix_usage_place"
        assert (scan["Actual Rows"], scan.get("Rows Removed by Filter", 0)) == (0, 0)
