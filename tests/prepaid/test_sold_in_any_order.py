"""Purchases, runs, voids and changes of subscriptions in any order: what is due is charged once, and all adds up."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.prepaid.conftest import JUNE, House
from tests.prepaid.test_packages import PACKAGE
from tests.support.books import scalars
from usage_billing.db import clock as database_clock

DAY = timedelta(days=1)
CHARGES = ("next_invoice", "next_invoice", "now", "paid")
_FINAL = "SELECT id::text FROM invoices WHERE status = 'finalized'"
_CHARGED = """
    SELECT coalesce(sum(t.amount), 0) FROM usage_invoice_items t JOIN invoices i ON i.id = t.invoice_id
    WHERE t.purchase_id IS NOT NULL AND i.status <> 'void'"""
_DUE = """
    SELECT coalesce(sum(CASE p.charge WHEN 'next_invoice' THEN g.cost - coalesce((
            SELECT sum(cost) FROM wallet_transfers WHERE grant_id = g.id AND kind = 'taken_back'), 0)
        WHEN 'now' THEN CASE WHEN i.status = 'void' THEN 0 ELSE g.cost END ELSE 0 END), 0)
    FROM purchases p JOIN wallet_grants g ON g.id = p.grant_id
    LEFT JOIN usage_invoice_items t ON t.purchase_id = p.charge_id AND p.charge = 'now'
    LEFT JOIN invoices i ON i.id = t.invoice_id"""


def step(house: House, chance: random.Random, bought: list[dict[str, Any]]) -> None:
    """Something that may happen; what is refused changes nothing."""
    act = chance.random()
    if act < 0.3:
        new: dict[str, Any] = {
            "userId": "ann",
            "charge": chance.choice(CHARGES),
        }
        new |= {"subscriptionId": chance.choice("st"), "count": chance.randint(1, 3)}
        answer: Any = house.admin.post("/api/packages/p7/purchases", json=new | {"idempotencyKey": f"k{len(bought)}"})
        assert answer.status_code == 201 or answer.json["code"] == "no_invoice", answer.json
        bought += [answer.json] if answer.status_code == 201 else []
    elif act < 0.45:
        house.admin.post(
            "/api/usage/record",
            json={"userId": "ann", "subscriptionId": chance.choice("st"), "usageType": "calls", "quantity": 9}
            | {"timestamp": house.clock.now.isoformat()},
        )
        house.drain()
    elif act < 0.6 and bought:
        path = f"/api/grants/{chance.choice(bought)['grantId']}/{chance.choice(['void', 'void', 'refund'])}"
        assert house.admin.post(path).status_code in (200, 409)
    elif act < 0.7:
        for id in scalars(house.engine, f"{_FINAL} ORDER BY number DESC LIMIT 1"):
            answer = house.admin.post(f"/api/invoices/{id}/void")
            assert answer.status_code == 200 or answer.json["code"] in ("purchase_stands", "credit_spent"), answer.json
    elif act < 0.75:
        at = (house.clock.now + chance.randint(0, 20) * DAY).isoformat()
        house.admin.post(f"/api/subscriptions/{chance.choice('st')}/cancel", json={"at": at})
    else:
        house.clock.now += chance.randint(1, 17) * DAY
        house.close()
        house.bill(house.clock.now)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_due_for_purchases_is_charged_once(house: House, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_clock, "agreed_now", lambda _session, here: here)
    validity = {"interval": "day", "intervalCount": 20}
    house.ok("POST", "/api/packages", PACKAGE | {"id": "p7", "amount": "7", "price": "10.00", "validity": validity})
    house.clock.now = JUNE + 10 * DAY
    chance, bought = random.Random(seed), list[dict[str, Any]]()
    for _ in range(26):
        step(house, chance, bought)
        house.verified()
    for _ in range(2):
        house.clock.now += 62 * DAY
        house.bill(house.clock.now)
    house.verified()
    assert bought
    (charged,), (due,) = scalars(house.engine, _CHARGED), scalars(house.engine, _DUE)
    assert Decimal(charged) == Decimal(due)
    assert scalars(house.engine, "SELECT count(*) FROM purchase_charges WHERE to_charge") == [0]
    assert scalars(house.engine, "SELECT count(*) FROM invoices WHERE status = 'draft'") == [0]
