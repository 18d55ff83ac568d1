"""Invoices and runs at the desk: the API's figures, each step with its audit entry, runs with their dry run."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As, Clock
from tests.factories import make_recording, record
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser
from tests.web.test_admin_subscriptions import audited
from tests.web.test_admin_today import WRITER, figures
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


def _work(engine: Engine, address: str) -> None:
    """Do what a worker does of the run at this address."""
    from uuid import UUID

    run_to_end(engine, UUID(address.rpartition("/")[2]), settings_grace=timedelta(hours=1), on_progress=lambda _: None)


def test_an_invoice_and_its_item_are_the_apis(desk: DeskBrowser, used: Books, api: FlaskClient) -> None:
    shown: Any = api.get(f"/api/invoices/{used.invoice_id}").json
    found = figures(desk.see(f"/admin/invoices/{used.invoice_id}"))
    assert found["due"] == WRITER.money(shown["amountDue"], "USD") == "$30.00"
    assert found["total"] == WRITER.money(shown["total"], "USD")
    item: Any = api.get(f"/api/invoices/{used.invoice_id}/items/{used.item_id}/explain?limit=100").json
    page = desk.see(f"/admin/invoices/{used.invoice_id}/items/{used.item_id}")
    assert figures(page)["amount"] == WRITER.money(item["amount"], "USD")
    assert page.count('href="/admin/records/') == len(item["events"]["data"])


def test_the_list_is_the_apis(desk: DeskBrowser, used: Books, api: FlaskClient) -> None:
    queries = {"": "", "?status=draft": "?status=draft", "?status=void": "?status=void"}
    queries |= {"?customer=user123": "?userId=user123", "?subscription=sub456": "?subscriptionId=sub456"}
    for query, asked in queries.items():
        shown: Any = api.get(f"/api/invoices{asked}").json
        page = desk.see(f"/admin/invoices{query}")
        rows = re.findall(r'<th scope="row"><a href="/admin/invoices/([^"]+)"', page)
        assert rows == [one["id"] for one in shown["data"]]
    assert desk.client.get("/admin/invoices?after=x").status_code == 400


def test_its_files(desk: DeskBrowser, used: Books) -> None:
    address = f"/admin/invoices/{used.invoice_id}"
    assert desk.client.get(f"{address}/csv").mimetype == "text/csv"
    assert desk.client.get(f"{address}/html").status_code == 200
    made = desk.client.get(f"{address}/pdf")
    assert made.headers["Refresh"] == "2"
    assert desk.send(f"{address}/document").status_code == 303


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (["pay"], "paid"),
        (["uncollectible"], "uncollectible"),
        (["uncollectible", "pay"], "paid"),
        (["void"], "void"),
    ],
)
def test_the_steps_of_its_life(
    desk: DeskBrowser, used: Books, engine: Engine, api: FlaskClient, steps: list[str], status: str
) -> None:
    address, actions = f"/admin/invoices/{used.invoice_id}", {"pay": "invoice.paid", "void": "invoice.voided"}
    for step in steps:
        assert "is due on it" in desk.see(f"{address}/{step}")
        desk.change(f"{address}/{step}", **({"amount": "30.00", "reference": "E2E-1"} if step == "pay" else {}))
    shown: Any = api.get(f"/api/invoices/{used.invoice_id}").json
    assert shown["status"] == status
    mine = [action for who, action in audited(engine, f"invoice:{used.invoice_id}") if who == "key"]
    assert mine == [actions.get(step, "invoice.uncollectible") for step in steps]


def test_a_payment_that_is_not_what_is_due_is_refused_and_stays_typed(
    desk: DeskBrowser, used: Books, api: FlaskClient
) -> None:
    address = f"/admin/invoices/{used.invoice_id}/pay"
    for fields, says in (
        ({"amount": "29.00"}, "30.00 USD is due, and is paid whole or not at all"),
        ({"paidAt": "2099-01-01"}, "Must not be in the future"),
        ({"paidAt": "soon"}, "is no time such as"),
    ):
        answer = desk.send(address, **fields)
        assert answer.status_code in {409, 422}
        assert says in answer.text
        assert f'value="{next(iter(fields.values()))}"' in answer.text
    shown: Any = api.get(f"/api/invoices/{used.invoice_id}").json
    assert shown["status"] == "finalized"


def test_a_draft_is_made_final_when_its_period_is_over(
    desk: DeskBrowser, used: Books, engine: Engine, now: datetime, api: FlaskClient, clock: Clock
) -> None:
    desk_run = desk.send("/admin/runs/new", kind="real").headers["Location"]
    _work(engine, desk_run)
    (draft,) = api.get("/api/invoices?status=draft").json["data"]  # type: ignore[index]
    early = desk.send(f"/admin/invoices/{draft['id']}/finalize")
    assert early.status_code == 409
    shown: Any = api.get(f"/api/invoices/{draft['id']}").json
    assert shown["status"] == "draft"


def test_a_dry_run_is_shown_and_made_real_as_it_was_shown(
    desk: DeskBrowser, used: Books, engine: Engine, now: datetime, api: FlaskClient
) -> None:
    with transaction(engine) as session:
        record(session, make_recording(now=now, quantity=10))
    dry = desk.send("/admin/runs/new", kind="dry").headers["Location"]
    assert "opened" in desk.see(dry)
    _work(engine, dry)
    shown: Any = api.get(f"/api/billing-runs/{dry.rpartition('/')[2]}").json
    page = desk.see(dry)
    assert figures(page) == {
        "invoices": str(shown["invoices"]),
        "items": str(shown["items"]),
        "finalized": str(shown["finalized"]),
        **{f"amount-{code}": WRITER.money(amount, code) for code, amount in shown["amounts"].items()},
    }
    assert shown["amounts"] == {"USD": "100.00"}
    assert api.get("/api/invoices?status=draft").json["data"][0]["total"] == "20.00"  # type: ignore[index]
    real = desk.send(f"{dry}/make-real").headers["Location"]
    _work(engine, real)
    done: Any = api.get(f"/api/billing-runs/{real.rpartition('/')[2]}").json
    assert (done["status"], done["digest"], done["dryRun"]) == ("completed", shown["digest"], False)
    assert done["requestedBy"].startswith("key:ub_")
    assert api.get("/api/invoices?status=draft").json["data"][0]["total"] == "120.00"  # type: ignore[index]
    again = desk.send(f"{real}/make-real")
    assert again.status_code == 409


def test_a_dry_run_that_holds_no_more_is_refused(
    desk: DeskBrowser, used: Books, engine: Engine, now: datetime, api: FlaskClient
) -> None:
    with transaction(engine) as session:
        record(session, make_recording(now=now, quantity=10))
    dry = desk.send("/admin/runs/new", kind="dry", subscriptionId="sub456").headers["Location"]
    _work(engine, dry)
    desk.send("/admin/runs/new", kind="real").headers["Location"]
    api.post("/api/subscriptions/sub456/cancel", json={"at": "2026-11-14T00:00:00Z", "laterUsage": "void"})
    assert desk.send(f"{dry}/make-real").status_code == 409


@pytest.mark.parametrize(
    "fields", [{"kind": "wild"}, {"kind": "real", "asOf": "2099-01-01"}, {"kind": "dry", "subscriptionId": "nowhere"}]
)
def test_a_run_that_cannot_be_is_refused(
    desk: DeskBrowser, world: None, api: FlaskClient, fields: dict[str, str]
) -> None:
    answer = desk.send("/admin/runs/new", **fields)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert api.get("/api/billing-runs").json["data"] == []  # type: ignore[index]


def test_what_is_not_there(desk: DeskBrowser, world: None) -> None:
    nothing = "01890a5d-ac96-774b-bcce-b302099a8057"
    for address in (f"invoices/{nothing}", f"runs/{nothing}", f"invoices/{nothing}/pdf", f"invoices/{nothing}/pay"):
        assert desk.client.get(f"/admin/{address}").status_code == 404
    assert desk.send(f"/admin/invoices/{nothing}/void").status_code == 404
