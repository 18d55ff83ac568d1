"""What could not be counted: listed, shown, replayed once its reason is gone, discarded."""

from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.api.conftest import Billed
from tests.conftest import Drain
from tests.factories import make_subscription
from usage_billing.core.clock import utc_now
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import transaction
from usage_billing.metering.service import quarantine_broken


def test_it_is_listed_and_shown(billed: Billed, admin: FlaskClient) -> None:
    shown = admin.get(f"/api/quarantine/{billed.quarantined_id}").json
    assert (shown["reason"], shown["status"], shown["subscriptionId"]) == ("unknown_subscription", "open", "nobody")
    assert shown["payload"]["usage_type"] == "assessment"
    assert admin.get("/api/quarantine").json["data"] == [shown]
    assert admin.get("/api/quarantine?status=open&subscriptionId=nobody").json["data"] == [shown]
    assert admin.get("/api/quarantine?status=discarded").json["data"] == []


def test_it_is_shown_as_it_was_sent_and_may_be_sent_again(
    world: object, admin: FlaskClient, writer: FlaskClient, engine: Engine, drain: Drain
) -> None:
    whole = {
        "userId": "user123",
        "subscriptionId": "nobody",
        "usageType": "assessment",
        "quantity": "1.5",
        "metadata": {"a": [1, {"b": None}]},
        "timestamp": "2026-11-15T10:00:00Z",
        "idempotencyKey": "k1",
        "source": "app",
    }
    short = {"userId": "user123", "subscriptionId": "nobody", "usageType": "assessment", "quantity": "2"}
    for sent in (whole, short):
        assert writer.post("/api/usage/record", json=sent).status_code == 202
    assert drain() == 2
    shown = [one["recording"] for one in admin.get("/api/quarantine").json["data"]]
    assert sorted(shown, key=len) == [short | {"metadata": {}}, whole]
    with transaction(engine) as session:
        make_subscription(session, id="nobody")
        quarantine_broken(session, id=new_id(), data=b"no recording", detail="why", now=utc_now())
    for sent in shown:
        assert writer.post("/api/usage/record", json=sent).status_code == 202
    assert drain() == 2
    assert len(admin.get("/api/usage/subscription/nobody/records").json["data"]) == 2
    assert [one["recording"] for one in admin.get("/api/quarantine?reason=broken_payload").json["data"]] == [None]


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
