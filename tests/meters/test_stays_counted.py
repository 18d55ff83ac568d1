"""Quotas of a subscription's own on a meter: what was counted apart is not joined, and what together is not divided."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.factories.meters import make_meter
from tests.money.house import House, day, make_house
from tests.support.books import scalars
from usage_billing.core.errors import Conflict
from usage_billing.db.session import transaction
from usage_billing.flows.administration.own_quotas import end_own_quota
from usage_billing.flows.folding.drive_folds import fold_all
from usage_billing.meters.counted_in import folded_after

ONE, TWO = ({"model": "per_unit", "unitPrice": str(price)} for price in (1, 2))
LATER = timedelta(hours=2)


@pytest.fixture
def metered(engine: Engine) -> House:
    """A plan with a price for a meter that adds up calls; the calls themselves cost nothing."""
    house = make_house(engine)
    with transaction(engine) as session:
        make_meter(session, id="units", of="calls")
    house.plan("a")
    house.quota("a", "0", ONE, of="units")
    house.subscribe()
    return house


def charged(house: House) -> list[int]:
    house.bill(day(1, month=2) + LATER)
    return scalars(house.engine, "SELECT amount FROM usage_invoice_items ORDER BY period_start")


def test_a_quota_of_its_own_does_not_join_what_a_meter_counted_apart(metered: House) -> None:
    """A price of the plan at once divided January, and both parts are counted."""
    metered.use(5, at=day(3))
    metered.quota("a", "0", TWO, at=day(10), effective="now", of="units")
    metered.use(5, at=day(12))
    fold_all(metered.engine)
    with pytest.raises(Conflict) as refused:
        metered.quota("a", "0", ONE, own="s", at=day(20), effective="period", reprice=True, of="units")
    assert refused.value.code == "usage_later"
    assert charged(metered) == [5, 10]


def test_what_a_meter_has_not_counted_yet_is_counted_by_the_new_terms(metered: House) -> None:
    metered.use(5, at=day(3))
    metered.quota("a", "0", TWO, at=day(10), effective="now", of="units")
    metered.use(5, at=day(12))
    metered.quota("a", "0", ONE, own="s", at=day(20), effective="period", reprice=True, of="units")
    assert charged(metered) == [10]


def test_what_was_recorded_in_a_segment_that_ended_is_not_read_again(metered: House) -> None:
    """A price of the calls divides their January at its tenth day, and not the meter's."""
    metered.quota("a", "0", ONE)
    metered.use(5, at=day(3))
    metered.quota("a", "0", TWO, at=day(10), effective="now")
    metered.use(5, at=day(12))
    metered.bill(day(13))
    with transaction(metered.engine) as session:
        for since, first in ((day(9), day(3)), (day(10), day(12))):
            assert folded_after(session, "s", "units", since=since) == [(day(1), first, day(12))]


def test_an_end_does_not_divide_what_a_meter_counted_together(metered: House) -> None:
    own = metered.quota("a", "0", ONE, own="s", effective="start", of="units")
    metered.quota("a", "0", TWO, at=day(10), effective="now", of="units")
    metered.use(5, at=day(3))
    metered.use(5, at=day(12))
    fold_all(metered.engine)
    with pytest.raises(Conflict) as refused, transaction(metered.engine) as session:
        end_own_quota(session, own.id, effective="start", actor="test", now=day(20))
    assert refused.value.code == "usage_later"
    assert charged(metered) == [10]


def test_a_quota_for_an_instant_that_divides_what_a_meter_counted_is_refused_without_a_sum(metered: House) -> None:
    """What a part of it would cost is not known: the meter has its sum, not its recordings."""
    metered.use(5, at=day(12))
    fold_all(metered.engine)
    dearer = TWO | {"minimumAmount": "9"}
    with pytest.raises(Conflict) as refused:
        metered.quota("a", "0", dearer, own="s", at=day(20), effective=day(10), of="units")
    assert refused.value.code == "usage_later"
    assert charged(metered) == [5]


def test_a_quota_may_hold_from_the_instant_at_which_a_period_begins(metered: House) -> None:
    metered.use(5, at=day(12))
    metered.use(7, at=day(2, month=2))
    fold_all(metered.engine)
    begins = day(1, month=2)
    metered.quota("a", "0", TWO, own="s", at=day(3, month=2), effective=begins, reprice=True, of="units")
    assert charged(metered) == [5, 14]
