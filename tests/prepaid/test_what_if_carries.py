"""What history would have cost on another plan, where quotas carry over what periods leave."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_unused_allowances import AUGUST, carry, store
from tests.prepaid.test_what_if import ask, billed

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OTHER = {"rollover": {"max": "9", "maxPercent": 60, "periods": 2}}
UNIT = {"unitName": "calls", "usageTypes": ["calls"]}


def bob(house: House, *, rolls: bool, wallet: bool = True, limit: str = "14") -> None:
    """Bob has a subscription like ann's, on a plan with another limit."""
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD"})
    quota = {"planId": "q", "usageType": "calls", "monthlyLimit": limit, "unitPrice": "3"}
    house.ok("POST", "/api/quotas", quota | (OTHER if rolls else {}))
    house.ok("POST", "/api/customers", {"id": "bob", "name": "Bob"})
    house.ok("POST", "/api/subscriptions", {"id": "b", "userId": "bob", "planId": "q", "startedAt": JUNE.isoformat()})
    if wallet:
        house.ok("POST", "/api/wallets", {"id": "w2", "userId": "bob", "unit": UNIT})


def used(house: House, chance: random.Random) -> None:
    for at in sorted(JUNE + chance.randint(0, 90) * DAY + chance.randint(0, 23) * HOUR for _ in range(9)):
        house.clock.now = max(house.clock.now, at)
        quantity = chance.randint(1, 3 if at < JULY + 10 * DAY else 12)  # the first months leave something
        house.use(quantity, at=at)
        body = {"userId": "bob", "subscriptionId": "b", "usageType": "calls", "quantity": quantity}
        house.ok("POST", "/api/usage/record", body | {"timestamp": at.isoformat()})
        house.drain()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("real", "tried"), [(True, False), (False, True), (True, True)])
def test_it_comes_to_what_the_other_plan_charged(house: House, real: bool, tried: bool, seed: int) -> None:
    chance = random.Random(seed)
    if real:
        carry(house)
    bob(house, rolls=tried)
    for name, wallet in (("ann", "w"), ("bob", "w2")):
        body = {"amount": "4", "idempotencyKey": name, "effectiveAt": (JULY + 3 * DAY).isoformat()}
        house.ok("POST", f"/api/wallets/{wallet}/grants", body)
    used(house, chance)
    for as_of in (JULY, AUGUST, AUGUST + 31 * DAY):
        house.bill(max(as_of + 2 * HOUR, house.clock.now))
        house.close()
    span = {"end": AUGUST + 31 * DAY}
    ann = ask(house, "ann", plan_id="q", **span)
    assert ann.actual == billed(house, "s", "t")[0]
    assert ann.hypothetical == ask(house, "bob", **span).actual == billed(house, "b")[0]
    assert ask(house, "bob", plan_id="q", **span).hypothetical == ann.hypothetical
    parts = [(JUNE, JULY), (JULY, AUGUST), (AUGUST, AUGUST + 31 * DAY)]
    found = [ask(house, "ann", plan_id="q", start=start, end=end).hypothetical for start, end in parts]
    assert sum(found) == ann.hypothetical


def test_a_plan_that_carries_nothing_over_has_nothing_of_it(house: House) -> None:
    carry(house)
    bob(house, rolls=False, limit="0")
    house.use(4, at=JUNE + DAY)
    house.clock.now = JULY + DAY
    store(house)
    house.use(17, at=JULY)
    row = ask(house, "ann", plan_id="q")
    assert (row.actual, row.hypothetical) == (2 * (17 - 10 - 6), 3 * (4 + 17))


def test_without_a_wallet_it_is_carried_over_to_one_that_would_be_made(house: House) -> None:
    with house.engine.begin() as books:
        books.exec_driver_sql("DELETE FROM wallet_scopes")
        books.exec_driver_sql("DELETE FROM wallets")
    bob(house, rolls=True, wallet=False)
    house.use(4, at=JUNE + DAY)
    house.clock.now = JULY + 2 * DAY
    house.use(30, at=JULY + DAY)
    row = ask(house, "ann", plan_id="q")
    # 60 percent of 14 is 8.4, of the 10 that are left.
    assert (row.actual, row.hypothetical) == (2 * 20, 3 * (30 - 14 - Decimal("8.4")))
