"""Where it shows what wallets pay: running balances, draws that are not posted, and explanations of items."""

from datetime import timedelta

import pytest

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
__all__ = ["cli"]


def test_each_movement_has_the_balance_after_it_on_every_page(house: House) -> None:
    house.grant(8)
    bought = house.grant(40, cost="40.00")
    house.ok("POST", f"/api/grants/{bought['id']}/refund", {"amount": "3", "idempotencyKey": "r"})
    house.use(25, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    shown = house.ok("GET", "/api/wallets/w/entries")["data"]
    moved = [(one["kind"], one["amount"], one["balance"]) for one in shown]
    assert moved[2:] == [("refunded", "3", "45"), ("sold", "40", "48"), ("given", "8", "8")]
    assert {kind for kind, _, _ in moved[:2]} == {"used"}
    assert (moved[0][2], int(moved[1][2]) - int(moved[0][1])) == ("30", 30)
    paged, cursor = [], ""
    while cursor is not None:
        page = house.ok("GET", f"/api/wallets/w/entries?limit=1{cursor}")
        paged += page["data"]
        cursor = None if page["nextCursor"] is None else f"&cursor={page['nextCursor']}"
    assert paged == shown
    assert "provisional" not in house.ok("GET", "/api/wallets/w/entries")


def test_what_is_not_posted_is_told_window_by_window(house: House, cli: Cli) -> None:
    house.clock.now = JUNE + 4 * DAY
    early = house.grant(4, expiresAt=(JUNE + 5 * DAY).isoformat())
    late = house.grant(9)
    house.use(16, at=JUNE + 3 * DAY)
    house.clock.now = JUNE + 7 * DAY
    house.use(5, at=JUNE + 6 * DAY, subscription="t")
    page = house.ok("GET", "/api/wallets/w/entries?provisional=true")
    assert page["provisional"] == [
        {
            "grantId": grant["id"],
            "subscriptionId": "s",
            "usageType": "calls",
            "windowStart": "2026-06-01T00:00:00Z",
            "amount": amount,
        }
        for grant, amount in sorted([(early, "4"), (late, "2")], key=lambda one: str(one[0]["id"]))
    ]
    assert [one["balance"] for one in page["data"]] == ["13", "4"]
    listed = ("wallets", "entries", "w", "--provisional", "--json")
    assert cli(*listed, "--limit", "2").json == page["provisional"]
    first = cli(*listed, "--limit", "1")
    assert (first.json, first.err) == (page["provisional"][:1], "These are the first 1; --limit shows more.\n")


def test_an_item_is_explained_by_the_grants_and_windows_that_paid(house: House) -> None:
    house.clock.now = JUNE + 4 * DAY
    early = house.grant(4, expiresAt=(JUNE + 5 * DAY).isoformat())
    late = house.grant(3)
    house.use(16, at=JUNE + 3 * DAY)
    house.clock.now = JUNE + 7 * DAY
    house.use(7, at=JUNE + 6 * DAY)

    def explained() -> list[tuple[str, str, str]]:
        (invoice,) = house.ok("GET", "/api/invoices?subscriptionId=s")["data"]
        (item,) = invoice["items"]
        shown = house.ok("GET", f"/api/invoices/{invoice['id']}/items/{item['id']}/explain")
        assert shown["covered"] == "7"
        assert shown["prepaid"] == []
        return [(one["grantId"], one["windowStart"], one["quantity"]) for one in shown["coveredBy"]]

    start = "2026-06-01T00:00:00Z"
    expected = {(early["id"], start, "4"), (late["id"], start, "2"), (late["id"], "2026-06-06T00:00:00Z", "1")}
    house.bill(JUNE + 8 * DAY)
    assert set(explained()) == expected
    assert house.close() == 1
    house.bill(JULY + 2 * HOUR)
    assert set(explained()) == expected


@pytest.mark.parametrize("days", [1, 40])
def test_an_item_is_explained_by_the_money_that_paid(house: House, days: int) -> None:
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    body = {"amount": "12.00", "idempotencyKey": "k", "effectiveAt": JUNE.isoformat()}
    grant = house.ok("POST", "/api/wallets/m/grants", body)
    house.use(25, at=JUNE + DAY)
    house.bill(JUNE + (10 + days) * DAY)
    invoice = house.ok("GET", "/api/invoices?subscriptionId=s")["data"][-1]
    shown = house.ok("GET", f"/api/invoices/{invoice['id']}/items/{invoice['items'][0]['id']}/explain")
    assert shown["prepaid"] == [{"walletId": "m", "grantId": grant["id"], "amount": "12.00"}]
    assert shown["coveredBy"] == []
