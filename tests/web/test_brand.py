"""White label: pages have the operator's name, logo and colours, and are as safe and as readable as ours."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from tasks.inbox.protocol import Inbox
from tests.conftest import Clock
from tests.unit.test_brand import DRAWING, brand_of, png
from tests.web.browsing import SCHEMES, browsing, needs_chromium, overflows, violations
from tests.web.conftest import Books, OpenPortal
from usage_billing.sessions.pages import PAGES
from usage_billing.settings import Settings
from web import freshness

NAME = "Acme <Metering> & Söhne"
TEXT = f"""
name = "{NAME}"
logo = "logo.svg"
accent = "#b00020"
accent_dark = "#ff8899"
support = "https://acme.example/help?a=1&b=2"
legal = "Acme GmbH <HRB 1>"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a brand whose logo is wide."""
    return brand_of(tmp_path, TEXT, svg=DRAWING, png=png())


@pytest.fixture
def app(settings: Settings, engine: Engine, inbox: Inbox, clock: Clock, file: Path) -> Iterator[Flask]:
    """The API and its pages with a brand."""
    from api.state import state_of
    from web import create_app

    made = create_app(replace(settings, brand=str(file)))
    state_of(made).start_over(clock=clock)
    freshness.forget()
    yield made
    state_of(made).engine.dispose()


def _address(page: str, name: str) -> str:
    (found,) = {part.partition('"')[0] for part in page.split('="') if part.partition('"')[0].endswith(f"/{name}")}
    return found


def test_pages_have_the_name_the_logo_and_the_colours(app: Flask, portal: OpenPortal, world: None) -> None:
    browser = portal()
    page = browser.get("/portal").text
    assert "<title>Overview · Acme &lt;Metering&gt; &amp; Söhne</title>" in page
    assert 'alt="Acme &lt;Metering&gt; &amp; Söhne" width="96" height="24"' in page
    assert 'href="https://acme.example/help?a=1&amp;b=2"' in page
    assert "Acme GmbH &lt;HRB 1&gt;" in page
    style = browser.get(_address(page, "brand.css")).text
    assert "@media (prefers-color-scheme: light) { :root { --accent: #b00020;" in style
    assert "@media (prefers-color-scheme: dark) { :root { --accent: #ff8899;" in style
    logo = browser.get(_address(page, "logo.svg"))
    assert (logo.data, logo.mimetype) == (DRAWING.encode(), "image/svg+xml")
    assert logo.headers["Content-Security-Policy"].endswith("; sandbox")
    expired = app.test_client().get("/portal").text
    assert "<title>This page has expired · Acme &lt;Metering&gt;" in expired
    assert _address(expired, "logo.svg") == _address(page, "logo.svg")


def test_the_page_of_an_invoice_has_the_brand(app: Flask, portal: OpenPortal, used: Books, admin: object) -> None:
    answer = admin.get(f"/api/invoices/{used.invoice_id}/document")  # type: ignore[attr-defined]
    assert "Acme GmbH &lt;HRB 1&gt;" in answer.text
    assert "img-src data:" in answer.headers["Content-Security-Policy"]


def test_a_small_logo_stands_beside_the_name(app: Flask, portal: OpenPortal, file: Path, world: None) -> None:
    from web import create_app

    file.write_text('name = "Acme"\nlogo = "logo.png"\naccent = "#ffff00"')
    (file.parent / "logo.png").write_bytes(png(8, 8))
    other = create_app(replace(Settings.from_environment(), brand=str(file)))
    page = other.test_client().get("/portal").text
    assert 'alt="" width="24" height="24">Acme' in page
    assert other.test_client().get(_address(page, "logo.png")).mimetype == "image/png"
    assert "brand.css" not in page


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_in_other_colours_is_for_everybody(
    app: Flask, used: Books, link_for: Callable[..., str], scheme: str
) -> None:
    wrong: list[str] = []
    with browsing(app) as real:
        page = real.page(scheme=scheme)
        page.goto(link_for())
        addresses = ["/portal" if name == "overview" else f"/portal/{name}" for name in PAGES]
        for address in (*addresses, f"/portal/invoices/{used.invoice_id}", "/portal/nothing"):
            page.goto(address)
            wrong += [f"{address}: {one}" for one in violations(page)]
            wrong += [f"{address}: scrolls sideways"] if overflows(page) else []
        accent = page.evaluate("() => getComputedStyle(document.querySelector('.primary')).backgroundColor")
        drawn = page.evaluate("() => document.querySelector('.brand img').naturalWidth")
        address = page.locator(".brand img").get_attribute("src")
        page.goto(address)
    assert wrong == []
    assert accent == {"light": "rgb(176, 0, 32)", "dark": "rgb(255, 136, 153)"}[scheme]
    assert drawn > 0
    assert [one for one in real.said if "/portal/nothing" not in one] == []
    assert real.foreign == []
