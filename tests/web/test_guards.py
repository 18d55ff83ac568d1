"""Pages keep to themselves: policies, other origins, tokens, rates, other customers, hostile texts."""

import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api.state import state_of
from tests.architecture.sources import ROOT
from tests.factories import make_customer, make_plan, make_subscription
from tests.web.conftest import Books, OpenPortal
from usage_billing.db.session import read_only, transaction
from web.portal import gate

FOLDER = ROOT / "web"
OURS = {"Origin": "http://localhost"}


def _routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Each method and address below /portal that is a page of a customer, with ids that are nowhere."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("portal.") and "_address" not in rule.arguments and rule.rule != "/portal/open":
            filled = re.sub(r"<[^>]*uuid[^>]*>", "01890a5d-ac96-774b-bcce-b302099a8057", rule.rule)
            filled = re.sub(r"<identifier:[^>]*>", "nowhere", filled)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield method, filled


def test_every_page_asks_for_a_session(app: Flask, world: None) -> None:
    found = list(_routes(app))
    assert ("GET", "/portal/overview/live") in found
    for method, address in found:
        answer = app.test_client().open(address, method=method, headers=OURS)
        assert answer.status_code == (403 if method == "POST" else 401), address


def test_every_page_has_its_policy(app: Flask, portal: OpenPortal, world: None) -> None:
    browser = portal()
    answers = [browser.get(address) for method, address in _routes(app) if method == "GET"]
    answers += [browser.get("/portal/nothing"), app.test_client().get("/portal"), app.test_client().get("/")]
    assert len(answers) > 3
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert policy.endswith("frame-ancestors 'none'")
        assert "unsafe" not in policy
        assert answer.headers.getlist("Referrer-Policy") == ["same-origin"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=\"", answer.text)


def test_pages_of_allowed_origins_may_frame_the_portal_and_no_other_page(
    app: Flask, portal: OpenPortal, world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = state_of(app)
    monkeypatch.setattr(here, "settings", replace(here.settings, portal_origins="https://app.example.com"))
    answer = portal().get("/portal")
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors https://app.example.com")
    assert answer.headers.getlist("X-Frame-Options") == ["SAMEORIGIN"]
    assert app.test_client().get("/").headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")


def _token(page: str) -> str:
    return re.findall(r'name="token" value="([0-9a-f]{64})"', page)[0]


def test_leaving_ends_the_session(portal: OpenPortal, world: None) -> None:
    browser = portal()
    answer = browser.post("/portal/leave", data={"token": _token(browser.get("/portal").text)}, headers=OURS)
    assert answer.status_code == 303
    assert browser.get("/portal").status_code == 401


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://localhost.evil.example", "http://[", ""]
)
def test_a_form_of_another_origin_does_nothing(portal: OpenPortal, world: None, origin: str | None) -> None:
    browser = portal()
    headers = {} if origin is None else {"Origin": origin}
    answer = browser.post("/portal/leave", data={"token": _token(browser.get("/portal").text)}, headers=headers)
    assert answer.status_code == 403
    assert browser.get("/portal").status_code == 200


def test_a_form_with_the_token_of_another_browser_does_nothing(portal: OpenPortal, world: None) -> None:
    mine, other = portal(), portal()
    for token in ("", "x" * 64, _token(other.get("/portal").text), "\ud800"):
        answer = mine.post("/portal/leave", data={"token": token.encode("utf-8", "replace")}, headers=OURS)
        assert answer.status_code == 403
    assert mine.get("/portal").status_code == 200


def test_a_session_may_ask_so_often(portal: OpenPortal, world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "REQUESTS_A_MINUTE", 3)
    browser, other = portal(), portal()
    assert [browser.get("/portal").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert other.get("/portal").status_code == 200


def test_cookies_and_links_are_not_guessed(app: Flask, world: None, portal: OpenPortal) -> None:
    state_of(app).rates.failures_per_minute = 2
    try:
        browser = app.test_client()
        browser.set_cookie("__Host-portal", "guess")
        assert [browser.get("/portal").status_code for _ in range(3)] == [401, 401, 429]
        assert app.test_client().get("/portal/open?code=guess").status_code == 429
        assert portal().get("/portal").status_code == 200
    finally:
        state_of(app).rates.failures_per_minute = 60


@pytest.fixture
def theirs(used: Books, admin: FlaskClient) -> dict[str, str]:
    """What user123 has, by the name that it has in addresses: its invoice, one of its items, a wallet and an alert."""
    wallet = {"id": "theirs", "userId": "user123", "unit": {"currency": "USD"}}
    alert = {"id": "theirs", "scope": {"subscriptionId": "sub456"}, "on": "units", "thresholds": ["1"], "to": ["me"]}
    endpoint = {"id": "me", "url": "https://1.1.1.1/", "types": ["*"], "userId": "user123"}
    for noun, body in (("wallets", wallet), ("webhook-endpoints", endpoint), ("alerts", alert)):
        assert admin.post(f"/api/{noun}", json=body).status_code == 201
    return {
        "invoice_id": str(used.invoice_id),
        "item_id": str(used.item_id),
        "wallet_id": "theirs",
        "alert_id": "theirs",
    }


def test_what_another_customer_has_is_on_no_page(
    app: Flask, portal: OpenPortal, theirs: dict[str, str], engine: Engine
) -> None:
    """Each address of the portal that names a thing, from the map of addresses, is as that of a thing that is not."""
    with transaction(engine) as session:
        make_customer(session, id="other", name="Other")
    own, other, seen = portal(), portal("other"), 0
    nowhere = dict.fromkeys(theirs, "nowhere") | dict.fromkeys(("invoice_id", "item_id"), _NOWHERE)
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("portal.") or "_address" in rule.arguments or not rule.arguments:
            continue
        assert rule.arguments <= theirs.keys(), f"{rule.rule}: say what another customer has there"
        there, absent = (_filled(rule.rule, ids) for ids in (theirs, nowhere))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            seen += 1
            form = {"token": _token(other.get("/portal").text)}
            answers = [other.open(one, method=method, data=form, headers=OURS) for one in (there, absent)]
            assert [one.status_code for one in answers] == [404, 404], (method, there)
            assert _main(answers[0].text) == _main(answers[1].text), (method, there)
            if method == "GET":
                assert own.get(there).status_code in {200, 403}, there  # a service's alert is not changed there
    assert seen > 8
    with read_only(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM alert_rules WHERE ended_at IS NULL")) == 1


_NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"


def _filled(rule: str, ids: dict[str, str]) -> str:
    return re.sub(r"<[^>]*?([a-z_]+)>", lambda found: ids[found[1]], rule)


def _main(page: str) -> str:
    """What a page says, but for its own address and the tokens of its forms."""
    return re.sub(r'[0-9a-f]{64}|href="[^"]*"', "", page.partition("<main")[2])


def test_a_query_that_no_page_knows_is_refused(portal: OpenPortal, world: None) -> None:
    browser = portal()
    for query in ("colour=red", "subscription=sub456&subscription=sub456"):
        assert browser.get(f"/portal?{query}").status_code == 422


HOSTILE = ["<script>alert(1)</script>\"'&", "\u202e\u05d0\u05d1\u05d2", "x" * 256, "{{ 7 * 7 }}%(n)s %s"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_texts(portal: OpenPortal, engine: Engine, world: None, name: str) -> None:
    with transaction(engine) as session:
        make_customer(session, id="odd", name=name)
        make_plan(session, id="odd", name=name)
        make_subscription(session, id="odd", customer="odd", plan="odd")
    page = portal("odd").get("/portal")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert unescape(page.text).count(name) >= 2


def test_every_file_of_a_page_is_served_for_ever_under_its_hash(app: Flask, portal: OpenPortal, world: None) -> None:
    page = portal().get("/portal").text
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert len(named) >= 4
    for address in named:
        answer = app.test_client().get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    wrong = re.sub(r"/static/[0-9a-f]+/", "/static/0000/", named.pop())
    assert app.test_client().get(wrong).status_code == 404
    assert app.test_client().get("/static/0000/../app.py").status_code == 404


@pytest.mark.parametrize("folder", ["web/static/vendor", "tests/support/vendor"])
def test_the_files_of_others_are_as_they_were_released(folder: str) -> None:
    told = dict(re.findall(r"\| `([^`]+)` \|.*`([0-9a-f]{64})`", (ROOT / folder / "README.md").read_text()))
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in (ROOT / folder).glob("*.*s*")}
    assert told == {name: digest for name, digest in found.items() if name.endswith((".js", ".css"))}
    assert told


def test_templates_have_nothing_inline() -> None:
    for path in (FOLDER / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:|\|\s*safe\b", text), path.name
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script, path.name


def test_the_first_page(client: FlaskClient, world: None) -> None:
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "/api/usage/record" in page.text
    assert "/api/docs" in page.text
    assert client.get("/", headers={"Accept": "application/json"}).json["name"] == "usage-billing"  # type: ignore[index]
    assert "example-portal" not in page.text


@pytest.fixture
def developer(app: Flask, engine: Engine, monkeypatch: pytest.MonkeyPatch, world: None) -> FlaskClient:
    """A browser on the machine of a developer, where `up` loaded the example."""
    from usage_billing.customers.models import Customer
    from usage_billing.flows.administration.first_start import EXAMPLE_NAME

    with transaction(engine) as session:
        session.get_one(Customer, "user123").name = EXAMPLE_NAME
    here = state_of(app)
    monkeypatch.setattr(here, "settings", replace(here.settings, development=True))
    return app.test_client()


def test_a_developers_button_opens_the_example(developer: FlaskClient) -> None:
    token = _token(developer.get("/").text)
    opened = developer.post("/example-portal", data={"token": token}, headers=OURS)
    assert opened.status_code == 303
    assert developer.get(opened.headers["Location"]).status_code == 303
    assert "assessment" in developer.get("/portal").text


@pytest.mark.parametrize(
    "called",
    [
        {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}},
        {"base_url": "http://rebound.example", "headers": {"Origin": "http://rebound.example"}},
        {"headers": {"X-Forwarded-For": "203.0.113.9", "Origin": "http://localhost"}},
    ],
)
def test_from_elsewhere_it_opens_nothing(developer: FlaskClient, called: dict[str, object]) -> None:
    token = _token(developer.get("/").text)
    arguments = {"headers": OURS} | called
    assert developer.post("/example-portal", data={"token": token}, **arguments).status_code == 404  # type: ignore[arg-type]
    assert developer.post("/example-portal", data={"token": "0"}, headers=OURS).status_code == 403


def test_the_folder_is_small() -> None:
    """What a browser loads, in bytes."""
    loaded = [path for path in Path(FOLDER / "static").rglob("*") if path.suffix in {".js", ".css", ".svg"}]
    assert sum(path.stat().st_size for path in loaded) < 200_000
