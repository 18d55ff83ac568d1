"""Endpoints of mail over HTTP, and in what doctor says."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api.state import state_of
from tests.integration.conftest import Cli, cli
from tests.mail.conftest import SECRET
from tests.support.books import scalars
from tests.support.events import relayed
from tests.support.refusals import TYPED, Doors, Row
from usage_billing.core.clock import utc_now
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint
from usage_billing.mail.telling import FOR_CUSTOMERS
from usage_billing.reports.doctor.webhooks import check_mail
from usage_billing.settings import Settings

__all__ = ["cli"]

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


ADDRESSES = {
    "a line break": "ann@example.com\r\nBcc: x@y.example",
    "NUL": "ann\x00@example.com",
    "two @": "ann@@example.com",
    "two @ apart": "ann@b@example.com",
    "255 characters": f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 62}",
    "two addresses": "ann@example.com, bob@example.com",
}


@pytest.mark.usefixtures("configured")
def test_what_is_no_address_is_taken_at_neither_door(
    admin: FlaskClient, engine: Engine, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_BILLING_SMTP_URL", "smtps://mail.example")
    monkeypatch.setenv("USAGE_BILLING_MAIL_FROM", "b@h.example")
    doors = Doors(engine, admin, cli)
    assert len(ADDRESSES["255 characters"]) == 255
    typed = {name: ("endpoints", "create", "ops", "--email", one) for name, one in ADDRESSES.items()}
    made = {name: Row(MAIL | {"to": [one]}, typed[name], "/to/0") for name, one in ADDRESSES.items()}
    doors.try_each(made, ALL)
    assert admin.post(ALL, json=MAIL).status_code == 201
    second = {name: Row({"to": ["ann@example.com", one]}, None, "/to/1") for name, one in ADDRESSES.items()}
    doors.try_each(second, ONE, method="PATCH")


def test_a_customer_and_the_seller_have_an_address_or_none(admin: FlaskClient, engine: Engine, cli: Cli) -> None:
    doors = Doors(engine, admin, cli)
    wrong = {name: ADDRESSES[name] for name in ("a line break", "NUL", "two @", "two addresses")}
    wrong["321 characters"] = f"{'a' * 309}@example.com"
    create = ("customers", "create", "ann", "--name", "Ann", "--email")
    made = {
        name: Row({"id": "ann", "name": "Ann", "email": one}, (*create, one), "/email", typed_says=TYPED)
        for name, one in wrong.items()
    }
    doors.try_each(made, "/api/customers")
    seller = {"legalName": "S", "address": {"line1": "x", "city": "B", "country": "DE"}}
    doors.try_each(
        {name: Row(seller | {"email": one}, None, "/email") for name, one in wrong.items()}, "/api/seller", method="PUT"
    )


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
