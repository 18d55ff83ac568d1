"""Endpoints over HTTP: made, changed, rotated, tried; and what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.support.books import scalars
from tests.support.events import relayed
from usage_billing.core.clock import instant_text, utc_now
from usage_billing.db.session import transaction
from usage_billing.outbox.service import Fact, tell

URL = "https://1.1.1.1/hooks"
ALL = "/api/webhook-endpoints"
ONE = f"{ALL}/books"
HOUR = timedelta(hours=1)
EVENT = "evt_00000000000000000000000000000000"


@pytest.fixture
def made(app: object, admin: FlaskClient) -> dict[str, Any]:
    """An endpoint as its making answered."""
    answer = admin.post(ALL, json={"id": "books", "url": URL, "types": ["invoice.paid"], "ordered": True})
    assert (answer.status_code, answer.headers["Location"]) == (201, ONE)
    found: dict[str, Any] = answer.json
    return found


def test_the_secret_is_shown_once_and_revealed_with_a_note(
    admin: FlaskClient, made: dict[str, Any], engine: Engine
) -> None:
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert admin.get(ONE).json == made
    assert admin.get(ALL).json["data"] == [made]
    assert admin.post(f"{ONE}/reveal").json == {"secrets": [secret]}
    new = admin.post(f"{ONE}/rotate", json={"overlapSeconds": 60}).json["secret"]
    assert admin.post(f"{ONE}/reveal").json == {"secrets": [new, secret]}
    newest = admin.post(f"{ONE}/rotate").json["secret"]
    assert admin.post(f"{ONE}/reveal").json == {"secrets": [newest, new]}
    acts = scalars(engine, "SELECT action FROM audit_log WHERE subject = 'endpoint:books' ORDER BY id")
    assert acts == [f"endpoint.{verb}" for verb in ("created", *["revealed", "rotated"] * 2, "revealed")]


def test_an_id_is_made_where_none_is_given_and_a_secret_of_your_own_is_taken(app: object, admin: FlaskClient) -> None:
    own = "whsec_" + "A" * 44
    answer = admin.post(ALL, json={"url": URL, "types": ["*"], "secret": own}).json
    assert (answer["id"][:3], answer["secret"], answer["types"]) == ("we_", own, ["*"])


def test_a_change_with_a_key_is_done_once_and_its_secret_given_again_once(app: object, admin: FlaskClient) -> None:
    def asked() -> Any:
        return admin.post(ALL, json={"id": "k", "url": URL, "types": ["*"]}, headers={"Idempotency-Key": "one"})

    first = asked()
    assert (first.status_code, asked().json, asked().status_code) == (201, first.json, 409)


def test_it_is_changed_under_a_condition_and_forgotten(admin: FlaskClient, made: dict[str, Any]) -> None:
    tag = admin.get(ONE).headers["ETag"]
    changed = admin.patch(ONE, json={"types": ["*"], "description": "x"}, headers={"If-Match": tag})
    assert (changed.json["types"], changed.json["description"], changed.json["ordered"]) == (["*"], "x", True)
    assert admin.patch(ONE, json={"url": URL}, headers={"If-Match": tag}).status_code == 412
    assert admin.delete(ONE).json["id"] == made["id"]
    assert admin.get(ONE).status_code == admin.delete(ONE).status_code == 404


def test_what_is_held_is_counted_and_goes_out_when_it_is_enabled(
    admin: FlaskClient, made: dict[str, Any], engine: Engine
) -> None:
    assert admin.post(f"{ONE}/disable").json["disabledReason"] == "by_hand"
    assert admin.post(f"{ONE}/test").json["code"] == "endpoint_disabled"
    with transaction(engine) as session:
        tell(session, [Fact("invoice.paid", "one", {}, "a"), Fact("invoice.voided", "two", {}, "a")])
    relayed(engine)
    shown = admin.get(ONE).json
    assert (shown["status"], shown["held"], shown["waiting"]) == ("disabled", 1, 0)
    enabled = admin.post(f"{ONE}/enable", json={"resume": "all"}).json
    assert (enabled["status"], enabled["held"], enabled["waiting"]) == ("active", 0, 1)
    (delivery,) = admin.get(f"{ONE}/deliveries").json["data"]
    assert (delivery["state"], delivery["type"], delivery["tries"]) == ("waiting", "invoice.paid", 0)
    whole = admin.get(f"/api/deliveries/{delivery['id']}").json
    assert whole == {**delivery, "attempts": []}
    resent = admin.post(f"/api/events/{delivery['eventId']}/resend")
    assert (resent.status_code, resent.json) == (202, {"deliveries": 1})
    assert admin.post(f"{ONE}/test").status_code == 202
    assert scalars(engine, "SELECT subject FROM audit_log WHERE action = 'endpoint.tested'") == ["endpoint:books"]
    relayed(engine)
    assert {one["type"] for one in admin.get(f"{ONE}/deliveries").json["data"]} == {"invoice.paid", "endpoint.test"}
    assert admin.get(f"{ONE}/deliveries?status=sent").json["data"] == []


def test_a_replay_runs_once_at_a_time(admin: FlaskClient, made: dict[str, Any], engine: Engine) -> None:
    with transaction(engine) as session:
        tell(session, [Fact("invoice.paid", "one", {}, "a")])
    relayed(engine)
    with transaction(engine) as session:
        session.connection().exec_driver_sql("UPDATE webhook_deliveries SET state = 'failed'")
    present = utc_now()
    span = {"since": instant_text(present - HOUR), "until": instant_text(present + HOUR)}
    first = admin.post(f"{ONE}/replay", json=span)
    assert (first.status_code, first.json["deliveries"]) == (202, 1)
    assert admin.post(f"{ONE}/replay", json=span).json["code"] == "replay_running"


BAD: list[tuple[dict[str, Any], str | None]] = [
    ({"url": "http://1.1.1.1/"}, "address_refused"),
    ({"url": "file:///etc/passwd"}, "address_refused"),
    ({"url": "ftp://1.1.1.1/"}, "address_refused"),
    ({"url": "https://user@1.1.1.1/"}, "address_refused"),
    ({"url": "https://1.1.1.1:25/"}, "address_refused"),
    ({"url": "https://[::ffff:10.0.0.1]/"}, "address_refused"),
    ({"url": "http://[::ffff:10.0.0.1]/"}, "address_refused"),
    ({"url": "http://0x7f000001/"}, "address_refused"),
    ({"url": "https://0x7f000001/"}, "address_refused"),
    ({"url": "https://ex。ample.com/"}, "address_refused"),
    ({"url": "https://localhost/"}, "address_refused"),
    ({"url": "https://nothing.invalid/"}, "address_refused"),
    ({"url": "https://1.1.1.1/" + "x" * 3000}, "address_refused"),
    ({"url": None}, "required"),
    ({"types": []}, "out_of_range"),
    ({"types": ["invoice.sent"]}, "unknown_event_type"),
    ({"types": ["*", "invoice.paid"]}, "unknown_event_type"),
    ({"types": ["invoice.paid", "invoice.paid"]}, "repeated"),
    ({"types": [1]}, "not_a_text"),
    ({"types": "invoice.paid"}, None),
    ({"secret": "whsec_c2hvcnQ="}, "weak_secret"),
    ({"secret": "x" * 60}, "weak_secret"),
    ({"version": "2020-01-01"}, None),
    ({"ratePerSecond": 0}, "out_of_range"),
    ({"ordered": "yes"}, "not_a_flag"),
    ({"userId": "stranger"}, "404"),
    ({"id": "-x"}, "not_an_identifier"),
    ({"kind": "sms"}, None),
    ({"to": ["ann@example.com"]}, "other_kind"),
    ({"language": "de"}, "other_kind"),
]


@pytest.mark.parametrize(("wrong", "code"), BAD)
def test_what_is_no_endpoint_is_refused_and_nothing_changes(
    app: object, admin: FlaskClient, engine: Engine, wrong: dict[str, Any], code: str | None
) -> None:
    answer = admin.post(ALL, json={"url": URL, "types": ["*"], **wrong})
    assert answer.status_code == (404 if code == "404" else 422), answer.json
    assert code in (None, "404") or code in {field["code"] for field in answer.json["errors"]}, answer.json
    assert scalars(engine, "SELECT count(*) FROM webhook_endpoints") == [0]


@pytest.mark.parametrize(
    ("span", "code"),
    [
        ({}, "required"),
        ({"since": "2026-11-14T00:00:00Z", "until": "2026-11-13T00:00:00Z"}, "out_of_range"),
        ({"since": "2026-01-01T00:00:00Z"}, "out_of_range"),
        ({"since": "2026-11-14T00:00:00"}, "no_offset"),
        ({"since": "2026-11-14T00:00:00Z", "types": ["x"]}, "unknown_event_type"),
        ({"since": "2026-11-14T00:00:00Z", "types": ["*"]}, "unknown_event_type"),
        ({"since": "2026-11-14T00:00:00Z", "types": []}, "out_of_range"),
        ({"since": "2026-11-14T00:00:00Z", "types": ["invoice.paid"] * 2}, "repeated"),
        ({"since": "2026-11-14T00:00:00Z", "only": "some"}, None),
    ],
)
def test_a_wrong_span_is_not_replayed(
    admin: FlaskClient, made: dict[str, Any], span: dict[str, Any], code: str | None
) -> None:
    answer = admin.post(f"{ONE}/replay", json=span)
    assert answer.status_code == 422
    assert code is None or code in {field["code"] for field in answer.json["errors"]}, answer.json


def test_there_are_fifty_endpoints_at_most(app: object, admin: FlaskClient) -> None:
    for number in range(50):
        assert admin.post(ALL, json={"id": f"e{number}", "url": URL, "types": ["*"]}).status_code == 201
    answer = admin.post(ALL, json={"id": "more", "url": URL, "types": ["*"]})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "too_many_endpoints")
    assert admin.post(ALL, json={"id": "e1", "url": URL, "types": ["*"]}).status_code == 422


@pytest.mark.parametrize("url", [ONE, f"{ONE}/deliveries", "/api/deliveries/00000000-0000-7000-8000-000000000000"])
def test_what_is_not_there_is_not_found(app: object, admin: FlaskClient, url: str) -> None:
    assert admin.get(url).status_code == 404
    assert admin.post(f"/api/events/{EVENT}/resend").status_code == 404
