"""Keys that are bound: what they may record, whose a source is, and which key recorded what."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api.state import state_of
from tasks.inbox.protocol import Inbox
from tests.api.conftest import EVENT
from tests.conftest import As, Clock, Drain, MakeToken
from tests.factories import make_customer, make_subscription
from usage_billing.db.session import transaction

pytestmark = pytest.mark.usefixtures("world")

WRITE = {"name": "a key", "scopes": ["usage:write"]}


def made(admin: FlaskClient, **bounds: Any) -> dict[str, Any]:
    """A new key, as it is answered."""
    answer = admin.post("/api/api-keys", json=WRITE | bounds)
    assert answer.status_code == 201, answer.json
    found: dict[str, Any] = answer.json
    return found


def record(caller: FlaskClient, **changes: Any) -> tuple[int, str]:
    answer = caller.post("/api/usage/record", json=EVENT | changes)
    return answer.status_code, answer.json.get("code", "")


REFUSED = (403, "not_for_this_key")


def test_a_key_records_within_its_bounds_and_nothing_else(admin: FlaskClient, call_as: As, inbox: Inbox) -> None:
    key = made(admin, usageTypes=["assessment"], userIds=["user123", "another"])
    assert (key["usageTypes"], key["userIds"], key["source"]) == (["assessment"], ["another", "user123"], None)
    assert admin.get(f"/api/api-keys/{key['id']}").json["userIds"] == ["another", "user123"]
    caller = call_as(key["key"])
    assert record(caller) == (202, "")
    assert record(caller, usageType="report") == REFUSED
    assert record(caller, userId="a-stranger") == REFUSED
    batch = caller.post("/api/usage/record/batch", json={"events": [EVENT, EVENT | {"usageType": "report"}]})
    assert (batch.status_code, batch.json["code"]) == REFUSED
    assert inbox.waiting() == 1
    for url in ("/api/usage/user/user123", "/api/invoices"):
        assert caller.get(url).status_code == 403


def test_a_source_is_one_keys_alone(
    app: Flask, admin: FlaskClient, call_as: As, drain: Drain, make_token: MakeToken
) -> None:
    free, key = made(admin), made(admin, source="till 7")
    own, other, person = call_as(key["key"]), call_as(free["key"]), call_as(make_token(role="admin"))
    assert record(own, idempotencyKey="1") == (202, "")
    assert record(own, source="till 7", idempotencyKey="2") == (202, "")
    assert record(own, source="till 8") == REFUSED
    assert record(other, source="till 7") == REFUSED
    assert record(person, source="till 7") == REFUSED
    batch = other.post("/api/usage/record/batch", json={"events": [EVENT, EVENT | {"source": "till 7"}]})
    assert (batch.status_code, batch.json["code"]) == REFUSED
    for caller in (other, person):
        assert record(caller, source="till 8", idempotencyKey="3") == (202, "")
    taken = admin.post("/api/api-keys", json=WRITE | {"source": "till 7"})
    assert (taken.status_code, taken.json["code"]) == (409, "already_exists")
    drain()
    rows = admin.get("/api/usage/subscription/sub456/records").json["data"]
    assert sorted((row["source"], row["idempotencyKey"]) for row in rows) == [
        *(("till 7", "1"), ("till 7", "2"), ("till 8", "3"))
    ]
    admin.post(f"/api/api-keys/{key['id']}/revoke")
    assert made(admin, source="till 7")["source"] == "till 7"


def test_a_source_that_is_bound_later_is_foreign_soon(app: Flask, admin: FlaskClient, call_as: As) -> None:
    other = call_as(made(admin)["key"])
    assert record(other, source="till 7") == (202, "")
    made(admin, source="till 7")
    state_of(app).keys.clear()  # as five seconds later
    assert record(other, source="till 7") == REFUSED


def test_a_successor_has_the_bounds_and_both_record_for_a_while(admin: FlaskClient, call_as: As) -> None:
    key = made(admin, source="till 7", usageTypes=["assessment"])
    new = admin.post(f"/api/api-keys/{key['id']}/rotate").json
    assert (new["source"], new["usageTypes"]) == ("till 7", ["assessment"])
    for one in (key, new):
        assert record(call_as(one["key"]), source="till 7") == (202, "")
        assert record(call_as(one["key"]), usageType="report") == REFUSED


def test_a_source_is_not_given_away_while_a_rotated_key_still_records_by_it(admin: FlaskClient) -> None:
    key = made(admin, source="till 7")
    new = admin.post(f"/api/api-keys/{key['id']}/rotate").json
    assert admin.post(f"/api/api-keys/{new['id']}/revoke").status_code == 200
    taken = admin.post("/api/api-keys", json=WRITE | {"source": "till 7"})
    assert (taken.status_code, taken.json["code"]) == (409, "already_exists")
    assert admin.post(f"/api/api-keys/{key['id']}/revoke").status_code == 200
    assert made(admin, source="till 7")["source"] == "till 7"


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"scopes": ["usage:write", "usage:read"], "source": "s"}, "/scopes", "contradiction"),
        ({"scopes": ["admin"], "userIds": ["user123"]}, "/scopes", "contradiction"),
        ({"userIds": []}, "/userIds", "invalid"),
        ({"usageTypes": ["a b"]}, "/usageTypes/0", "not_an_identifier"),
        ({"source": ""}, "/source", "not_a_key"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(
    admin: FlaskClient, wrong: dict[str, Any], pointer: str, code: str
) -> None:
    answer = admin.post("/api/api-keys", json=WRITE | wrong)
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [(pointer, code)]


def test_a_recording_says_which_key_it_came_with(
    admin: FlaskClient, call_as: As, drain: Drain, make_token: MakeToken, engine: Engine
) -> None:
    with transaction(engine) as session:
        make_customer(session, id="late")
    first, second = made(admin), made(admin, source="till 7")
    ids = [
        call_as(first["key"]).post("/api/usage/record", json=EVENT).json["id"],
        *call_as(second["key"]).post("/api/usage/record/batch", json={"events": [EVENT, EVENT]}).json["ids"],
        call_as(make_token(role="admin")).post("/api/usage/record", json=EVENT).json["id"],
    ]
    strange = EVENT | {"userId": "late", "subscriptionId": "sub-late"}
    stray = call_as(second["key"]).post("/api/usage/record", json=strange).json["id"]
    drain()
    by = {row["id"]: row["recordedBy"] for row in admin.get("/api/usage/subscription/sub456/records").json["data"]}
    assert [by[one] for one in ids] == [first["id"], second["id"], second["id"], None]
    assert admin.get(f"/api/usage/records/{ids[0]}").json["recordedBy"] == first["id"]
    assert "recordedBy" not in admin.get(f"/api/usage/records/{ids[3]}").json
    # What is replayed keeps it, and so does what an earlier version put aside without it.
    with transaction(engine) as session:
        make_subscription(session, id="sub-late", customer="late")
    assert admin.post(f"/api/quarantine/{stray}/replay").json["outcome"] == "recorded"
    assert admin.get(f"/api/usage/records/{stray}").json["recordedBy"] == second["id"]


def test_when_a_key_ends_can_be_changed(admin: FlaskClient, call_as: As, clock: Clock) -> None:
    def until(**span: int) -> str:
        return (clock.now + timedelta(**span)).isoformat()

    key = made(admin, expiresAt=until(hours=1))
    url, caller = f"/api/api-keys/{key['id']}", call_as(key["key"])
    tag = admin.get(url).headers["ETag"]
    changed = admin.patch(url, json={"expiresAt": until(hours=3), "name": "renamed"}, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.json
    assert (changed.json["name"], changed.json["scopes"]) == ("renamed", ["usage:write"])
    assert admin.patch(url, json={"rateLimit": 9}, headers={"If-Match": tag}).status_code == 412
    clock.advance(hours=2)
    state_of(admin.application).keys.clear()
    assert record(caller) == (202, "")
    assert admin.patch(url, json={"expiresAt": until(hours=-1)}).json["errors"][0]["code"] == "out_of_range"
    assert admin.patch(url, json={"scopes": ["admin"]}).status_code == 422
    assert admin.patch(url, json={"expiresAt": None, "rateLimit": 2}).json["expiresAt"] is None
    assert record(caller)[0] == 202
    assert record(caller)[0] == 429
    admin.post(f"{url}/revoke")
    refused = admin.patch(url, json={"expiresAt": None})
    assert (refused.status_code, refused.json["code"]) == (409, "key_ended")


def test_a_successor_holds_for_its_own_time(admin: FlaskClient, clock: Clock, engine: Engine) -> None:
    def end_of(body: dict[str, Any], **key: Any) -> Any:
        made_now = made(admin, **key)
        answer = admin.post(f"/api/api-keys/{made_now['id']}/rotate", json=body)
        assert answer.status_code == 201, answer.json
        return answer.json["expiresAt"], datetime.fromisoformat(made_now["createdAt"])

    month = clock.now + timedelta(days=30)
    end, born = end_of({}, expiresAt=month.isoformat())
    assert datetime.fromisoformat(end) == max(month, clock.now + (month - born))
    assert end_of({})[0] is None
    assert end_of({"expiresAt": None}, expiresAt=month.isoformat())[0] is None
    later = month + timedelta(days=300)
    assert datetime.fromisoformat(end_of({"expiresAt": later.isoformat()}, expiresAt=month.isoformat())[0]) == later
    key = made(admin)
    past = admin.post(f"/api/api-keys/{key['id']}/rotate", json={"expiresAt": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json["errors"][0]["pointer"]) == (422, "/expiresAt")
    assert admin.get(f"/api/api-keys/{key['id']}").json["replacedBy"] is None
