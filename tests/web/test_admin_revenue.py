"""Revenue at the desk: each figure is the API's, by any choice; as CSV the same."""

import re
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As, Clock
from tests.support.books import scalars
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser
from tests.web.test_admin_today import WRITER, figures


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


def _cells(page: str) -> list[list[str]]:
    """The cells of each row of the table of numbers, the foot last."""
    table = page[page.index('id="t-revenue"') :]
    rows = re.findall(r"<tr>(.*?)</tr>", table[table.index("<tbody>") :], re.S)
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)]
        for row in rows
    ]


@pytest.fixture
def month(used: Books, engine: Engine, clock: Clock) -> str:
    """The month in which the invoice became final, by the database's clock; the pages' present is in it."""
    (clock.now,) = scalars(engine, "SELECT finalized_at FROM invoices WHERE number IS NOT NULL")
    return f"{clock.now:%B %Y}"


def test_each_figure_is_the_apis(month: str, desk: DeskBrowser, used: Books, api: FlaskClient) -> None:
    (total,) = api.get("/api/reports/revenue").json["totals"]  # type: ignore[index]
    page = desk.see("/admin/revenue")
    assert figures(page)["net"] == WRITER.money(total["net"], "USD") == "$30.00"
    assert figures(page)["due"] == WRITER.money(total["amountDue"], "USD")
    assert _cells(page) == [[month, "$30.00", "$30.00"], ["Together", "$30.00", "$30.00"]]
    for by, name in (("plan", "business"), ("usageType", "assessment"), ("customer", "user123")):
        lines: Any = api.get(f"/api/reports/revenue?by=month,{by}").json
        page = desk.see(f"/admin/revenue?by={by}&span=always")
        assert f'/{name}">{name}</a>' in page
        assert _cells(page)[0][1:] == [WRITER.money(lines["data"][0]["net"], "USD")] * 2


def test_what_becomes_void_is_taken_back(month: str, desk: DeskBrowser, used: Books) -> None:
    desk.change(f"/admin/invoices/{used.invoice_id}/void")
    page = desk.see("/admin/revenue")
    assert _cells(page)[0] == [month, "$0.00", "$30.00", "\u2212$30.00"]
    assert "$30.00 of it became void" in page


def test_more_than_five_are_told_together(desk: DeskBrowser, world: None, engine: Engine, now: datetime) -> None:
    from decimal import Decimal

    from usage_billing.reports.revenue import RevenueLine
    from web.admin.revenue import _columns, _rows

    nothing = dict.fromkeys(("fees", "purchases", "adjustments", "voided"), Decimal(0))
    lines = [
        RevenueLine(
            currency="USD", month=f"2026-{month:02}", plan_id=f"p{plan}", usage_type=None, customer_id=None,
            usage=Decimal(plan), **nothing,
        )
        for month in (1, 2)
        for plan in range(8)
    ]  # fmt: skip
    columns = _columns(lines, "plan")
    assert [(one.name, one.total) for one in columns] == [
        ("p7", 14), ("p6", 12), ("p5", 10), ("p4", 8), ("p3", 6), ("others", 6)
    ]  # fmt: skip
    assert [(row["month"][:7], row["whole"]) for row in _rows(lines, columns)] == [("2026-02", 28), ("2026-01", 28)]


def test_the_csv_is_the_apis(desk: DeskBrowser, used: Books, api: FlaskClient) -> None:
    answer = desk.client.get("/admin/revenue.csv?by=plan&span=always")
    wanted = api.get("/api/reports/revenue?by=month,plan", headers={"Accept": "text/csv"}).text
    assert (answer.mimetype, answer.text) == ("text/csv", wanted)


@pytest.mark.parametrize("query", ["by=day", "span=week", "currency=USX", "by=plan&by=plan", "colour=red"])
def test_a_choice_that_there_is_not(desk: DeskBrowser, world: None, query: str) -> None:
    for path in ("revenue", "revenue.csv"):
        assert desk.client.get(f"/admin/{path}?{query}").status_code == 422


def test_without_invoices_it_says_so(desk: DeskBrowser, world: None) -> None:
    assert "No invoice became final" in desk.see("/admin/revenue")
