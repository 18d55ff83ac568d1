"""What Lago's clients read back: each figure is that of our own answer."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.api.conftest import Billed
from tests.conftest import Clock
from tests.factories import make_recording, record
from tests.factories.meters import make_meter
from tests.money.taxed import rate, sell
from usage_billing.db.session import transaction
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.service import keep_document
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet

V1 = "/lago/api/v1"


def got(caller: FlaskClient, path: str, **parameters: Any) -> Any:
    answer = caller.get(f"{V1}/{path}", query_string=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json


def in_cents(text: str) -> int:
    return int(Decimal(text) * 100)


@pytest.fixture
def used(engine: Engine, world: object, now: datetime) -> None:
    """What was used this month, in part beyond the allowance, and a meter that counts it."""
    with transaction(engine) as session:
        make_meter(session, value="n")
        record(session, *(make_recording(now=now, quantity=quantity, metadata='{"n": 1e-07}') for quantity in _SIZES))


_SIZES = ("40", "12.000000000001", "999999999999.5")


@pytest.mark.usefixtures("used")
def test_current_usage_is_our_own(reader: FlaskClient) -> None:
    found = got(reader, "customers/user123/current_usage", external_subscription_id="sub456")["customer_usage"]
    lines = reader.get("/api/usage/subscription/sub456").json["usage"]  # type: ignore[index]
    assert {one["billable_metric"]["code"]: (one["units"], one["amount_cents"]) for one in found["charges_usage"]} == {
        line["usageType"]: (line["used"], in_cents(line["estimatedCharge"])) for line in lines
    }
    [assessment] = [one for one in found["charges_usage"] if one["billable_metric"]["code"] == "assessment"]
    assert assessment["units"] == str(sum(map(Decimal, _SIZES)))
    assert (assessment["events_count"], assessment["charge"]["charge_model"]) == (3, "standard")
    assert {one["billable_metric"]["code"]: one["events_count"] for one in found["charges_usage"]}["tokens"] == 3
    assert found["amount_cents"] == sum(one["amount_cents"] for one in found["charges_usage"]) > 0
    assert (found["taxes_amount_cents"], found["total_amount_cents"]) == (0, found["amount_cents"])
    periods = {(line["periodStart"], line["periodEnd"]) for line in lines}
    assert periods == {(found["from_datetime"], found["to_datetime"])}
    one = got(
        reader, "customers/user123/current_usage", external_subscription_id="sub456", billable_metric_code="assessment"
    )
    assert one["customer_usage"]["charges_usage"] == [assessment]


@pytest.mark.usefixtures("used")
def test_current_usage_has_its_tax(reader: FlaskClient, admin: FlaskClient, engine: Engine) -> None:
    sell(engine)
    rate(engine, "19")
    path = "customers/user123/current_usage"
    asked = {"external_subscription_id": "sub456"}
    unknown = reader.get(f"{V1}/{path}", query_string=asked)
    assert (unknown.status_code, unknown.json["code"]) == (409, "tax_pending")  # type: ignore[index]
    address = {"line1": "1", "city": "Town", "country": "DE"}
    assert admin.patch("/api/customers/user123", json={"address": address}).status_code == 200
    found = got(reader, path, **asked)["customer_usage"]
    upcoming = admin.get("/api/subscriptions/sub456/upcoming-invoice").json
    assert upcoming is not None
    assert found["amount_cents"] == in_cents(upcoming["total"])
    assert found["taxes_amount_cents"] == in_cents(upcoming["totalWithTax"]) - in_cents(upcoming["total"]) > 0
    assert found["total_amount_cents"] == in_cents(upcoming["totalWithTax"])
    without = got(reader, path, apply_taxes="False", **asked)["customer_usage"]
    assert (without["taxes_amount_cents"], without["total_amount_cents"]) == (0, found["amount_cents"])


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"external_subscription_id": "sub456", "group[model]": "gpt"}, {"full_usage": "true"},
        {"external_subscription_id": "sub456", "apply_taxes": "perhaps"},
        {"external_subscription_id": "sub456", "charge_code": "a", "billable_metric_code": "b"},
    ],
)  # fmt: skip
def test_what_is_not_obeyed_is_refused_in_lagos_form(reader: FlaskClient, asked: dict[str, str]) -> None:
    answer = reader.get(f"{V1}/customers/user123/current_usage", query_string=asked)
    assert answer.status_code == 422
    assert answer.json is not None
    assert (answer.json["status"], answer.json["code"]) == (422, "validation_errors")
    assert answer.json["error_details"].keys() <= {
        "external_subscription_id", "group[model]", "full_usage", "apply_taxes", "charge_code"
    }  # fmt: skip
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("customers/nobody", "customer_not_found"), ("subscriptions/none", "subscription_not_found"),
        ("wallets/none", "wallet_not_found"), ("billable_metrics/none", "billable_metric_not_found"),
        ("invoices/01890a5d-ac96-774b-bcce-b302099a8057", "invoice_not_found"), ("plans", "not_served"),
        ("customers/rival/current_usage?external_subscription_id=sub456", "subscription_not_found"),
        ("customers/user123/current_usage?external_subscription_id=sub456&charge_code=x", "charge_not_found"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_by_lagos_word(admin: FlaskClient, world: object, path: str, code: str) -> None:
    answer = admin.get(f"{V1}/{path}")
    assert (answer.status_code, answer.json["error"], answer.json["code"]) == (404, "Not Found", code)  # type: ignore[index]


def test_invoices_have_our_figures(
    billed: Billed, reader: FlaskClient, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = reader.get("/api/invoices").json["data"]  # type: ignore[index]
    found = got(reader, "invoices", external_customer_id="user123")
    assert found["meta"] == {
        "current_page": 1, "next_page": None, "prev_page": None, "total_pages": 1, "total_count": len(ours),
    }  # fmt: skip
    for theirs, own in zip(found["invoices"], ours, strict=True):
        assert (theirs["lago_id"], theirs["number"]) == (own["id"], own["number"] or "")
        assert theirs["fees_amount_cents"] == in_cents(own["total"])
        assert theirs["total_due_amount_cents"] == in_cents(own["amountDue"])
        assert theirs["credit_notes_amount_cents"] == in_cents(own["creditApplied"])
        assert got(reader, f"invoices/{own['id']}")["invoice"] == theirs
    assert got(reader, "invoices", external_customer_id="nobody")["invoices"] == []
    drafts = got(reader, "invoices", status="draft")["invoices"]
    assert [one["lago_id"] for one in drafts] == [one["id"] for one in ours if one["status"] == "draft"]


def test_a_pdf_is_where_the_answer_says(
    billed: Billed, reader: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[object] = []
    monkeypatch.setattr("api.enqueue.make_document", woken.append)
    finals = reader.get("/api/invoices").json["data"]  # type: ignore[index]
    for one in finals:
        answer = reader.post(f"{V1}/invoices/{one['id']}/download")
        if one["status"] == "draft":
            assert (answer.status_code, answer.json["code"]) == (409, "invoice_status")  # type: ignore[index]
            continue
        assert (answer.status_code, answer.json) == (200, {})
        with transaction(engine) as session:
            keep_document(session, one["id"], DocumentKind.PDF, b"the pdf", template_version="1")
        told = reader.post(f"{V1}/invoices/{one['id']}/download").json
        assert told is not None
        path = told["invoice"]["file_url"].removeprefix("http://localhost")
        assert reader.get(path).data == b"the pdf"
    assert len(woken) == sum(one["status"] != "draft" for one in finals)


def test_wallets_have_our_balance(reader: FlaskClient, engine: Engine, billed: Billed, now: datetime) -> None:
    with transaction(engine) as session:
        create_wallet(session, NewWallet(id="money", customer_id="user123", currency="USD"), actor="test", now=now)
        new = NewGrant(amount=Decimal("12.34"), idempotency_key="k")
        make_grant(session, "money", new, actor="test", now=now, grace=timedelta(hours=1))
    found = {one["lago_id"]: one for one in got(reader, "wallets", external_customer_id="user123")["wallets"]}
    for id, one in found.items():
        own = reader.get(f"/api/wallets/{id}").json
        assert own is not None
        assert Decimal(one["credits_ongoing_balance"]) == Decimal(own["left"])
        assert Decimal(one["credits_balance"]) == Decimal(own["left"]) + Decimal(own["provisional"])
        assert Decimal(one["consumed_credits"]) == Decimal(own["posted"])
        assert got(reader, f"wallets/{id}")["wallet"] == one
    money, units = found["money"], found["w"]
    assert (money["currency"], money["rate_amount"]) == ("USD", "1")
    assert money["ongoing_balance_cents"] == in_cents(money["credits_ongoing_balance"])
    assert (units["currency"], units["rate_amount"], units["balance_cents"]) == ("XXX", "0", 0)


def test_customers_subscriptions_and_metrics_are_listed_in_pages(admin: FlaskClient, world: object) -> None:
    for number in range(3):
        admin.post("/api/customers", json={"id": f"c{number}", "name": f"C {number}"})
    first = got(admin, "customers", page=1, per_page=2)
    assert [one["external_id"] for one in first["customers"]] == ["c0", "c1"]
    assert first["meta"] == {
        "current_page": 1, "next_page": 2, "prev_page": None, "total_pages": 2, "total_count": 4,
    }  # fmt: skip
    last = got(admin, "customers", page=2, per_page=2)
    assert (last["meta"]["next_page"], last["meta"]["prev_page"]) == (None, 1)
    assert got(admin, "customers/user123")["customer"] == last["customers"][1]
    [subscription] = got(admin, "subscriptions", external_customer_id="user123")["subscriptions"]
    assert (subscription["external_id"], subscription["plan_code"], subscription["status"]) == (
        "sub456", "business", "active",
    )  # fmt: skip
    assert got(admin, "subscriptions/sub456")["subscription"] == subscription
    assert got(admin, "subscriptions", **{"status[]": ["pending", "terminated"]})["subscriptions"] == []
    metrics = got(admin, "billable_metrics")["billable_metrics"]
    assert {one["code"]: one["aggregation_type"] for one in metrics}["assessment"] == "sum_agg"
    assert got(admin, "billable_metrics/assessment")["billable_metric"] in metrics
    for wrong in ("page=0", "per_page=1000", "page=x", "colour=red", "status[]=lost", "page=1&page=2"):
        assert admin.get(f"{V1}/subscriptions?{wrong}").status_code == 422, wrong
