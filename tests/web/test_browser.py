"""The pages in a real Chromium: nothing refused or foreign, nothing that axe-core finds; alive, and by keyboard."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.factories import make_customer, make_recording, record
from tests.web.browsing import SCHEMES, Browsing, browsing, needs_chromium, overflows, violations
from tests.web.conftest import Books
from usage_billing.db.session import transaction
from usage_billing.sessions.pages import PAGES

pytestmark = [pytest.mark.browser, needs_chromium]

LinkFor = Callable[..., str]
WIDTHS = (320, 390, 760, 1280, 1600)


@pytest.fixture
def real(app: Flask) -> Iterator[Browsing]:
    """Chromium on the pages."""
    with browsing(app) as found:
        yield found


def _keep(page: Any, name: str) -> None:
    """A picture, where the run says a folder for them."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def _addresses() -> list[str]:
    return ["/portal" if name == "overview" else f"/portal/{name}" for name in PAGES]


def _look(real: Browsing, page: Any, address: str, name: str) -> list[str]:
    """Everything that is wrong with a page at this address."""
    page.goto(address)
    wrong = [f"{name}: {one}" for one in violations(page)]
    if overflows(page):
        wrong.append(f"{name}: scrolls sideways")
    _keep(page, name)
    return wrong


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_is_for_everybody(
    real: Browsing, used: Books, link_for: LinkFor, engine: Engine, scheme: str
) -> None:
    with transaction(engine) as session:
        make_customer(session, id="empty", name="Nothing yet")
    invoice = f"/portal/invoices/{used.invoice_id}"
    more = [invoice, f"{invoice}/items/{used.item_id}", f"/portal/records?find={used.record_id}"]
    more += ["/portal/prices?type=assessment&quantity=x", "/portal/usage?span=hours"]
    wrong: list[str] = []
    for customer in ("user123", "empty"):
        page = real.page(scheme=scheme)
        page.goto(link_for(customer))
        for place, address in enumerate([*_addresses(), *(more if customer == "user123" else [])]):
            wrong += _look(real, page, address, f"{customer}-{place}-{scheme}")
    for address in ("/", "/portal/nothing"):
        wrong += _look(real, page, address, f"page{address.replace('/', '-')}-{scheme}")
    assert wrong == []
    # Chromium itself calls an address that is not there an error of the page.
    assert [one for one in real.said if "/portal/nothing" not in one] == []
    assert real.foreign == []


def test_no_page_scrolls_sideways(
    real: Browsing, used: Books, link_for: LinkFor, engine: Engine, now: datetime
) -> None:
    with transaction(engine) as session:
        record(session, *(make_recording(now=now, quantity="123456789.5") for _ in range(3)))
    page = real.page()
    page.goto(link_for())
    wide = []
    invoice = f"/portal/invoices/{used.invoice_id}"
    for place, address in enumerate((*_addresses(), "/", invoice, f"{invoice}/items/{used.item_id}")):
        page.goto(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            _keep(page, f"width-{place}-{width}")
            wide += [(address, width)] if overflows(page) else []
    assert wide == []


def test_a_recording_made_while_the_page_is_open_appears(
    real: Browsing, world: None, link_for: LinkFor, engine: Engine, now: datetime
) -> None:
    page = real.page()
    page.goto(link_for())
    used = page.locator("[data-used=assessment]")
    assert used.text_content() == "0"
    with transaction(engine) as session:
        record(session, make_recording(now=now, quantity=7))
    used.get_by_text("7", exact=True).wait_for(timeout=5_000)
    assert page.locator(".fresh").text_content().startswith("Live")
    polls = [url for url in real.asked if url.endswith("/live")]
    assert polls
    assert real.said == []


def test_a_page_whose_session_ends_says_so(
    real: Browsing, world: None, link_for: LinkFor, engine: Engine, clock: Any
) -> None:
    page = real.page()
    page.goto(link_for(expiresInSeconds=600, refreshUrl="https://app.example.com/again"))
    clock.advance(seconds=600)
    way = page.get_by_role("link", name="Open it again")
    way.wait_for(timeout=6_000)
    assert way.get_attribute("href") == "https://app.example.com/again?reason=expired"
    assert violations(page) == []


def test_without_script_every_page_is_there(real: Browsing, world: None, link_for: LinkFor) -> None:
    page = real.page(script=False)
    page.goto(link_for())
    assert page.locator("[data-used=assessment]").text_content() == "0"
    page.get_by_role("button", name="Sign out").click()
    assert page.locator("h1").text_content() == "This page has expired"


def test_by_keyboard_alone(real: Browsing, world: None, link_for: LinkFor) -> None:
    page = real.page()
    page.goto(link_for())
    page.keyboard.press("Tab")
    assert page.locator(":focus").text_content() == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "main"
    page.goto("/portal")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="This page has expired").wait_for()


def test_a_chart_is_drawn_of_its_table(real: Browsing, used: Books, link_for: LinkFor) -> None:
    page = real.page()
    page.goto(link_for())
    page.goto("/portal/usage?type=assessment")
    page.locator("figure.chart canvas").wait_for()
    page.locator("figure.chart").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("[data-tip]").text_content() == "1 Nov 2026: 0"
    page.keyboard.press("ArrowLeft")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert page.locator("[data-tip]").text_content() == "15 Nov 2026: 52"
    page.emulate_media(color_scheme="dark")
    page.locator("figure.chart canvas").wait_for()
    assert real.said == []
