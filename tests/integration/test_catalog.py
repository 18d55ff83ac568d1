"""Plans, usage types and quotas: versions follow each other without gap or overlap, and the past is never repriced."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.factories import make_customer, make_plan, make_quota, make_subscription, make_usage_type, make_world
from tests.support.books import rows, scalars
from tests.support.databases import empty
from tests.support.properties import examples
from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.service import NewPlan, NewQuota, NewUsageType, add_plan, add_quota_version, add_usage_type
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.core.periods import Cadence
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.change_subscription import cancel
from usage_billing.flows.administration.situation import When
from usage_billing.subscriptions.agreement import quota_course
from usage_billing.subscriptions.lifecycle import Term, Terms, Timeline

PRICE: dict[str, object] = {"model": "per_unit", "unitPrice": "1"}
START = datetime(2026, 1, 1, tzinfo=UTC)
MONTHLY = Terms(cadence=Cadence(), proration="time", prorates_edges=False)
ALWAYS_ON = Term(
    plan_id="business", starts_at=datetime(1980, 1, 1, tzinfo=UTC), ends_at=None, paused=False, terms=MONTHLY
)


@given(steps=st.lists(st.integers(0, 100).map(lambda hours: timedelta(hours=hours)), min_size=1, max_size=6))
@examples(15)
def test_for_every_moment_exactly_one_version_holds_and_it_is_the_last_one_defined_before(
    engine: Engine, steps: list[timedelta]
) -> None:
    empty(engine)
    now, defined = START, []
    for number, step in enumerate(steps, start=1):
        now += step
        with transaction(engine) as session:
            if number == 1:
                make_plan(session)
                make_usage_type(session)
            make_quota(session, limit=number, now=now, effective="now" if number > 1 else None)
        defined.append(now)
    line = Timeline("UTC", [ALWAYS_ON], utc_now())
    with read_only(engine) as session:
        book = quotas_of(session, ["business"])
        place = ("sub456", "assessment", "business")
        edges = [moment + delta for moment in defined for delta in (-timedelta(microseconds=1), timedelta(0))]
        for moment in [datetime(1990, 1, 1, tzinfo=UTC), *edges, now + timedelta(days=9999)]:
            held = quota_course(line, book, *place).at(moment)
            # What begins last holds; the first does from the start, for this subscription was made after it.
            number = max((n for n, since in enumerate(defined, start=1) if since <= moment and n > 1), default=1)
            assert held is not None
            assert held.limit == number


def test_versions_defined_at_once_by_two_admins_take_turns(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        make_plan(session)
        make_usage_type(session)

    def define(limit: int) -> None:
        with transaction(engine) as session:
            make_quota(session, limit=limit, now=now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(define, range(4)))
    assert scalars(engine, "SELECT version FROM usage_quotas ORDER BY version") == [1, 2, 3, 4]


def test_the_database_refuses_versions_that_overlap(session: Session) -> None:
    make_plan(session)
    make_usage_type(session)
    make_quota(session)
    copy = (
        "INSERT INTO usage_quotas (plan_id, usage_type_id, version, monthly_limit, price, unit_name, effective_from)"
        " SELECT plan_id, usage_type_id, 2, monthly_limit, price, unit_name, now() FROM usage_quotas"
    )
    with pytest.raises(IntegrityError):
        session.execute(text(copy))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"plan_id": "nobody"}, "/planId"),
        ({"usage_type": "unheard-of"}, "/usageType"),
        ({"price": {"model": "free"}}, "/price/model"),
        ({"price": {"model": "per_unit"}}, "/price/unitPrice"),
    ],
)
def test_a_quota_that_makes_no_sense_is_refused(
    session: Session, now: datetime, change: dict[str, object], pointer: str
) -> None:
    make_world(session)
    fields = {"plan_id": "business", "usage_type": "assessment", "limit": Decimal(1), "price": PRICE} | change
    with pytest.raises(InvalidInput) as caught:
        add_quota_version(session, NewQuota(**fields), now=now)  # type: ignore[arg-type]
    assert [field.pointer for field in caught.value.fields] == [pointer]


def test_a_quota_is_named_by_its_usage_types_unit_unless_it_names_one(session: Session, now: datetime) -> None:
    make_world(session)
    fields = {"plan_id": "business", "usage_type": "report", "limit": None, "price": PRICE}
    assert add_quota_version(session, NewQuota(**fields), now=now).unit_name == "report"  # type: ignore[arg-type]
    named = add_quota_version(session, NewQuota(**fields, unit_name="page"), now=now)  # type: ignore[arg-type]
    assert (named.unit_name, named.version, named.monthly_limit) == ("page", 2, None)


@pytest.mark.parametrize("currency", ["usd", "XAU", "ABC", "", "DOLLAR"])
def test_a_plan_needs_a_currency_that_an_invoice_can_be_in(session: Session, currency: str) -> None:
    with pytest.raises(InvalidInput):
        add_plan(session, NewPlan(id="x", name="x", currency=currency))


def test_an_id_is_given_once(session: Session) -> None:
    make_world(session)
    with pytest.raises(Conflict):
        make_plan(session)
    with pytest.raises(Conflict):
        make_customer(session)
    with pytest.raises(Conflict):
        make_subscription(session)
    with pytest.raises(Conflict):
        add_usage_type(session, NewUsageType(id="report", unit_name="x"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"customer": "nobody"}, "unknown_customer"),
        ({"plan": "nothing"}, "unknown_plan"),
        ({"timezone": "Mars/Olympus"}, "unknown_zone"),
        ({"timezone": ""}, "unknown_zone"),
    ],
)
def test_a_subscription_refers_to_what_exists(session: Session, change: dict[str, str], code: str) -> None:
    make_world(session)
    with pytest.raises(InvalidInput) as caught:
        make_subscription(session, id="new", **change)  # type: ignore[arg-type]
    assert [field.code for field in caught.value.fields] == [code]


def test_a_subscription_ends_once_and_after_it_began(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
    with pytest.raises(NotFound), transaction(engine) as session:
        cancel(session, "nobody", when=When(moment=now), actor="test", now=now)
    with pytest.raises(Conflict), transaction(engine) as session:
        cancel(session, "sub456", when=When(moment=datetime(2020, 1, 1, tzinfo=UTC)), actor="test", now=now)
    with transaction(engine) as session:
        cancel(session, "sub456", when=When(moment=now), actor="test", now=now)
    with pytest.raises(Conflict), transaction(engine) as session:
        cancel(session, "sub456", when=When(moment=now + timedelta(days=1)), actor="test", now=now)
    assert rows(engine, "SELECT ended_at FROM subscriptions") == [(now,)]
