"""Keys over HTTP: shown once, listed by what names them, rotated with an overlap, revoked at once."""

from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api.state import state_of
from tests.api.conftest import EVENT
from tests.conftest import As, Clock
from usage_billing.db.session import read_only

NEW = {"name": "reports", "scopes": ["usage:write"], "expiresAt": None, "rateLimit": None}


def test_a_key_is_shown_once(admin: FlaskClient, call_as: As, engine: Engine) -> None:
    made = admin.post("/api/api-keys", json=NEW)
    assert made.status_code == 201
    key = made.json["key"]
    assert key.startswith(made.json["prefix"])
    assert call_as(key).post("/api/usage/record", json=EVENT).status_code == 202
    for url in ("/api/api-keys", f"/api/api-keys/{made.json['id']}"):
        assert key not in admin.get(url).get_data(as_text=True)
    with read_only(engine) as session:
        kept = (
            session.execute(
                text("SELECT api_keys::text || (SELECT string_agg(detail::text, '') FROM audit_log) FROM api_keys")
            )
            .scalars()
            .all()
        )
    assert key.removeprefix(made.json["prefix"]) not in "".join(kept)


def test_a_key_names_its_last_use(admin: FlaskClient, call_as: As) -> None:
    made = admin.post("/api/api-keys", json=NEW).json
    assert made["lastUsedAt"] is None
    call_as(made["key"]).post("/api/usage/record", json=EVENT)
    assert admin.get(f"/api/api-keys/{made['id']}").json["lastUsedAt"] == "2026-11-15T12:30:45.123456Z"


def test_a_revoked_key_opens_nothing_from_then_on(admin: FlaskClient, call_as: As) -> None:
    made = admin.post("/api/api-keys", json=NEW).json
    caller = call_as(made["key"])
    assert caller.post("/api/usage/record", json=EVENT).status_code == 202
    revoked = admin.post(f"/api/api-keys/{made['id']}/revoke")
    assert revoked.json["revokedAt"] is not None
    answer = caller.post("/api/usage/record", json=EVENT)
    assert (answer.status_code, answer.json["code"]) == (401, "key_revoked")
    assert admin.post(f"/api/api-keys/{made['id']}/revoke").json == revoked.json


def test_a_rotated_key_holds_until_the_overlap_is_over(admin: FlaskClient, call_as: As, clock: Clock) -> None:
    made = admin.post("/api/api-keys", json=NEW).json
    rotated = admin.post(f"/api/api-keys/{made['id']}/rotate", json={"overlapSeconds": 3600})
    assert rotated.status_code == 201
    old, new = call_as(made["key"]), call_as(rotated.json["key"])
    for caller in (old, new):
        assert caller.post("/api/usage/record", json=EVENT).status_code == 202
    clock.advance(hours=1)
    again = admin.post(f"/api/api-keys/{made['id']}/rotate")
    assert (again.status_code, again.json["code"]) == (409, "key_ended")
    state_of(admin.application).keys.clear()  # as five seconds later
    assert old.post("/api/usage/record", json=EVENT).json["code"] == "key_expired"
    assert new.post("/api/usage/record", json=EVENT).status_code == 202


def test_keys_are_listed_newest_first(admin: FlaskClient) -> None:
    for name in ("a", "b", "c"):
        admin.post("/api/api-keys", json=NEW | {"name": name})
    page = admin.get("/api/api-keys?limit=2").json
    assert [row["name"] for row in page["data"]] == ["c", "b"]
    rest = admin.get(f"/api/api-keys?limit=2&cursor={page['nextCursor']}").json
    assert [row["name"] for row in rest["data"]] == ["a", "test"]
