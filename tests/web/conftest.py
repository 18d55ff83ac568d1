"""The application with its pages, and browsers of customers that are let in."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from tasks.inbox.protocol import Inbox
from tests.conftest import As, Clock
from tests.factories import make_recording, make_world, record
from tests.support.callers import Keys
from tests.support.kept import kept
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.settings import Settings
from web import freshness
from web.admin import today
from web.portal import kept as kept_pages

OpenPortal = Callable[..., FlaskClient]


@pytest.fixture(scope="session")
def _pages(settings: Settings) -> Iterator[Flask]:
    from api.state import state_of
    from web import create_app

    made = create_app(settings)
    yield made
    state_of(made).engine.dispose()


@pytest.fixture
def app(_pages: Flask, engine: Engine, inbox: Inbox, clock: Clock) -> Flask:
    """The API and its pages on an empty database and an empty inbox, with a clock that stands."""
    from api.state import state_of

    state_of(_pages).start_over(clock=clock)
    freshness.forget()
    kept_pages.forget()
    today.forget()
    return _pages


@pytest.fixture
def world(engine: Engine) -> None:
    """user123 on plan business with sub456: 50 assessments a month, 10.00 each beyond."""

    def make() -> None:
        with transaction(engine) as session:
            make_world(session)

    kept(engine, "web world", make)


@pytest.fixture
def link_for(call_as: As, keys: Keys) -> Callable[..., str]:
    """The path that opens a customer's pages once: ``link_for("user123", locale="de")``."""

    def make(customer: str = "user123", **asked: object) -> str:
        opener = call_as(keys.of("portal:open"))
        answer = opener.post("/api/portal-sessions", json={"userId": customer, **asked})
        assert answer.status_code == 201, answer.json
        assert answer.json is not None
        return str(answer.json["url"])

    return make


@pytest.fixture
def portal(app: Flask, link_for: Callable[..., str]) -> OpenPortal:
    """A browser of a customer on its pages: ``portal("user123")``."""

    def make(customer: str = "user123", **asked: object) -> FlaskClient:
        browser = app.test_client()
        assert browser.get(link_for(customer, **asked)).status_code == 303
        return browser

    return make


ORIGIN = {"Origin": "http://localhost"}
"""What a browser says with a form of a page of the application."""


def token_in(page: str) -> str:
    """The token of the forms of a page."""
    return re.findall(r'name="token" value="([0-9a-f]{64})"', page)[0]


class DeskBrowser:
    """A browser of an operator: it looks at pages, and sends their forms."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def see(self, address: str) -> str:
        """The text of a page that is there."""
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code, answer.text)
        return answer.text

    def send(self, address: str, **fields: object) -> TestResponse:
        """The answer to a form with these fields."""
        token = token_in(self.see("/admin"))
        return self.client.post(address, data={"token": token, **fields}, headers=ORIGIN)

    def change(self, address: str, **fields: object) -> str:
        """Send a form that does what it says; returns the page that is shown then."""
        answer = self.send(address, **fields)
        assert answer.status_code == 303, (answer.status_code, answer.text)
        return self.see(answer.headers["Location"])


@pytest.fixture
def desk(app: Flask, keys: Keys) -> DeskBrowser:
    """A browser of an operator that signed in with an admin key."""
    browser = app.test_client()
    token = token_in(browser.get("/admin/login").text)
    answer = browser.post("/admin/login", data={"token": token, "credential": keys.admin}, headers=ORIGIN)
    assert answer.status_code == 303, answer.text
    return DeskBrowser(browser)


@dataclass(frozen=True)
class Books:
    """What is in the books of ``used``: an invoice that is final, one of its items, a recording of this month."""

    invoice_id: UUID
    item_id: UUID
    record_id: UUID


@pytest.fixture
def used(engine: Engine, now: datetime) -> Books:
    """53 assessments in October, which is invoiced, and 52 in November, with a report that has no price."""
    return kept(engine, "web used", lambda: _use(engine, now))


def _use(engine: Engine, now: datetime) -> Books:
    earlier = now - timedelta(days=20)
    october = [make_recording(now=now, occurred_at=earlier) for _ in range(53)]
    november = [make_recording(now=now, key=f"call-{number}") for number in range(52)]
    with transaction(engine) as session:
        make_world(session)
        record(session, *october, *november, make_recording(now=now, usage_type="report", quantity="2.5"))
        run_id = open_run(session, RunRequest(as_of=now), requested_by="test", now=now).id
    run_to_end(engine, run_id, settings_grace=timedelta(hours=1), on_progress=lambda _: None)
    with read_only(engine) as session:
        invoice_id = session.scalars(text("SELECT id FROM invoices WHERE number IS NOT NULL")).one()
        statement = text("SELECT id FROM usage_invoice_items WHERE invoice_id = :id")
        item_id = session.scalars(statement, {"id": invoice_id}).one()
    return Books(invoice_id=invoice_id, item_id=item_id, record_id=november[0].id)
