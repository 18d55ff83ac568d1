"""What ``verify`` says of what is posted of meters whose values do not add up, and what it must not say."""

from datetime import timedelta

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.metered import fold, held, line, put, use
from tests.prepaid.test_verify_draws import moved, spoil
from tests.prepaid.test_whole_meters import FUNCTIONS, METERS, with_meter
from tests.support.books import scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def of(name: str) -> str:
    """The only summary of tokens of a subscription."""
    return f"(SELECT id FROM usage_summaries WHERE usage_type_id = 'tokens' AND subscription_id = '{name}')"


@pytest.fixture
def billed(house: House) -> House:
    """June is final: 8 that were given and then 40 that were bought pay for all 15 of s, and for 33 of the 50 of t."""
    tokens = with_meter(house, aggregation="max")
    put(tokens, 8, priority=10)
    put(tokens, 40, cost="40.00")
    use(tokens, 25, at=JUNE + DAY)
    use(tokens, 60, at=JUNE + 2 * DAY, subscription="t")
    tokens.bill(JULY + 2 * HOUR)
    tokens.verified()
    return tokens


CHANGED_SINCE = "UPDATE wallet_transfers SET events = events + 1 WHERE summary_id IS NOT NULL"
SPOILT = {
    "another order": (["UPDATE wallet_grants SET priority = 90 WHERE id = :gift"], {"wallet_order"}),
    "more than is wanted": ([*moved(-4, of("t"), "bought"), *moved(4, of("s"), "bought")], {"wallet_beyond"}),
    "less than a grant could pay": (moved(-4, of("t"), "bought"), {"wallet_idle"}),
    "more than is wanted of what changed since": (
        [*moved(-4, of("t"), "bought"), *moved(4, of("s"), "bought"), CHANGED_SINCE],
        {"wallet_beyond"},
    ),
    "less than a grant could pay of what changed since": ([*moved(-4, of("t"), "bought"), CHANGED_SINCE], set[str]()),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_was_spoilt_is_found(billed: House, name: str) -> None:
    statements, expected = SPOILT[name]
    gift, bought = (one["id"] for one in billed.grants("k"))
    named = {key: value for key, value in {"gift": gift, "bought": bought}.items() if f":{key}" in "".join(statements)}
    assert spoil(billed, *statements, **named) == expected


@pytest.fixture(params=METERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def close_beside_what_is_taken_back(house: House, kind: str, amount: int, *, priority: int) -> None:
    """``amount`` pay before or after 50 that expire and are posted of t, while s has usage that is then taken back."""
    with_meter(house, aggregation=FUNCTIONS.get(kind, kind), limit=0, **METERS[kind])
    put(house, amount, priority=priority)
    put(house, 50, expiresAt=(JUNE + 10 * DAY).isoformat())
    recorded = [use(house, 20 + n, at=JUNE + n * DAY) for n in range(2)]
    use(house, 5, at=JUNE + 2 * DAY, subscription="t")
    house.clock.now = JUNE + 12 * DAY
    fold(house)
    assert house.close() == 1
    for id in recorded:
        house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
    house.bill(house.clock.now)
    assert held(house)["posted"] != "0"


def test_what_was_taken_back_may_have_wanted_a_grant_that_comes_first(house: House, kind: str) -> None:
    close_beside_what_is_taken_back(house, kind, 2, priority=10)
    house.verified()


def test_a_grant_comes_first_that_no_usage_can_have_wanted_but_that_of_levels(house: House, kind: str) -> None:
    close_beside_what_is_taken_back(house, kind, 200, priority=90)
    house.verified()
    found = spoil(house, "UPDATE wallet_grants SET priority = 10 WHERE amount = 200")
    assert found == (set() if kind.startswith("level") else {"wallet_order"})


def test_a_segment_that_wants_more_as_another_lost_its_usage_had_not_been_passed_over(house: House) -> None:
    tokens = with_meter(house, aggregation="max")
    put(tokens, 100)
    tokens.clock.now = JUNE + 12 * DAY
    version = {"planId": "p", "usageType": "tokens", "monthlyLimit": "10", "unitPrice": "3", "effective": "now"}
    tokens.ok("POST", "/api/quotas", version)
    tokens.clock.now = JUNE + 14 * DAY
    first = use(tokens, 20, at=JUNE + 2 * DAY)
    use(tokens, 35, at=JUNE + 13 * DAY)
    tokens.bill(JULY + 2 * HOUR)
    assert held(tokens)["posted"] == "25"
    tokens.ok("POST", f"/api/usage/records/{first}/void", {"reason": "twice"})
    tokens.bill(JULY + 10 * DAY)
    wanted = "SELECT beyond_limit::int FROM usage_summaries WHERE usage_type_id = 'tokens' ORDER BY period_start"
    assert (scalars(tokens.engine, wanted), held(tokens)["posted"]) == ([0, 25], "25")
    tokens.verified()


def test_a_mean_that_falls_while_time_passes_may_have_wanted_a_grant_that_comes_first(house: House) -> None:
    tokens = with_meter(house, aggregation="level", limit=2, **METERS["level of a period"])
    put(tokens, 12, priority=10)
    put(tokens, 50, expiresAt=(JUNE + 14 * DAY).isoformat())
    use(tokens, 30, at=JUNE)
    use(tokens, 0, at=JUNE + 9 * DAY)
    use(tokens, 5, at=JUNE, subscription="t")
    tokens.clock.now = JUNE + 15 * DAY
    fold(tokens)
    assert tokens.close() == 1
    assert held(tokens)["posted"] == "7"  # 18 - 2 - 12 of s, and 3 of t
    tokens.bill(JULY + 2 * HOUR)
    assert held(tokens)["posted"] == "10"  # 9 - 2 of s, and 3 of t
    tokens.verified()


def test_what_a_run_counts_itself_and_is_less_than_is_posted_goes_back_with_the_next(house: House) -> None:
    tokens = with_meter(house, aggregation="max")
    put(tokens, 50, expiresAt=(JUNE + 20 * DAY).isoformat())
    use(tokens, 12, at=JUNE + DAY)
    largest = use(tokens, 25, at=JUNE + 2 * DAY)
    tokens.clock.now = JUNE + 21 * DAY
    fold(tokens)
    assert tokens.close() == 1
    tokens.ok("POST", f"/api/usage/records/{largest}/void", {"reason": "twice"})
    tokens.bill(JUNE + 22 * DAY)
    tokens.verified()
    tokens.bill(JUNE + 23 * DAY)
    tokens.verified()
    assert held(tokens) == {"granted": "50", "posted": "2", "expired": "48"}
    assert line(tokens) == ("12", "2", "0")
