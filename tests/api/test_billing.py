"""Billing over HTTP: a run is opened, seen to its end, and what it charged is on an invoice."""

from datetime import timedelta
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.api.conftest import Billed
from tests.conftest import As, MakeToken
from tests.support.callers import Keys
from usage_billing.db.session import read_only
from usage_billing.flows.billing.drive_run import run_to_end


def test_the_overage_is_on_the_invoice(billed: Billed, reader: FlaskClient) -> None:
    shown = reader.get(f"/api/invoices/{billed.invoice_id}").json
    item = shown["items"][0]
    assert {name: item[name] for name in ("usageType", "kind", "quantity", "unitPrice", "amount")} == {
        "usageType": "assessment",
        "kind": "usage",
        "quantity": "3",
        "unitPrice": "10",
        "amount": "30.00",
    }
    assert (shown["total"], shown["currency"], shown["status"], shown["number"]) == ("30.00", "USD", "draft", None)
    assert (shown["periodStart"], shown["periodEnd"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    listed = reader.get("/api/invoices").json["data"]
    assert listed == [shown]


def test_a_run_is_opened_and_seen_to_its_end(billed: Billed, call_as: As, keys: Keys, engine: Engine) -> None:
    biller = call_as(keys.biller)
    answer = biller.post("/api/usage/process-billing")
    assert answer.status_code == 202
    run_id = answer.json["runId"]
    opened = biller.get(f"/api/billing-runs/{run_id}").json
    assert (opened["status"], opened["asOf"], opened["dryRun"]) == ("opened", "2026-11-15T12:30:45.123456Z", False)
    assert opened["requestedBy"].startswith("key:ub_")
    run_to_end(engine, UUID(run_id), settings_grace=timedelta(hours=1), on_progress=lambda _: None)
    done = biller.get(f"/api/billing-runs/{run_id}").json
    assert (done["status"], done["items"], done["error"]) == ("completed", 0, None)
    assert done["finishedAt"] is not None
    assert [run["id"] for run in biller.get("/api/billing-runs").json["data"]] == [run_id, str(billed.run_id)]


def test_a_dry_run_may_look_ahead_and_changes_nothing(billed: Billed, call_as: As, keys: Keys, engine: Engine) -> None:
    biller = call_as(keys.biller)
    body = {"asOf": "2026-12-05T00:00:00Z", "dryRun": True, "subscriptionId": "sub456"}
    run_id = biller.post("/api/usage/process-billing", json=body).json["runId"]
    run_to_end(engine, UUID(run_id), settings_grace=timedelta(hours=1), on_progress=lambda _: None)
    shown = biller.get(f"/api/billing-runs/{run_id}").json
    assert (shown["status"], shown["dryRun"], shown["subscriptionId"]) == ("completed", True, "sub456")
    assert biller.get(f"/api/invoices/{billed.invoice_id}").json["status"] == "draft"


def test_a_run_is_noted_with_who_asked(call_as: As, keys: Keys, engine: Engine) -> None:
    call_as(keys.biller).post("/api/usage/process-billing", json={})
    with read_only(engine) as session:
        actor = session.scalar(text("SELECT actor FROM audit_log WHERE action = 'billing.run'"))
    assert actor is not None
    assert actor.startswith("key:ub_")


def test_invoices_are_filtered(billed: Billed, reader: FlaskClient, call_as: As, make_token: MakeToken) -> None:
    def ids(query: str, caller: FlaskClient = reader) -> int:
        return len(caller.get(f"/api/invoices?{query}").json["data"])

    assert ids("userId=user123") == ids("subscriptionId=sub456") == ids("status=draft") == 1
    assert ids("userId=other") == ids("subscriptionId=other") == ids("status=finalized") == 0
    assert ids("userId=other", call_as(make_token("user123"))) == 0
