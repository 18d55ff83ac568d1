"""Sessions of operators: by key, by token, by a link; how they end; what they are not opened by."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, text
from werkzeug.test import TestResponse

from api.state import state_of
from tests.conftest import Clock, MakeToken
from tests.support.callers import Keys
from tests.web.conftest import ORIGIN, DeskBrowser, token_in
from usage_billing.access.models import ApiKey
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.manage_keys import revoke_key
from usage_billing.flows.administration.manage_operators import make_link
from usage_billing.sessions.operators import prune_operator_sessions
from web.admin import entrance, gate


def _sign_in(app: Flask, credential: str, **fields: str) -> tuple[FlaskClient, TestResponse]:
    browser = app.test_client()
    token = token_in(browser.get("/admin/login").text)
    form = {"token": token, "credential": credential, **fields}
    return browser, browser.post("/admin/login", data=form, headers=ORIGIN)


def _noted(engine: Engine) -> list[tuple[str, str]]:
    statement = "SELECT actor, action FROM audit_log WHERE subject LIKE 'operator-session:%' ORDER BY id"
    with read_only(engine) as session:
        return [(row.actor, row.action) for row in session.execute(text(statement))]


def test_an_admin_key_opens_the_pages_and_the_audit_names_it(app: Flask, keys: Keys, engine: Engine) -> None:
    browser, answer = _sign_in(app, keys.admin)
    assert answer.headers["Location"] == "/admin"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-admin=")
    for part in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert browser.get("/admin").status_code == 200
    ((actor, action),) = _noted(engine)
    assert (actor[:7], action) == ("key:ub_", "operator_session.opened")


def test_an_administrators_token_opens_them_too(app: Flask, make_token: MakeToken, engine: Engine) -> None:
    browser, answer = _sign_in(app, make_token("ann", role="admin"))
    assert answer.status_code == 303
    assert "user:ann" in browser.get("/admin").text
    assert _noted(engine) == [("user:ann", "operator_session.opened")]


@pytest.mark.parametrize("scope", ["usage:write", "usage:read", "billing:run", "portal:open"])
def test_a_key_without_the_scope_opens_nothing(app: Flask, keys: Keys, engine: Engine, scope: str) -> None:
    _, answer = _sign_in(app, keys.of(scope))
    assert answer.status_code == 401
    assert "This needs the scope admin." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert _noted(engine) == []


@pytest.mark.parametrize("credential", ["", "x", "ub_guessed0_" + "x" * 43, "a.b.c", "x" * 10_000, "\u05d0\ud800"])
def test_what_is_no_credential_opens_nothing(app: Flask, credential: str) -> None:
    _, answer = _sign_in(app, credential.encode("utf-8", "replace").decode())
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_a_customers_token_and_a_revoked_key_open_nothing(app: Flask, keys: Keys, make_token: MakeToken) -> None:
    for credential in (make_token("user123"), keys.revoked("admin")):
        _, answer = _sign_in(app, credential)
        assert answer.status_code == 401


def test_signing_in_leads_to_the_page_that_was_asked_for_and_never_elsewhere(app: Flask, keys: Keys) -> None:
    asked = app.test_client().get("/admin/today/nothing?a=1")
    assert asked.status_code == 404
    asked = app.test_client().get("/admin/?x=1")
    assert asked.headers["Location"] == "/admin/login?to=%2Fadmin%2F%3Fx%3D1"
    for to, gone in (
        ("/admin/?x=1", "/admin/?x=1"),
        ("//evil.example", "/admin"),
        ("https://evil.example/admin", "/admin"),
        ("/admin\\@evil.example", "/admin"),
        ("/administrators", "/admin"),
        ("/admin/\r\nX: y", "/admin"),
    ):
        _, answer = _sign_in(app, keys.admin, to=to)
        assert answer.headers["Location"] == gone


def test_a_session_is_a_new_one_each_time(app: Flask, keys: Keys) -> None:
    """A cookie that a browser was given before it signed in is worth nothing afterwards."""
    browser = app.test_client()
    browser.set_cookie("__Host-admin", "chosen-by-another")
    token = token_in(browser.get("/admin/login").text)
    browser.post("/admin/login", data={"token": token, "credential": keys.admin}, headers=ORIGIN)
    stranger = app.test_client()
    stranger.set_cookie("__Host-admin", "chosen-by-another")
    assert browser.get("/admin").status_code == 200
    assert stranger.get("/admin").status_code == 303


def test_it_ends_after_an_idle_hour_and_after_twelve(desk: DeskBrowser, clock: Clock) -> None:
    for _ in range(13):
        clock.advance(minutes=50)
        assert desk.client.get("/admin").status_code == 200
    clock.advance(minutes=50)
    assert desk.client.get("/admin").status_code == 200
    clock.advance(minutes=21)
    assert desk.client.get("/admin").status_code == 303


def test_a_page_that_only_polls_becomes_idle(desk: DeskBrowser, clock: Clock) -> None:
    for _ in range(2):
        clock.advance(minutes=29)
        assert desk.client.get("/admin/today/live").status_code == 200
    clock.advance(minutes=2)
    assert desk.client.get("/admin/today/live").status_code == 401
    assert desk.client.get("/admin").status_code == 303


def test_it_ends_with_its_key(desk: DeskBrowser, keys: Keys, engine: Engine, clock: Clock) -> None:
    prefix = keys.admin[:11]
    with transaction(engine) as session:
        key_id = session.scalars(select(ApiKey.id).where(ApiKey.prefix == prefix)).one()
        revoke_key(session, key_id, actor="test", now=clock())
    assert desk.client.get("/admin").status_code == 303


def test_it_ends_when_tokens_make_no_administrators_any_more(
    app: Flask, make_token: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, _ = _sign_in(app, make_token("ann", role="admin"))
    here = state_of(app)
    monkeypatch.setattr(here, "token_rules", replace(here.token_rules, admins=False))
    assert browser.get("/admin").status_code == 303


def test_leaving_ends_it(desk: DeskBrowser, engine: Engine) -> None:
    answer = desk.send("/admin/leave")
    assert answer.status_code == 303
    assert desk.client.get("/admin").status_code == 303
    assert [action for _, action in _noted(engine)] == ["operator_session.opened", "operator_session.ended"]


def _link(app: Flask, engine: Engine, clock: Clock) -> str:
    secret = state_of(app).settings.require_secret()
    with transaction(engine) as session:
        return make_link(session, secret=secret, actor="cli:root", now=clock()).code


def _open(app: Flask, code: str) -> tuple[FlaskClient, TestResponse]:
    browser = app.test_client()
    token = token_in(browser.get(f"/admin/open?code={code}").text)
    return browser, browser.post("/admin/open", data={"token": token, "code": code}, headers=ORIGIN)


def test_a_link_opens_them_once_within_a_minute(app: Flask, engine: Engine, clock: Clock) -> None:
    code = _link(app, engine, clock)
    assert app.test_client().get(f"/admin/open?code={code}").status_code == 200  # looking uses nothing up
    browser, answer = _open(app, code)
    assert answer.headers["Location"] == "/admin"
    assert "cli:root" in browser.get("/admin").text
    assert _open(app, code)[1].status_code == 401
    late = _link(app, engine, clock)
    clock.advance(seconds=60)
    assert _open(app, late)[1].status_code == 401


def test_neither_codes_nor_cookies_nor_credentials_are_stored(
    app: Flask, keys: Keys, engine: Engine, clock: Clock
) -> None:
    code = _link(app, engine, clock)
    _, answer = _open(app, code)
    cookie = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    with read_only(engine) as session:
        stored = str(session.execute(text("SELECT o::text FROM operator_sessions o")).all())
        stored += str(session.execute(text("SELECT a::text FROM audit_log a")).all())
    for secret in (code, cookie, keys.admin):
        assert secret not in stored
        assert secret.encode().hex() not in stored


def test_sessions_that_are_over_for_a_day_are_forgotten(
    app: Flask, engine: Engine, clock: Clock, desk: DeskBrowser
) -> None:
    for hours, gone in ((12, 0), (24, 1)):
        clock.advance(hours=hours)
        with transaction(engine) as session:
            assert prune_operator_sessions(session, now=clock()) == gone


@pytest.fixture
def patient(app: Flask) -> Iterator[Any]:
    """The rates of the application, which are as before afterwards."""
    rates = state_of(app).rates
    yield rates
    rates.failures_per_minute = 60


def test_an_address_may_try_so_often(app: Flask, keys: Keys, monkeypatch: pytest.MonkeyPatch, patient: Any) -> None:
    patient.failures_per_minute = 2
    assert [_sign_in(app, "x" * 20)[1].status_code for _ in range(3)] == [401, 401, 429]
    assert _sign_in(app, keys.admin)[1].status_code == 303
    browser = app.test_client()
    browser.set_cookie("__Host-admin", "guess")
    assert browser.get("/admin").status_code == 429
    monkeypatch.setattr(entrance, "ATTEMPTS_A_MINUTE", 1)
    assert _sign_in(app, keys.admin)[1].status_code == 429


def test_a_session_may_ask_so_often(desk: DeskBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "REQUESTS_A_MINUTE", 2)
    assert [desk.client.get("/admin").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://localhost.evil.example"])
@pytest.mark.parametrize("address", ["/admin/login", "/admin/open", "/admin/leave", "/example-admin"])
def test_a_form_of_another_origin_does_nothing(desk: DeskBrowser, origin: str | None, address: str) -> None:
    headers = {} if origin is None else {"Origin": origin}
    token = token_in(desk.see("/admin"))
    assert desk.client.post(address, data={"token": token}, headers=headers).status_code == 403
    assert desk.client.get("/admin").status_code == 200


def test_a_form_with_the_token_of_another_session_does_nothing(desk: DeskBrowser, app: Flask, keys: Keys) -> None:
    other, _ = _sign_in(app, keys.admin)
    token = token_in(other.get("/admin").text)
    assert desk.client.post("/admin/leave", data={"token": token}, headers=ORIGIN).status_code == 403


def test_a_developers_button_opens_them_at_home_alone(app: Flask, engine: Engine, monkeypatch: Any) -> None:
    browser = app.test_client()
    page = browser.get("/").text
    assert "example-admin" not in page
    here = state_of(app)
    monkeypatch.setattr(here, "settings", replace(here.settings, development=True))
    token = token_in(browser.get("/").text)
    elsewhere = {"X-Forwarded-For": "203.0.113.9", **ORIGIN}
    assert browser.post("/example-admin", data={"token": token}, headers=elsewhere).status_code == 404
    rebound = browser.post(
        "/example-admin", data={"token": token}, base_url="http://rebound.example", headers={"Origin": "http://rebound.example"}
    )  # fmt: skip
    assert rebound.status_code == 404
    assert browser.post("/example-admin", data={"token": token}, headers=ORIGIN).status_code == 303
    assert "first page" in browser.get("/admin").text
