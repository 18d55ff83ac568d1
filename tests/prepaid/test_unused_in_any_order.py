"""What allowances left follows from the books alone: whatever comes first, and however runs are split."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_any_order import told
from tests.prepaid.test_unused_allowances import AUGUST, DAY, carry
from tests.support.books import rows, scalars

HOUR = timedelta(hours=1)
_USAGE = """
    SELECT u.subscription_id, u.occurred_at, u.quantity FROM usage u
    WHERE NOT EXISTS (SELECT FROM usage_voids v WHERE v.usage_id = u.id) ORDER BY u.subscription_id, u.ordinal"""
_GRANTS = "SELECT id, amount, priority, effective_at FROM wallet_grants WHERE status = 'active' AND unused_of IS NULL"


def slowly(house: House, most: int) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """What each grant pays for, and what is paid for of each subscription in July; nothing is posted."""
    used: dict[tuple[str, bool], Fraction] = {}
    recordings = rows(house.engine, _USAGE)
    for name, at, quantity in recordings:
        used[name, at >= JULY] = used.get((name, at >= JULY), Fraction(0)) + Fraction(quantity)
    # Priority, how wide, from when, id, amount, for whom.
    grants = [
        (priority, 2, begins, str(id), Fraction(amount), "st")
        for id, amount, priority, begins in rows(house.engine, _GRANTS)
    ]
    for one in house.grants():
        if one["unusedOf"] is not None:
            left = max(10 - used.get((one["unusedOf"], False), Fraction(0)), Fraction(0))
            grants.append((50, 0, JULY, one["id"], min(left, Fraction(most)), one["unusedOf"]))
    assert len(grants) == 2 + len(rows(house.engine, _GRANTS))
    cuts = {grant[2] for grant in grants} | {JUNE, JULY}
    beyond: dict[tuple[datetime, str], Fraction] = {}
    running: dict[tuple[str, bool], Fraction] = {}
    for name, at, quantity in recordings:
        before = running.get((name, at >= JULY), Fraction(0))
        running[name, at >= JULY] = before + Fraction(quantity)
        window = max(cut for cut in cuts if cut <= at)
        part = max(before + Fraction(quantity) - 10, Fraction(0)) - max(before - 10, Fraction(0))
        beyond[window, name] = beyond.get((window, name), Fraction(0)) + part
    by_grant, by_name = dict[str, Fraction](), dict[str, Fraction]()
    has = {grant[3]: grant[4] for grant in grants}
    for window, name in sorted(beyond):
        wanted = beyond[window, name]
        for _, _, begins, id, _, names in sorted(grants):
            part = min(has[id], wanted) if begins <= window and name in names else Fraction(0)
            has[id] -= part
            wanted -= part
            if part:
                by_grant[id] = by_grant.get(id, Fraction(0)) + part
                if window >= JULY:
                    by_name[name] = by_name.get(name, Fraction(0)) + part
    return by_grant, by_name


def do_anything(house: House, chance: random.Random, recorded: list[str]) -> None:
    """A recording of either month, one taken back, or a grant for ever."""
    act = chance.random()
    if act < 0.65 or not recorded:
        at = chance.choice([JUNE, JULY]) + chance.randrange(0, 18) * DAY + HOUR
        recorded.append(house.use(chance.randint(1, 7), at=at, subscription=chance.choice("st")))
    elif act < 0.85:
        id = recorded.pop(chance.randrange(len(recorded)))
        house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    else:
        begins = chance.choice([JUNE, JULY, JULY + 9 * DAY]).isoformat()
        body = {"priority": chance.choice([10, 50, 90]), "effectiveAt": begins, "amount": str(chance.randint(1, 9))}
        answer = house.admin.post("/api/wallets/w/grants", json=body | {"idempotencyKey": f"k{chance.random()}"})
        assert answer.status_code == 201 or "cuts_posted" in answer.text, answer.text


@pytest.mark.parametrize("seed", range(3))
def test_draws_are_those_of_the_slow_rule_whatever_comes_first(house: House, seed: int) -> None:
    carry(house, rollover={"max": "7"})
    house.clock.now = JULY + 20 * DAY
    chance, recorded = random.Random(seed), list[str]()
    for _ in range(18):
        do_anything(house, chance, recorded)
    by_grant, by_name = told(house)
    lines = house.ok("GET", "/api/usage/user/ann?from=2026-07-01T00:00:00Z&to=2026-08-01T00:00:00Z")["usage"]
    by_name = {one["subscriptionId"]: Fraction(one["covered"]) for one in lines if one["covered"] != "0"}
    assert (by_grant, by_name) == slowly(house, 7)


@pytest.mark.parametrize("seed", range(2))
def test_through_runs_voids_and_closings_every_figure_adds_up(house: House, seed: int) -> None:
    carry(house, rollover={"maxPercent": 70, "periods": 2})
    house.clock.now = JULY + 20 * DAY
    chance, recorded = random.Random(100 + seed), list[str]()
    for step in range(14):
        do_anything(house, chance, recorded)
        if step in (4, 8, 11):
            house.bill(AUGUST + step * HOUR)
        if step == 9:
            finals = rows(house.engine, "SELECT id FROM invoices WHERE status = 'finalized' ORDER BY number LIMIT 1")
            for (id,) in finals:
                house.ok("POST", f"/api/invoices/{id}/void")
        house.close()
        for one in house.grants():
            parts = [Decimal(one[name]) for name in ("posted", "provisional", "expired", "takenBack", "left")]
            assert sum(parts) == Decimal(one["amount"])
            assert min(parts[0], parts[2], parts[4]) >= 0
        house.verified()
    for days in (35, 36, 66, 67):
        house.bill(AUGUST + days * DAY)
        house.close()
    house.verified()
    charged = "SELECT coalesce(sum(total), 0) FROM invoices WHERE status <> 'void'"
    due = """
        SELECT coalesce(sum(2 * (s.beyond_limit - coalesce(c.covered, 0))), 0)
        FROM usage_summaries s LEFT JOIN covered_summaries c ON c.summary_id = s.id"""
    assert scalars(house.engine, charged) == scalars(house.engine, due)
