"""The application with its pages, and browsers of customers that are let in."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tasks.inbox.protocol import Inbox
from tests.conftest import As, Clock
from tests.factories import make_world
from tests.support.callers import Keys
from tests.support.kept import kept
from usage_billing.db.session import transaction
from usage_billing.settings import Settings
from web import freshness

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
