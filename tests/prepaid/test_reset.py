"""A reset ends grants at an instant: what was used before is paid for, however late it comes; the rest expires."""

import re
from datetime import datetime, timedelta

import pytest

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import scalars

__all__ = ["cli"]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
FAR = (JULY + 90 * DAY).isoformat()


def reset(house: House, at: datetime | None = None) -> None:
    house.ok("POST", "/api/wallets/w/reset", None if at is None else {"at": at.isoformat()})


def test_what_was_used_before_is_paid_for_though_it_comes_late_and_nothing_after(house: House) -> None:
    house.grant(30)
    house.grant(20, expiresAt=FAR)
    house.use(14, at=JUNE + DAY)
    instant = house.clock.now
    reset(house)
    assert house.wallet() == {"granted": "50", "provisional": "4", "left": "46"}
    assert house.ok("GET", "/api/wallets/w")["available"] == "0"
    house.clock.now = instant + HOUR / 2
    house.use(5, at=instant - DAY)
    house.use(7, at=instant)
    assert house.wallet()["provisional"] == "9"
    house.clock.now = instant + 2 * HOUR
    house.use(1, at=instant - DAY)
    assert house.close() == 2
    assert house.wallet() == {"granted": "50", "posted": "9", "expired": "41"}
    house.bill(JULY + DAY)
    assert house.invoices() == [("finalized", "16.00", [("8", "9", "16.00")])]
    house.verified()


def test_an_instant_that_is_past_takes_back_what_was_not_final_and_once_is_enough(house: House) -> None:
    first, second = house.grant(30, idempotencyKey="first"), house.grant(5, effectiveAt=(JUNE + 5 * DAY).isoformat())
    house.use(12, at=JUNE + DAY)
    house.use(3, at=JUNE + 5 * DAY)
    assert house.wallet()["provisional"] == "5"
    reset(house, JUNE + 4 * DAY)
    shown = {one["id"]: (one["provisional"], one["resetAt"]) for one in house.grants()}
    assert shown == {first["id"]: ("2", "2026-06-05T00:00:00Z"), second["id"]: ("3", None)}
    before = house.ok("GET", "/api/wallets/w")
    house.clock.now += timedelta(minutes=1)
    reset(house, JUNE + 4 * DAY)
    assert house.ok("GET", "/api/wallets/w") == before | {"asOf": "2026-06-11T00:01:00Z"}
    body = {"amount": "30", "idempotencyKey": "first", "effectiveAt": JUNE.isoformat()}
    assert house.admin.post("/api/wallets/w/grants", json=body).status_code == 200
    audited = "SELECT detail ->> 'instant' FROM audit_log WHERE action = 'wallet.reset' ORDER BY id LIMIT 1"
    assert scalars(house.engine, audited) == ["2026-06-05T00:00:00Z"]
    house.verified()


def test_what_recurs_goes_on(house: House) -> None:
    monthly = {"amount": "20", "every": {"interval": "month"}, "untilNext": True, "idempotencyKey": "m"}
    house.ok("POST", "/api/wallets/w/schedules", monthly | {"startsAt": JUNE.isoformat()})
    reset(house)
    house.clock.now = JULY + DAY
    assert house.ok("GET", "/api/wallets/w")["available"] == "20"
    house.verified()


def test_what_is_final_is_not_moved(house: House) -> None:
    house.grant(30)
    house.grant(30, expiresAt=FAR)
    house.use(14, at=JUNE + 5 * DAY)
    house.clock.now = JULY + 2 * DAY
    house.use(14, at=JULY + DAY, subscription="t")
    house.bill(JULY + 40 * DAY)
    refused = [house.refused("/api/wallets/w/reset", {"at": at.isoformat()}) for at in (JUNE + 5 * DAY, JULY + DAY)]
    assert refused == [(409, "posted_since"), (409, "cuts_posted")]
    reset(house)
    house.verified()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"at": "2026-06-11T00:00:01Z"}, (422, "/at")),
        ({"at": "2026-06-01T00:00:00"}, (422, "/at")),
        ({"keep": {"max": "-5"}}, (422, "/keep/max")),
        ({"keep": {}}, (422, "/keep/max")),
        ({"idempotencyKey": "k"}, (422, "/idempotencyKey")),
    ],
)
def test_bad_input_changes_nothing(house: House, body: dict[str, object], expected: tuple[int, str]) -> None:
    house.grant(30)
    assert house.refused("/api/wallets/w/reset", body) == expected
    assert scalars(house.engine, "SELECT reset_at FROM wallet_grants") == [None]
    assert house.refused("/api/wallets/none/reset") == (404, "not_found")


def test_a_terminal_may_reset(house: House, cli: Cli) -> None:
    house.grant(30)
    assert cli("wallets", "reset", "w", "--at", "2026-06-05T00:00Z", "--json").json["grants"][0]["resetAt"]
    assert "grants" in cli("wallets", "reset", "w").out
    refused = cli("wallets", "reset", "w", "--at", "2099-06-05T00:00Z")
    assert (refused.code, refused.out) == (2, "")


def test_the_terminal_says_what_a_reset_ended(house: House, cli: Cli) -> None:
    house.grant(20)
    assert "reset" not in cli("wallets", "show", "w").out
    closes = cli("wallets", "reset", "w", "--json").json["grants"][0]["closesAt"][:19]
    for command in ("show", "grants"):
        shown = cli("wallets", command, "w").out
        assert "active" not in shown
        assert re.search(rf"(?s)reset.*{closes}", shown), shown
