"""What could not be counted: listed, shown, replayed once its reason is gone, discarded."""

from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.api.conftest import Billed
from tests.factories import make_subscription
from usage_billing.db.session import transaction


def test_it_is_listed_and_shown(billed: Billed, admin: FlaskClient) -> None:
    shown = admin.get(f"/api/quarantine/{billed.quarantined_id}").json
    assert (shown["reason"], shown["status"], shown["subscriptionId"]) == ("unknown_subscription", "open", "nobody")
    assert shown["payload"]["usage_type"] == "assessment"
    assert admin.get("/api/quarantine").json["data"] == [shown]
    assert admin.get("/api/quarantine?status=open&subscriptionId=nobody").json["data"] == [shown]
    assert admin.get("/api/quarantine?status=discarded").json["data"] == []


def test_it_is_replayed_once_its_reason_is_gone(billed: Billed, admin: FlaskClient, engine: Engine) -> None:
    url = f"/api/quarantine/{billed.quarantined_id}"
    refused = admin.post(f"{url}/replay")
    assert (refused.status_code, refused.json["code"]) == (409, "still_refused")
    with transaction(engine) as session:
        make_subscription(session, id="nobody")
    assert admin.post(f"{url}/replay").json == {"id": str(billed.quarantined_id), "outcome": "recorded"}
    assert admin.post(f"{url}/replay").json["code"] == "already_resolved"
    assert admin.get(url).json["status"] == "replayed"
    assert admin.get(f"/api/usage/records/{billed.quarantined_id}").json["status"] == "recorded"


def test_it_is_discarded_for_good(billed: Billed, admin: FlaskClient) -> None:
    url = f"/api/quarantine/{billed.quarantined_id}"
    gone = admin.post(f"{url}/discard").json
    assert gone["status"] == "discarded"
    assert gone["resolvedBy"].startswith("key:ub_")
    assert admin.post(f"{url}/replay").json["code"] == "already_resolved"
    assert admin.get(f"/api/usage/records/{billed.quarantined_id}").json["resolution"] == "discarded"


def test_what_is_not_there_is_not_found(billed: Billed, admin: FlaskClient) -> None:
    for suffix, method in (("", "GET"), ("/replay", "POST"), ("/discard", "POST")):
        assert admin.open(f"/api/quarantine/{billed.run_id}{suffix}", method=method).status_code == 404
