"""What was billed: for any span and any keys the report is the sum of the final invoices, to the cent."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, product
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As, Clock, Drain
from tests.factories import make_quota, make_subscription
from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import scalars
from tests.support.callers import Keys
from usage_billing.core.spans import ALWAYS, Span
from usage_billing.db.session import read_only, transaction
from usage_billing.reports.revenue import RevenueBy, RevenueLine, revenue_report

__all__ = ["cli"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AUGUST, SEPTEMBER = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
REPORT = "/api/reports/revenue"
SELLER = {
    "legalName": "Seller GmbH",
    "taxId": "DE136695976",
    "address": {"line1": "Hauptstr. 1", "postalCode": "10115", "city": "Berlin", "country": "DE"},
    "taxes": {"mode": "rules"},
}
BUYER = {"address": {"line1": "Weg 2", "postalCode": "10117", "city": "Berlin", "country": "DE"}}


@pytest.fixture
def told(engine: Engine, admin: FlaskClient, clock: Clock, drain: Drain, monkeypatch: pytest.MonkeyPatch) -> House:
    """Three months of two customers: fees, usage, what was bought, put right, credited, void and charged again."""
    for module in ("drive_run", "bill_slice"):
        monkeypatch.setattr(f"usage_billing.flows.billing.{module}.database_now", lambda _: clock.now)
    house = House(engine, admin, clock, drain, count())
    _begin(house)
    first = house.use(15, at=JUNE + DAY)
    house.use(30, at=JUNE + DAY, subscription="u")
    house.bill(JULY + 3 * HOUR)
    house.ok("POST", f"/api/usage/records/{first}/void", {"reason": "twice"})
    house.clock.now = JULY + 10 * DAY
    house.use(5, at=JULY + DAY)
    house.ok("PUT", "/api/seller", SELLER)
    _sell_beforehand(house)
    given = {"amount": "5", "currency": "USD", "reason": "x", "idempotencyKey": "c"}
    house.ok("POST", "/api/customers/ann/credits", given)
    house.bill(AUGUST + 3 * HOUR)
    (again, *_) = house.ok("GET", "/api/invoices?subscriptionId=u")["data"]
    house.ok("POST", f"/api/invoices/{again['id']}/void")
    house.bill(SEPTEMBER + 3 * HOUR)
    house.verified()
    return house


def _begin(house: House) -> None:
    house.clock.now = JUNE + 10 * DAY
    for name in ("ann", "bob"):
        house.ok("POST", "/api/customers", {"id": name, "name": name, **BUYER})
    house.ok("POST", "/api/plans", {"id": "p", "name": "P", "currency": "USD", "baseFee": "10.00"})
    house.ok("POST", "/api/plans", {"id": "q", "name": "Q", "currency": "EUR"})
    house.ok("POST", "/api/usage-types", {"id": "calls", "unitName": "calls"})
    house.ok("POST", "/api/tax-rates", {"country": "DE", "category": "S", "rate": "19", "effectiveFrom": "2020-01-01"})
    with transaction(house.engine) as session:
        for plan in "pq":
            make_quota(session, plan=plan, usage_type="calls", limit=10, unit_price="2.5")
        for id, plan, customer in (("s", "p", "ann"), ("t", "p", "bob"), ("u", "q", "ann")):
            make_subscription(session, id=id, customer=customer, plan=plan, started_at=JUNE)


def _sell_beforehand(house: House) -> None:
    """Bob has 4.00 in hand, and buys pages with the next invoice."""
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "bob", "fees": True, "unit": {"currency": "USD"}})
    house.ok("POST", "/api/wallets/m/grants", {"amount": "4.00", "idempotencyKey": "m"})
    house.ok("POST", "/api/usage-types", {"id": "page", "unitName": "pages"})
    unit = {"unitName": "pages", "usageTypes": ["page"]}
    package = {"id": "pages", "name": "Pages", "unit": unit, "currency": "USD", "amount": "100", "price": "8.00"}
    house.ok("POST", "/api/packages", package)
    buying = {"userId": "bob", "subscriptionId": "t", "charge": "next_invoice", "idempotencyKey": "b"}
    house.ok("POST", "/api/packages/pages/purchases", buying)


def _lines(house: House, span: Span, *by: RevenueBy, currency: str | None = None) -> list[RevenueLine]:
    with read_only(house.engine) as session:
        return list(revenue_report(session, span, by=by, currency=currency).lines)


def _sums(lines: Iterable[RevenueLine], *names: str) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        for name in names:
            found[line.currency, name] += getattr(line, name)
    return found


CHARGES = ("usage", "fees", "purchases", "adjustments", "voided", "net")
SETTLED = ("tax", "total_with_tax", "prepaid_applied", "credit_applied", "credit_granted", "amount_due")


def test_all_time_is_the_sum_of_the_final_invoices_that_stand(told: House) -> None:
    listed = told.ok("GET", "/api/invoices?limit=200")["data"]
    invoices = [one for one in listed if one["status"] not in {"draft", "void"}]
    for currency in ("USD", "EUR"):
        (line,) = told.ok("GET", f"{REPORT}?currency={currency}")["totals"]
        stand = [one for one in invoices if one["currency"] == currency]

        def total(name: str, other: str = "total", stand: list[Any] = stand) -> Decimal:
            return sum((Decimal(one.get(name, one[other])) for one in stand), Decimal(0))

        assert Decimal(line["net"]) == total("total")
        assert Decimal(line["totalWithTax"]) == total("totalWithTax")
        assert Decimal(line["creditApplied"]) == total("creditApplied")
        assert Decimal(line["tax"]) == total("totalWithTax") - total("total")
        assert Decimal(line["amountDue"]) == total("amountDue")  # none is paid
    granted = sum(scalars(told.engine, "SELECT amount FROM credit_entries WHERE kind LIKE 'granted%'"))
    (line,) = told.ok("GET", f"{REPORT}?currency=USD")["totals"]
    assert Decimal(line["creditGranted"]) == granted > 0


def test_each_figure_by_month_by_hand(told: House) -> None:
    lines: Any = told.ok("GET", REPORT)["data"]
    names = ("month", "currency", "usage", "fees", "purchases", "adjustments", "voided", "net", "tax")
    names += ("prepaidApplied", "creditApplied", "creditGranted", "amountDue")
    assert [" ".join(line[name] for name in names) for line in lines] == [
        # Twenty calls beyond the allowance at 2.50; of the dollars five, and two fees. The seller takes no tax yet.
        "2026-07 EUR 50.00 0.00 0.00 0.00 0.00 50.00 0.00 0.00 0.00 0.00 50.00",
        "2026-07 USD 12.50 20.00 0.00 0.00 0.00 32.50 0.00 0.00 0.00 0.00 32.50",
        "2026-08 EUR 0.00 0.00 0.00 0.00 50.00 -50.00 0.00 0.00 0.00 0.00 -50.00",
        # 19 % of 10.00 and of 18.00; Ann's 5.00 pay of the first.
        "2026-08 USD 0.00 20.00 8.00 0.00 0.00 28.00 5.32 0.00 5.00 0.00 28.32",
        "2026-09 EUR 50.00 0.00 0.00 0.00 0.00 50.00 9.50 0.00 0.00 0.00 59.50",
        # Ann's fee of 11.90 less 12.50 that was charged without tax; Bob's fee, 4.00 of which his wallet paid.
        "2026-09 USD 0.00 20.00 0.00 -12.50 0.00 7.50 3.04 4.00 0.00 0.60 7.14",
    ]


def test_any_keys_and_any_spans_add_up(told: House) -> None:
    moments = [None, JULY + HOUR, AUGUST + HOUR, AUGUST + 2 * DAY, SEPTEMBER + DAY]
    whole = _sums(_lines(told, ALWAYS), *CHARGES, *SETTLED)
    assert whole["USD", "adjustments"] < 0 < whole["EUR", "voided"]
    for by in product(*[(None, key) for key in RevenueBy]):
        keys = [key for key in by if key is not None]
        names = CHARGES if {RevenueBy.PLAN, RevenueBy.USAGE_TYPE} & set(keys) else (*CHARGES, *SETTLED)
        parts: Counter[tuple[str, str]] = Counter()
        for start, end in zip(moments, [*moments[1:], None], strict=True):
            parts.update(_sums(_lines(told, Span(start=start, end=end), *keys), *names))
        assert {key: value for key, value in parts.items() if value} == {
            key: value for key, value in whole.items() if value and key[1] in names
        }, keys


def test_as_csv_and_at_the_command_line_it_is_the_same(told: House, cli: Cli) -> None:
    shown = told.ok("GET", f"{REPORT}?by=customer,month")
    assert shown["by"] == ["month", "customer"]
    answer = told.admin.get(f"{REPORT}?by=customer,month", headers={"Accept": "text/csv"})
    assert (answer.mimetype, answer.headers["Vary"]) == ("text/csv", "Accept")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [{name: value or None for name, value in row.items()} for row in rows] == shown["data"]
    asked = ("reports", "revenue", "--by", "customer", "--by", "month")
    assert cli(*asked, "--csv").out == answer.text
    assert cli(*asked, "--json").json["data"] == shown["data"]
    assert "2026-07" in cli(*asked).out
    by_type = cli("reports", "revenue", "--by", "usageType", "--from", "2026-08-01", "--to", "2026-09-01")
    assert (by_type.code, "calls" in by_type.out, "TAX" in by_type.out.upper()) == (0, True, False)


@pytest.mark.parametrize(
    ("query", "name", "code"),
    [
        ("from=2026-07-01T00:00:00Z&to=2026-06-01T00:00:00Z", "to", "out_of_range"),
        ("currency=USX", "currency", "unknown_currency"),
        ("by=day", "by", "not_a_choice"),
        ("by=month,month", "by", "repeated"),
        ("by=", "by", "not_a_choice"),
        ("plan=p", "plan", "unknown"),
    ],
)
def test_what_is_no_report(admin: FlaskClient, query: str, name: str, code: str) -> None:
    answer: Any = admin.get(f"{REPORT}?{query}")
    (error,) = answer.json["errors"]
    assert (answer.status_code, error["parameter"], error["code"]) == (422, name, code)


def test_a_report_without_end_is_only_for_a_spreadsheet(told: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usage_billing.reports.revenue.MOST_LINES", 1)
    answer: Any = told.admin.get(f"{REPORT}?by=month")
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "out_of_range")
    assert told.admin.get(f"{REPORT}?by=month", headers={"Accept": "text/csv"}).status_code == 200


def test_customers_do_not_see_it(told: House, call_as: As, keys: Keys) -> None:
    assert call_as(keys.of("usage:read")).get(REPORT).status_code == 403
