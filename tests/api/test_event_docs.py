"""The catalogue of events, its schemas, its page and the OpenAPI document say the same; bodies are as they say."""

import json
import os
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from sqlalchemy import Engine, text

from api.event_schemas import schema_of
from tests.architecture.sources import ROOT
from tests.factories import make_recording, make_usage_type, record
from tests.money.house import day, make_house
from tests.support.books import scalars
from tests.support.events import relayed
from usage_billing.db.session import transaction
from usage_billing.flows.administration.pay_top_up import Payment, pay_top_up
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.flows.alerting.judge_anew import resolve_over
from usage_billing.flows.alerting.manage_alerts import create_alert
from usage_billing.flows.prepaid.close_grants import close_grants
from usage_billing.flows.prepaid.grant_life import Refund, refund_grant, void_grant
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_top_ups import NewRule, end_rule, fail_top_up, set_rule
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
from usage_billing.flows.recording.quarantine import discard
from usage_billing.wire.event import CATALOGUE
from usage_billing.wire.event_type import EventType

FOLDER = ROOT / "docs" / "events"
NOT_TOLD_HERE = {EventType.RUN_FAILED, EventType.RECORDING_REPLAYED}
"""They have the data of those that are told here."""


@pytest.fixture
def document(client: FlaskClient) -> Any:
    return json.loads(client.get("/api/openapi.json").get_data())


@pytest.mark.parametrize("type_", EventType)
def test_each_type_has_its_schema_in_a_file(document: Any, client: FlaskClient, type_: EventType) -> None:
    file = FOLDER / f"{type_}.json"
    schema = schema_of(type_, document["components"]["schemas"])
    if os.environ.get("UPDATE_ANSWERS"):
        file.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8")) == schema
    assert json.loads(client.get(f"/api/docs/events/{type_}").get_data()) == schema


def test_there_are_no_other_files_and_none_is_served(client: FlaskClient) -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(EventType)
    assert client.get("/api/docs/events/invoice.sent").status_code == 404


def test_every_type_is_in_the_catalogue_the_document_and_on_the_page(document: Any) -> None:
    assert list(CATALOGUE) == list(EventType)
    assert list(document["webhooks"]) == list(EventType)
    page = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(str(type_), one.when, one.audit or "-") for type_, one in CATALOGUE.items()]


def test_what_is_told_is_as_its_schema_says(document: Any, admin: FlaskClient, engine: Engine) -> None:
    """Every type, told by what the product does, beside its schema."""
    tell_everything(engine)
    for id in ("gone", "tried"):
        new = {"id": id, "url": "https://1.1.1.1/hooks", "types": ["*"]}
        assert admin.post("/api/webhook-endpoints", json=new).status_code == 201
    assert admin.post("/api/webhook-endpoints/gone/disable").status_code == 200
    assert admin.post("/api/webhook-endpoints/tried/test").status_code == 202
    relayed(engine)
    events = admin.get("/api/events?limit=200").json["data"]
    assert {event["type"] for event in events} == set(EventType) - NOT_TOLD_HERE
    for event in events:
        schema = schema_of(EventType(event["type"]), document["components"]["schemas"])
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        assert [error.message for error in validator.iter_errors(event)] == [], event["type"]


def tell_everything(engine: Engine) -> None:
    """Let each type happen once at least."""
    house = make_house(engine)
    house.plan("a", fee="30")
    house.plan("b", fee="30")
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "1"})
    for name in ("s", "t", "u", "v"):
        house.subscribe(name)
        with transaction(engine) as session:
            new = NewAlert(subscription_id=name, watches="units", thresholds=[Decimal(1)], resolve=True)
            create_alert(session, new, actor="test", now=day(2))
        house.use(2, at=day(3), name=name)
    house.bill(day(1, month=2) + timedelta(hours=2))
    finals = "SELECT id FROM invoices WHERE status = 'finalized' ORDER BY number"
    for what, id in zip(("pay", "void", "give_up"), scalars(engine, finals), strict=False):
        house.by_hand(what, id)
    house.change("change_plan", at=day(3, month=2), plan_id="b")
    house.change("pause", at=day(4, month=2))
    house.change("resume", at=day(5, month=2))
    house.change("cancel", at=day(6, month=2))
    now, grace = day(7, month=2), timedelta(hours=1)
    strays = [make_recording(now=now, customer="ann", subscription="s", usage_type=kind) for kind in ("fax", "telex")]
    with transaction(engine) as session:
        record(session, *strays)
    with transaction(engine) as session:
        make_usage_type(session, id="fax")
        unit = session.execute(text("SELECT unit_name FROM usage_types WHERE id = 'calls'")).scalar_one()
        discard(session, strays[1].id, actor="test", now=now)
        create_wallet(
            session, NewWallet(id="w", customer_id="ann", unit_name=unit, usage_types=["calls"]), actor="test", now=now
        )
        for key, expires in (("back", None), ("gone", day(8, month=2)), ("wrong", None)):
            new = NewGrant(amount=Decimal(5), idempotency_key=key, expires_at=expires, cost=Decimal("1.50"))
            grant, _ = make_grant(session, "w", new, actor="test", now=now, grace=grace)
            if key == "back":
                refund_grant(session, grant.id, Refund(), actor="test", now=now)
        void_grant(session, grant.id, used=True, actor="test", now=now)
        for end in ("fail", "pay"):
            rule = NewRule(below=Decimal(100), amount=Decimal(50))
            set_rule(session, "w", rule, actor="test", now=now)
            id = session.execute(text("SELECT id FROM wallet_top_ups WHERE state = 'asked'")).scalar_one()
            if end == "fail":
                fail_top_up(session, id, reason=None, actor="test", now=now)
            else:
                pay_top_up(session, id, Payment(cost=Decimal(9)), actor="test", now=now, grace=grace)
        end_rule(session, "w", actor="test", now=now)
        new_wallet = NewWallet(id="m", customer_id="ann", currency="USD")
        create_wallet(session, new_wallet, actor="test", now=now)
        set_rule(session, "m", rule, actor="test", now=now)
        close_grants(session, "w", now=day(9, month=2))
        resolve_over(session, now=day(9, month=2))
