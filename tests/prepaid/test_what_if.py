"""What history would have cost under other terms, where grants pay for usage: as it would have been charged."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from usage_billing.db.session import read_only
from usage_billing.reports.what_if import Comparison, Question, what_if

__all__ = ["cli"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OTHER = {"model": "graduated", "tiers": [{"upTo": "20", "unitPrice": "3"}, {"unitPrice": "0.5"}]}


def two(house: House) -> None:
    """Bob uses what ann does and has the same wallets, on a plan with another limit and price."""
    plan = {"id": "q", "name": "Q", "currency": "USD", "baseFee": "7", "baseFeeTiming": "arrears"}
    house.ok("POST", "/api/plans", plan)
    house.ok("POST", "/api/quotas", {"planId": "q", "usageType": "calls", "monthlyLimit": "4", "price": OTHER})
    house.ok("POST", "/api/customers", {"id": "bob", "name": "Bob"})
    for name in ("s2", "t2"):
        body = {"id": name, "userId": "bob", "planId": "q", "startedAt": JUNE.isoformat()}
        house.ok("POST", "/api/subscriptions", body)
    unit = {"unitName": "calls", "usageTypes": ["calls"]}
    house.ok("POST", "/api/wallets", {"id": "w2", "userId": "bob", "unit": unit})
    for id, who in (("m", "ann"), ("m2", "bob")):
        house.ok("POST", "/api/wallets", {"id": id, "userId": who, "unit": {"currency": "USD"}, "fees": True})


def granted(house: House, chance: random.Random) -> None:
    """The same grants for both, in units and in money."""
    for number in range(chance.randint(1, 5)):
        since = JUNE + chance.randint(0, 12) * DAY
        said: dict[str, Any] = {"priority": chance.choice([10, 50]), "effectiveAt": since.isoformat()}
        if chance.random() < 0.6:
            said["expiresAt"] = (since + chance.randint(3, 30) * DAY).isoformat()
        if chance.random() < 0.2:
            said["coversSince"] = (since - 4 * DAY).isoformat()
        of, amount = chance.choice([("w", chance.randint(5, 40)), ("m", chance.randint(5, 60))])
        for wallet in (of, f"{of}2"):
            body = {"amount": str(amount), "idempotencyKey": str(number)} | said
            house.ok("POST", f"/api/wallets/{wallet}/grants", body)


def used(house: House, chance: random.Random) -> None:
    """The same usage of both, and nothing comes late."""
    times = sorted(JUNE + chance.randint(0, 59) * DAY + chance.randint(0, 23) * HOUR for _ in range(9))
    for at in times:
        quantity, name = chance.randint(1, 30), chance.choice("st")
        house.clock.now = max(house.clock.now, at)
        house.use(quantity, at=at, subscription=name)
        body = {"userId": "bob", "subscriptionId": f"{name}2", "usageType": "calls", "quantity": quantity}
        house.ok("POST", "/api/usage/record", body | {"timestamp": at.isoformat()})
        house.drain()


def ask(house: House, customer: str, **question: Any) -> Comparison:
    with read_only(house.engine) as session:
        span = {"start": JUNE, "end": JULY + 31 * DAY}
        (row,) = what_if(session, Question(**{**span, "customer_id": customer, **question}))
        return row


def billed(house: House, *names: str) -> tuple[Decimal, Decimal]:
    """What final invoices come to in all, and what grants paid of them."""
    shown = [house.ok("GET", f"/api/invoices?subscriptionId={name}&limit=200")["data"] for name in names]
    found = [one for invoices in shown for one in invoices if one["status"] != "draft"]
    return sum(Decimal(one["total"]) for one in found), sum(Decimal(one["prepaidApplied"]) for one in found)


@pytest.mark.parametrize("seed", range(6))
def test_it_comes_to_what_was_charged_and_to_what_another_plan_charged(house: House, seed: int) -> None:
    chance = random.Random(seed)
    two(house)
    granted(house, chance)
    used(house, chance)
    for as_of in (JULY + 2 * HOUR, JULY + 31 * DAY + 2 * HOUR):
        house.bill(as_of)
        house.close()
    ann, bob = ask(house, "ann", plan_id="q"), ask(house, "bob")
    assert (ann.actual, ann.actual_prepaid) == billed(house, "s", "t")
    assert (bob.actual, bob.actual_prepaid) == billed(house, "s2", "t2")
    assert (ann.hypothetical, ann.hypothetical_prepaid) == (bob.actual, bob.actual_prepaid)
    same = ask(house, "bob", plan_id="q")
    assert (same.hypothetical, same.hypothetical_prepaid) == (bob.actual, bob.actual_prepaid)
    # The months of any span add up to it.
    parts = [ask(house, "ann", plan_id="q", start=a, end=b) for a, b in ((JUNE, JULY), (JULY, JULY + 31 * DAY))]
    assert sum(one.hypothetical for one in parts) == ann.hypothetical
    assert sum(one.hypothetical_prepaid for one in parts) == ann.hypothetical_prepaid


def test_a_price_that_is_tried_changes_what_grants_pay(house: House, cli: Cli) -> None:
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    house.grant(10)
    money = {"amount": "30.00", "idempotencyKey": "m", "effectiveAt": JUNE.isoformat()}
    house.ok("POST", "/api/wallets/m/grants", money)
    house.use(40, at=JUNE + DAY)
    price = 'calls={"model": "per_unit", "unitPrice": "1"}'
    asked = cli("what-if", "--price", price, "--from", "2026-06-01", "--to", "2026-07-01", "--json").json
    (row,) = asked["customers"]
    assert (row["actual"], row["actualPrepaid"]) == ("40.00", "30.00")
    assert (row["hypothetical"], row["hypotheticalPrepaid"]) == ("20.00", "20.00")
