"""What a dry run of a subscription's own quota says is what comes, and nothing is stored or locked for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.money.house import House, day, make_house
from tests.money.test_foreseen import DOLLAR, EACH_AT_MOST, seen, standing
from tests.support.books import scalars
from tests.support.kept import kept
from usage_billing.catalog.service import NewQuota
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.agree import AgreedChange, Precaution
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.own_quotas import end_own_quota, foresee_end, foresee_own

NOW = day(11)
LOOK = Precaution(dry_run=True)
CENTS = {"model": "per_unit", "unitPrice": "0.5"}
TIERS = {
    "model": "graduated",
    "tiers": [{"upTo": "100", "unitPrice": "3", "flatFee": "7"}, {"upTo": None, "unitPrice": "1"}],
}
# Limit, price, and from when: cheaper, dearer, unlimited, with a minimum, by recordings, at once or with a period.
OWN: list[tuple[str | None, dict[str, Any], str | datetime | None]] = [
    ("1000", CENTS, "now"),
    ("100", DOLLAR, "now"),
    (None, DOLLAR, "period"),
    ("0", TIERS, "period"),
    ("300", DOLLAR | {"minimumAmount": "50"}, None),
    ("300", DOLLAR | {"minimumAmount": "50"}, "start"),
    ("200", EACH_AT_MOST, day(21)),
    ("200", EACH_AT_MOST, "period"),
]


def everything(engine: Engine) -> dict[str, list[str]]:
    """Every row of every table."""
    names = scalars(engine, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
                    " AND table_type = 'BASE TABLE'")  # fmt: skip
    return {name: sorted(scalars(engine, f'SELECT CAST(t AS text) FROM "{name}" AS t')) for name in names}


@contextmanager
def nothing_stored(engine: Engine) -> Iterator[None]:
    before = everything(engine)
    yield
    assert everything(engine) == before


@pytest.fixture(params=[True, False], ids=["billed", "not billed"])
def used(engine: Engine, request: pytest.FixtureRequest) -> House:
    """A plan with a fee and a quota; 250 of 300 used by the tenth."""
    return kept(engine, f"foreseen quotas: {request.param}", lambda: _use(make_house(engine), billed=request.param))


def _use(house: House, *, billed: bool) -> House:
    house.plan("a", fee="31", base_fee_timing="advance")
    house.quota("a", "300", DOLLAR)
    house.subscribe()
    house.use(110, at=day(3))
    if billed:
        house.bill(day(4))
    for hour in range(1, 24):
        house.use(10, at=day(7, hour=hour))
    return house


def new(limit: str | None, price: dict[str, Any], effective: str | datetime | None, **more: Any) -> NewQuota:
    size = None if limit is None else Decimal(limit)
    asked = {"plan_id": "a", "usage_type": "calls", "subscription_id": "s", "reprice_usage": True} | more
    return NewQuota(limit=size, price=price, effective=effective, **asked)


def look(house: House, wanted: NewQuota, *, now: datetime = NOW) -> AgreedChange:
    with read_only(house.engine) as session:
        return foresee_own(session, wanted, str(wanted.subscription_id), now=now, precaution=LOOK)


def check_comes(house: House, change: AgreedChange, *, now: datetime) -> None:
    """Bill to where the look ended, and compare."""
    foreseen = seen(change)
    house.bill(max(now, change.effective_at))
    house.bill(max(now, foreseen.until))
    after = standing(house)
    for invoice in foreseen.invoices:
        key = (invoice.kind, "" if invoice.kind == "correction" else str(invoice.closes_at))
        assert after.get(key, Decimal(0)) == invoice.total, key


@pytest.mark.parametrize(("limit", "price", "effective"), OWN)
def test_what_a_dry_run_of_a_quota_says_is_what_comes(
    used: House, limit: str | None, price: dict[str, Any], effective: str | datetime | None
) -> None:
    with nothing_stored(used.engine):
        change = look(used, new(limit, price, effective))
    assert change.changed
    later = NOW + timedelta(minutes=1)
    with transaction(used.engine) as session:
        real = new(limit, price, change.effective_at)
        held = Precaution(expected_digest=seen(change).digest)
        made = define_quota(session, real, actor="test", now=later, precaution=held).quota
    assert made.effective_from == change.effective_at
    check_comes(used, change, now=later)


@pytest.mark.parametrize("effective", ["next_period", "period", "now", day(21)])
def test_what_a_dry_run_of_an_end_says_is_what_comes(used: House, effective: str | datetime) -> None:
    own = used.quota("a", "50", TIERS, at=day(9), own="s", effective="period", reprice=True)
    asked = {"reprice_usage": True, "now": NOW}
    with nothing_stored(used.engine), read_only(used.engine) as session:
        change = foresee_end(session, own.id, effective=effective, precaution=LOOK, **asked)
    assert change.changed
    with transaction(used.engine) as session:
        held = Precaution(expected_digest=seen(change).digest)
        end_own_quota(session, own.id, effective=change.effective_at, actor="test", precaution=held, **asked)
    check_comes(used, change, now=NOW)
    with read_only(used.engine) as session:
        again = foresee_end(session, own.id, effective="next_period", precaution=LOOK, **asked | {"now": day(12)})
    assert (again.changed, seen(again).invoices) == (False, [])


def test_the_amounts_are_told(house: House) -> None:
    house.plan("a")
    house.quota("a", "300", DOLLAR)
    house.subscribe()
    house.use(400, at=day(3))
    change = look(house, new("100", CENTS, "period"))
    (invoice,) = seen(change).invoices
    assert (invoice.total_before, invoice.total, invoice.difference) == (100, 150, 50)
    (left,) = seen(change).allowances
    assert (left.limit, left.used, left.remaining) == (100, 100, 0)


@pytest.mark.parametrize(("limit", "used_since"), [("101", 0), ("100", 10)])
def test_a_quota_that_would_do_something_else_is_refused(used: House, limit: str, used_since: int) -> None:
    change = look(used, new("100", CENTS, "period"))
    if used_since:
        used.use(used_since, at=day(10, hour=23))
    held = Precaution(expected_digest=seen(change).digest)
    with nothing_stored(used.engine), pytest.raises(Conflict) as refused, transaction(used.engine) as session:
        define_quota(session, new(limit, CENTS, change.effective_at), actor="test", now=NOW, precaution=held)
    assert refused.value.code == "digest_changed"


def test_what_is_refused_is_refused_of_a_dry_run_too(used: House) -> None:
    with pytest.raises(Conflict) as refused:
        look(used, new("0", DOLLAR, "period", reprice_usage=False))
    assert refused.value.code == "would_reprice"
    with pytest.raises(InvalidInput) as unknown:
        look(used, new("0", DOLLAR, "period", subscription_id="nobody"))
    assert unknown.value.fields[0].code == "unknown_subscription"


def test_nothing_is_locked_for_it(used: House) -> None:
    own = used.quota("a", "50", TIERS, at=day(9), own="s", effective="period", reprice=True)
    with used.engine.connect() as other:
        for table in ("subscriptions", "plans", "usage_summaries", "usage_quotas", "fee_charges", "invoices"):
            other.execute(text(f"SELECT FROM {table} FOR UPDATE"))
        other.execute(text("SELECT pg_advisory_xact_lock(1430388737, shard) FROM generate_series(0, 255) AS shard"))
        assert look(used, new("100", DOLLAR, "now")).changed
        with read_only(used.engine) as session:
            asked = {"effective": "now", "reprice_usage": True, "now": NOW}
            assert foresee_end(session, own.id, precaution=LOOK, **asked).changed
        other.rollback()
