"""What a grant paid for when its time to close came stays so, whatever is granted before a task closes it."""

from datetime import timedelta

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.test_money_wallets import bills, held, put, rich

__all__ = ["rich"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SOON = (JUNE + 8 * DAY).isoformat()


def test_a_grant_that_is_made_later_takes_nothing_from_it(house: House) -> None:
    house.clock.now = JUNE + 4 * DAY
    house.grant(5, expiresAt=SOON)
    house.use(10 + 5, at=JUNE + 2 * DAY)
    house.clock.now = JUNE + 10 * DAY
    house.grant(7, priority=1)
    assert house.wallet() == {"granted": "12", "provisional": "5", "left": "7"}
    house.verified()
    assert house.close() == 1
    assert house.wallet() == {"granted": "12", "posted": "5", "left": "7"}
    house.bill(JULY + DAY)
    assert (house.invoices(), house.wallet()["posted"]) == ([], "5")
    house.verified()


def test_nor_does_one_in_money(rich: House) -> None:
    rich.clock.now = JUNE + 4 * DAY
    put(rich, "10.00", expiresAt=SOON)
    rich.use(10 + 5, at=JUNE + 2 * DAY)
    rich.clock.now = JUNE + 10 * DAY
    put(rich, "14.00", priority=1)
    assert held(rich) == {"granted": "24.00", "provisional": "10.00", "left": "14.00"}
    rich.verified()
    assert rich.close() == 1
    assert held(rich) == {"granted": "24.00", "posted": "10.00", "left": "14.00"}
    rich.bill(JULY + DAY)
    assert bills(rich) == [("paid", "10.00", "10.00", "0.00")]
    rich.verified()


def test_what_a_late_void_gives_back_of_a_final_invoice_is_said_before_the_grant_is_closed(rich: House) -> None:
    rich.clock.now = JULY - DAY
    rich.grant(10)
    put(rich, "10.00", expiresAt=(JULY + 4 * DAY).isoformat())
    first = rich.use(10 + 10, at=JUNE + DAY)
    rich.use(10 + 5, at=JUNE + 2 * DAY, subscription="t")
    rich.bill(JULY + 2 * HOUR)
    assert bills(rich, "t") == [("paid", "10.00", "10.00", "0.00")]
    rich.clock.now = JULY + 3 * DAY
    rich.ok("POST", f"/api/usage/records/{first}/void", {"reason": "twice"})
    rich.clock.now = JULY + 6 * DAY
    assert rich.close() == 0  # what pays for 5 of t now are the units that s gave back
    rich.verified()
    rich.bill(JULY + 6 * DAY)
    rich.bill(JULY + 40 * DAY)
    assert bills(rich, "t") == [("paid", "10.00", "10.00", "0.00"), ("paid", "-10.00", "-10.00", "0.00")]
    assert rich.close() == 1
    assert held(rich) == {"granted": "10.00", "expired": "10.00"}
    rich.verified()
