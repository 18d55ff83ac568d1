"""The admin pages in a real Chromium: nothing refused or foreign, nothing that axe-core finds; without script too."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.factories import make_recording, make_subscription, record
from tests.support.callers import Keys
from tests.web.browsing import SCHEMES, Browsing, browsing, needs_chromium, overflows, violations
from tests.web.conftest import Books
from tests.web.desk_books import Desks, desks
from usage_billing.db.session import transaction
from web.admin.frame import NAVIGATION

pytestmark = [pytest.mark.browser, needs_chromium]

WIDTHS = (320, 390, 760, 1280, 1600)
SignIn = Callable[..., Any]


@pytest.fixture
def real(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browsing]:
    """Chromium on the pages; it looks at all of them in a minute."""
    monkeypatch.setattr("web.admin.gate.REQUESTS_A_MINUTE", 10_000)
    with browsing(app) as found:
        yield found


@pytest.fixture
def books(engine: Engine, used: Books, clock: Any, keys: Keys) -> Desks:
    """Books in which each page has something to show."""
    assert keys.admin
    return desks(engine, used, clock())


@pytest.fixture
def sign_in(real: Browsing, keys: Keys) -> SignIn:
    """A page of an operator that signed in by its form."""

    def make(**options: Any) -> Any:
        page = real.page(**options)
        page.goto("/admin")
        page.get_by_label("Key or token").fill(keys.admin)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Today", level=1).wait_for()
        return page

    return make


def _keep(page: Any, name: str) -> None:
    """A picture, where the run says a folder for them."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def _lists() -> list[str]:
    return [f"/admin/{path}" if path else "/admin" for _, entries in NAVIGATION for path, _ in entries]


def _name(address: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in address)[1:60]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_is_for_every_reader(real: Browsing, sign_in: SignIn, books: Desks, scheme: str) -> None:
    page, wrong = sign_in(scheme=scheme), []
    for address in [*_lists(), *books.addresses]:
        found = page.goto(address)
        wrong += [] if found.status == 200 else [f"{address}: {found.status}"]
        wrong += [f"{address}: {one}" for one in violations(page)]
        _keep(page, f"{_name(address)}-{scheme}")
    assert wrong == []
    assert real.said == []
    assert real.foreign == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_is_for_every_reader_also_when_it_is_empty(
    real: Browsing, sign_in: SignIn, world: None, scheme: str
) -> None:
    page, wrong = sign_in(scheme=scheme), []
    for address in [*_lists(), "/admin/customers/user123", "/admin/subscriptions/sub456"]:
        found = page.goto(address)
        wrong += [] if found.status == 200 else [f"{address}: {found.status}"]
        wrong += [f"{address}: {one}" for one in violations(page)]
    assert wrong == []
    assert real.said == []


def test_the_entrance_is_for_every_reader(real: Browsing) -> None:
    page, wrong = real.page(), []
    for address in ("/admin/login", "/admin/open?code=x"):
        page.goto(address)
        wrong += violations(page)
        _keep(page, _name(address))
    page.goto("/admin/login")
    page.get_by_label("Key or token").fill("x")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The API key does not hold.").wait_for()
    assert [*wrong, *violations(page)] == []


def test_no_page_scrolls_sideways(sign_in: SignIn, books: Desks) -> None:
    page, wide = sign_in(), []
    for address in [*_lists(), *books.addresses]:
        page.goto(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide += [(address, width)] if overflows(page) else []
            if width == 390:
                _keep(page, f"{_name(address)}-390")
    assert wide == []


def test_a_menu_opens_without_script(sign_in: SignIn, world: None) -> None:
    page = sign_in(script=False, width=390)
    page.get_by_text("Menu", exact=True).click()
    page.get_by_role("navigation", name="Pages, as a menu").get_by_role("link", name="Today").click()
    assert page.locator("h1").text_content() == "Today"


def test_by_keyboard_alone(real: Browsing, keys: Keys, world: None) -> None:
    page = real.page()
    page.goto("/admin/login")
    page.get_by_label("Key or token").focus()
    page.keyboard.type(keys.admin)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Today", level=1).wait_for()
    page.keyboard.press("Tab")
    assert page.locator(":focus").text_content() == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "main"


def test_a_plan_is_changed_by_clicking(real: Browsing, sign_in: SignIn, books: Desks) -> None:
    page = sign_in()
    page.goto("/admin/subscriptions/sub456")
    page.get_by_role("link", name="Change plan").click()
    page.get_by_label("Plan", exact=True).select_option("gold")
    page.get_by_label("When").fill("period_end")
    page.get_by_role("button", name="Look what it would do").click()
    page.get_by_role("heading", name="What it would do").wait_for()
    _keep(page, "foreseen")
    assert violations(page) == []
    page.get_by_role("button", name="Change the plan as shown").click()
    page.get_by_role("heading", name="Planned").wait_for()
    page.get_by_text("to plan gold").wait_for()
    page.get_by_role("button", name="Take back").click()
    page.get_by_text("Nothing is planned.").wait_for()
    page.get_by_text("subscription.taken_back").wait_for()
    assert real.said == []


def test_a_subscription_is_paused_by_clicking_without_script(sign_in: SignIn, books: Desks, clock: Any) -> None:
    clock.advance(seconds=1)
    page = sign_in(script=False)
    page.goto("/admin/subscriptions/sub456")
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("button", name="Look what it would do").click()
    clock.advance(seconds=1)
    page.get_by_role("button", name="Pause at the moment of this click").click()
    clock.advance(seconds=1)
    page.reload()
    page.get_by_role("link", name="Resume").wait_for()
    assert "subscription.paused" in page.content()


def test_a_recording_is_taken_back_and_quarantine_replayed_by_clicking(
    real: Browsing, sign_in: SignIn, books: Desks, used: Books, engine: Engine
) -> None:
    page = sign_in()
    page.goto(f"/admin/records/{used.record_id}")
    page.get_by_role("link", name="Take it back").click()
    page.get_by_label("Reason").fill("sent twice")
    page.get_by_role("button", name="Take it back").click()
    page.get_by_text("usage.voided").wait_for()
    with transaction(engine) as session:
        make_subscription(session, id="none")
    page.goto("/admin")
    page.get_by_role("link", name="unknown subscription").click()
    page.get_by_role("button", name="Replay all 3").click()
    page.get_by_role("heading", name="What became of them").wait_for()
    assert page.locator("[data-figure=recorded]").text_content() == "3"
    assert real.said == []


def test_an_invoice_is_voided_and_a_dry_run_made_real_by_clicking(
    real: Browsing, sign_in: SignIn, books: Desks, used: Books
) -> None:
    page = sign_in()
    page.goto(f"/admin/invoices/{used.invoice_id}")
    page.get_by_role("link", name="Void").click()
    page.get_by_role("button", name="Void it").click()
    page.get_by_text("invoice.voided").wait_for()
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("link", name="Run now").click()
    page.get_by_role("button", name="Start it").click()
    page.get_by_role("heading", name="Stages").wait_for()
    assert violations(page) == []
    assert real.said == []


def test_today_moves(real: Browsing, sign_in: SignIn, world: None, engine: Engine, now: Any) -> None:
    page = sign_in()
    assert page.locator("[data-figure=quarantined]").text_content() == "0"
    with transaction(engine) as session:
        record(session, make_recording(now=now, subscription="none"))
    page.locator("[data-figure=quarantined]").get_by_text("1", exact=True).wait_for(timeout=6_000)
    assert page.locator(".fresh").text_content().startswith("Live")
    assert real.said == []


def test_a_key_is_made_by_clicking(real: Browsing, sign_in: SignIn, world: None) -> None:
    page = sign_in()
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("link", name="New key").click()
    page.get_by_role("button", name="Make the key").click()
    page.get_by_label("Name").fill("reports")
    page.get_by_label("usage:read").check()
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("heading", name="Copy it now").wait_for()
    assert page.locator("#the-key").text_content().startswith("ub_")
    assert violations(page) == []


def test_a_form_that_is_wrong_is_for_every_reader(real: Browsing, sign_in: SignIn, world: None) -> None:
    page = sign_in()
    page.goto("/admin/customers/user123/credit")
    page.get_by_label("Amount").fill("much")
    page.get_by_label("Currency").fill("USD")
    page.get_by_label("Reason").fill("goodwill")
    page.get_by_role("button", name="Give the credit").click()
    page.get_by_text("What is wrong stands beside its field.").wait_for()
    assert page.get_by_label("Amount").input_value() == "much"
    assert violations(page) == []
