"""Laws of wallets in money: a charge is paid once, a void was never recorded, and all that was granted is somewhere."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_money_wallets import MONEY, bills
from tests.support.books import scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def sells(house: House) -> None:
    """A third subscription with a fee and a minimum, and wallets for units and for money."""
    price = {"model": "graduated", "tiers": [{"upTo": "10", "unitPrice": "5"}, {"upTo": None, "unitPrice": "4"}]}
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD", "baseFee": "9.00"})
    house.ok("POST", "/api/quotas", {"planId": "q", "usageType": "calls", "monthlyLimit": "5", "price": price})
    house.ok("POST", "/api/subscriptions", {"id": "u", "userId": "ann", "planId": "q", "startedAt": JUNE.isoformat()})
    house.ok("POST", "/api/wallets", MONEY | {"fees": True})


def grants(chance: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Some grants of units and of money, each with the wallet that it is in."""
    made: list[tuple[str, dict[str, Any]]] = []
    for number in range(5):
        begins = JUNE + chance.randrange(-3, 24) * DAY
        body: dict[str, Any] = {
            "amount": f"{chance.randint(1, 40)}",
            "idempotencyKey": f"k{number}",
            "effectiveAt": begins.isoformat(),
            "priority": chance.choice([10, 50]),
            "cost": f"{number}.00" if number else None,
        }
        if chance.random() < 0.4:
            body["coversSince"] = (begins - chance.randrange(0, 12) * DAY).isoformat()
        if chance.random() < 0.4:
            body["expiresAt"] = (JULY + chance.randrange(-4, 30) * DAY).isoformat()
        if chance.random() < 0.3:
            body["subscriptionIds"] = [chance.choice("stu")]
        made.append((chance.choice(["w", "m", "m"]), body))
    return made


def told(house: House) -> Any:
    """What each grant pays for at this moment, in both wallets, by key order."""
    return [
        sorted((one["amount"], one["effectiveAt"], one["provisional"], one["left"]) for one in shown["grants"])
        for shown in (house.ok("GET", "/api/wallets/w"), house.ok("GET", "/api/wallets/m"))
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_void_was_never_recorded_and_nothing_is_paid_twice(house: House, seed: int) -> None:
    sells(house)
    house.clock.now = JUNE + 29 * DAY
    chance = random.Random(seed)
    house.bill(JUNE + 29 * DAY)
    uses = [(chance.randint(1, 12), JUNE + chance.randrange(28) * DAY + HOUR, chance.choice("stu")) for _ in range(8)]
    for quantity, at, name in uses[:4]:
        house.use(quantity, at=at, subscription=name)
    for wallet, body in grants(chance):
        house.ok("POST", f"/api/wallets/{wallet}/grants", body)
    for quantity, at, name in uses[4:]:
        house.use(quantity, at=at, subscription=name)
    before = told(house)
    mistakes = [
        house.use(chance.randint(1, 30), at=JUNE + day * DAY, subscription=chance.choice("stu")) for day in (2, 20)
    ]
    for id in mistakes:
        house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    assert told(house) == before
    house.bill(JULY + 2 * HOUR)
    house.verified()
    for name in "stu":
        for _, total, paid, due in bills(house, name):
            assert max(Decimal(total) - Decimal(paid), Decimal(0)) == Decimal(due)
    for shown in (house.ok("GET", "/api/wallets/w"), house.ok("GET", "/api/wallets/m")):
        for one in shown["grants"]:
            parts = [Decimal(one[name]) for name in ("posted", "provisional", "expired", "takenBack", "left")]
            assert sum(parts) == Decimal(one["amount"])
            assert min(parts[0], parts[2], parts[4]) >= 0
    applied = "SELECT coalesce(sum(prepaid_applied), 0) FROM invoices WHERE status NOT IN ('draft', 'void')"
    posted = "SELECT coalesce(sum(d.posted), 0) FROM wallet_draws d WHERE d.wallet_id = 'm'"
    assert scalars(house.engine, applied)[0] <= scalars(house.engine, posted)[0]


@pytest.mark.parametrize("seed", range(2))
def test_through_late_usage_voids_and_closings_money_adds_up(house: House, seed: int) -> None:
    """In the end what invoices came to, less what grants paid, is what is due or credit; nothing is paid twice."""
    sells(house)
    house.clock.now = JUNE + 29 * DAY
    chance, recorded = random.Random(50 + seed), list[str]()
    pending = grants(chance)
    for step in range(12):
        if chance.random() < 0.6 or not recorded:
            at = JUNE + chance.randrange(28) * DAY + HOUR
            recorded.append(house.use(chance.randint(1, 15), at=at, subscription=chance.choice("stu")))
        else:
            id = recorded.pop(chance.randrange(len(recorded)))
            house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
        if pending and step % 2:
            wallet, body = pending.pop()
            answer = house.admin.post(f"/api/wallets/{wallet}/grants", json=body)
            assert answer.status_code == 201 or answer.json["code"] == "cuts_posted", answer.json
        if step in (4, 8):
            house.bill(JULY + step * HOUR)
        if step == 9:
            for (invoice,) in [scalars(house.engine, "SELECT id FROM invoices WHERE number = 1")]:
                house.admin.post(f"/api/invoices/{invoice}/void")
        house.close()
        house.verified()
    for day in (35, 36, 70, 71):
        house.bill(JULY + day * DAY)
        house.verified()
