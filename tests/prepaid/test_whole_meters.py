"""Wallets of meters whose values do not add up: all that lies beyond is wanted where a segment begins."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest

from tests.meters.slow import Books, Counter, Use, Way, half_up, number
from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.metered import WALLET, close_and_prove, count_tokens, fold, held, line, put, use, void_first_final
from tests.prepaid.test_any_order import summed
from tests.prepaid.test_meters_in_any_order import Lacks, do_anything, slowly, told
from tests.prepaid.test_what_if import ask, billed
from tests.support.billing import bill
from tests.support.books import rows, scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EVER = datetime(2020, 1, 1, tzinfo=UTC)
WHAT_IF = {"model": "graduated", "tiers": [{"upTo": "5", "unitPrice": "3"}, {"unitPrice": "0.5"}]}
LEVEL = {"mode": "change", "per": "day", "carry": True}
METERS: dict[str, dict[str, Any]] = {
    "max": {}, "min": {}, "latest": {}, "average": {}, "unique_count": {},
    "level": LEVEL, "level of a period": {"mode": "set", "per": "period"},
    "sum of the largest day": {"window": {"every": "day", "across": "max"}},
    "maxima of days": {"window": {"every": "day", "across": "sum"}},
    "median day": {"window": {"every": "day", "across": "percentile", "percent": 50, "empty": "skip"}},
}  # fmt: skip
MORE = {"min": 16, "latest": 8, "average": 8, "level of a period": 8, "median day": 4}
LIMIT = 2
FUNCTIONS = {
    "level of a period": "level", "sum of the largest day": "sum", "maxima of days": "max", "median day": "sum",
}  # fmt: skip
_USAGE = """
    SELECT u.subscription_id, u.occurred_at, CAST(u.metadata ->> 'n' AS numeric) FROM usage u
    WHERE NOT EXISTS (SELECT FROM usage_voids v WHERE v.usage_id = u.id) ORDER BY u.occurred_at, u.ordinal"""


def come_to(kind: str, books: Books, *, now: datetime, month: tuple[datetime, datetime] = (JUNE, JULY)) -> Fraction:
    """What the recordings of a month, of June unless said, come to by now."""
    said, function = METERS[kind], FUNCTIONS.get(kind, kind)
    way = Way({"dimensions": []}, lambda _: True, lambda metadata: number(metadata["n"]))
    counter = Counter("tokens", function, EVER, [(EVER, way)], **{k: v for k, v in said.items() if k != "window"})
    if function == "level":
        return books.level(counter, month, now=now)[0]
    if "window" not in said:
        return books.total(counter, month)
    days = defaultdict[int, list[Fraction]](list)
    for one in books.uses:
        if month[0] <= one.at < month[1]:
            days[one.at.day].append(half_up(Fraction(str(one.metadata["n"]))))
    if function == "max":
        return sum(map(max, days.values()), Fraction(0))
    sums = sorted(sum(one, Fraction(0)) for one in days.values()) or [Fraction(0)]
    return sums[-1] if kind == "sum of the largest day" else sums[(len(sums) - 1) // 2]


def wants_of(house: House, kind: str, month: tuple[datetime, datetime] = (JUNE, JULY)) -> Lacks:
    """What a month of each subscription wants by now, all of it where it begins."""
    found = Lacks()
    for name in "st":
        mine = [row for row in rows(house.engine, _USAGE) if row[0] == name]
        uses = [Use(uuid4(), at, place, {"n": value}) for place, (_, at, value) in enumerate(mine)]
        value = come_to(kind, Books("UTC", JUNE, uses), now=house.clock.now, month=month)
        found[month[0], name] = max(value - LIMIT, Fraction(0))
    return found


def wants(kind: str) -> Callable[[House, set[datetime]], Lacks]:
    """What June of each subscription wants by now."""
    return lambda house, _: wants_of(house, kind)


@pytest.fixture(params=METERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tokens(house: House, kind: str) -> House:
    count_tokens(house, aggregation=FUNCTIONS.get(kind, kind), limit=LIMIT, **METERS[kind])
    house.ok("POST", "/api/wallets", WALLET)
    house.clock.now = JUNE + 28 * DAY + 5 * HOUR
    return house


def test_draws_are_those_of_the_slow_rule_whatever_comes_first(tokens: House, kind: str) -> None:
    drawn = 0
    chance, recorded = random.Random(sum(map(ord, kind))), list[str]()
    put(tokens, 2)
    for step in range(24):
        do_anything(tokens, chance, recorded, more=MORE.get(kind, 0))
        if step % 8 == 7:
            by_grant, by_subscription = told(tokens)
            paid = slowly(tokens, wants(kind))
            assert by_grant == summed(paid, 0)
            assert by_subscription == summed(paid, 1)
            drawn += len(paid)
    assert drawn


@pytest.mark.parametrize("seed", range(2))
def test_through_runs_voids_and_closings_every_figure_adds_up(tokens: House, kind: str, seed: int) -> None:
    chance, recorded = random.Random(100 + seed), list[str]()
    put(tokens, 9, expiresAt=(JUNE + 20 * DAY).isoformat())
    for step in range(14):
        do_anything(tokens, chance, recorded, more=MORE.get(kind, 0))
        if step in (3, 5, 9, 12):
            tokens.bill(JULY + step * HOUR if step > 3 else tokens.clock.now)
        if step == 10:
            void_first_final(tokens)
        close_and_prove(tokens)
    tokens.bill(JULY + 35 * DAY)
    tokens.bill(JULY + 36 * DAY)
    tokens.verified()
    charged = """
        SELECT coalesce(sum(t.amount), 0)
        FROM usage_invoice_items t JOIN invoices i ON i.id = t.invoice_id JOIN usage_summaries s ON s.id = t.summary_id
        WHERE i.status <> 'void' AND s.usage_type_id = 'tokens' AND s.bills_at < '2026-08-03'"""
    due = """
        SELECT coalesce(sum(round(2 * (s.beyond_limit - coalesce(c.covered, 0)), 2)), 0)
        FROM usage_summaries s LEFT JOIN covered_summaries c ON c.summary_id = s.id
        WHERE s.usage_type_id = 'tokens' AND s.bills_at < '2026-08-03'"""
    assert scalars(tokens.engine, charged) == scalars(tokens.engine, due)


def with_meter(house: House, **said: Any) -> House:
    """Ten free, and a wallet."""
    count_tokens(house, **said)
    house.ok("POST", "/api/wallets", WALLET)
    return house


def test_a_largest_value_is_paid_for_by_what_holds_where_its_period_begins(house: House) -> None:
    tokens = with_meter(house, aggregation="max")
    put(tokens, 5)
    put(tokens, 30, effectiveAt=(JUNE + 4 * DAY).isoformat())
    use(tokens, 14, at=JUNE + 3 * DAY)
    use(tokens, 25, at=JUNE + 5 * DAY)
    assert (held(tokens)["provisional"], line(tokens)) == ("5", ("25", "5", "10"))
    back = put(tokens, 4, effectiveAt=(JUNE + 8 * DAY).isoformat(), coversSince=JUNE.isoformat())
    assert line(tokens) == ("25", "9", "6")
    upcoming = tokens.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert (upcoming["total"], [one["covered"] for one in upcoming["items"]]) == ("12.00", ["9"])
    moved = tokens.ok("GET", "/api/wallets/k/entries?provisional=true")["provisional"]
    assert {(one["windowStart"], one["amount"]) for one in moved} == {
        ("2026-06-01T00:00:00Z", "5"),
        ("2026-06-01T00:00:00Z", "4"),
    }
    tokens.clock.now = JULY + 2 * HOUR
    dry = tokens.ok("GET", f"/api/billing-runs/{bill(tokens.engine, tokens.clock.now, dry_run=True).id}")
    assert dry["amounts"] == {"USD": "12.00"}
    tokens.bill(tokens.clock.now)
    assert tokens.invoices() == [("finalized", "12.00", [("6", "9", "12.00")])]
    (final,) = tokens.ok("GET", "/api/invoices?subscriptionId=s")["data"]
    told_of = tokens.ok("GET", f"/api/invoices/{final['id']}/items/{final['items'][0]['id']}/explain")
    assert [(one["quantity"], one["windowStart"]) for one in told_of["coveredBy"]] == [
        ("5", "2026-06-01T00:00:00Z"),
        ("4", "2026-06-01T00:00:00Z"),
    ]
    assert back["id"] in {one["grantId"] for one in told_of["coveredBy"]}
    assert ask(tokens, "ann").actual == 12
    tokens.verified()


def test_a_level_is_paid_for_as_far_as_it_has_gone_on_also_into_a_period_without_a_summary(house: House) -> None:
    tokens = with_meter(house, aggregation="level", **LEVEL)
    put(tokens, 100)
    use(tokens, 3, at=JUNE)
    tokens.clock.now = JUNE + 10 * DAY
    assert (held(tokens)["provisional"], line(tokens)) == ("20", ("30", "20", "0"))
    tokens.clock.now = JUNE + 20 * DAY
    assert (held(tokens)["provisional"], line(tokens)) == ("50", ("60", "50", "0"))
    tokens.clock.now = JULY + 10 * DAY
    assert scalars(tokens.engine, "SELECT count(*) FROM usage_summaries WHERE usage_type_id = 'tokens'") == [1]
    assert held(tokens) == {"granted": "100", "provisional": "100"}
    assert line(tokens) == ("30", "20", "0")
    moved = tokens.ok("GET", "/api/wallets/k/entries?provisional=true")["provisional"]
    assert {(one["windowStart"], one["amount"]) for one in moved} == {
        ("2026-06-01T00:00:00Z", "80"),
        ("2026-07-01T00:00:00Z", "20"),
    }
    tokens.clock.now = JULY + 11 * DAY
    assert line(tokens) == ("33", "20", "3")
    upcoming = tokens.ok("GET", "/api/subscriptions/s/upcoming-invoice")
    assert [(one["covered"], one["amount"]) for one in upcoming["items"]][-1] == ("20", "6.00")
    tokens.bill(JULY + 11 * DAY)
    tokens.verified()
    assert held(tokens) == {"granted": "100", "posted": "80", "provisional": "20"}
    tokens.bill(JULY + 31 * DAY + 2 * HOUR)
    assert tokens.invoices()[-1] == ("finalized", "126.00", [("63", "20", "126.00")])
    tokens.verified()


def test_a_past_period_lists_a_level_that_came_to_nothing_as_little_as_without_a_wallet(house: House) -> None:
    tokens = with_meter(house, aggregation="level", **LEVEL)
    put(tokens, 100)
    use(tokens, -3, at=JUNE)
    tokens.clock.now = JULY + 31 * DAY
    july = "from=2026-07-01T00:00:00Z&to=2026-08-01T00:00:00Z"
    assert tokens.ok("GET", f"/api/usage/subscription/s?{july}")["usage"] == []


def test_what_a_level_comes_to_is_posted_when_a_grant_closes_and_no_earlier_run_takes_it_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import base
    from tasks import wallets as tasks

    tokens = with_meter(house, aggregation="level", **LEVEL)
    monkeypatch.setattr(base, "engine", lambda: tokens.engine)
    monkeypatch.setattr("usage_billing.db.clock.agreed_now", lambda _session, _here: tokens.clock.now)
    put(tokens, 100, expiresAt=(JUNE + 15 * DAY).isoformat())
    use(tokens, 3, at=JUNE)
    tokens.clock.now = JUNE + 20 * DAY
    tasks.close()
    closed = {"granted": "100", "posted": "50", "expired": "50"}
    assert held(tokens) == closed
    tokens.verified()
    tokens.bill(JUNE + 19 * DAY)  # a run that began earlier
    assert held(tokens) == closed
    assert line(tokens) == ("57", "47", "0")
    tokens.bill(JULY + 2 * HOUR)
    assert tokens.invoices() == [("finalized", "60.00", [("30", "50", "60.00")])]
    assert held(tokens) == closed
    tokens.verified()


def test_a_grant_within_a_period_divides_nothing_that_is_posted(house: House) -> None:
    tokens = with_meter(house, aggregation="max")
    put(tokens, 50, expiresAt=(JUNE + 2 * DAY).isoformat())
    use(tokens, 25, at=JUNE + DAY)
    tokens.clock.now += 2 * HOUR
    fold(tokens)
    assert tokens.close() == 1
    assert held(tokens)["posted"] == "15"
    put(tokens, 7, effectiveAt=(JUNE + 5 * DAY).isoformat(), coversSince=(JUNE + DAY).isoformat())
    use(tokens, 31, at=JUNE + 6 * DAY)
    assert line(tokens) == ("31", "15", "6")
    put(tokens, 2, effectiveAt=JUNE.isoformat(), idempotencyKey="since June")
    assert line(tokens) == ("31", "17", "4")
    tokens.verified()


@pytest.mark.parametrize("seed", range(2))
def test_what_if_finds_what_was_charged_and_what_another_plan_charged(house: House, kind: str, seed: int) -> None:
    chance, tokens = random.Random(seed), house
    with_meter(tokens, aggregation=FUNCTIONS.get(kind, kind), limit=LIMIT, **METERS[kind])
    tokens.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD"})
    tokens.ok("POST", "/api/quotas", {"planId": "q", "usageType": "requests", "monthlyLimit": None, "unitPrice": "1"})
    tokens.ok("POST", "/api/quotas", {"planId": "q", "usageType": "tokens", "monthlyLimit": "1", "price": WHAT_IF})
    tokens.ok("POST", "/api/customers", {"id": "bob", "name": "Bob"})
    tokens.ok("POST", "/api/subscriptions", {"id": "b", "userId": "bob", "planId": "q", "startedAt": JUNE.isoformat()})
    tokens.ok("POST", "/api/wallets", WALLET | {"id": "x2", "userId": "bob"})
    for place in range(3):
        since = JUNE + chance.randint(-2, 2) * DAY
        for wallet in ("k", "x2"):
            body = {"amount": str(1 + place), "idempotencyKey": str(place), "effectiveAt": since.isoformat()}
            tokens.ok("POST", f"/api/wallets/{wallet}/grants", body)
    for at in sorted(JUNE + chance.randint(0, 28) * DAY + chance.randint(0, 23) * HOUR for _ in range(6)):
        tokens.clock.now = max(tokens.clock.now, at)
        value = chance.randint(1, 20) + MORE.get(kind, 0)
        use(tokens, value, at=at)
        body = {"userId": "bob", "subscriptionId": "b", "usageType": "requests", "quantity": 1}
        tokens.ok("POST", "/api/usage/record", body | {"timestamp": at.isoformat(), "metadata": {"n": value}})
        tokens.drain()
    tokens.bill(JULY + 2 * HOUR)
    asked = {"start": JUNE, "end": JULY}
    ann, bob = ask(tokens, "ann", plan_id="q", **asked), ask(tokens, "bob", **asked)
    assert (ann.actual, bob.actual) == (billed(tokens, "s")[0], billed(tokens, "b")[0])
    assert ann.hypothetical == bob.actual
    assert line(tokens)[1] != "0" or scalars(tokens.engine, "SELECT sum(posted) FROM wallet_draws")[0] > 0
    tokens.verified()


def test_an_end_is_foreseen_with_what_grants_pay_of_levels(house: House) -> None:
    tokens = with_meter(house, aggregation="level", **LEVEL)
    put(tokens, 100)
    use(tokens, 3, at=JUNE)
    tokens.clock.now = JULY + 20 * DAY  # of July, 10 of 60 are free, 20 are paid for
    path = "/api/subscriptions/s/cancel"
    seen = tokens.ok("POST", path, {"at": "now", "dryRun": True})["foreseen"]
    assert [one["total"] for one in seen["invoices"]] == ["60.00", "0.00"]
    tokens.ok("POST", path, {"at": "now", "expectedDigest": seen["digest"]})
    tokens.bill(tokens.clock.now + 5 * DAY)
    assert tokens.invoices()[-1][1] == "60.00"
    tokens.verified()


@pytest.mark.parametrize("function", ["min", "average"])
def test_a_grant_that_closes_pays_its_part_of_each_segment_though_no_run_has_come(house: House, function: str) -> None:
    tokens = with_meter(house, aggregation=function)
    tokens.clock.now = JUNE + 12 * DAY
    version = {"planId": "p", "usageType": "tokens", "monthlyLimit": "0", "unitPrice": "2", "effective": "now"}
    tokens.ok("POST", "/api/quotas", version)
    put(tokens, 50, expiresAt=(JUNE + 20 * DAY).isoformat())
    tokens.clock.now = JUNE + 14 * DAY
    use(tokens, 30, at=JUNE + 2 * DAY)  # 12 of the first 12 days, of which 10 are free, and 18 of the other 18
    fold(tokens)
    tokens.clock.now = JUNE + 22 * DAY
    assert tokens.close() == 1
    assert held(tokens) == {"granted": "50", "posted": "20", "expired": "30"}
    tokens.bill(JULY + 2 * HOUR)
    assert tokens.invoices() == []
    tokens.verified()
