"""Wallets that owe what no grant pays for: up to the overdraft, repaid by the next grant, charged when all ends."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.prepaid.conftest import JULY, JUNE, WALLET, House
from tests.prepaid.test_any_order import do_anything
from tests.support.books import rows, scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def figures(house: House) -> dict[str, str]:
    shown = house.ok("GET", "/api/wallets/w")
    return {name: shown[name] for name in ("posted", "provisional", "left", "owed", "available")}


def line(house: House, name: str = "s") -> tuple[str, str, str]:
    """What of the present period is covered, owed and charged."""
    (shown,) = house.ok("GET", f"/api/usage/subscription/{name}")["usage"]
    return shown["covered"], shown["owed"], shown["charged"]


def test_what_no_grant_pays_for_is_owed_and_repaid_first_by_the_next(owing: House) -> None:
    owing.grant(5)
    owing.use(22, at=JUNE + 2 * DAY)
    assert figures(owing) == {"posted": "0", "provisional": "5", "left": "0", "owed": "7", "available": "-7"}
    assert line(owing) == ("12", "7", "0")
    assert owing.admin.get("/api/subscriptions/s/upcoming-invoice").json["code"] == "nothing_upcoming"
    owing.verified()
    owing.grant(30, effectiveAt=(JUNE + 9 * DAY).isoformat())
    assert figures(owing) == {"posted": "0", "provisional": "12", "left": "23", "owed": "0", "available": "23"}
    assert line(owing) == ("12", "0", "0")
    owing.use(4, at=JUNE + 9 * DAY)
    assert figures(owing)["available"] == "19"
    owing.bill(JULY + DAY)
    assert owing.invoices() == []
    owing.verified()


def test_beyond_the_overdraft_it_is_charged(owing: House) -> None:
    owing.use(10 + 20 + 3, at=JUNE + 2 * DAY)
    assert figures(owing)["available"] == "-20"
    assert line(owing) == ("20", "20", "3")
    owing.bill(JULY + DAY)
    assert owing.invoices() == [("finalized", "6.00", [("3", "20", "6.00")])]
    assert figures(owing) == {"posted": "0", "provisional": "0", "left": "0", "owed": "20", "available": "-20"}
    owing.verified()
    entries = owing.ok("GET", "/api/wallets/w/entries")["data"]
    assert [(one["kind"], one["debit"], one["credit"], one["grantId"], one["balance"]) for one in entries] == [
        ("used", "used", "owed", None, "-20")
    ]
    # A grant repays what is owed of June, and the customer pays nothing more or less for that.
    owing.grant(50, effectiveAt=(JULY + DAY).isoformat(), cost="70.00")
    owing.clock.now = JULY + 3 * DAY
    assert figures(owing)["available"] == "30"
    owing.use(12, at=JULY + 2 * DAY)
    owing.bill(JULY + 32 * DAY)
    assert [total for _, total, _ in owing.invoices()] == ["6.00"]
    assert figures(owing) == {"posted": "22", "provisional": "0", "left": "28", "owed": "0", "available": "28"}
    kinds = scalars(owing.engine, "SELECT kind || ' ' || debit || ' ' || amount::int FROM wallet_transfers ORDER BY id")
    assert kinds[1:] == ["sold grant 50", "returned owed 20", "used used 20", "used used 2"] or set(kinds[1:]) == {
        "sold grant 50", "returned owed 20", "used used 20", "used used 2",
    }  # fmt: skip
    report = owing.ok("GET", "/api/reports/prepaid?from=2026-01-01T00:00:00Z")
    (of_usd,) = report["data"]
    assert (of_usd["sold"], of_usd["recognised"], of_usd["deferredAtEnd"]) == ("70.00", "30.80", "39.20")
    owing.verified()


def test_what_is_owed_when_the_subscription_ends_is_charged_by_its_price(owing: House) -> None:
    owing.use(10 + 15, at=JUNE + 2 * DAY)
    owing.bill(JULY + DAY)
    assert (owing.invoices(), figures(owing)["owed"]) == ([], "15")
    owing.clock.now = JULY + 5 * DAY
    owing.ok("POST", "/api/subscriptions/s/cancel", {"at": (JULY + 9 * DAY).isoformat()})
    owing.use(10 + 2, at=JULY + 4 * DAY)
    assert figures(owing)["owed"] == "17"
    owing.clock.now = JULY + 9 * DAY
    assert figures(owing)["owed"] == "0"
    for day in (10, 40):
        owing.bill(JULY + day * DAY)
    charged = rows(owing.engine, "SELECT sum(total)::int FROM invoices WHERE status = 'finalized'")
    assert charged == [(2 * 17,)]
    posted = scalars(owing.engine, "SELECT posted::int FROM wallet_grants WHERE category = 'overdraft'")
    assert posted == [0]
    owing.verified()


def test_an_invoice_that_is_void_owes_again(owing: House) -> None:
    owing.use(10 + 23, at=JUNE + 2 * DAY)
    owing.bill(JULY + DAY)
    (id,) = scalars(owing.engine, "SELECT id FROM invoices")
    owing.ok("POST", f"/api/invoices/{id}/void")
    assert figures(owing)["available"] == "-20"
    owing.grant(8, effectiveAt=(JUNE + 20 * DAY).isoformat())
    owing.bill(JULY + 2 * DAY)
    assert [total for status, total, _ in owing.invoices() if status == "finalized"] == ["6.00"]
    assert figures(owing) == {"posted": "8", "provisional": "0", "left": "0", "owed": "12", "available": "-12"}
    owing.verified()


def test_what_was_reached_back_over_and_is_final_is_not_repaid_again(owing: House) -> None:
    owing.use(10 + 5, at=JUNE + 2 * DAY)
    owing.clock.now = JUNE + 20 * DAY
    owing.grant(8, effectiveAt=(JUNE + 20 * DAY).isoformat(), coversSince=JUNE.isoformat())
    owing.bill(JULY + DAY)
    assert figures(owing) == {"posted": "5", "provisional": "0", "left": "3", "owed": "0", "available": "3"}
    owing.grant(4, effectiveAt=(JULY + DAY).isoformat())
    owing.use(10 + 6, at=JULY + 2 * HOUR)
    owing.clock.now = JULY + 3 * DAY
    assert figures(owing) == {"posted": "5", "provisional": "6", "left": "1", "owed": "0", "available": "1"}
    owing.bill(JULY + 32 * DAY)
    assert (owing.invoices(), figures(owing)["posted"]) == ([], "11")
    owing.verified()


def test_what_came_to_close_pays_the_same_however_late_it_is_closed(owing: House) -> None:
    owing.use(10 + 5, at=JUNE + 2 * DAY)
    since, until = (JUNE + 9 * DAY).isoformat(), (JUNE + 11 * DAY).isoformat()
    owing.grant(5, effectiveAt=since, expiresAt=until, coversSince=JUNE.isoformat())
    owing.grant(5, effectiveAt=(JUNE + 20 * DAY).isoformat())
    owing.clock.now = JUNE + 19 * DAY
    assert figures(owing)["provisional"] == "5"
    owing.clock.now = JUNE + 21 * DAY
    owing.verified()
    assert owing.close() == 1
    assert figures(owing) == {"posted": "5", "provisional": "0", "left": "5", "owed": "0", "available": "5"}
    owing.verified()


def test_usage_taken_back_owes_nothing(owing: House) -> None:
    id = owing.use(10 + 15, at=JUNE + 2 * DAY)
    owing.bill(JULY + DAY)
    owing.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    assert figures(owing)["available"] == "0"
    owing.bill(JULY + 2 * DAY)
    owing.verified()


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_every_figure_adds_up(owing: House, seed: int) -> None:
    owing.clock.now = JUNE + 29 * DAY
    chance, recorded = random.Random(200 + seed), list[str]()
    for step in range(14):
        do_anything(owing, chance, recorded)
        if step in (4, 8, 12):
            owing.bill(JULY + step * HOUR)
        if step == 10:
            for (id,) in rows(owing.engine, "SELECT id FROM invoices WHERE status = 'finalized' LIMIT 1"):
                owing.ok("POST", f"/api/invoices/{id}/void")
        owing.close()
        shown = owing.ok("GET", "/api/wallets/w")
        assert 0 <= Decimal(shown["owed"]) <= 20
        owing.verified()
    for name in "st":
        owing.ok("POST", f"/api/subscriptions/{name}/cancel", {"at": owing.clock.now.isoformat()})
    owing.bill(JULY + 35 * DAY)
    owing.bill(JULY + 36 * DAY)
    owing.verified()
    assert owing.ok("GET", "/api/wallets/w")["owed"] == "0"
    charged = "SELECT coalesce(sum(total), 0) FROM invoices WHERE status <> 'void'"
    due = """
        SELECT coalesce(sum(2 * (s.beyond_limit - coalesce(c.covered, 0))), 0)
        FROM usage_summaries s LEFT JOIN covered_summaries c ON c.summary_id = s.id"""
    assert scalars(owing.engine, charged) == scalars(owing.engine, due)


def test_no_overdraft_is_among_the_grants(owing: House) -> None:
    (id,) = scalars(owing.engine, "SELECT id FROM wallet_grants WHERE category = 'overdraft'")
    assert owing.grants() == []
    assert owing.ok("GET", "/api/wallets/w")["grants"] == []
    assert owing.admin.get(f"/api/grants/{id}").status_code == 404
    for act in ("void", "refund", "activate"):
        assert owing.admin.post(f"/api/grants/{id}/{act}").status_code == 404


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"uncovered": "owe"}, "/overdraft"),
        ({"overdraft": "5"}, "/overdraft"),
        ({"uncovered": "charge", "overdraft": "5"}, "/overdraft"),
        ({"uncovered": "lend", "overdraft": "5"}, "/uncovered"),
        ({"uncovered": "owe", "overdraft": "0"}, "/overdraft"),
        ({"uncovered": "owe", "overdraft": "-5"}, "/overdraft"),
        ({"uncovered": "owe", "overdraft": "NaN"}, "/overdraft"),
        ({"uncovered": "owe", "overdraft": "1000000000000001"}, "/overdraft"),
        ({"uncovered": "owe", "overdraft": "5", "unit": {"currency": "USD"}}, "/overdraft"),
        ({"uncovered": "owe", "unit": {"currency": "USD"}}, "/uncovered"),
    ],
)
def test_bad_input(house: House, said: dict[str, Any], pointer: str) -> None:
    assert house.refused("/api/wallets", WALLET | {"id": "v"} | said) == (422, pointer)
