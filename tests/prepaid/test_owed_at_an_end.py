"""What is owed is due when a subscription ends: a dry run and the upcoming invoice say so before it does."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, House

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CANCEL, UPCOMING = "/api/subscriptions/s/cancel", "/api/subscriptions/s/upcoming-invoice"


def shown(house: House, **said: Any) -> tuple[list[tuple[str, str]], str]:
    """What a dry run of an end says of invoices, without and with it, and its digest."""
    seen = house.ok("POST", CANCEL, {"at": "now", "dryRun": True} | said)["foreseen"]
    return [(one["totalBefore"], one["total"]) for one in seen["invoices"]], seen["digest"]


def upcoming(house: House) -> str:
    found = house.admin.get(UPCOMING).json
    return str(found.get("total") or found["code"])


def charged(house: House) -> Decimal:
    return sum((Decimal(total) for status, total, _ in house.invoices() if status != "void"), Decimal(0))


@pytest.mark.parametrize(("used", "before", "total"), [(15, "0", "10.00"), (10 + 23, "6.00", "46.00")])
def test_a_dry_run_of_an_end_says_what_is_charged_of_what_is_owed(
    owing: House, used: int, before: str, total: str
) -> None:
    owing.use(used, at=JUNE + 2 * DAY)
    invoices, digest = shown(owing)
    assert [one for one in invoices if one[1] != "0.00"][-1][1] == total
    assert sum(Decimal(b) for b, _ in invoices) == Decimal(before)
    owing.ok("POST", CANCEL, {"at": "now", "expectedDigest": digest})
    assert upcoming(owing) == total
    owing.bill(JUNE + 10 * DAY + 2 * HOUR)
    assert charged(owing) == Decimal(total)
    owing.verified()


def test_an_end_is_not_agreed_as_shown_once_more_is_owed(owing: House) -> None:
    owing.use(15, at=JUNE + 2 * DAY)
    _, digest = shown(owing)
    owing.use(1, at=JUNE + 3 * DAY)
    assert owing.refused(CANCEL, {"at": "now", "expectedDigest": digest}) == (409, "digest_changed")


def test_a_wallet_for_all_subscriptions_owes_on_for_those_that_stay(owing: House) -> None:
    owing.use(10 + 4, at=JUNE + 2 * DAY)
    owing.use(10 + 7, at=JUNE + 2 * DAY, subscription="t")
    invoices, digest = shown(owing)
    assert sum(Decimal(total) for _, total in invoices) == 8
    owing.ok("POST", CANCEL, {"at": "now", "expectedDigest": digest})
    assert owing.ok("GET", "/api/wallets/w")["owed"] == "7"
    owing.verified()


def test_an_end_that_is_planned_announces_what_is_charged_then(owing: House) -> None:
    owing.use(15, at=JUNE + 2 * DAY)
    assert upcoming(owing) == "nothing_upcoming"
    invoices, digest = shown(owing, at="period_end")
    assert invoices == [("0.00", "10.00")]
    owing.ok("POST", CANCEL, {"at": "period_end", "expectedDigest": digest})
    assert (upcoming(owing), owing.ok("GET", "/api/wallets/w")["owed"]) == ("10.00", "5")
    owing.bill(JULY + 2 * HOUR)
    assert owing.invoices() == [("finalized", "10.00", [("5", "0", "10.00")])]
    owing.verified()


def test_what_is_owed_of_months_that_are_final_is_announced_too(owing: House) -> None:
    owing.use(15, at=JUNE + 2 * DAY)
    owing.bill(JULY + DAY)
    owing.clock.now = JULY + 5 * DAY
    invoices, digest = shown(owing, at=(JULY + 9 * DAY).isoformat())
    assert [total for _, total in invoices] == ["10.00"]
    owing.ok("POST", CANCEL, {"at": (JULY + 9 * DAY).isoformat(), "expectedDigest": digest})
    assert upcoming(owing) == "10.00"
    owing.bill(JULY + 10 * DAY)
    assert charged(owing) == 10
    owing.verified()


def test_a_grant_that_comes_before_the_end_repays_first(owing: House) -> None:
    owing.use(15, at=JUNE + 2 * DAY)
    owing.grant(3, effectiveAt=(JUNE + 20 * DAY).isoformat())
    assert shown(owing)[0][-1][1] == "10.00"
    assert shown(owing, at="period_end")[0] == [("0.00", "4.00")]
    owing.ok("POST", CANCEL, {"at": "period_end"})
    assert upcoming(owing) == "4.00"
    owing.bill(JULY + 2 * HOUR)
    assert charged(owing) == 4
    owing.verified()


def test_another_end_brings_the_charge_forward_and_none_takes_it_back(owing: House) -> None:
    owing.use(15, at=JUNE + 2 * DAY)
    owing.ok("POST", CANCEL, {"at": "period_end"})
    invoices, _ = shown(owing)
    assert sorted(invoices) == [("0.00", "10.00"), ("10.00", "0.00")]
    (planned,) = owing.ok("GET", "/api/subscriptions/s")["scheduled"]
    owing.ok("DELETE", f"/api/subscriptions/s/scheduled/{planned['id']}")
    assert upcoming(owing) == "nothing_upcoming"
    owing.ok("POST", CANCEL, {"at": "now"})
    assert upcoming(owing) == "10.00"
    owing.verified()


def test_money_in_hand_pays_what_was_owed(owing: House) -> None:
    owing.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    money = {"amount": "7.00", "idempotencyKey": "m", "effectiveAt": JUNE.isoformat()}
    owing.ok("POST", "/api/wallets/m/grants", money)
    owing.use(15, at=JUNE + 2 * DAY)
    owing.ok("POST", CANCEL, {"at": "period_end"})
    names = ("total", "prepaidApplied")
    seen = owing.ok("GET", UPCOMING)
    assert [seen[name] for name in names] == ["10.00", "7.00"]
    owing.bill(JULY + 2 * HOUR)
    (made,) = owing.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    assert [made[name] for name in names] == ["10.00", "7.00"]
    owing.verified()
