"""Sessions on a customer's pages: which keys may open one, links that work once, cookies, the end."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import As, Clock
from tests.factories import make_customer
from tests.support.callers import Keys
from tests.web.conftest import OpenPortal
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.manage_portal import end_portal_session
from usage_billing.sessions.service import prune_sessions

WHERE = "/api/portal-sessions"
LinkFor = Callable[..., str]


def _rows(engine: Engine) -> list[Any]:
    with read_only(engine) as session:
        return list(session.execute(text("SELECT * FROM portal_sessions ORDER BY created_at")).mappings())


def test_a_link_opens_the_pages_once(app: Flask, world: None, link_for: LinkFor) -> None:
    link = link_for()
    first, second = app.test_client(), app.test_client()
    opened = first.get(link)
    assert (opened.status_code, opened.headers["Location"]) == (303, "/portal")
    assert first.get("/portal").status_code == 200
    assert second.get(link).status_code == 401
    assert second.get("/portal").status_code == 401


def test_the_cookie_is_for_no_script_and_for_this_site_alone(app: Flask, world: None, link_for: LinkFor) -> None:
    said = app.test_client().get(link_for()).headers["Set-Cookie"]
    assert said.startswith("__Host-portal=")
    for word in ("HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/", "Max-Age=3600"):
        assert word in said


def test_a_link_is_for_a_minute(app: Flask, world: None, link_for: LinkFor, clock: Clock) -> None:
    link = link_for()
    clock.advance(seconds=60)
    assert app.test_client().get(link).status_code == 401


def test_a_look_at_the_head_uses_no_link_up(app: Flask, world: None, link_for: LinkFor) -> None:
    link = link_for()
    assert app.test_client().head(link).status_code == 204
    assert app.test_client().get(link).status_code == 303


def test_neither_code_nor_cookie_is_stored(app: Flask, world: None, link_for: LinkFor, engine: Engine) -> None:
    link = link_for()
    browser = app.test_client()
    browser.get(link)
    cookie = browser.get_cookie("__Host-portal")
    assert cookie is not None
    (row,) = _rows(engine)
    kept = repr(dict(row))
    assert link.partition("code=")[2] not in kept
    assert cookie.value not in kept


def test_a_cookie_of_the_senders_choice_is_never_taken(app: Flask, world: None, link_for: LinkFor) -> None:
    """Fixation: the session that a link opens has a cookie of its own."""
    browser = app.test_client()
    browser.set_cookie("__Host-portal", "chosen-by-another")
    browser.get(link_for())
    cookie = browser.get_cookie("__Host-portal")
    assert cookie is not None
    assert cookie.value != "chosen-by-another"
    other = app.test_client()
    other.set_cookie("__Host-portal", "chosen-by-another")
    assert other.get("/portal").status_code == 401


def test_a_session_ends_at_its_time_and_says_the_way_back(portal: OpenPortal, world: None, clock: Clock) -> None:
    browser = portal(expiresInSeconds=600, refreshUrl="https://app.example.com/usage?tab=1&x=%22")
    clock.advance(seconds=599)
    assert browser.get("/portal").status_code == 200
    clock.advance(seconds=1)
    answer = browser.get("/portal")
    assert answer.status_code == 401
    assert 'href="https://app.example.com/usage?tab=1&amp;x=%22&amp;reason=expired"' in answer.text
    assert browser.get("/portal/overview/live").status_code == 401


def test_a_session_that_is_ended_while_its_page_is_open(
    portal: OpenPortal, world: None, engine: Engine, call_as: As, keys: Keys
) -> None:
    browser = portal()
    opener = call_as(keys.of("portal:open"))
    (row,) = _rows(engine)
    ended = opener.delete(f"{WHERE}/{row['id']}")
    assert (ended.status_code, ended.json["userId"]) == (200, "user123")  # type: ignore[index]
    assert browser.get("/portal").status_code == 401
    again = opener.delete(f"{WHERE}/{row['id']}")
    assert again.json == ended.json
    with read_only(engine) as session:
        actions = session.scalars(text("SELECT action FROM audit_log WHERE action LIKE 'portal%' ORDER BY id")).all()
    assert actions == ["portal_session.created", "portal_session.ended"]


def test_an_ended_link_opens_nothing(app: Flask, world: None, link_for: LinkFor, engine: Engine, clock: Clock) -> None:
    link = link_for()
    with transaction(engine) as session:
        end_portal_session(session, _rows(engine)[0]["id"], actor="test", now=clock())
    assert app.test_client().get(link).status_code == 401


def test_which_keys_may_open(call_as: As, keys: Keys, world: None, make_token: Callable[..., str]) -> None:
    body = {"userId": "user123"}
    assert call_as(keys.of("portal:open")).post(WHERE, json=body).status_code == 201
    assert call_as(keys.admin).post(WHERE, json=body).status_code == 201
    for credential in (keys.writer, keys.reader, keys.biller, make_token("user123")):
        assert call_as(credential).post(WHERE, json=body).status_code == 403


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "/userId"),
        ({"userId": "user123", "expiresInSeconds": 86_401}, "/expiresInSeconds"),
        ({"userId": "user123", "expiresInSeconds": 59}, "/expiresInSeconds"),
        ({"userId": "user123", "pages": []}, "/pages"),
        ({"userId": "user123", "pages": ["books"]}, "/pages/0"),
        ({"userId": "user123", "locale": "xx"}, "/locale"),
        ({"userId": "user123", "timezone": "Mars/North"}, "/timezone"),
        ({"userId": "user123", "returnUrl": "javascript:alert(1)"}, "/returnUrl"),
        ({"userId": "user123", "refreshUrl": "//evil.example/x"}, "/refreshUrl"),
        ({"userId": "user123", "refreshUrl": "https:\\\\evil.example"}, "/refreshUrl"),
        ({"userId": "user123", "colour": "red"}, "/colour"),
    ],
)
def test_what_is_wrong_is_named(
    admin: FlaskClient, world: None, engine: Engine, body: dict[str, object], where: str
) -> None:
    answer = admin.post(WHERE, json=body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert where in {error["pointer"] for error in answer.json["errors"]}
    assert _rows(engine) == []


def test_a_customer_that_is_not_there(admin: FlaskClient, world: None) -> None:
    assert admin.post(WHERE, json={"userId": "user999"}).status_code == 404


def test_another_customer_sees_nothing_of_the_first(portal: OpenPortal, world: None, engine: Engine) -> None:
    with transaction(engine) as session:
        make_customer(session, id="user456", name="Bob")
    page = portal("user456").get("/portal")
    assert page.status_code == 200
    assert "No subscription yet" in page.text
    assert portal("user456").get("/portal?subscription=sub456").status_code == 404


def test_sessions_that_are_over_are_forgotten(portal: OpenPortal, world: None, engine: Engine, clock: Clock) -> None:
    portal(expiresInSeconds=600)
    for hours, left in ((24, 1), (1, 0)):
        clock.advance(hours=hours)
        with transaction(engine) as session:
            prune_sessions(session, now=clock())
        assert len(_rows(engine)) == left
