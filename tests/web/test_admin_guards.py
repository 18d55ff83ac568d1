"""Every admin page, from the map of addresses: asks for a session and a token, has its policy, and never fails."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.web.conftest import ORIGIN, Books, DeskBrowser, token_in
from usage_billing.db.session import read_only

NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"
OPEN = {"/admin/login", "/admin/open"}
FILLED = {
    r"<uuid[^>]*>": NOWHERE,
    r"<identifier[^>]*>": "nowhere",
    r"<int[^>]*>": "4711",
    r"<any\('change-plan'[^>]*>": "pause",
    r"<any\(pdf[^>]*>": "csv",
}


def _routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Each method and address below /admin, with ids that are nowhere."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("operator.") and "_address" not in rule.arguments:
            filled = rule.rule
            for pattern, value in FILLED.items():
                filled = re.sub(pattern, value, filled)
            assert "<" not in filled, filled
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield method, filled


def test_every_page_asks_for_a_session(app: Flask, world: None) -> None:
    found = list(_routes(app))
    assert len(found) > 90
    for method, address in found:
        answer = app.test_client().open(address, method=method, headers=ORIGIN)
        if address in OPEN:
            assert answer.status_code == (200 if method == "GET" else 403), address
        elif method == "GET" and not address.endswith("/live"):
            assert answer.status_code == 303, address
            assert answer.headers["Location"].startswith("/admin/login")
        else:
            assert answer.status_code == 401, address


def test_every_change_asks_for_a_form_of_this_session(
    desk: DeskBrowser, app: Flask, used: Books, engine: Engine
) -> None:
    token = token_in(desk.see("/admin"))
    before = _entries(engine)
    for method, address in _routes(app):
        if method == "POST":
            for headers, given in (
                (ORIGIN, ""),
                (ORIGIN, "x" * 64),
                ({}, token),
                ({"Origin": "https://evil.example"}, token),
            ):
                answer = desk.client.post(address, data={"token": given}, headers=headers)
                assert answer.status_code == 403, (address, headers)
    assert _entries(engine) == before
    assert desk.client.get("/admin").status_code == 200


def _entries(engine: Engine) -> int:
    with read_only(engine) as session:
        return int(session.scalar(text("SELECT count(*) FROM audit_log")) or 0)


def test_every_page_has_its_policy_and_none_fails(
    desk: DeskBrowser, app: Flask, used: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.admin.gate.REQUESTS_A_MINUTE", 10_000)
    for method, address in _routes(app):
        if method != "GET" or address.endswith("/html"):
            continue
        answer = desk.client.get(address)
        assert answer.status_code in {200, 404}, (address, answer.status_code)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), address
        assert policy.endswith("frame-ancestors 'none'")
        assert "unsafe" not in policy
        assert answer.headers.getlist("Referrer-Policy") == ["same-origin"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=\"", answer.text), address


def test_an_empty_form_never_fails_and_changes_nothing_of_what_needs_words(
    desk: DeskBrowser, app: Flask, used: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.admin.gate.REQUESTS_A_MINUTE", 10_000)
    token = token_in(desk.see("/admin"))
    for method, address in _routes(app):
        if method == "POST" and address not in OPEN and address != "/admin/leave":
            answer = desk.client.post(address, data={"token": token}, headers=ORIGIN)
            assert answer.status_code in {200, 404, 409, 422}, (address, answer.status_code)


@pytest.mark.parametrize("query", ["colour=red", "after=x&after=y", "after=%00", "find=%ed%a0%80"])
def test_a_query_that_no_page_knows_is_refused(desk: DeskBrowser, world: None, query: str) -> None:
    for path in ("customers", "subscriptions", "invoices", "quarantine", "runs", "keys", "audit", "plans", "wallets"):
        answer = desk.client.get(f"/admin/{path}?{query}")
        assert answer.status_code in {200, 400, 422}, path
        assert answer.status_code != 200 or query.startswith("find"), path


def test_an_address_that_is_none(desk: DeskBrowser) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert desk.client.open("/admin/nothing/here", method=method).status_code == 404
    assert desk.client.get("/admin/customers/a%2fb").status_code == 404
