"""The revenue view adds up: for any history, by currency, day and grant, and for any span."""

import csv
import io
import random
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import As
from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import rows, scalars
from tests.support.callers import Keys

__all__ = ["cli"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
REPORT = "/api/reports/prepaid"
FIGURES = ("deferredAtStart", "sold", "recognised", "breakage", "refunded", "deferredAtEnd")


def report(house: House, **asked: Any) -> list[dict[str, Any]]:
    query = "&".join(f"{name.strip('_')}={value}" for name, value in asked.items() if value is not None)
    return list(house.ok("GET", f"{REPORT}?{query}".replace("+00:00", "Z"))["data"])


def figures(line: dict[str, Any]) -> list[Decimal]:
    return [Decimal(line[name]) for name in FIGURES]


def adds_up(line: dict[str, Any]) -> bool:
    start, sold, recognised, breakage, refunded, end = figures(line)
    return start + sold - recognised - breakage - refunded == end


def test_a_grant_that_is_used_refunded_and_expires(house: House) -> None:
    id = house.grant(30, cost="10.00", expiresAt=(JULY + DAY).isoformat())["id"]
    house.grant(5, expiresAt=(JULY + DAY).isoformat(), priority=60)
    house.use(17, at=JUNE + DAY)
    (line,) = report(house)
    assert (line["sold"], line["deferredAtEnd"], line["provisional"]) == ("10.00", "10.00", "2.33")
    house.ok("POST", f"/api/grants/{id}/refund", {"amount": "10", "idempotencyKey": "k"})
    house.bill(JULY + 3 * HOUR)
    house.clock.now = JULY + 2 * DAY
    house.close()
    (line,) = report(house, currency="USD")
    assert {name: line[name] for name in (*FIGURES, "provisional")} == {
        "deferredAtStart": "0.00", "sold": "10.00", "recognised": "2.34", "breakage": "4.33", "refunded": "3.33",
        "deferredAtEnd": "0.00", "provisional": "0.00",
    }  # fmt: skip
    assert report(house, currency="EUR") == []
    (by_grant,) = report(house, by="grant")
    assert (by_grant["grantId"], by_grant["walletId"], by_grant["userId"]) == (id, "w", "ann")
    assert house.ok("GET", REPORT)["given"] == [{"unitName": "calls", "given": "5", "used": "0", "expired": "5"}]


def test_what_is_taken_back_was_not_sold_and_what_waits_is_not_either(house: House) -> None:
    id = house.grant(30, cost="10.00")["id"]
    body = {"amount": "5", "cost": "1.00", "idempotencyKey": "waits", "pendingUntilPaid": True}
    house.ok("POST", "/api/wallets/w/grants", body)
    house.ok("POST", f"/api/grants/{id}/void")
    (line,) = report(house)
    assert (line["sold"], line["deferredAtEnd"]) == ("0.00", "0.00")


@dataclass
class History:
    """Grants, usage, refunds and closings in any order."""

    house: House
    chance: random.Random
    made: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)

    def go_on(self) -> None:
        """One step."""
        act = self.chance.random()
        if act < 0.3 or not self.made:
            self._grant()
        elif act < 0.6:
            quantity, name = self.chance.randint(1, 15), self.chance.choice("st")
            self.recorded.append(self.house.use(quantity, at=self.house.clock.now, subscription=name))
        elif act < 0.7 and self.recorded:
            id = self.recorded.pop(self.chance.randrange(len(self.recorded)))
            self.house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
        elif act < 0.8:
            path = f"{self.chance.choice(self.made)}/{self.chance.choice(['refund', 'void'])}"
            assert self.house.admin.post(f"/api/grants/{path}").status_code in (200, 409)
        else:
            self.house.clock.now += self.chance.randint(1, 12) * DAY
            self.house.close()
            self.house.bill(self.house.clock.now)

    def _grant(self) -> None:
        said: dict[str, Any] = {"priority": self.chance.randint(0, 100)}
        if self.chance.random() < 0.8:
            said["cost"] = f"{self.chance.randint(1, 999) / 100:.2f}"
            said["costCurrency"] = self.chance.choice(["USD", "USD", "EUR"])
        if self.chance.random() < 0.5:
            said["expiresAt"] = (self.house.clock.now + self.chance.randint(1, 9) * DAY).isoformat()
        body = said | {"amount": str(self.chance.randint(1, 20)), "idempotencyKey": f"k{self.chance.random()}"}
        answer: Any = self.house.admin.post("/api/wallets/w/grants", json=body)
        assert answer.status_code == 201 or answer.json["code"] == "cuts_posted", answer.json
        if answer.status_code == 201:
            self.made.append(answer.json["id"])


@pytest.mark.parametrize("seed", range(3))
def test_any_history_adds_up_over_any_span(house: House, seed: int) -> None:
    chance = random.Random(seed)
    house.clock.now = JUNE + 29 * DAY
    history = History(house, chance)
    for _ in range(24):
        history.go_on()
    house.verified()
    moments = [None, *scalars(house.engine, "SELECT DISTINCT at FROM wallet_transfers ORDER BY at")]
    costs = {row[0]: row[1] for row in rows(house.engine, "SELECT id::text, cost FROM wallet_grants")}
    for line in report(house, by="grant"):
        assert adds_up(line)
        assert 0 <= Decimal(line["deferredAtEnd"]) <= costs[line["grantId"]]
        assert Decimal(line["deferredAtEnd"]) - Decimal(line["provisional"]) >= 0
    for _ in range(6):
        first, middle, last = sorted(chance.sample(range(len(moments)), 3))
        since, cut, until = (
            None if at is None else at.isoformat() for at in (moments[i] for i in (first, middle, last))
        )
        for by in ("currency", "day", "grant"):
            assert all(adds_up(line) for line in report(house, from_=since, to=until, by=by))
        whole = {line["currency"]: figures(line) for line in report(house, from_=since, to=until)}
        early = {line["currency"]: figures(line) for line in report(house, from_=since, to=cut)}
        late = {line["currency"]: figures(line) for line in report(house, from_=cut, to=until)}
        for currency, sums in whole.items():
            nothing = [Decimal(0)] * 6
            before, after = early.get(currency, nothing), late[currency]
            assert before[5] == after[0]
            assert sums == [before[0], *(a + b for a, b in zip(before[1:5], after[1:5], strict=True)), after[5]]
            for by in ("day", "grant"):
                parts = [figures(one) for one in report(house, from_=since, to=until, by=by, currency=currency)]
                assert [sum(part[i] for part in parts) for i in range(1, 5)] == sums[1:5]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("from=2026-07-01T00:00:00Z&to=2026-06-01T00:00:00Z", "to"),
        ("from=2026-07-01T00:00:00", "from"),
        ("currency=USX", "currency"),
        ("by=customer", "by"),
        ("limit=5", "limit"),
    ],
)
def test_what_is_no_report_is_refused(house: House, query: str, name: str) -> None:
    answer: Any = house.admin.get(f"{REPORT}?{query}")
    assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (422, name)


def test_as_a_table_and_at_a_terminal(house: House, cli: Cli, call_as: As, keys: Keys) -> None:
    assert cli("reports", "prepaid").out.strip() == "Nothing was sold beforehand."
    house.grant(30, cost="10.00")
    sent = house.admin.get(f"{REPORT}?by=grant", headers={"Accept": "text/csv"})
    assert sent.content_type.startswith("text/csv")
    (line,) = csv.DictReader(io.StringIO(sent.text))
    assert (line["walletId"], line["sold"], line["deferredAtEnd"]) == ("w", "10.00", "10.00")
    table = cli("reports", "prepaid", "--by", "grant", "--csv").out
    assert table.splitlines() == sent.text.splitlines()
    for by in ("currency", "day", "grant"):
        shown = cli("reports", "prepaid", "--by", by)
        assert "10.00" in shown.out
        assert max(map(len, shown.out.splitlines())) <= 80
        assert cli("reports", "prepaid", "--by", by, "--wide").code == 0
    assert cli("reports", "prepaid", "--json").json["data"][0]["sold"] == "10.00"
    assert cli("reports", "prepaid", "--currency", "USX").code == 2
    assert cli("reports", "prepaid", "--from", "2026-07-01", "--to", "2026-06-01").code == 2
    assert call_as(keys.reader).get(REPORT).status_code == 403
