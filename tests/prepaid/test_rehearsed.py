"""What a change would charge is told before it is made, where grants pay for usage too, and is what it then charges."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.prepaid.conftest import JULY, JUNE, WALLET, House
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.meters.service import keep_by_time

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NAMES = ("s", "t")


def totals(house: House) -> dict[str, Decimal]:
    """What the next invoice of each subscription comes to by now; nothing where there is none."""
    found = {}
    for name in NAMES:
        answer = house.admin.get(f"/api/subscriptions/{name}/upcoming-invoice")
        found[name] = Decimal(answer.json["total"]) if answer.status_code == 200 else Decimal(0)
    return found


def final(house: House) -> dict[str, Decimal]:
    """What the invoices of each subscription come to."""
    return {name: sum((Decimal(one[1]) for one in house.invoices(name)), Decimal(0)) for name in NAMES}


def of_plan(house: House, chance: random.Random) -> dict[str, Decimal]:
    """Look at another quota of the plan, make it real, and say by subscription what was told."""
    body: dict[str, Any] = {
        "planId": "p",
        "usageType": "calls",
        "monthlyLimit": str(chance.choice([0, 5, 10, 25])),
        "unitPrice": str(chance.choice([1, 2, 3])),
        "effective": chance.choice(["period", "now"]),
    }
    if body["effective"] == "period":
        body["repriceUsage"] = True
    run = house.ok("POST", "/api/quotas", body | {"dryRun": True})["runId"]
    run_to_end(house.engine, UUID(run), settings_grace=HOUR, on_progress=lambda _: None)
    shown = house.ok("GET", f"/api/billing-runs/{run}")
    told = {one["subscriptionId"]: Decimal(one["difference"]) for one in shown["foreseen"]["subscriptions"]}
    house.ok(
        "POST", "/api/quotas", body | {"effective": shown["foreseen"]["effective"], "expectedDigest": shown["digest"]}
    )
    return {name: told.get(name, Decimal(0)) for name in NAMES}


def of_one(house: House, chance: random.Random) -> dict[str, Decimal]:
    """Move one subscription to a plan with another limit and price, and say what was told."""
    name = chance.choice(NAMES)
    looked = house.ok("POST", f"/api/subscriptions/{name}/change-plan", {"planId": "q", "dryRun": True})
    told = sum((Decimal(one["difference"]) for one in looked["foreseen"]["invoices"]), Decimal(0))
    held = {"planId": "q", "at": looked["effectiveAt"], "expectedDigest": looked["foreseen"]["digest"]}
    house.ok("POST", f"/api/subscriptions/{name}/change-plan", held)
    return dict.fromkeys(NAMES, Decimal(0)) | {name: told}


@pytest.mark.parametrize("seed", range(8))
def test_what_a_change_is_told_to_charge_it_charges_where_units_are_in_hand(house: House, seed: int) -> None:
    chance = random.Random(seed)
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD"})
    price = {"planId": "q", "usageType": "calls", "monthlyLimit": "4", "unitPrice": "5"}
    house.ok("POST", "/api/quotas", price)
    for _ in range(chance.randint(1, 3)):
        since = JUNE + chance.randint(0, 12) * DAY
        said: dict[str, Any] = {"priority": chance.choice([10, 50]), "effectiveAt": since.isoformat()}
        if chance.random() < 0.5:
            said["expiresAt"] = (since + chance.randint(3, 40) * DAY).isoformat()
        if chance.random() < 0.3:
            said["subscriptionIds"] = [chance.choice(NAMES)]
        house.grant(chance.randint(5, 40), **said)
    for _ in range(8):
        at = JUNE + chance.randint(0, 19) * DAY + chance.randint(0, 23) * HOUR
        house.clock.now = max(house.clock.now, at + HOUR)
        house.use(chance.randint(1, 30), at=at, subscription=chance.choice(NAMES))
    house.clock.now = JUNE + 21 * DAY
    before = totals(house)
    told = (of_plan if seed % 2 else of_one)(house, chance)
    after = totals(house)
    house.bill(JULY + 2 * HOUR)
    charged = final(house)
    assert {name: charged[name] - before[name] for name in NAMES} == told
    assert after == charged
    house.verified()


@pytest.mark.parametrize("in_units", [False, True])
def test_the_next_invoice_knows_what_money_pays_before_billing_has_seen_other_terms(
    house: House, in_units: bool
) -> None:
    """Recordings are marked by the old limit still, and by the new one none of the first lies beyond."""
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    money = {"amount": "100.00", "idempotencyKey": "m", "effectiveAt": (JUNE + 9 * DAY).isoformat()}
    house.ok("POST", "/api/wallets/m/grants", money)
    if in_units:
        house.grant(4, expiresAt=(JUNE + 9 * DAY).isoformat())
    house.use(12, at=JUNE + DAY)
    house.clock.now = JUNE + 12 * DAY
    house.use(8, at=JUNE + 11 * DAY)
    quota = {"planId": "p", "usageType": "calls", "monthlyLimit": "15", "unitPrice": "2", "effective": "period"}
    house.ok("POST", "/api/quotas", quota | {"repriceUsage": True})
    told = house.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    house.bill(JULY + 2 * HOUR)
    listed = house.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    (final,) = [one for one in listed if one["status"] != "draft"]
    assert (told["total"], told["prepaidApplied"]) == (final["total"], final["prepaidApplied"]) == ("10.00", "10.00")
    house.verified()


def test_what_is_kept_by_time_is_paid_as_before(house: House) -> None:
    """Who looks at a chart of a usage type may have it kept by time. It is no meter by that."""
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    money = {"amount": "100.00", "idempotencyKey": "m", "effectiveAt": (JUNE + 9 * DAY).isoformat()}
    house.ok("POST", "/api/wallets/m/grants", money)
    house.use(12, at=JUNE + DAY)
    house.clock.now = JUNE + 12 * DAY
    house.use(8, at=JUNE + 11 * DAY)
    before = house.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    with transaction(house.engine) as session:
        keep_by_time(session, "calls")
    after = house.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert before["prepaidApplied"] == after["prepaidApplied"] != "0.00"
    assert house.refused("/api/wallets", WALLET | {"id": "u"}) == (409, "overlapping_wallet")
    house.bill(JULY + 2 * HOUR)
    house.verified()


def test_a_dry_run_says_what_grants_pay_of_what_becomes_final(house: House) -> None:
    """And what goes back to them, where a charge falls; the real run finds the same."""
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    money = {"amount": "50.00", "idempotencyKey": "m", "effectiveAt": JUNE.isoformat()}
    house.ok("POST", "/api/wallets/m/grants", money)
    late = house.use(25, at=JUNE + DAY)
    house.use(18, at=JUNE + DAY, subscription="t")
    assert paid_by_run(house, JULY + HOUR / 2) == ({}, [])
    assert paid_by_run(house, JULY + 2 * HOUR) == ({"USD": "46.00"}, ["16.00", "30.00"])
    house.ok("POST", f"/api/usage/records/{late}/void", {"reason": "twice"})
    assert paid_by_run(house, JULY + 5 * DAY) == ({}, ["16.00", "30.00"])
    assert paid_by_run(house, JULY + 32 * DAY) == ({"USD": "-30.00"}, ["-30.00", "16.00", "30.00"])
    house.verified()


def paid_by_run(house: House, at: datetime) -> tuple[dict[str, str], list[str]]:
    """What grants pay by a dry run, which is what the run then says, and what final invoices say after it."""
    house.clock.now = at
    said = []
    for dry in (True, False):
        run = house.ok("POST", "/api/usage/process-billing", {"dryRun": dry, "asOf": at.isoformat()})["runId"]
        run_to_end(house.engine, UUID(run), settings_grace=HOUR, on_progress=lambda _: None)
        said.append(house.ok("GET", f"/api/billing-runs/{run}")["prepaidApplied"])
    assert said[0] == said[1]
    final = [one for one in house.ok("GET", "/api/invoices?limit=50")["data"] if one["status"] != "draft"]
    return said[0], sorted(one["prepaidApplied"] for one in final)
