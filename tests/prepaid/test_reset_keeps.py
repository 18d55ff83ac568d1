"""What a reset keeps is one grant that follows late usage, with its part of the cost, until the others are closed."""

import random
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_what_if import ask
from tests.support.books import rows, scalars

__all__ = ["cli"]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
INSTANT = JUNE + 10 * DAY
_LEDGER = "SELECT kind, sum(amount), sum(cost) FROM wallet_transfers WHERE grant_id = '{}' GROUP BY 1 ORDER BY 1"


def reset(house: House, most: int, **said: Any) -> Any:
    """What a wallet has left stays, at most so much; the grant that has it."""
    house.ok("POST", "/api/wallets/w/reset", {"at": INSTANT.isoformat(), "keep": {"max": str(most)}} | said)
    return kept(house)


def kept(house: House) -> Any:
    """The last grant that has what a reset kept."""
    return [one for one in house.grants() if one["category"] == "rollover"][-1]


def bought(house: House, amount: int, cost: str, **said: Any) -> Any:
    return house.grant(amount, cost=cost, **said)


def figures(grant: Any) -> tuple[str, str | None, str, str]:
    """Amount, cost, what it pays for in all, and what is left."""
    pays = Decimal(grant["posted"]) + Decimal(grant["provisional"])
    return grant["amount"], grant["cost"], f"{pays.normalize():f}", grant["left"]


def adds_up(house: House) -> None:
    """What was sold is deferred, recognised or gone, in all and by grant; and nothing differs."""
    for by in ("currency", "day", "grant"):
        for one in house.ok("GET", f"/api/reports/prepaid?by={by}")["data"]:
            parts = [Decimal(one[name]) for name in ("deferredAtStart", "sold", "recognised", "breakage", "refunded")]
            assert parts[0] + parts[1] - sum(parts[2:]) == Decimal(one["deferredAtEnd"])
            assert min(parts[2:]) >= 0
    house.verified()


def test_what_is_kept_follows_late_usage_and_has_its_part_of_the_cost(house: House) -> None:
    gift, order = house.grant(20), bought(house, 100, "150.00")
    house.use(14, at=JUNE + DAY)
    one = reset(house, 50)
    assert figures(one) == ("50", "75.00", "0", "50")
    assert (one["effectiveAt"], one["expiresAt"]) == ("2026-06-11T00:00:00Z", None)
    assert {grant["keptIn"] for grant in house.grants() if grant["id"] in (gift["id"], order["id"])} == {one["id"]}
    assert house.ok("GET", "/api/wallets/w")["available"] == "50"
    house.use(7, at=INSTANT)
    late = house.use(100, at=JUNE + 2 * DAY)
    assert figures(kept(house)) == ("16", "24.00", "7", "9")
    adds_up(house)
    house.ok("POST", f"/api/usage/records/{late}/void", {"reason": "twice"})
    assert figures(kept(house))[0] == "50"
    house.use(70, at=JUNE + 2 * DAY)
    assert figures(kept(house))[0] == "46"
    house.clock.now = INSTANT + 2 * HOUR
    house.use(9, at=JUNE + 3 * DAY)  # it comes after the grace time
    assert house.close() == 2
    assert figures(kept(house)) == ("46", "69.00", "7", "39")
    assert house.wallet() == {"granted": "166", "posted": "74", "provisional": "7", "left": "39"}
    assert rows(house.engine, _LEDGER.format(order["id"]))[-1] == ("used", 54, 81)
    adds_up(house)
    house.bill(JULY + DAY)
    adds_up(house)


def test_what_was_kept_and_is_final_comes_back_with_its_cost(house: House) -> None:
    # What costs nothing pays last here, and what is bought is kept first.
    house.grant(10, priority=60)
    bought(house, 10, "10.00")
    house.clock.now = INSTANT
    reset(house, 10)
    house.use(21, at=INSTANT)
    assert figures(kept(house)) == ("10", "10.00", "10", "0")
    house.clock.now = INSTANT + HOUR / 2
    house.ok("POST", "/api/subscriptions/s/cancel", {"at": house.clock.now.isoformat()})
    house.bill(house.clock.now + HOUR / 60)
    drafts = "SELECT id FROM invoices WHERE status = 'draft'"
    for id in scalars(house.engine, drafts):
        house.ok("POST", f"/api/invoices/{id}/finalize")
    assert kept(house)["posted"] == "10"
    adds_up(house)
    house.use(20, at=JUNE + DAY, subscription="t")
    assert figures(kept(house))[0] == "10"
    house.clock.now = INSTANT + 2 * HOUR
    house.close()
    assert figures(kept(house)) == ("10", "0.00", "10", "0")
    recognised = house.ok("GET", "/api/reports/prepaid")["data"][0]["recognised"]
    assert recognised == "10.00"
    adds_up(house)


@pytest.mark.parametrize("keep", [{}, {"keep": {"max": "10"}}])
def test_an_earlier_reset_leaves_what_a_later_one_kept(house: House, keep: dict[str, Any]) -> None:
    bought(house, 40, "60.00")
    one = reset(house, 25)
    asked = {"at": (INSTANT - DAY).isoformat()} | keep
    assert house.refused("/api/wallets/w/reset", asked) == (409, "still_following")
    assert kept(house) == one
    adds_up(house)


def test_it_keeps_once_by_its_key_and_by_its_instant(house: House) -> None:
    house.grant(30)
    one = reset(house, 20, idempotencyKey="june")
    house.clock.now += HOUR / 4
    before = house.grants()
    assert reset(house, 20, idempotencyKey="june") == one
    assert house.ok("POST", "/api/wallets/w/reset", {"keep": {"max": "20"}, "idempotencyKey": "june"})["left"] == "30"
    assert house.grants() == before
    body = {"at": INSTANT.isoformat(), "keep": {"max": "21"}, "idempotencyKey": "june"}
    assert house.refused("/api/wallets/w/reset", body) == (409, "conflicting_reset")
    assert house.refused("/api/wallets/w/grants", {"amount": "5", "idempotencyKey": "june"}) == (
        409,
        "conflicting_grant",
    )
    assert len(rows(house.engine, "SELECT FROM audit_log WHERE action = 'wallet.reset'")) == 1


def test_nothing_left_nothing_kept_and_no_grant_at_all(house: House) -> None:
    said: dict[str, Any] = {"at": INSTANT.isoformat(), "keep": {"max": "5"}}
    shown = house.ok("POST", "/api/wallets/w/reset", said | {"idempotencyKey": "none"})
    assert (shown["grants"], shown["closed"]["grants"], house.grants()) == ([], 0, [])
    first = house.grant(4)
    house.ok("POST", "/api/wallets/w/reset", said | {"idempotencyKey": "none"})
    assert house.wallet()["left"] == "4"
    everything = house.use(14, at=JUNE + DAY)
    house.ok("POST", "/api/wallets/w/reset", said)
    assert [one["id"] for one in house.grants()] == [first["id"]]
    assert [one["id"] for one in house.ok("GET", "/api/wallets/w")["grants"]] == [first["id"]]
    assert scalars(house.engine, "SELECT count(*) FROM outbox_messages WHERE topic = 'wallet.grant_activated'") == [1]
    assert house.refused(f"/api/grants/{first['id']}/void") == (409, "still_following")
    # Until the first is closed, what comes back to it is kept.
    house.ok("POST", f"/api/usage/records/{everything}/void", {"reason": "twice"})
    house.use(12, at=JUNE + DAY)
    assert figures(kept(house)) == ("2", None, "0", "2")
    house.use(2, at=JUNE + DAY)
    assert [one["id"] for one in house.grants()] == [first["id"]]
    house.clock.now += 2 * HOUR
    assert house.close() == 1
    assert [one["id"] for one in house.grants()] == [first["id"]]
    house.verified()


def test_to_keep_nothing_makes_no_grant_and_ends_them_once_by_its_key(house: House) -> None:
    house.grant(9, expiresAt=(JUNE + 30 * DAY).isoformat())
    said = {"keep": {"max": "0"}, "idempotencyKey": "zero"}
    house.ok("POST", "/api/wallets/w/reset", said)
    later = house.grant(7, effectiveAt=None)
    house.clock.now += HOUR / 4
    house.ok("POST", "/api/wallets/w/reset", said)
    assert [(one["keptIn"], one["resetAt"] is None) for one in house.grants()] == [(None, False), (None, True)]
    body = said | {"keep": {"max": "1"}}
    assert house.refused("/api/wallets/w/reset", body) == (409, "conflicting_reset")
    assert house.refused("/api/wallets/w/grants", {"amount": "5", "idempotencyKey": "zero"}) == (
        409,
        "conflicting_grant",
    )
    house.clock.now += 2 * HOUR
    house.close()
    assert (house.wallet()["expired"], house.ok("GET", f"/api/grants/{later['id']}")["left"]) == ("9", "7")
    assert house.ok("GET", "/api/wallets/w")["closed"]["grants"] == 1
    house.verified()


def test_what_was_kept_and_came_to_nothing_is_no_closed_grant(house: House) -> None:
    house.grant(9, expiresAt=(INSTANT + DAY).isoformat())
    reset(house, 5)
    house.use(19, at=JUNE + DAY)
    house.clock.now = INSTANT + 2 * DAY
    house.close()
    shown = house.ok("GET", "/api/wallets/w")
    assert (shown["grants"], shown["closed"]["grants"], len(house.grants())) == ([], 1, 1)
    house.verified()
    # With more that is free there would have been something to keep.
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD"})
    house.ok("POST", "/api/quotas", {"planId": "q", "usageType": "calls", "monthlyLimit": "20", "unitPrice": "2"})
    house.use(3, at=INSTANT + HOUR)
    house.bill(JULY + 2 * HOUR)
    found = ask(house, "ann", plan_id="q", start=JUNE, end=JULY)
    assert (found.actual, found.hypothetical) == (6, 0)


def test_a_second_reset_keeps_of_what_the_first_kept_and_what_waits_to_be_paid_stays(house: House) -> None:
    bought(house, 30, "10.00")
    waits = bought(house, 5, "5.00", pendingUntilPaid=True)
    house.clock.now = INSTANT
    reset(house, 20)
    house.clock.now = INSTANT + HOUR / 2
    house.use(13, at=INSTANT + HOUR / 4)
    second = reset(house, 11, at=house.clock.now.isoformat())
    assert figures(second) == ("11", "3.67", "0", "11")
    house.use(25, at=JUNE + DAY, subscription="t")
    assert figures(kept(house))[0] == "11"
    house.use(2, at=JUNE + DAY, subscription="t")
    house.use(1, at=INSTANT + HOUR / 3)
    amounts = [one["amount"] for one in house.grants()]
    assert amounts == ["30", "5", "13", "9"]
    house.clock.now += 2 * HOUR
    house.close()
    costs = [one["cost"] for one in house.grants()]
    assert costs == ["10.00", "5.00", "4.33", "3.00"]
    assert house.ok("GET", f"/api/grants/{waits['id']}")["status"] == "pending"
    adds_up(house)
    assert house.ok("POST", f"/api/grants/{kept(house)['id']}/refund")["money"] == "3.00"
    adds_up(house)


def test_what_is_kept_pays_wherever_one_of_the_others_did(house: House) -> None:
    house.grant(10, subscriptionIds=["s"], expiresAt=JULY.isoformat(), priority=10)
    house.grant(10, subscriptionIds=["t"], expiresAt=(JULY + DAY).isoformat(), priority=10)
    one = reset(house, 15)
    assert (one["subscriptionIds"], one["usageTypes"], one["priority"]) == (["s", "t"], None, 10)
    assert one["expiresAt"] == "2026-07-02T00:00:00Z"
    house.clock.now = INSTANT + 2 * HOUR
    house.close()
    house.grant(5, cost="1.00", costCurrency="USD", effectiveAt=INSTANT.isoformat())
    house.grant(5, cost="1.00", costCurrency="EUR", effectiveAt=INSTANT.isoformat())
    later = {"at": (INSTANT + HOUR).isoformat(), "keep": {"max": "5"}}
    assert house.refused("/api/wallets/w/reset", later) == (409, "mixed_currencies")
    house.verified()


def test_a_purchase_that_a_reset_kept_a_part_of_stands(house: House) -> None:
    package = {"id": "calls", "name": "Calls", "unit": {"unitName": "calls", "usageTypes": ["calls"]}}
    house.ok("POST", "/api/packages", package | {"currency": "USD", "amount": "10", "price": "20.00"})
    buying = {"userId": "ann", "charge": "paid", "idempotencyKey": "order", "walletId": "w"}
    house.ok("POST", "/api/packages/calls/purchases", buying)
    house.clock.now += HOUR
    one = reset(house, 4, at=house.clock.now.isoformat())
    house.clock.now += 2 * HOUR
    house.close()
    assert (one["amount"], one["cost"]) == ("4", "8.00")
    for act in ("void", "refund"):
        assert house.refused(f"/api/grants/{one['id']}/{act}") == (409, "purchase_stands")
    adds_up(house)


def test_in_money_it_keeps_money(house: House) -> None:
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    body = {"amount": "50.00", "cost": "45.00", "idempotencyKey": "k", "effectiveAt": JUNE.isoformat()}
    house.ok("POST", "/api/wallets/m/grants", body)
    house.use(16, at=JUNE + DAY)
    keep = {"at": INSTANT.isoformat(), "keep": {"max": "20.005"}}
    assert house.refused("/api/wallets/m/reset", keep) == (422, "/keep/max")
    house.ok("POST", "/api/wallets/m/reset", keep | {"keep": {"max": "20.50"}})
    house.use(10, at=INSTANT)
    house.use(5, at=JUNE + 2 * DAY)
    first, second = house.grants("m")
    assert (first["provisional"], second["amount"], second["cost"]) == ("22.00", "20.50", "18.45")
    assert second["provisional"] == "20.00"
    house.clock.now = INSTANT + 2 * HOUR
    house.close()
    house.bill(JULY + DAY)
    house.clock.now = JULY + 3 * DAY
    house.close()
    adds_up(house)


def slowly(house: House, most: int) -> list[tuple[Decimal, Decimal]]:
    """What the gift, the order and what is kept have paid for, and what of the order's cost that has."""
    used: dict[tuple[bool, str], list[Decimal]] = {}
    recordings = rows(
        house.engine,
        "SELECT subscription_id, occurred_at, quantity FROM usage u WHERE NOT EXISTS"
        " (SELECT FROM usage_voids v WHERE v.usage_id = u.id) ORDER BY subscription_id, ordinal",
    )
    totals: dict[str, Decimal] = {}
    for name, at, quantity in recordings:
        before = totals.get(name, Decimal(0))
        totals[name] = before + quantity
        beyond = max(before + quantity - 10, Decimal(0)) - max(before - 10, Decimal(0))
        used.setdefault((at >= INSTANT, name), []).append(beyond)
    early = sum((sum(parts) for (is_late, _), parts in used.items() if not is_late), Decimal(0))
    late = sum((sum(parts) for (is_late, _), parts in used.items() if is_late), Decimal(0))
    gift = min(early, Decimal(10))
    order = min(early - gift, Decimal(30))
    from_order = min(30 - order, Decimal(most))
    from_gift = min(10 - gift, most - from_order)
    cost = (from_order * Decimal("44.99") / 30).quantize(Decimal("0.01"), ROUND_HALF_UP)
    has = from_order + from_gift
    return [(gift, Decimal(0)), (order, cost), (min(late, has), has)]


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_slow_rule_finds_whatever_comes_first(house: House, seed: int) -> None:
    chance = random.Random(seed)
    house.grant(10)
    order = bought(house, 30, "44.99")
    house.clock.now = JUNE + 20 * DAY
    most, recorded, steps = chance.randint(5, 35), list[str](), 14
    for step in range(steps):
        if step == seed * 5:
            reset(house, most)
        if chance.random() < 0.75 or not recorded:
            at: datetime = JUNE + chance.randrange(0, 18) * DAY + HOUR
            recorded.append(house.use(chance.randint(1, 9), at=at, subscription=chance.choice("st")))
        else:
            id = recorded.pop(chance.randrange(len(recorded)))
            house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    should = slowly(house, most)
    found = {one["id"]: one for one in house.grants()}
    pays = [Decimal(one["provisional"]) for one in found.values()]
    assert pays == [part for part, _ in should]
    assert Decimal(kept(house)["amount"]) == should[2][1]
    house.clock.now += 2 * HOUR
    house.close()
    assert Decimal(kept(house)["amount"]) == should[2][1]
    assert Decimal(kept(house)["cost"]) == should[1][1]
    assert order["cost"] == "44.99"
    adds_up(house)
    house.bill(JULY + DAY)
    adds_up(house)


def test_a_terminal_keeps(house: House, cli: Cli) -> None:
    house.grant(30)
    said = ["wallets", "reset", "w", "--at", "2026-06-05T00:00Z", "--keep", "12", "--key", "june"]
    assert cli(*said, "--json").json["grants"][-1]["amount"] == "12"
    assert cli(*said[:-1], "july", "--json").code == 0
    refused = cli("wallets", "reset", "w", "--key", "june")
    assert (refused.code, refused.out) == (2, "")
