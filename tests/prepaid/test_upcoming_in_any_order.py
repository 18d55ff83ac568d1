"""In any order of usage, grants and runs the upcoming invoice is to the cent what a run of now makes."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, WALLET, House
from tests.prepaid.test_money_wallets import MONEY, plan
from tests.prepaid.test_upcoming_in_money import drafts, house, upcoming

__all__ = ["house"]

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def some_grants(house: House, chance: random.Random, *, now: datetime) -> None:
    """Grants of units and of money that hold, are to come, end, reach back, or are for some things only."""
    for number in range(chance.randint(1, 2)):
        begins = now - chance.randrange(0, 12) * DAY
        body: dict[str, Any] = {
            "amount": str(chance.choice([9, 25, 60])),
            "idempotencyKey": f"{now}{number}",
            "effectiveAt": begins.isoformat(),
            "priority": chance.choice([10, 50]),
        }
        if chance.random() < 0.7:
            body["coversSince"] = (begins - chance.randrange(5, 45) * DAY).isoformat()
        if chance.random() < 0.3:
            body["expiresAt"] = (now + chance.randrange(1, 40) * DAY).isoformat()
        if chance.random() < 0.3:
            body["subscriptionIds"] = [chance.choice("stu")]
        if chance.random() < 0.5:
            body["cost"] = "8.00"
        answer = house.admin.post(f"/api/wallets/{chance.choice('wmm')}/grants", json=body)
        assert answer.status_code == 201 or answer.json["code"] == "cuts_posted", answer.json


def some_terms(house: House, chance: random.Random) -> None:
    """A third subscription with a fee and a minimum, a wallet in money that may recur, and units that may be owed."""
    fee = {"baseFee": "15.00", "baseFeeTiming": chance.choice(["arrears", "advance"])}
    price = {"model": "per_unit", "unitPrice": "1.50", "minimumAmount": "7.00"}
    plan(house, price=price, plan=fee)
    if chance.random() < 0.5:
        with house.engine.begin() as books:
            books.exec_driver_sql("DELETE FROM wallet_scopes")
            books.exec_driver_sql("DELETE FROM wallets")
        house.clock.now = JUNE
        house.ok("POST", "/api/wallets", WALLET | {"uncovered": "owe", "overdraft": "10"})
    house.ok("POST", "/api/wallets", MONEY | {"fees": chance.random() < 0.7})
    if chance.random() < 0.4:
        body = {"amount": "30.00", "every": {"interval": "month"}, "idempotencyKey": "each", "untilNext": True}
        said = {"startsAt": (JUNE + chance.randrange(11) * DAY).isoformat(), "rollover": {"maxPercent": 50}}
        house.ok("POST", "/api/wallets/m/schedules", body | said)


def other_terms(house: House, chance: random.Random) -> None:
    """Perhaps another quota, base fee or plan, or an end that is agreed, which no run has seen."""
    act = chance.random()
    if act < 0.15:
        quota = {"planId": "p", "usageType": "calls", "monthlyLimit": str(chance.choice([0, 15])), "unitPrice": "3"}
        house.ok("POST", "/api/quotas", quota | {"effective": "period", "repriceUsage": True})
    elif act < 0.3:
        version = {"baseFee": "21.00", "effective": chance.choice(["now", "period"]), "repriceUsage": True}
        answer = house.admin.post("/api/plans/q/versions", json=version)
        assert answer.status_code == 201 or answer.json["code"] == "already_invoiced", answer.json
    elif act < 0.45:
        answer = house.admin.post(f"/api/subscriptions/{chance.choice('st')}/change-plan", json={"planId": "q"})
        assert answer.status_code == 200 or answer.json["code"], answer.json
    elif act < 0.55:
        house.admin.post("/api/subscriptions/t/cancel", json={"at": "period_end"})


@pytest.mark.parametrize("seed", [3, 10])
def test_in_any_order_the_upcoming_invoice_is_the_draft_that_a_run_then_makes(house: House, seed: int) -> None:
    chance, recorded = random.Random(seed), list[str]()
    some_terms(house, chance)
    for now in (JUNE + 12 * DAY, JULY + 2 * HOUR, JULY + 8 * DAY, JULY + 20 * DAY):
        house.clock.now = now
        for _ in range(3):
            if recorded and chance.random() < 0.25:
                id = recorded.pop(chance.randrange(len(recorded)))
                house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
            else:
                at = now - chance.randrange(1, 11) * DAY
                recorded.append(house.use(chance.randint(1, 30), at=at, subscription=chance.choice("stu")))
        if now != JUNE + 12 * DAY or chance.random() < 0.3:
            some_grants(house, chance, now=now)
        house.close()
        other_terms(house, chance)
        if now == JULY + 2 * HOUR:
            house.bill(now)
            continue
        told = {name: upcoming(house, name) for name in "stu"}
        house.bill(now)
        for name, one in told.items():
            assert upcoming(house, name) == one, (name, now)
            made = drafts(house, name)
            if one is not None and made and made[-1]["total"] == one["total"]:  # without a fee in advance
                assert (made[-1]["prepaidApplied"], made[-1]["prepaid"]) == (one["prepaidApplied"], one["prepaid"])
        house.verified()
