"""Wallets of meters whose values do not add up, under all that is done to wallets, beside a slow model."""

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.prepaid.conftest import JULY, JUNE, House
from tests.prepaid.metered import WALLET, count_tokens, fold, put, use
from tests.prepaid.test_meters_in_any_order import Lacks
from tests.prepaid.test_whole_meters import FUNCTIONS, LIMIT, METERS, MORE, wants_of
from tests.support.books import rows, scalars

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AUGUST = JULY + 31 * DAY
MONTHS = ((JUNE, JULY), (JULY, AUGUST))
Paid = dict[tuple[str, datetime, str], Fraction]
"""By grant, window and subscription."""


class Giver(NamedTuple):
    """A grant in the slow model, in the order in which grants pay."""

    id: str
    amount: Fraction
    since: datetime
    until: datetime = AUGUST
    back_to: datetime | None = None


def slowly(wanted: Lacks, givers: Iterable[Giver]) -> Paid:
    """Who pays for what: each window in its order, from those that hold; then from those that reach back."""
    givers = list(givers)
    left, lacks, paid = {one.id: one.amount for one in givers}, dict(wanted), Paid()
    for reaching in (False, True):
        for window, name in sorted(lacks):
            for one in givers:
                since = one.back_to if reaching else one.since
                if since is not None and since <= window < one.until:
                    part = min(left[one.id], lacks[window, name])
                    left[one.id] -= part
                    lacks[window, name] -= part
                    if part:
                        paid[one.id, window, name] = paid.get((one.id, window, name), Fraction(0)) + part
    return paid


def by(place: int, paid: Paid) -> dict[Any, Fraction]:
    """What is paid by grant (0), window (1) or subscription (2)."""
    found = defaultdict[Any, Fraction](Fraction)
    for key, part in paid.items():
        found[key[place]] += part
    return dict(found)


def pays(house: House) -> dict[str, Fraction]:
    """What each grant pays for, posted or not."""
    found = {one["id"]: Fraction(one["posted"]) + Fraction(one["provisional"]) for one in house.grants("k")}
    return {id: part for id, part in found.items() if part}


def covered(house: House, month: tuple[datetime, datetime]) -> dict[str, Fraction]:
    """What is covered of a month, by subscription."""
    start, end = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in month)
    found = defaultdict[str, Fraction](Fraction)
    for one in house.ok("GET", f"/api/usage/user/ann?from={start}&to={end}")["usage"]:
        found[one["subscriptionId"]] += Fraction(one["covered"])
    return {name: part for name, part in found.items() if part}


def of_month(paid: Paid, month: tuple[datetime, datetime]) -> dict[str, Fraction]:
    return by(2, {key: part for key, part in paid.items() if month[0] <= key[1] < month[1]})


def agrees(house: House, paid: Paid, *, shown: Paid | None = None) -> None:
    """The product pays what the slow model pays, and shows that or else what is ``shown``; the books prove it."""
    assert pays(house) == by(0, paid)
    for month in MONTHS:
        if month[0] <= house.clock.now:
            assert covered(house, month) == of_month(paid if shown is None else shown, month)
    for one in house.grants("k"):
        names = ("posted", "provisional", "expired", "takenBack", "refunded", "rolledOver", "left")
        parts = [Decimal(one[name]) for name in names]
        assert sum(parts) == Decimal(one["amount"])
        assert min(parts[0], *parts[2:]) >= 0  # what comes back is provisional below 0
    fold(house)
    house.verified()


class Chance:
    """Recordings of any size, some of which are taken back."""

    def __init__(self, house: House, kind: str, seed: int) -> None:
        self.house, self.kind, self.draw = house, kind, random.Random(sum(map(ord, kind)) + seed)
        self.recorded: list[str] = []

    def use(self, count: int, *, since: datetime = JUNE) -> None:
        """So many recordings from then until now, or others taken back."""
        for _ in range(count):
            if self.recorded and self.draw.random() < 0.2:
                id = self.recorded.pop(self.draw.randrange(len(self.recorded)))
                self.house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
            hours = int((self.house.clock.now - since) / HOUR)
            at = since + self.draw.randrange(hours) * HOUR + timedelta(minutes=17)
            value = self.draw.choice([self.draw.randint(1, 12), self.draw.randint(-6, 20)]) + MORE.get(self.kind, 0)
            self.recorded.append(use(self.house, value, at=at, subscription=self.draw.choice("st")))

    def wants(self) -> Lacks:
        """What each month that has begun wants by now."""
        found = Lacks()
        for month in MONTHS:
            if month[0] <= self.house.clock.now:
                found |= wants_of(self.house, self.kind, month)
        return found


@pytest.fixture(params=METERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tokens(house: House, kind: str) -> House:
    count_tokens(house, aggregation=FUNCTIONS.get(kind, kind), limit=LIMIT, **METERS[kind])
    return house


def giver(grant: Any, **said: Any) -> Giver:
    since = datetime.fromisoformat(grant["effectiveAt"])
    until = AUGUST if grant["expiresAt"] is None else datetime.fromisoformat(grant["expiresAt"])
    return Giver(**{"id": grant["id"], "amount": Fraction(grant["amount"]), "since": since, "until": until} | said)


def test_what_no_grant_pays_for_is_owed_and_repaid_by_the_next(tokens: House, kind: str) -> None:
    tokens.clock.now = JUNE
    tokens.ok("POST", "/api/wallets", WALLET | {"uncovered": "owe", "overdraft": "15"})
    chance = Chance(tokens, kind, 1)
    first, later = put(tokens, 3), put(tokens, 4, effectiveAt=(JUNE + 20 * DAY).isoformat())
    order = [first, later]
    for moment in (JUNE + 12 * DAY, JUNE + 25 * DAY, JULY + 9 * DAY):
        tokens.clock.now = moment
        chance.use(5, since=JUNE if moment < JULY else JULY)
        wanted = chance.wants()
        left = {one["id"]: Fraction(one["amount"]) for one in order}
        owed, paid = Lacks(), Paid()
        for window, name in sorted(wanted):
            for one in order:
                if window >= datetime.fromisoformat(one["effectiveAt"]):
                    # What it repays comes first.
                    for then in sorted(owed) if one is later else ():
                        part = min(left[one["id"]], owed[then])
                        left[one["id"]], owed[then] = left[one["id"]] - part, owed[then] - part
                        paid[one["id"], *then] = paid.get((one["id"], *then), Fraction(0)) + part
                    part = min(left[one["id"]], wanted[window, name])
                    left[one["id"]], wanted[window, name] = left[one["id"]] - part, wanted[window, name] - part
                    paid[one["id"], window, name] = paid.get((one["id"], window, name), Fraction(0)) + part
            owed[window, name] = min(wanted[window, name], 15 - sum(owed.values(), Fraction(0)))
        if moment >= JUNE + 20 * DAY:
            for then in sorted(owed):
                part = min(left[later["id"]], owed[then])
                left[later["id"]], owed[then] = left[later["id"]] - part, owed[then] - part
                paid[later["id"], *then] = paid.get((later["id"], *then), Fraction(0)) + part
        assert pays(tokens) == {id: part for id, part in by(0, paid).items() if part}
        assert Fraction(tokens.ok("GET", "/api/wallets/k")["owed"]) == sum(owed.values())
        for month in MONTHS:
            if month[0] <= moment:
                both = of_month(paid, month)
                for (window, name), part in owed.items():
                    if window == month[0]:
                        both[name] = both.get(name, Fraction(0)) + part
                assert covered(tokens, month) == {name: part for name, part in both.items() if part}
        tokens.bill(moment)
        tokens.verified()
    for days in (1, 2):
        tokens.bill(AUGUST + days * DAY)
        tokens.verified()


@pytest.mark.parametrize("interval", ["month", "week"])
def test_the_occurrence_pays_that_holds_where_the_period_begins(tokens: House, kind: str, interval: str) -> None:
    tokens.clock.now = JUNE
    tokens.ok("POST", "/api/wallets", WALLET)
    said = {"amount": "9", "every": {"interval": interval}, "anchor": "calendar", "untilNext": True}
    tokens.ok("POST", "/api/wallets/k/schedules", said | {"startsAt": JUNE.isoformat(), "idempotencyKey": "often"})
    chance = Chance(tokens, kind, 2)
    starts = [JUNE, JULY, AUGUST] if interval == "month" else [JUNE + 7 * n * DAY for n in range(10)]
    for moment in (JUNE + 5 * DAY, JUNE + 25 * DAY, JULY + 9 * DAY):
        tokens.clock.now = moment
        chance.use(4, since=JUNE if moment < JULY else JULY)
        # Without a run nothing is posted: what came to close pays for what had arrived by the time that it is closed.
        givers = [Giver(str(start), Fraction(9), start, end) for start, end in pairwise(starts)]
        paid = slowly(chance.wants(), givers)
        for month in MONTHS:
            if month[0] <= moment:
                assert covered(tokens, month) == of_month(paid, month)
        tokens.verified()
    tokens.bill(AUGUST + 2 * HOUR)
    tokens.bill(AUGUST + 3 * HOUR)
    tokens.close()
    tokens.verified()


def test_what_a_month_leaves_is_carried_over_to_the_next(tokens: House, kind: str) -> None:
    tokens.clock.now = JUNE
    tokens.ok("POST", "/api/wallets", WALLET)
    said = {"amount": "30", "every": {"interval": "month"}, "anchor": "calendar", "untilNext": True}
    said |= {"startsAt": JUNE.isoformat(), "idempotencyKey": "often", "rollover": {"max": "20", "periods": 1}}
    tokens.ok("POST", "/api/wallets/k/schedules", said)
    chance = Chance(tokens, kind, 3)
    tokens.clock.now = JUNE + 25 * DAY
    chance.use(5)
    tokens.clock.now = JULY + HOUR / 4
    chance.use(2)
    june = sum(slowly(wants_of(tokens, kind), [Giver("a", Fraction(30), JUNE)]).values(), Fraction(0))
    carried = min(30 - june, Fraction(20))
    assert Fraction(tokens.ok("GET", "/api/wallets/k")["rolledOver"]) == carried
    tokens.clock.now = JULY + 2 * HOUR
    fold(tokens)
    tokens.close()
    tokens.clock.now = JULY + 20 * DAY
    chance.use(5, since=JULY)
    wanted = wants_of(tokens, kind, MONTHS[1])
    paid = slowly(wanted, [Giver("b", carried, JULY), Giver("c", Fraction(30), JULY)])
    assert covered(tokens, MONTHS[1]) == of_month(paid, MONTHS[1])
    tokens.verified()
    tokens.bill(AUGUST + 2 * HOUR)
    tokens.close()
    tokens.verified()


def test_what_a_reset_kept_pays_from_the_next_period_on(tokens: House, kind: str) -> None:
    tokens.clock.now = JUNE
    tokens.ok("POST", "/api/wallets", WALLET)
    gift, bought = put(tokens, 10), put(tokens, 40, cost="20.00")
    chance = Chance(tokens, kind, 4)
    tokens.clock.now = JUNE + 25 * DAY
    chance.use(4)
    at = (JUNE + 20 * DAY).isoformat()
    tokens.clock.now = JULY + 2 * DAY
    tokens.ok("POST", "/api/wallets/k/reset", {"at": at, "keep": {"max": "25"}, "idempotencyKey": "once"})

    def kept() -> list[Any]:
        return [one for one in tokens.grants("k") if one["category"] == "rollover"]

    def expected() -> Paid:
        june = {key: want for key, want in chance.wants().items() if key[0] == JUNE}
        paid = slowly(june, [giver(gift), giver(bought)])
        left = 50 - sum(paid.values(), Fraction(0))
        assert [Fraction(one["amount"]) for one in kept()] == ([min(left, Fraction(25))] if left else [])
        rest = {key: want for key, want in chance.wants().items() if key[0] == JULY}
        return paid | slowly(rest, [giver(one) for one in kept()])

    agrees(tokens, expected())
    chance.use(3, since=JUNE + DAY)
    agrees(tokens, expected())
    tokens.clock.now += 2 * HOUR
    fold(tokens)
    paid = expected()
    assert tokens.close() == 2
    agrees(tokens, paid)
    tokens.clock.now = JULY + 20 * DAY
    chance.recorded.clear()
    chance.use(3, since=JULY)
    paid = {key: part for key, part in paid.items() if key[1] == JUNE}
    agrees(tokens, paid | slowly(wants_of(tokens, kind, MONTHS[1]), [giver(one) for one in kept()]))
    tokens.bill(AUGUST + 2 * HOUR)
    tokens.verified()


def test_a_closed_wallet_pays_for_what_was_used_before(tokens: House, kind: str) -> None:
    tokens.clock.now = JUNE
    tokens.ok("POST", "/api/wallets", WALLET)
    gift, bought = put(tokens, 10), put(tokens, 40, cost="20.00")
    chance = Chance(tokens, kind, 5)
    tokens.clock.now = JUNE + 25 * DAY
    chance.use(5)
    paid = slowly(chance.wants(), [giver(gift), giver(bought)])
    agrees(tokens, paid)
    shown = tokens.ok("POST", "/api/wallets/k/close", {"settle": True})
    spent = by(0, paid).get(bought["id"], Fraction(0))
    assert Fraction(shown["refunded"]) == 40 - spent
    agrees(tokens, paid)
    chance.use(3)  # late, and paid by what was given
    agrees(tokens, slowly(chance.wants(), [giver(gift), giver(bought, amount=spent)]))
    tokens.clock.now += 2 * HOUR
    fold(tokens)
    then = slowly(chance.wants(), [giver(gift), giver(bought, amount=spent)])
    tokens.close()
    tokens.verified()
    assert pays(tokens) == by(0, then)
    tokens.clock.now = JULY + 9 * DAY
    chance.recorded.clear()
    chance.use(3, since=JULY)
    assert covered(tokens, MONTHS[1]) == {}
    tokens.bill(AUGUST + 2 * HOUR)
    tokens.verified()


def test_what_ends_within_a_period_pays_what_it_had_come_to_and_another_the_rest(tokens: House, kind: str) -> None:
    tokens.clock.now = JUNE
    tokens.ok("POST", "/api/wallets", WALLET)
    ends, stays = put(tokens, 30, expiresAt=(JUNE + 15 * DAY).isoformat()), put(tokens, 12)
    chance = Chance(tokens, kind, 6)
    tokens.clock.now = JUNE + 15 * DAY + HOUR / 4
    chance.use(5)
    agrees(tokens, slowly(chance.wants(), [giver(ends), giver(stays)]))
    tokens.clock.now = JUNE + 16 * DAY
    fold(tokens)
    then = slowly(chance.wants(), [giver(ends), giver(stays)])
    assert tokens.close() == 1
    agrees(tokens, then)
    tokens.clock.now = JUNE + 25 * DAY
    chance.use(4)
    wanted = chance.wants()
    posted = {key[1:]: part for key, part in then.items() if key[0] == ends["id"]}
    # What a level does not come to any more goes back once the period is over.
    stays_paid = {k: part if kind.startswith("level") else min(part, wanted[k]) for k, part in posted.items()}
    rest = {key: max(want - stays_paid.get(key, Fraction(0)), Fraction(0)) for key, want in wanted.items()}
    others = slowly(rest, [giver(stays)])
    paid, shown = dict(others), dict(others)
    for key, part in stays_paid.items():
        paid[ends["id"], *key], shown[ends["id"], *key] = part, min(part, wanted[key])
    agrees(
        tokens,
        {key: part for key, part in paid.items() if part},
        shown={key: part for key, part in shown.items() if part},
    )
    tokens.bill(JULY + 2 * HOUR)
    tokens.bill(JULY + 3 * HOUR)
    tokens.verified()


@pytest.mark.parametrize("seed", range(2))
def test_each_segment_of_a_period_that_a_change_of_plan_cuts_is_paid_for(tokens: House, kind: str, seed: int) -> None:
    tokens.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "USD"})
    tokens.ok("POST", "/api/quotas", {"planId": "q", "usageType": "requests", "monthlyLimit": None, "unitPrice": "1"})
    tokens.ok("POST", "/api/quotas", {"planId": "q", "usageType": "tokens", "monthlyLimit": "1", "unitPrice": "3"})
    tokens.clock.now = JUNE
    tokens.ok("POST", "/api/wallets", WALLET)
    grants = [
        put(tokens, 6, effectiveAt=(JUNE + 9 * DAY).isoformat(), priority=10),
        put(tokens, 8, effectiveAt=JUNE.isoformat(), priority=20),
        put(tokens, 5, effectiveAt=(JUNE + 20 * DAY).isoformat(), coversSince=(JUNE + DAY).isoformat(), priority=30),
        put(tokens, 40, effectiveAt=(JULY - DAY).isoformat(), priority=40),
    ]
    back = [None, None, JUNE + DAY, None]
    chance = Chance(tokens, kind, 7 + seed)
    tokens.clock.now = JUNE + 12 * DAY
    chance.use(4)
    tokens.ok("POST", "/api/subscriptions/s/change-plan", {"planId": "q", "at": "now"})
    for moment in (JUNE + 14 * DAY, JUNE + 24 * DAY):
        tokens.clock.now = moment
        use(tokens, 21, at=moment - HOUR)
        chance.use(3)
        tokens.bill(moment)
        tokens.verified()
        found = rows(
            tokens.engine,
            "SELECT period_start, subscription_id, beyond_limit FROM usage_summaries WHERE usage_type_id = 'tokens'",
        )
        wanted = {(start, name): Fraction(beyond) for start, name, beyond in found}
        assert (JUNE + 12 * DAY, "s") in wanted
        paid = slowly(wanted, [giver(one, back_to=since) for one, since in zip(grants, back, strict=True)])
        told = tokens.ok("GET", "/api/wallets/k/entries?provisional=true")["provisional"]
        moved = defaultdict[Any, Fraction](Fraction)
        for one in told:
            moved[one["grantId"], datetime.fromisoformat(one["windowStart"]), one["subscriptionId"]] += Fraction(
                one["amount"]
            )
        assert dict(moved) == paid
        agrees(tokens, paid)
    for days in (0, 1, 31, 32):
        tokens.bill(JULY + days * DAY + 2 * HOUR)
        tokens.verified()
    due = """
        SELECT coalesce(sum(round(
            CAST(q.price ->> 'unitPrice' AS numeric) * (s.beyond_limit - coalesce(c.covered, 0)), 2)), 0)
        FROM usage_summaries s JOIN usage_quotas q ON q.id = s.quota_id
        LEFT JOIN covered_summaries c ON c.summary_id = s.id
        WHERE s.usage_type_id = 'tokens' AND s.period_start < '2026-07-01'"""
    charged = """
        SELECT coalesce(sum(t.amount), 0)
        FROM usage_invoice_items t JOIN invoices i ON i.id = t.invoice_id JOIN usage_summaries s ON s.id = t.summary_id
        WHERE i.status <> 'void' AND s.usage_type_id = 'tokens' AND s.period_start < '2026-07-01'"""
    assert abs(scalars(tokens.engine, charged)[0] - scalars(tokens.engine, due)[0]) <= Decimal("0.01")
