"""Grants pay for a meter whatever plans and quotas its subscriptions have, and nothing differs after any step."""

import random
from datetime import timedelta

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.metered import WALLET, count_tokens, fold, put, use
from tests.prepaid.test_meters_in_any_order import do_anything
from tests.support.books import scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def tokens(house: House) -> House:
    count_tokens(house)
    house.ok("POST", "/api/wallets", WALLET)
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD"})
    house.ok("POST", "/api/quotas", {"planId": "q", "usageType": "requests", "monthlyLimit": None, "unitPrice": "1"})
    house.ok("POST", "/api/quotas", {"planId": "q", "usageType": "tokens", "monthlyLimit": "25", "unitPrice": "3"})
    house.clock.now = JUNE + 29 * DAY
    return house


def change(house: House, chance: random.Random) -> None:
    """Another plan, at once or with the next period, another quota, or an end; what is refused changes nothing."""
    name, act = chance.choice("st"), chance.random()
    if act < 0.5:
        body = {"planId": chance.choice("pq"), "at": chance.choice(["now", "period_end"])}
        answer = house.admin.post(f"/api/subscriptions/{name}/change-plan", json=body)
    elif act < 0.9:
        quota = {"planId": "p", "usageType": "tokens", "monthlyLimit": str(chance.choice([0, 5, 20])), "unitPrice": "2"}
        said = {"effective": chance.choice(["now", "period"]), "repriceUsage": True}
        answer = house.admin.post("/api/quotas", json=quota | said)
    else:
        answer = house.admin.post(f"/api/subscriptions/{name}/cancel", json={"at": "period_end"})
    assert answer.status_code < 300 or answer.json["code"], answer.json


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_agreed_meanwhile_every_figure_adds_up(tokens: House, seed: int) -> None:
    chance, recorded = random.Random(seed), list[str]()
    put(tokens, 40, effectiveAt=(JUNE + 9 * DAY).isoformat())
    use(tokens, 60, at=JUNE + 12 * DAY)
    for step in range(16):
        do_anything(tokens, chance, recorded)
        if chance.random() < 0.4:
            change(tokens, chance)
        if step in (6, 10, 13):
            tokens.bill(JULY + step * HOUR)
        fold(tokens)
        tokens.close()
        tokens.each_grant_adds_up("k")
        tokens.verified()
    for days in (35, 36, 70):
        tokens.bill(JULY + days * DAY)
        tokens.verified()
    beyond = "SELECT count(*) FROM covered_summaries c JOIN usage_summaries s ON s.id = c.summary_id WHERE {}"
    assert scalars(tokens.engine, beyond.format("c.covered > s.beyond_limit")) == [0]
    assert scalars(tokens.engine, beyond.format("c.covered > 0"))[0] > 0
