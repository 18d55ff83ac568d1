"""Alerts on pages: an operator's of all kinds, and a customer's own where the plan lets it."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As
from tests.support.books import rows, scalars
from tests.support.callers import Keys
from tests.web.conftest import ORIGIN, Books, DeskBrowser, OpenPortal, token_in
from tests.web.test_admin_subscriptions import audited
from usage_billing.alerts.service import last_look
from usage_billing.db.session import transaction
from usage_billing.flows.alerting.judge_anew import judge_anew
from web.admin import endpoint_forms

NEW: dict[str, Any] = {
    "id": "use",
    "scope": "subscriptionId",
    "of": "sub456",
    "on": "percent",
    "thresholds": "1\n100",
    "resolve": "no",
    "rearm": "",
    "late": "tell",
}
CHANGED: dict[str, Any] = {"thresholds": "2", "resolve": "yes", "rearm": "never", "late": "silent"}
OWN = {"subscriptionId": "sub456", "on": "units", "usageType": "", "lines": "1 200", "resolve": "yes", "to": "me"}


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


def judge(engine: Engine, now: datetime) -> None:
    """What a worker does within seconds; ``now`` is the pages' present."""
    with transaction(engine) as session:
        judge_anew(session, now=now, upto=last_look(session))


def test_an_operator_makes_changes_tries_and_ends_one(
    desk: DeskBrowser, used: Books, api: FlaskClient, engine: Engine, now: datetime
) -> None:
    page = desk.change("/admin/alerts/new", **NEW)
    assert "1, 100 %" in page
    judge(engine, now)
    page = desk.see("/admin/alerts/use")
    assert page.count('<tr><th scope="row">') >= 1
    assert "sub456" in desk.see("/admin/alerts?subscriptionId=sub456")
    assert "No alerts here" in desk.see("/admin/alerts?which=ended")
    desk.change("/admin/alerts/use/change", **CHANGED)
    shown = api.get("/api/alerts/use").json
    assert (shown["thresholds"], shown["resolve"], shown["late"]) == (["2"], True, "silent")
    desk.change("/admin/alerts/use/change", **CHANGED)
    desk.change("/admin/alerts/use/test")
    assert "It tells nothing more." in desk.change("/admin/alerts/use/end")
    assert [verb for _, verb in audited(engine, "alert:use")] == ["alert.created", "alert.changed", "alert.ended"]
    tested = "SELECT count(*) FROM outbox_messages WHERE topic = 'alert.triggered' AND payload ->> 'test' = 'true'"
    assert scalars(engine, tested) == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"thresholds": "100\n1"},
        {"thresholds": "many"},
        {"thresholds": ""},
        {"every": "5"},
        {"of": ""},
        {"of": "none"},
        {"scope": "all"},
        {"scope": "walletId"},
        {"on": "nothing"},
        {"on": "amount", "currency": "EUR"},
        {"rearmAbove": "5"},
        {"to": ["nowhere"]},
        {"id": "a b"},
    ],
)
def test_what_is_no_alert_is_refused(desk: DeskBrowser, used: Books, engine: Engine, wrong: dict[str, Any]) -> None:
    answer = desk.send("/admin/alerts/new", **(NEW | wrong))
    assert answer.status_code in {404, 422}, wrong
    assert "This was not done." in answer.text
    assert rows(engine, "SELECT id FROM alert_rules") == []


def test_an_operator_makes_endpoints_of_mail(
    desk: DeskBrowser, world: None, api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = {"id": "mail", "to": "a@example.com\nb@example.com", "language": "de", "ordered": "no"}
    refused = desk.send("/admin/endpoints/new", **new)
    assert refused.status_code == 409  # nothing says how mail goes
    monkeypatch.setattr(endpoint_forms, "check_mail_goes", lambda *_: None)
    desk.change("/admin/endpoints/new", **new, types=["invoice.finalized"])
    shown = api.get("/api/webhook-endpoints/mail").json
    assert (shown["kind"], shown["to"], shown["language"]) == ("email", ["a@example.com", "b@example.com"], "de")
    desk.change("/admin/endpoints/mail/change", to="c@example.com", language="fr", ordered="no", types=["invoice.paid"])
    shown = api.get("/api/webhook-endpoints/mail").json
    assert (shown["to"], shown["language"], shown["types"]) == (["c@example.com"], "fr", ["invoice.paid"])
    desk.change("/admin/endpoints/new", id="all", to="customer", ordered="no")
    assert api.get("/api/webhook-endpoints/all").json["to"] == "customer"
    desk.change("/admin/endpoints/all/change", to="customer", ordered="yes", types=["invoice.finalized"])
    for wrong in ({"to": ""}, {"to": "a@b@c"}, {"url": "https://1.1.1.1/", "to": "a@example.com"}, {"language": "x"}):
        assert desk.send("/admin/endpoints/new", **(new | {"id": "no"} | wrong)).status_code == 422, wrong


def send(browser: FlaskClient, address: str, **fields: object) -> Any:
    token = token_in(browser.get("/portal/alerts").text)
    return browser.post(address, data={"token": token, **fields}, headers=ORIGIN)


@pytest.fixture
def allowed(used: Books, api: FlaskClient) -> None:
    """The plan lets its customers set alerts, and user123 has an endpoint of its own."""
    assert api.patch("/api/plans/business", json={"customerAlerts": True}).status_code == 200
    for id, user in (("me", "user123"), ("theirs", None)):
        endpoint = {"id": id, "url": f"https://1.1.1.1/{id}", "types": ["invoice.paid"], "userId": user}
        assert api.post("/api/webhook-endpoints", json=endpoint).status_code == 201


def test_a_customer_sets_its_own(
    allowed: None, portal: OpenPortal, api: FlaskClient, engine: Engine, now: datetime
) -> None:
    browser = portal("user123")
    form = browser.get("/portal/alerts/new").text
    assert "https://1.1.1.1/me" in form
    assert "theirs" not in form
    made = send(browser, "/portal/alerts/new", **OWN)
    assert (made.status_code, made.headers["Location"]) == (303, "/portal/alerts"), made.text
    (rule,) = api.get("/api/alerts").json["data"]
    assert (rule["thresholds"], rule["madeByCustomer"], rule["to"]) == (["1", "200"], True, ["me"])
    judge(engine, now)
    page = browser.get("/portal/alerts").text
    assert "yours" in page
    assert rule["id"] in page
    one = f"/portal/alerts/{rule['id']}"
    assert 'value="1 200"' in browser.get(f"{one}/change").text
    assert send(browser, f"{one}/change", lines="5", resolve="no", to="me").status_code == 303
    assert api.get(f"/api/alerts/{rule['id']}").json["thresholds"] == ["5"]
    assert browser.get(f"{one}/end").status_code == 200
    assert send(browser, f"{one}/end").status_code == 303
    assert browser.get(f"{one}/change").status_code == 404
    assert {actor for actor, _ in audited(engine, f"alert:{rule['id']}")} == {"portal"}


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"lines": ""}, 422),
        ({"lines": "5,5"}, 422),
        ({"lines": "5 4"}, 422),
        ({"lines": "0"}, 422),
        ({"to": ""}, 422),
        ({"to": "theirs"}, 403),
        ({"subscriptionId": "none"}, 404),
        ({"on": "balance"}, 422),
        ({"colour": "red"}, 422),
    ],
)
def test_what_a_customer_may_not_is_refused(
    allowed: None, portal: OpenPortal, engine: Engine, wrong: dict[str, str], status: int
) -> None:
    answer = send(portal("user123"), "/portal/alerts/new", **(OWN | wrong))
    assert answer.status_code == status, answer.text
    assert rows(engine, "SELECT id FROM alert_rules") == []


def test_without_a_token_or_a_plan_that_lets_it_nothing_is_set(
    allowed: None, portal: OpenPortal, api: FlaskClient, engine: Engine, now: datetime
) -> None:
    browser = portal("user123")
    assert browser.post("/portal/alerts/new", data=OWN, headers=ORIGIN).status_code == 403
    token = token_in(browser.get("/portal/alerts").text)
    assert browser.post("/portal/alerts/new", data={"token": token, **OWN}).status_code == 403  # no origin
    api.patch("/api/plans/business", json={"customerAlerts": False})
    assert "New alert" not in browser.get("/portal/alerts").text
    assert browser.get("/portal/alerts/new").status_code == 403
    assert send(browser, "/portal/alerts/new", **OWN).status_code == 403
    assert rows(engine, "SELECT id FROM alert_rules") == []
    narrow = portal("user123", pages=["overview"])
    assert narrow.get("/portal/alerts").status_code == 404


def test_a_customer_reads_the_services_and_changes_none(
    allowed: None, portal: OpenPortal, api: FlaskClient, engine: Engine, now: datetime
) -> None:
    for id, scope in (("ours", {"subscriptionId": "sub456"}), ("all", {"all": True})):
        body = {"id": id, "scope": scope, "on": "units", "thresholds": ["1"], "usageType": "assessment"}
        assert api.post("/api/alerts", json=body).status_code == 201
    judge(engine, now)
    browser = portal("user123", locale="de")
    page = browser.get("/portal/alerts").text
    assert "Warnungen" in page
    assert "ours" in page
    assert ">all<" not in page  # what the service watches of all customers is its own affair
    assert scalars(engine, "SELECT DISTINCT value FROM alert_firings") != [Decimal(0)]
    for what in ("change", "end"):
        assert browser.get(f"/portal/alerts/ours/{what}").status_code == 403
        fields = {"lines": "5", "to": "me"} if what == "change" else {}
        assert send(browser, f"/portal/alerts/ours/{what}", **fields).status_code == 403
    assert scalars(engine, "SELECT count(*) FROM alert_rules WHERE ended_at IS NULL") == [2]


def test_a_line_in_percent_of_what_was_granted_says_so(
    portal: OpenPortal, api: FlaskClient, used: Books, engine: Engine, now: datetime
) -> None:
    wallet = {"id": "w", "userId": "user123", "unit": {"unitName": "assessment", "usageTypes": ["assessment"]}}
    assert api.post("/api/wallets", json=wallet).status_code == 201
    alert = {"id": "low", "scope": {"walletId": "w"}, "on": "balance", "basis": "granted", "thresholds": ["50"]}
    assert api.post("/api/alerts", json=alert).status_code == 201
    grant = {"amount": "2", "idempotencyKey": "a", "effectiveAt": "2026-11-01T00:00:00Z"}
    assert api.post("/api/wallets/w/grants", json=grant).status_code == 201
    judge(engine, now)
    page = portal().get("/portal/alerts").text
    assert re.search(r">50\s%</td><td class=\"n\">0<", page)
