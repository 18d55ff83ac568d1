"""Endpoints of mail over HTTP, and in what doctor says."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api.state import state_of
from tests.mail.conftest import SECRET
from tests.support.books import scalars
from tests.support.events import relayed
from usage_billing.core.clock import utc_now
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint
from usage_billing.mail.telling import FOR_CUSTOMERS
from usage_billing.reports.doctor.webhooks import check_mail
from usage_billing.settings import Settings

ALL = "/api/webhook-endpoints"
ONE = f"{ALL}/ops"
MAIL: dict[str, Any] = {"id": "ops", "kind": "email", "to": ["ops@example.com"], "types": ["run.failed"]}


@pytest.fixture
def configured(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The API with mail."""
    here = state_of(app)
    mail = {"smtp_url": "smtps://mail.example", "mail_from": "b@h.example", "public_url": "https://b.example"}
    monkeypatch.setattr(here, "settings", replace(here.settings, **mail))
    return here.settings


def test_mail_is_refused_until_it_is_configured(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = admin.post(ALL, json=MAIL)
    assert (answer.status_code, answer.json["code"]) == (409, "mail_not_configured")
    here = state_of(app)
    monkeypatch.setattr(here, "settings", replace(here.settings, smtp_url="smtps://m.example", mail_from="b@h.example"))
    assert admin.post(ALL, json=MAIL).status_code == 201
    refused = admin.post(ALL, json={**MAIL, "id": "c", "to": "customer", "types": ["invoice.finalized"]})
    assert (refused.status_code, refused.json["code"]) == (409, "mail_not_configured")
    assert "USAGE_BILLING_PUBLIC_URL" in refused.json["detail"]


def test_an_endpoint_of_mail_has_addresses_and_no_secret(
    configured: Settings, admin: FlaskClient, engine: Engine
) -> None:
    made = admin.post(ALL, json={**MAIL, "language": "de"}).json
    assert (made["kind"], made["url"], made["to"], made["language"]) == ("email", None, ["ops@example.com"], "de")
    assert made["secret"] is None
    for act in ("rotate", "reveal"):
        assert admin.post(f"{ONE}/{act}").json["code"] == "other_kind"
    changed = admin.patch(ONE, json={"to": ["a@example.com", "b@example.com"], "language": None}).json
    assert (changed["to"], changed["language"]) == (["a@example.com", "b@example.com"], None)
    assert admin.post(f"{ONE}/test").status_code == 202
    relayed(engine)
    deliveries = admin.get(f"{ONE}/deliveries").json["data"]
    assert sorted(one["recipient"] for one in deliveries) == ["a@example.com", "b@example.com"]
    to_all = admin.post(ALL, json={"id": "c", "kind": "email", "to": "customer", "types": ["*"]}).json
    assert (to_all["to"], to_all["types"]) == ("customer", list(FOR_CUSTOMERS))
    assert admin.post(f"{ALL}/c/test").json["code"] == "no_address"
    assert admin.patch(f"{ALL}/c", json={"types": ["run.failed"]}).json["errors"][0]["code"] == "not_for_customers"
    assert admin.patch(f"{ALL}/c", json={"url": "https://1.1.1.1/"}).json["errors"][0]["code"] == "other_kind"
    actions = scalars(engine, "SELECT action FROM audit_log WHERE subject = 'endpoint:ops' ORDER BY id")
    assert actions == ["endpoint.created", "endpoint.changed", "endpoint.tested"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"to": []}, "out_of_range"),
        ({"to": None}, "out_of_range"),
        ({"to": "ann@example.com"}, "not_a_choice"),
        ({"to": [1]}, "not_a_choice"),
        ({"to": ["ann@example.com"] * 21}, "out_of_range"),
        ({"to": ["ann@example.com", "ANN@example.com"]}, "repeated"),
        ({"to": ["ann@example.com\r\nBcc: x@y.example"]}, "not_an_email"),
        ({"to": ["a\x00@example.com"]}, "bad_text"),
        ({"to": ["a@@example.com"]}, "not_an_email"),
        ({"to": [f"{'a' * 250}@example.com"]}, "not_an_email"),
        ({"to": "customer", "types": ["run.failed"]}, "not_for_customers"),
        ({"url": "https://1.1.1.1/"}, "other_kind"),
        ({"secret": "whsec_" + "A" * 32}, "other_kind"),
        ({"language": "x"}, "not_a_language"),
        ({"types": []}, "out_of_range"),
    ],
)
def test_what_is_no_endpoint_of_mail_is_refused_and_nothing_changes(
    configured: Settings, admin: FlaskClient, engine: Engine, wrong: dict[str, Any], code: str
) -> None:
    answer = admin.post(ALL, json={**MAIL, **wrong})
    assert answer.status_code == 422, answer.json
    assert code in {field["code"] for field in answer.json["errors"]}, answer.json
    assert scalars(engine, "SELECT count(*) FROM webhook_endpoints") == [0]


def test_doctor_names_endpoints_whose_mail_waits(settings: Settings, engine: Engine) -> None:
    with read_only(engine) as session:
        assert list(check_mail(session, settings)) == []
    new = NewEndpoint(id="ops", kind="email", to=["ops@example.com"], types=["*"])
    with transaction(engine) as session:
        create_endpoint(session, new, under=SECRET, actor="test", now=utc_now())
    with read_only(engine) as session:
        (found,) = check_mail(session, settings)
        assert found.code == "mail_not_configured"
        assert "ops" in found.message
        mail = replace(settings, smtp_url="smtps://m.example", mail_from="b@h.example")
        assert list(check_mail(session, mail)) == []
