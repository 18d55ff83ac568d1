"""Pages when things are not as usual: behind, failed, in a frame of another site, ended while open, hostile texts."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.serving import make_server

from api import enqueue
from api.state import state_of
from tests.conftest import Clock
from tests.factories import make_customer, make_plan, make_recording, make_subscription, make_usage_type, record
from tests.factories.meters import make_meter
from tests.web.browsing import SCHEMES, Browsing, browsing, needs_chromium, overflows, violations
from tests.web.conftest import Books
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import transaction
from usage_billing.flows.administration.manage_portal import end_portal_session
from usage_billing.sessions.pages import PAGES
from web import freshness

pytestmark = [pytest.mark.browser, needs_chromium]

LinkFor = Callable[..., str]
ADDRESSES = ["/portal" if name == "overview" else f"/portal/{name}" for name in PAGES]


@pytest.fixture
def real(app: Flask) -> Iterator[Browsing]:
    """Chromium on the pages."""
    with browsing(app) as found:
        yield found


def _wrong(page: Any, name: str) -> list[str]:
    """Everything that is wrong with the page that is shown."""
    found = [f"{name}: {one}" for one in violations(page)]
    return found + ([f"{name}: scrolls sideways"] if overflows(page) else [])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_figures_that_are_behind_say_so_and_that_nothing_is_lost(
    real: Browsing, used: Books, link_for: LinkFor, clock: Clock, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    since = clock() - timedelta(minutes=4, seconds=5)
    monkeypatch.setattr(enqueue, "oldest_waiting", lambda: since)
    freshness.forget()
    page = real.page(scheme=scheme)
    page.goto(link_for())
    wrong = []
    for address in ADDRESSES:
        page.goto(address)
        wrong += _wrong(page, address)
    assert wrong == []
    page.goto("/portal")
    banner = page.locator("[data-behind] .banner")
    assert "What was used is accepted and safe" in banner.text_content()
    assert "4 minutes behind" in banner.text_content()
    fresh = page.locator(".fresh")
    assert (fresh.get_attribute("data-state"), "4 minutes behind" in fresh.text_content()) == ("behind", True)
    assert real.said == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_that_cannot_be_made_says_what_is_not_affected(
    real: Browsing, used: Books, link_for: LinkFor, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    page = real.page(scheme=scheme)
    page.goto(link_for())
    for error, says in (
        (RuntimeError("a mistake"), "This page could not be made"),
        (Unavailable("x"), "Not reachable"),
    ):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("web.portal.overview.overview", fail)
        page.goto("/portal")
        assert says in page.locator("h1").text_content()
        assert "recorded as always" in page.locator("main").text_content()
        assert "a mistake" not in page.content()
        assert _wrong(page, says) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_that_is_not_answered_any_more_keeps_its_figures_and_says_of_when(
    real: Browsing, used: Books, link_for: LinkFor, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    page = real.page(scheme=scheme)
    page.clock.install()
    page.goto(link_for())

    def fail(*_: object) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr("web.portal.gate.visitor_of_cookie", fail)
    page.clock.run_for(15_000)
    assert page.locator(".fresh").get_attribute("data-state") == "gone"
    assert page.locator(".fresh").text_content().startswith("Not reachable, shown as of ")
    assert not page.locator("#gone").is_visible()
    page.clock.run_for(60_000)
    assert page.locator("#gone").is_visible()
    assert page.locator("[data-used=assessment]").text_content() == "52"
    assert _wrong(page, "gone") == []
    monkeypatch.undo()
    page.clock.run_for(5_000)
    page.locator(".fresh[data-state=live]").wait_for(timeout=5_000)
    assert not page.locator("#gone").is_visible()


def test_a_session_that_is_revoked_while_its_page_is_open(
    real: Browsing, world: None, link_for: LinkFor, engine: Engine, clock: Clock
) -> None:
    page = real.page()
    page.goto(link_for(refreshUrl="https://app.example.com/again"))
    with transaction(engine) as session:
        (id_,) = session.scalars(text("SELECT id FROM portal_sessions")).all()
        end_portal_session(session, id_, actor="test", now=clock())
    page.get_by_role("heading", name="This page has expired").wait_for(timeout=6_000)
    assert page.locator("[data-used=assessment]").count() == 0


def test_a_link_that_was_used_opens_nothing_again(real: Browsing, world: None, link_for: LinkFor) -> None:
    link = link_for()
    first, second = real.page(), real.page()
    first.goto(link)
    second.goto(link)
    assert second.locator("h1").text_content() == "This page has expired"
    assert violations(second) == []
    assert first.goto("/portal").status == 200
    assert "code=" not in first.url


@contextmanager
def _other_site(inside: str) -> Iterator[str]:
    """The origin of another site, which frames an address of ours."""
    app = Flask("other")
    app.add_url_rule("/", view_func=lambda: Response(f'<iframe src="{inside}"></iframe>', mimetype="text/html"))
    server = make_server("localhost", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def test_the_portal_lives_in_a_frame_of_an_allowed_origin(
    app: Flask,
    real: Browsing,
    world: None,
    link_for: LinkFor,
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    now: datetime,
) -> None:
    here = state_of(app)
    with _other_site(real.address + link_for()) as origin:
        monkeypatch.setattr(here, "settings", replace(here.settings, portal_origins=origin))
        page = real.page()
        page.goto(origin)
        frame = page.frame_locator("iframe")
        used = frame.locator("[data-used=assessment]")
        assert used.text_content() == "0"
        with transaction(engine) as session:
            record(session, make_recording(now=now, quantity=7))
        frame.locator("[data-used=assessment]", has_text="7").wait_for(timeout=5_000)
        frame.get_by_role("link", name="Usage").click()
        frame.get_by_role("heading", name="Usage", exact=True).wait_for()
        frame.get_by_role("button", name="Sign out").click()
        frame.get_by_role("heading", name="This page has expired").wait_for()
        # The cookie is kept for the pair of sites: alone, the portal is not open.
        other = page.context.new_page()
        assert other.goto("/portal").status == 401


def test_no_other_origin_frames_it(
    app: Flask, real: Browsing, world: None, link_for: LinkFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = state_of(app)
    with _other_site(real.address + link_for()) as origin:
        for allowed in ("", "https://app.example.com", origin.replace("http:", "https:")):
            monkeypatch.setattr(here, "settings", replace(here.settings, portal_origins=allowed))
            page = real.page()
            page.goto(origin)
            page.wait_for_timeout(300)
            assert page.frame_locator("iframe").locator(".brand").count() == 0
    assert any("frame-ancestors" in line for line in real.said)


HOSTILE = {
    "script": "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
    "quotes": "\"'></bdi></title><svg onload=document.title='taken'>",
    "backwards": "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "long": "W" * 120,
    "template": "{{ 7 * 7 }} {% raw %} %(n)s %s {0} ${x}",
}


@pytest.fixture
def hostile(request: pytest.FixtureRequest, engine: Engine, admin: FlaskClient, now: datetime, world: None) -> str:
    """Books of a customer where everything that has a name has the same one."""
    name = HOSTILE[request.param]
    with transaction(engine) as session:
        make_customer(session, id="odd", name=name)
        make_plan(session, id="odd", name=name)
        make_usage_type(session, id="calls", unit_name=name[:64])
        make_subscription(session, id="odd", customer="odd", plan="odd")
        make_meter(session, value="tokens", dimensions=["model"])
    each = {"model": "per_unit", "unitPrice": "2"}
    cells = [{"name": name.replace("\u202e", "")[:64], "when": {"model": "l"}, "price": each}]
    price = {"model": "by_dimension", "cells": cells, "default": {"model": "flat", "amount": "3"}}
    for usage_type, priced in (("calls", each), ("tokens", price)):
        quota = {"planId": "odd", "usageType": usage_type, "monthlyLimit": "1", "price": priced}
        made = admin.post("/api/quotas", json=quota)
        assert made.status_code == 201, made.text
    wallet = {"id": "odd", "userId": "odd", "unit": {"unitName": name[:64], "usageTypes": ["calls"]}}
    assert admin.post("/api/wallets", json=wallet).status_code == 201
    grant = {"amount": "5", "idempotencyKey": "k"}
    assert admin.post("/api/wallets/odd/grants", json=grant).status_code == 201
    credit = {"amount": "5.00", "currency": "USD", "reason": name, "idempotencyKey": "x"}
    assert admin.post("/api/customers/odd/credits", json=credit).status_code == 201
    metadata = '{"tokens": 5, "model": "l"}'
    with transaction(engine) as session:
        record(
            session,
            *(make_recording(now=now, customer="odd", subscription="odd", usage_type="calls") for _ in range(9)),
            make_recording(now=now, customer="odd", subscription="odd", usage_type="tokens", metadata=metadata),
        )
    return name


@pytest.mark.parametrize("hostile", HOSTILE, indirect=True)
def test_hostile_names_are_texts_on_every_page(real: Browsing, hostile: str, link_for: LinkFor) -> None:
    page = real.page(width=390)
    page.goto(link_for("odd"))
    wrong = []
    addresses = [*ADDRESSES, "/portal/wallets/of/odd", "/portal/wallets/balance", "/portal/usage?type=calls"]
    for address in addresses:
        page.goto(address)
        wrong += _wrong(page, address)
        if page.title() == "taken" or page.locator("main script, main img, main svg[onload]").count():
            wrong.append(f"{address}: it ran")
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for address in addresses:
            page.goto(address)
            wrong += [f"{address}: scrolls sideways at {width}"] if overflows(page) else []
    page.goto("/portal")
    assert page.locator(".who").first.text_content() == hostile
    assert wrong == []
    assert real.said == []
    assert real.foreign == []
    assert re.search(r"\d", page.locator("main").text_content())
