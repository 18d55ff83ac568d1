"""Endpoints, events, packages and revenue in a real Chromium: by clicking, and the chart by keys and without script."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.books import scalars
from tests.web.browsing import Browsing, needs_chromium, violations
from tests.web.desk_books import Desks
from tests.web.test_admin_browser import SignIn, books, real, sign_in

__all__ = ["books", "real", "sign_in"]
pytestmark = [pytest.mark.browser, needs_chromium]


def test_an_endpoint_is_made_tried_disabled_and_enabled_by_clicking(
    real: Browsing, sign_in: SignIn, world: None
) -> None:
    page = sign_in()
    page.get_by_role("link", name="Endpoints").click()
    page.get_by_role("link", name="New endpoint").click()
    page.locator("#f-id").fill("books")
    page.get_by_label("URL").fill("https://1.1.1.1/hooks")
    page.get_by_label("invoice.paid", exact=True).check()
    page.get_by_role("button", name="Make the endpoint").click()
    page.get_by_role("heading", name="A new endpoint").wait_for()
    assert page.locator("#secret-1").text_content().startswith("whsec_")
    assert violations(page) == []
    page.get_by_role("link", name="To the endpoint").click()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_text("endpoint.tested").wait_for()
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Disable it").click()
    page.get_by_text("It is told nothing.").wait_for()
    assert violations(page) == []
    page.get_by_role("link", name="Enable").click()
    page.get_by_role("button", name="Enable it").click()
    page.get_by_role("link", name="Replay a span").wait_for()
    assert real.said == []
    assert real.foreign == []


def test_an_event_is_sent_again_by_clicking_without_script(sign_in: SignIn, books: Desks) -> None:
    page = sign_in(script=False)
    page.get_by_role("link", name="Events").click()
    page.get_by_role("row", name="invoice.paid").get_by_role("link").first.click()
    page.get_by_text("no answer in 15 s after 15,000 ms").wait_for()
    page.get_by_role("link", name="Send it again").click()
    page.get_by_label("To", exact=True).select_option("books")
    page.get_by_role("button", name="Send it again").click()
    page.get_by_role("row", name="books").get_by_text("waiting").wait_for()
    page.get_by_text("event.resent").wait_for()


def test_a_package_is_sold_by_clicking(real: Browsing, sign_in: SignIn, books: Desks) -> None:
    page = sign_in()
    page.get_by_role("link", name="Packages").click()
    page.get_by_role("link", name="pages", exact=True).click()
    page.get_by_role("link", name="Sell it").click()
    page.get_by_label("Customer").fill("user123")
    page.get_by_label("Charged on").select_option("paid")
    page.get_by_label("Order or payment").fill("order 2")
    page.get_by_role("button", name="Sell it").click()
    page.get_by_role("cell", name="order 2").wait_for()
    assert real.said == []


def _reads(page: Any) -> str:
    return str(page.locator("[data-tip=t-revenue]").text_content())


def _month(engine: Engine) -> str:
    """The month in which the invoice of the books became final, by the real clock."""
    (finalized_at,) = scalars(engine, "SELECT finalized_at FROM invoices WHERE number IS NOT NULL")
    return f"{finalized_at:%B %Y}"


def test_the_chart_of_revenue_is_drawn_and_told_by_keys(
    real: Browsing, sign_in: SignIn, books: Desks, engine: Engine
) -> None:
    page = sign_in()
    page.get_by_role("link", name="Revenue").click()
    page.locator("figure.chart canvas").wait_for()
    page.locator("figure.chart").focus()
    page.keyboard.press("ArrowRight")
    assert _reads(page) == f"{_month(engine)}: $30.00"
    page.get_by_label("By", exact=True).select_option("plan")  # it sends its form by itself
    page.get_by_role("heading", name="By month and plan").wait_for()
    page.locator("figure.chart canvas").wait_for()
    page.get_by_role("columnheader", name="business").wait_for()
    assert violations(page) == []
    assert real.said == []
    assert real.foreign == []


def test_revenue_is_a_table_without_script(sign_in: SignIn, books: Desks, engine: Engine) -> None:
    page = sign_in(script=False)
    page.goto("/admin/revenue?by=customer")
    assert page.locator("figure.chart").is_hidden()
    page.get_by_role("row", name=_month(engine)).get_by_text("$30.00").first.wait_for()
    page.get_by_label("By", exact=True).select_option("usageType")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("columnheader", name="assessment").wait_for()
