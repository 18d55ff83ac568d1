"""Alerts that customers set themselves: on their own subscriptions, where the plan lets them, telling them alone."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.alerts.conftest import Watched
from tests.conftest import As, MakeToken
from tests.integration.conftest import Cli, cli
from tests.support.books import rows
from usage_billing.flows.alerting import own_alerts

__all__ = ["cli"]

OWN: dict[str, Any] = {"id": "mine", "scope": {"subscriptionId": "s"}, "on": "units", "thresholds": ["5"], "to": ["me"]}


@pytest.fixture
def ann(watched: Watched, admin: FlaskClient, call_as: As, make_token: MakeToken) -> FlaskClient:
    """The customer of s, whose plan lets it, with endpoints of its own and of others."""
    for name, user in (("me", "ann"), ("bobs", "bob"), ("everybody", None)):
        endpoint = {"id": name, "url": "https://1.1.1.1/hooks", "types": ["invoice.paid"], "userId": user}
        assert admin.post("/api/webhook-endpoints", json=endpoint).status_code == 201
    assert admin.patch("/api/plans/p", json={"customerAlerts": True}).json["customerAlerts"] is True
    return call_as(make_token("ann"))


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_customer_sets_changes_tries_and_ends_its_own(watched: Watched, ann: FlaskClient, admin: FlaskClient) -> None:
    made = ann.post("/api/alerts", json=OWN)
    assert (made.status_code, made.json["madeByCustomer"]) == (201, True), made.json
    watched.judge()
    watched.use(6)
    assert [one["threshold"] for one in ann.get("/api/alerts/mine/firings").json["data"]] == ["5"]
    assert watched.told()[0]["endpointIds"] == ["me"]
    assert ann.patch("/api/alerts/mine", json={"thresholds": ["7"]}).json["thresholds"] == ["7"]
    assert ann.post("/api/alerts/mine/test").status_code == 202
    assert ann.delete("/api/alerts/mine").json["endedAt"] is not None
    actors = rows(watched.engine, "SELECT actor, action FROM audit_log WHERE action LIKE 'alert.%' ORDER BY id")
    assert [one.action for one in actors] == ["alert.created", "alert.changed", "alert.ended"]
    assert {one.actor for one in actors} == {"user:ann"}


def test_it_sets_none_where_it_may_not(watched: Watched, ann: FlaskClient, admin: FlaskClient) -> None:
    for said, status, code in (
        ({"scope": {"userId": "ann"}}, 403, "scope_not_own"),
        ({"scope": {"all": True}}, 403, "scope_not_own"),
        ({"scope": {"planId": "p"}}, 403, "scope_not_own"),
        ({"to": ["everybody"]}, 403, "endpoint_not_own"),
        ({"to": ["me", "bobs"]}, 403, "endpoint_not_own"),
        ({"to": ["none"]}, 403, "endpoint_not_own"),
        ({"to": None}, 422, "invalid_request"),
        ({"scope": {"subscriptionId": "none"}}, 404, "not_found"),
        ({"thresholds": ["-1"]}, 422, "invalid_request"),
    ):
        assert refused(ann.post("/api/alerts", json=OWN | said)) == (status, code), said
    assert rows(watched.engine, "SELECT id FROM alert_rules") == []
    assert ann.post("/api/alerts", json=OWN).status_code == 201
    assert refused(ann.patch("/api/alerts/mine", json={"to": ["bobs"]})) == (403, "endpoint_not_own")
    admin.patch("/api/plans/p", json={"customerAlerts": False})
    assert refused(ann.post("/api/alerts", json=OWN | {"id": "more"})) == (403, "customer_alerts_off")
    assert refused(ann.patch("/api/alerts/mine", json={"resolve": True})) == (403, "customer_alerts_off")
    assert ann.delete("/api/alerts/mine").status_code == 200


def test_anothers_are_not_there_and_the_services_are_to_be_read(
    watched: Watched, ann: FlaskClient, admin: FlaskClient, call_as: As, make_token: MakeToken
) -> None:
    assert ann.post("/api/alerts", json=OWN).status_code == 201
    assert admin.post("/api/alerts", json=OWN | {"id": "ours", "to": None}).status_code == 201
    bob = call_as(make_token("bob"))
    assert refused(bob.post("/api/alerts", json=OWN | {"id": "b"})) == (404, "not_found")
    calls: list[tuple[Callable[..., Any], str, Any]] = [
        (FlaskClient.get, "", None),
        (FlaskClient.patch, "", {"resolve": True}),
        (FlaskClient.delete, "", None),
        (FlaskClient.get, "/firings", None),
        (FlaskClient.post, "/test", None),
    ]
    for call, path, body in calls:
        more = {} if body is None else {"json": body}
        assert refused(call(bob, f"/api/alerts/mine{path}", **more)) == (404, "not_found")
        answer = call(ann, f"/api/alerts/ours{path}", **more)
        assert answer.status_code == (200 if call is FlaskClient.get else 403), answer.json
        if call is not FlaskClient.get:
            assert answer.json["code"] == "alert_not_own"
    assert len(ann.get("/api/alerts").json["data"]) == 2
    assert bob.get("/api/alerts").json["data"] == []


def test_an_id_that_anothers_alert_has_is_answered_as_one_that_is_not_there(
    watched: Watched, ann: FlaskClient, admin: FlaskClient
) -> None:
    other = {"id": "theirs", "scope": {"userId": "bob"}, "on": "units", "thresholds": ["5"]}
    assert admin.post("/api/alerts", json=other).status_code == 201
    made, shown = ann.post("/api/alerts", json=OWN | {"id": "theirs"}), ann.get("/api/alerts/theirs")
    assert refused(made) == refused(shown) == (404, "not_found")
    assert made.json["detail"] == shown.json["detail"]
    assert ann.post("/api/alerts", json=OWN).status_code == 201
    assert refused(ann.post("/api/alerts", json=OWN)) == (409, "already_exists")


def test_money_of_no_plan_is_refused(watched: Watched, admin: FlaskClient) -> None:
    for on in ("amount", "projected"):
        money = {"scope": {"all": True}, "on": on, "thresholds": ["5"]}
        answer = admin.post("/api/alerts", json=money | {"currency": "CHF"})
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == "/currency"
        assert admin.post("/api/alerts", json=money | {"currency": "USD"}).status_code == 201


def test_they_are_not_without_end(watched: Watched, ann: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_alerts, "MOST_ALERTS", 2)
    for id in ("one", "two"):
        assert ann.post("/api/alerts", json=OWN | {"id": id}).status_code == 201
    assert refused(ann.post("/api/alerts", json=OWN | {"id": "three"})) == (409, "too_many_alerts")
    assert ann.delete("/api/alerts/one").status_code == 200
    assert ann.post("/api/alerts", json=OWN | {"id": "three"}).status_code == 201


def test_a_plan_says_so_at_the_command_line(watched: Watched, cli: Cli) -> None:
    assert cli("plans", "change", "p").code == 2
    assert cli("plans", "change", "p", "--customer-alerts", "--json").json["customerAlerts"] is True
    assert cli("plans", "change", "p", "--no-customer-alerts", "--json").json["customerAlerts"] is False
    assert cli("plans", "create", "q", "--name", "Q", "--currency", "USD", "--customer-alerts", "--json").json[
        "customerAlerts"
    ]
