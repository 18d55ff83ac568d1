"""What grants pay of a meter follows from the books alone, and is what a slow model pays, hour by hour."""

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.metered import WALLET, close_and_prove, count_tokens, fold, use, void_first_final
from tests.prepaid.test_any_order import put_any_grant, summed
from tests.support.books import rows, scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_USAGE = """
    SELECT u.subscription_id, u.occurred_at, CAST(u.metadata ->> 'n' AS numeric) FROM usage u
    WHERE NOT EXISTS (SELECT FROM usage_voids v WHERE v.usage_id = u.id) ORDER BY u.occurred_at"""
_GRANTS = """
    SELECT id, amount, priority, effective_at, expires_at, covers_since, subscription_ids, cost FROM wallet_grants
    WHERE status = 'active' AND wallet_id = 'k'"""
Paid = dict[tuple[str, str], Fraction]


@pytest.fixture
def tokens(house: House) -> House:
    count_tokens(house)
    house.ok("POST", "/api/wallets", WALLET)
    house.clock.now = JUNE + 29 * DAY
    return house


Lacks = dict[tuple[datetime, str], Fraction]
Wanted = Callable[[House, set[datetime]], Lacks]


def wanted(house: House, cuts: set[datetime]) -> Lacks:
    """What each window of each subscription's June wants: the total, hour by hour, beyond the 10 that are free."""
    found: dict[tuple[datetime, str], Fraction] = {}
    for name in "st":
        mine = [(at, Fraction(value)) for of, at, value in rows(house.engine, _USAGE) if of == name]
        beyond = max(sum((value for _, value in mine), Fraction(0)) - 10, Fraction(0))
        ends = sorted(cuts | {JULY})
        reached = highest = Fraction(0)
        for start, end in pairwise(ends):
            so_far = sum((value for at, value in mine if at < end), Fraction(0))
            highest = max(highest, so_far - 10)
            upto = min(highest, beyond)
            found[start, name] = upto - reached
            reached = upto
    return found


def turns(grants: list[Any], window: datetime, name: str) -> Iterator[tuple[bool, Any]]:
    """The grants that pay for a window, those that hold and those that reach back, each in the burn order."""
    for reaches in (False, True):
        fitting = [
            grant
            for grant in grants
            if (grant[6] is None or name in grant[6])
            and (grant[4] is None or window < grant[4])
            and ((grant[5] is not None and grant[5] <= window) if reaches else grant[3] <= window)
        ]
        fitting.sort(key=lambda g: (g[2], g[6] is None, g[4] or JULY + 999 * DAY, g[7] / g[1], g[3], str(g[0])))
        yield from ((reaches, grant) for grant in fitting)


def slowly(house: House, wanted: Wanted = wanted) -> Paid:
    """What each grant pays of each subscription's June; nothing is posted."""
    grants = rows(house.engine, _GRANTS)
    cuts = {JUNE} | {at for grant in grants for at in grant[3:6] if at is not None and JUNE < at < JULY}
    left = {grant[0]: Fraction(grant[1]) for grant in grants}
    lacks, paid = wanted(house, cuts), Paid()
    for reaching in (False, True):
        for window, name in sorted(lacks):
            for reaches, grant in turns(grants, window, name):
                part = min(left[grant[0]], lacks[window, name]) if reaches == reaching else Fraction(0)
                left[grant[0]] -= part
                lacks[window, name] -= part
                if part:
                    paid[str(grant[0]), name] = paid.get((str(grant[0]), name), Fraction(0)) + part
    return paid


def told(house: House) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """What the product says: by grant, and by subscription."""
    lines = house.ok("GET", "/api/usage/user/ann?from=2026-06-01T00:00:00Z&to=2026-07-01T00:00:00Z")["usage"]
    return (
        {one["id"]: Fraction(one["provisional"]) for one in house.grants("k") if one["provisional"] != "0"},
        {one["subscriptionId"]: Fraction(one["covered"]) for one in lines if one["covered"] != "0"},
    )


def do_anything(house: House, chance: random.Random, recorded: list[str], *, more: int = 0) -> None:
    """A recording, of less than nothing too, one taken back, a fold, or a grant of any kind.

    What is recorded is ``more`` than it would be.
    """
    act = chance.random()
    if act < 0.5 or not recorded:
        at = JUNE + chance.randrange(0, 28) * DAY + chance.randrange(0, 23) * HOUR + timedelta(minutes=17)
        number = chance.choice([chance.randint(1, 12), chance.randint(-6, 20), chance.random()])
        recorded.append(use(house, f"{number + more:.3f}", at=at, subscription=chance.choice("st")))
    elif act < 0.62:
        id = recorded.pop(chance.randrange(len(recorded)))
        house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    elif act < 0.7:
        fold(house)
    else:
        begins = JUNE + chance.randrange(-3, 24) * DAY + chance.randrange(0, 24) * HOUR
        put_any_grant(house, chance, "k", begins=begins)


@pytest.mark.parametrize("seed", range(3))
def test_draws_are_those_of_the_slow_rule_whatever_comes_first(tokens: House, seed: int) -> None:
    chance, recorded = random.Random(seed), list[str]()
    for _ in range(18):
        do_anything(tokens, chance, recorded)
    by_grant, by_subscription = told(tokens)
    paid = slowly(tokens)
    assert by_grant == summed(paid, 0)
    assert by_subscription == summed(paid, 1)


@pytest.mark.parametrize("seed", range(3))
def test_through_runs_voids_and_closings_every_figure_adds_up(tokens: House, seed: int) -> None:
    chance, recorded = random.Random(100 + seed), list[str]()
    for step in range(14):
        do_anything(tokens, chance, recorded)
        if step in (5, 9, 12):
            tokens.bill(JULY + step * HOUR)
        if step == 10:
            void_first_final(tokens)
        close_and_prove(tokens)
    tokens.bill(JULY + 35 * DAY)
    tokens.bill(JULY + 36 * DAY)
    tokens.verified()
    charged = "SELECT coalesce(sum(total), 0) FROM invoices WHERE status <> 'void'"
    due = """
        SELECT coalesce(sum(round(2 * (s.beyond_limit - coalesce(c.covered, 0)), 2)), 0)
        FROM usage_summaries s LEFT JOIN covered_summaries c ON c.summary_id = s.id
        WHERE s.usage_type_id = 'tokens'"""
    assert scalars(tokens.engine, charged) == scalars(tokens.engine, due)
