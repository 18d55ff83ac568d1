"""A thing is changed only if it is as its caller saw it; and callers are told how often they may ask."""

import re
import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api import processes
from api.etags import has
from api.state import state_of
from tests.conftest import As
from tests.support.callers import Keys

PATCHES = {
    "/api/customers/user123": {"name": "Another"},
    "/api/plans/business": {"name": "Another"},
    "/api/usage-types/report": {"unitName": "others"},
}

pytestmark = pytest.mark.usefixtures("world")


@pytest.mark.parametrize("url", PATCHES)
def test_a_change_needs_the_tag_that_the_thing_has(admin: FlaskClient, url: str) -> None:
    first = admin.get(url)
    tag = first.headers["ETag"]
    assert re.fullmatch('"[0-9a-f]{32}"', tag)
    assert admin.get(url).headers["ETag"] == tag
    changed = admin.patch(url, json=PATCHES[url], headers={"If-Match": tag})
    assert changed.status_code == 200, changed.json
    new = changed.headers["ETag"]
    assert new != tag
    assert admin.get(url).headers["ETag"] == new
    late = admin.patch(url, json=dict.fromkeys(PATCHES[url], "Too late"), headers={"If-Match": tag})
    assert (late.status_code, late.json["code"]) == (412, "precondition_failed")
    assert admin.get(url).json == changed.json
    for good in ("*", new, f'"x", {new}'):
        assert admin.patch(url, json=PATCHES[url], headers={"If-Match": good}).status_code == 200, good
    for bad in ("nonsense", f"W/{new}", new.strip('"')):
        assert admin.patch(url, json=PATCHES[url], headers={"If-Match": bad}).status_code == 412, bad


def test_what_is_not_there_is_not_found_whatever_the_tag(admin: FlaskClient) -> None:
    for url, body in PATCHES.items():
        answer = admin.patch(url.rpartition("/")[0] + "/nothing", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 404


def test_a_subscription_is_changed_by_those_alone_who_saw_it(admin: FlaskClient) -> None:
    url = "/api/subscriptions/sub456"
    tag = admin.get(url).headers["ETag"]
    paused = admin.post(f"{url}/pause", headers={"If-Match": tag})
    assert paused.status_code == 200, paused.json
    for step, body in (("resume", {}), ("cancel", {}), ("change-plan", {"planId": "business"}), ("pause", {})):
        assert admin.post(f"{url}/{step}", json=body, headers={"If-Match": tag}).status_code == 412, step
    assert admin.patch(url, json={"endedAt": "2027-01-01T00:00:00Z"}, headers={"If-Match": tag}).status_code == 412
    assert admin.delete(f"{url}/scheduled/1", headers={"If-Match": tag}).status_code == 412
    assert admin.post(f"{url}/resume", headers={"If-Match": admin.get(url).headers["ETag"]}).status_code == 200


def test_of_two_who_saw_the_same_one_changes_it(app: Flask, call_as: As, keys: Keys, engine: Engine) -> None:
    tag = call_as(keys.admin).get("/api/customers/user123").headers["ETag"]
    answers: list[int] = []

    def change(name: str) -> None:
        caller = call_as(keys.admin)
        answer = caller.patch("/api/customers/user123", json={"name": name}, headers={"If-Match": tag})
        answers.append(answer.status_code)

    with engine.begin() as held:  # both wait at the row
        held.execute(text("SELECT FROM customers WHERE id = 'user123' FOR UPDATE"))
        threads = [threading.Thread(target=change, args=(f"name {number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.2)
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == [200, 412, 412, 412]


def test_a_condition_that_would_be_passed_over_is_refused(app: Flask, admin: FlaskClient) -> None:
    answer = admin.post("/api/customers", json={"id": "new", "name": "New"}, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "unknown")
    assert admin.get("/api/customers/new").status_code == 404
    takes = {rule.rule for rule in app.url_map.iter_rules() if has(app, rule.endpoint)[1]}
    patched = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if "PATCH" in (rule.methods or ()) and not rule.endpoint.endswith(".not_served")
    }
    assert patched <= takes


@pytest.mark.parametrize("url", PATCHES)
def test_what_the_caller_has_is_not_sent_again(admin: FlaskClient, url: str) -> None:
    tag = admin.get(url).headers["ETag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = admin.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag), known
        assert "Content-Type" not in answer.headers
    assert admin.get(url, headers={"If-None-Match": '"another"'}).json["id"]
    admin.patch(url, json=PATCHES[url])
    assert admin.get(url, headers={"If-None-Match": tag}).status_code == 200
    refused = admin.patch(url, json=PATCHES[url], headers={"If-None-Match": "*"})
    assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "unknown")


@pytest.mark.parametrize("written", ["", " ", "a b", '"a" "b"', "\xe9"])
def test_a_condition_that_names_no_tag_is_refused(admin: FlaskClient, written: str) -> None:
    for url, change in PATCHES.items():
        answer = admin.get(url, headers={"If-None-Match": written})
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "invalid"), url
        changed = admin.patch(url, json=change, headers={"If-Match": written})
        assert (changed.status_code, changed.json["errors"][0]["code"]) == (422, "invalid"), url
    assert admin.get(url, headers={"If-None-Match": '"a"\t, "b"'}).status_code == 200


def test_callers_are_told_how_often_they_may_ask(
    app: Flask, admin: FlaskClient, call_as: As, keys: Keys, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_of(app).rates, "_clock", lambda: 1_800_000_015.5)
    monkeypatch.setattr(processes, "number", 4)
    few = admin.post("/api/api-keys", json={"name": "few", "scopes": ["usage:read"], "rateLimit": 2}).json["key"]
    caller, seen = call_as(few), []
    for _ in range(3):
        answer = caller.get("/api/invoices")
        assert answer.headers["RateLimit-Policy"] == '"caller";q=2;w=60;processes=4'
        seen.append((answer.status_code, answer.headers["RateLimit"]))
    assert seen == [(200, '"caller";r=1;t=45'), (200, '"caller";r=0;t=45'), (429, '"caller";r=0;t=45')]
    assert "RateLimit" not in client.get("/health/live").headers
    assert "RateLimit" not in client.get("/api/invoices").headers
    recorded = call_as(keys.of("usage:write")).post("/api/usage/record", json={})
    assert '"caller";q=120000' in recorded.headers["RateLimit-Policy"]
