"""Draws follow from the books alone: whatever comes first, and however runs are split, the same is paid for."""

import random
from datetime import datetime, timedelta
from fractions import Fraction

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import rows, scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_USAGE = """
    SELECT u.subscription_id, u.occurred_at, u.quantity FROM usage u
    WHERE NOT EXISTS (SELECT FROM usage_voids v WHERE v.usage_id = u.id) ORDER BY u.subscription_id, u.ordinal"""
_GRANTS = """
    SELECT id, amount, priority, effective_at, expires_at, covers_since, subscription_ids, cost FROM wallet_grants
    WHERE status = 'active'"""


def slowly(house: House) -> dict[tuple[str, str], Fraction]:
    """What each grant pays for each subscription's June, a unit at a time; nothing is posted."""
    grants = rows(house.engine, _GRANTS)
    cuts = {JUNE} | {at for grant in grants for at in grant[3:6] if at is not None and JUNE < at < JULY}
    beyond: dict[tuple[object, str], Fraction] = {}
    used: dict[str, Fraction] = {}
    for name, at, quantity in rows(house.engine, _USAGE):
        before = used.get(name, Fraction(0))
        used[name] = before + Fraction(quantity)
        window = max(cut for cut in cuts if cut <= at)
        part = max(used[name] - 10, Fraction(0)) - max(before - 10, Fraction(0))
        beyond[window, name] = beyond.get((window, name), Fraction(0)) + part
    left = {grant[0]: Fraction(grant[1]) for grant in grants}
    paid: dict[tuple[str, str], Fraction] = {}
    for reaches in (False, True):
        for window, name in sorted(beyond):
            fitting = [
                grant
                for grant in grants
                if (grant[6] is None or name in grant[6])
                and (grant[4] is None or window < grant[4])
                and ((grant[5] is not None and grant[5] <= window) if reaches else grant[3] <= window)
            ]
            fitting.sort(key=lambda g: (g[2], g[6] is None, g[4] or JULY + 999 * DAY, g[7] / g[1], g[3], str(g[0])))
            for grant in fitting:
                part = min(left[grant[0]], beyond[window, name])
                left[grant[0]] -= part
                beyond[window, name] -= part
                if part:
                    paid[str(grant[0]), name] = paid.get((str(grant[0]), name), Fraction(0)) + part
    return paid


def told(house: House) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """What the product says: by grant, and by subscription."""
    grants = house.grants()
    lines = house.ok("GET", "/api/usage/user/ann?from=2026-06-01T00:00:00Z&to=2026-07-01T00:00:00Z")["usage"]
    return (
        {one["id"]: Fraction(one["provisional"]) for one in grants if one["provisional"] != "0"},
        {one["subscriptionId"]: Fraction(one["covered"]) for one in lines if one["covered"] != "0"},
    )


def summed(paid: dict[tuple[str, str], Fraction], place: int) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for key, part in paid.items():
        found[key[place]] = found.get(key[place], Fraction(0)) + part
    return found


def put_any_grant(house: House, chance: random.Random, wallet: str, *, begins: datetime) -> None:
    """A grant of any kind, unless usage of its time is posted."""
    said: dict[str, object] = {"priority": chance.choice([10, 50]), "effectiveAt": begins.isoformat()}
    if chance.random() < 0.4:
        said["coversSince"] = (begins - chance.randrange(0, 12) * DAY).isoformat()
    if chance.random() < 0.5:
        said["expiresAt"] = (JULY + chance.randrange(-4, 30) * DAY).isoformat()
    if chance.random() < 0.3:
        said["subscriptionIds"] = [chance.choice("st")]
    if chance.random() < 0.4:
        said["cost"] = "10.00"
    body = said | {"amount": str(chance.randint(1, 20)), "idempotencyKey": f"k{chance.random()}"}
    answer = house.admin.post(f"/api/wallets/{wallet}/grants", json=body)
    assert answer.status_code == 201 or answer.json["code"] == "cuts_posted", answer.json


def do_anything(house: House, chance: random.Random, recorded: list[str]) -> None:
    """A recording, one taken back, or a grant of any kind."""
    act = chance.random()
    if act < 0.5 or not recorded:
        at = JUNE + chance.randrange(0, 28) * DAY + HOUR
        recorded.append(house.use(chance.randint(1, 12), at=at, subscription=chance.choice("st")))
    elif act < 0.65:
        id = recorded.pop(chance.randrange(len(recorded)))
        house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    else:
        begins = JUNE + chance.randrange(-3, 24) * DAY
        put_any_grant(house, chance, "w", begins=begins)


@pytest.mark.parametrize("seed", range(3))
def test_draws_are_those_of_the_slow_rule_whatever_comes_first(house: House, seed: int) -> None:
    house.clock.now = JUNE + 29 * DAY
    chance, recorded = random.Random(seed), list[str]()
    for _ in range(18):
        do_anything(house, chance, recorded)
    by_grant, by_subscription = told(house)
    paid = slowly(house)
    assert by_grant == summed(paid, 0)
    assert by_subscription == summed(paid, 1)


@pytest.mark.parametrize("seed", range(3))
def test_through_runs_voids_and_closings_every_figure_adds_up(house: House, seed: int) -> None:
    house.clock.now = JUNE + 29 * DAY
    chance, recorded = random.Random(100 + seed), list[str]()
    for step in range(14):
        do_anything(house, chance, recorded)
        if step in (5, 9, 12):
            house.bill(JULY + step * HOUR)
        if step == 10:
            finals = rows(house.engine, "SELECT id FROM invoices WHERE status = 'finalized' ORDER BY number LIMIT 1")
            for (id,) in finals:
                house.ok("POST", f"/api/invoices/{id}/void")
        house.close()
        house.each_grant_adds_up()
        house.verified()
    house.bill(JULY + 35 * DAY)
    house.bill(JULY + 36 * DAY)
    house.verified()
    charged = "SELECT coalesce(sum(total), 0) FROM invoices WHERE status <> 'void'"
    due = """
        SELECT coalesce(sum(2 * (s.beyond_limit - coalesce(c.covered, 0))), 0)
        FROM usage_summaries s LEFT JOIN covered_summaries c ON c.summary_id = s.id"""
    assert scalars(house.engine, charged) == scalars(house.engine, due)
