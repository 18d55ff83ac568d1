"""An invoice's life over HTTP, recordings taken back, credit, explanations, and runs that expect a digest."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.api.conftest import Billed
from tests.conftest import As, Clock, MakeToken
from tests.factories import make_recording, record
from tests.support.billing import bill as run_billing
from tests.support.books import scalars
from tests.support.callers import Keys
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end

LATER = datetime(2026, 12, 2, tzinfo=UTC)


def url_of(billed: Billed, step: str = "") -> str:
    return f"/api/invoices/{billed.invoice_id}{step}"


def refused(answer: Any, code: str) -> None:
    assert (answer.status_code, answer.json["code"]) == (409, code), answer.json
    assert answer.mimetype == "application/problem+json"


@pytest.fixture
def final(billed: Billed, admin: FlaskClient, clock: Clock) -> Billed:
    """The month is over, and its invoice of 30.00 final."""
    clock.now = LATER
    answer = admin.post(url_of(billed, "/finalize"))
    assert answer.status_code == 200, answer.json
    assert (answer.json["number"], answer.json["status"]) == ("INV-00000001", "finalized")
    assert answer.json["finalizedAt"] == "2026-12-02T00:00:00Z"
    assert answer.json["dueAt"] == "2027-01-01T00:00:00Z"
    assert (answer.json["total"], answer.json["amountDue"]) == ("30.00", "30.00")
    return billed


def test_a_draft_can_neither_be_paid_nor_taken_back(billed: Billed, admin: FlaskClient) -> None:
    for step in ("/pay", "/void", "/uncollectible"):
        refused(admin.post(url_of(billed, step)), "invoice_status")
    refused(admin.post(url_of(billed, "/finalize")), "period_open")
    assert admin.get(url_of(billed)).json["status"] == "draft"


def test_a_draft_of_which_nothing_is_due_any_more_is_not_made_final(
    billed: Billed, admin: FlaskClient, engine: Engine, clock: Clock
) -> None:
    clock.now = LATER
    for record_id in scalars(engine, "SELECT id FROM usage WHERE beyond_limit > 0"):
        admin.post(f"/api/usage/records/{record_id}/void", json={"reason": "reported twice"})
    before = admin.get(url_of(billed)).json
    refused(admin.post(url_of(billed, "/finalize")), "nothing_due")
    assert admin.get(url_of(billed)).json == before
    run_billing(engine, LATER)
    assert admin.get(url_of(billed)).status_code == 404


def test_a_final_invoice_is_paid_and_stays_so(final: Billed, admin: FlaskClient) -> None:
    paid = admin.post(url_of(final, "/pay")).json
    assert (paid["status"], paid["paidAt"]) == ("paid", "2026-12-02T00:00:00Z")
    for step in ("/pay", "/void", "/uncollectible", "/finalize"):
        refused(admin.post(url_of(final, step)), "invoice_status")
    assert admin.get(url_of(final)).json == paid
    assert admin.post("/api/invoices/00000000-0000-7000-8000-000000000000/pay").status_code == 404


def test_how_an_invoice_was_paid_is_kept(final: Billed, admin: FlaskClient) -> None:
    said = {
        "amount": "30.00",
        "paidAt": "2026-12-01T23:00:00+01:00",
        "reference": "E2E-4711",
        "method": "bank transfer",
    }
    paid = admin.post(url_of(final, "/pay"), json=said).json
    assert (
        paid.items()
        >= {
            "status": "paid",
            "amountDue": "0.00",
            "paidAt": "2026-12-01T22:00:00Z",
            "paymentReference": "E2E-4711",
            "paymentMethod": "bank transfer",
        }.items()
    )
    assert admin.get(url_of(final)).json == paid


@pytest.mark.parametrize("amount", [30, "30", "3e1", "30.000"])
def test_the_amount_that_is_due_has_many_spellings(final: Billed, admin: FlaskClient, amount: object) -> None:
    assert admin.post(url_of(final, "/pay"), json={"amount": amount}).json["status"] == "paid"


@pytest.mark.parametrize("amount", ["0.01", "29.99", "30.01", 0, "60"])
def test_an_invoice_is_paid_whole_or_not_at_all(final: Billed, admin: FlaskClient, amount: object) -> None:
    before = admin.get(url_of(final)).json
    answer = admin.post(url_of(final, "/pay"), json={"amount": amount})
    refused(answer, "amount_differs")
    assert "30.00" in answer.json["detail"]
    assert admin.get(url_of(final)).json == before


@pytest.mark.parametrize(
    ("said", "code", "pointer"),
    [
        ({"paidAt": "2026-12-02T00:00:01Z"}, "out_of_range", "/paidAt"),
        ({"paidAt": "2026-12-01"}, "not_a_time", "/paidAt"),
        ({"paidAt": "2026-10-31T23:59:59Z"}, "out_of_range", "/paidAt"),
        ({"amount": -30}, "not_a_decimal", "/amount"),
        ({"amount": True}, "not_a_decimal", "/amount"),
        ({"reference": ""}, "out_of_range", "/reference"),
        ({"reference": "x" * 257}, "out_of_range", "/reference"),
        ({"method": "x" * 65}, "out_of_range", "/method"),
        ({"method": "a\u0000b"}, "bad_text", "/method"),
        ({"amout": "30.00"}, "unknown", "/amout"),
    ],
)
def test_what_is_wrong_of_a_payment_is_named_and_nothing_is_paid(
    final: Billed, admin: FlaskClient, said: dict[str, object], code: str, pointer: str
) -> None:
    answer = admin.post(url_of(final, "/pay"), json=said)
    assert answer.status_code == 422, answer.json
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, code)]
    assert admin.get(url_of(final)).json["status"] == "finalized"


def test_one_given_up_may_still_be_paid(final: Billed, admin: FlaskClient) -> None:
    assert admin.post(url_of(final, "/uncollectible")).json["status"] == "uncollectible"
    assert len(admin.get("/api/invoices?status=uncollectible").json["data"]) == 1
    assert admin.post(url_of(final, "/pay")).json["status"] == "paid"


def test_a_void_invoice_is_charged_anew(final: Billed, admin: FlaskClient, engine: Engine) -> None:
    void = admin.post(url_of(final, "/void")).json
    assert (void["status"], void["voidedAt"], void["total"]) == ("void", "2026-12-02T00:00:00Z", "30.00")
    run_billing(engine, LATER)
    listed = admin.get("/api/invoices").json["data"]
    assert [(one["status"], one["number"], one["total"]) for one in listed] == [
        ("finalized", "INV-00000002", "30.00"),
        ("void", "INV-00000001", "30.00"),
    ]


def test_a_recording_is_taken_back_once(billed: Billed, admin: FlaskClient, reader: FlaskClient) -> None:
    url = f"/api/usage/records/{billed.record_id}"
    taken = admin.post(f"{url}/void", json={"reason": "a test of ours"})
    assert taken.status_code == 200, taken.json
    assert (
        taken.json.items()
        >= {
            "status": "voided",
            "voidedAt": "2026-11-15T12:30:45.123456Z",
            "reason": "a test of ours",
        }.items()
    )
    assert reader.get(url).json == taken.json
    refused(admin.post(f"{url}/void", json={"reason": "again"}), "already_voided")
    assert reader.get(url).json == taken.json
    assert admin.post(f"{url}/void", json={}).status_code == 422
    missing = "/api/usage/records/00000000-0000-7000-8000-000000000000/void"
    assert admin.post(missing, json={"reason": "x"}).status_code == 404
    usage = reader.get("/api/usage/subscription/sub456").json["usage"]
    assert [line["used"] for line in usage] == ["52"]


def test_what_was_invoiced_and_taken_back_becomes_credit(
    final: Billed, admin: FlaskClient, engine: Engine, call_as: As, make_token: MakeToken
) -> None:
    own = call_as(make_token("user123"))
    assert own.get("/api/customers/user123/credits").json["balances"] == []
    admin.post(f"/api/usage/records/{final.record_id}/void", json={"reason": "reported twice"})
    run_billing(engine, LATER)
    run_billing(engine, datetime(2027, 1, 2, tzinfo=UTC))
    newest = admin.get("/api/invoices").json["data"][0]
    (item,) = newest["items"]
    assert (item["kind"], item["quantity"], item["amount"]) == ("adjustment", "-1", "-10.00")
    assert (newest["total"], newest["amountDue"]) == ("-10.00", "0.00")
    credit = own.get("/api/customers/user123/credits").json
    assert (credit["userId"], credit["balances"]) == ("user123", [{"currency": "USD", "balance": "10.00"}])
    (entry,) = credit["entries"]["data"]
    assert (entry["kind"], entry["amount"], entry["invoiceId"]) == ("granted", "10.00", newest["id"])
    assert call_as(make_token("stranger")).get("/api/customers/user123/credits").status_code == 404
    assert admin.get("/api/customers/nobody/credits").status_code == 404


def test_an_item_explains_itself(
    billed: Billed, reader: FlaskClient, engine: Engine, call_as: As, make_token: MakeToken
) -> None:
    url = url_of(billed, f"/items/{billed.item_id}/explain")
    found = reader.get(f"{url}?limit=50").json
    assert (
        found.items()
        >= {
            "kind": "usage",
            "usageType": "assessment",
            "currency": "USD",
            "quotaVersion": 1,
            "price": {"model": "per_unit", "unitPrice": "10"},
            "allowance": "50",
            "total": "53",
            "billable": "3",
            "recordings": 3,
            "exact": "30",
            "amountDue": "30.00",
            "chargedBefore": "0.00",
            "amount": "30.00",
        }.items()
    )
    assert found["breakdown"] == [{"label": "3 x 10", "quantity": "3", "amount": "30"}]
    events, cursor = found["events"]["data"], found["events"]["nextCursor"]
    assert len(events) == 50
    rest = reader.get(f"{url}?limit=50&cursor={cursor}").json["events"]
    assert (len(rest["data"]), rest["nextCursor"]) == (3, None)
    ids = [event["id"] for event in events + rest["data"]]
    assert ids == scalars(engine, "SELECT id::text FROM usage ORDER BY ordinal")
    assert call_as(make_token("user123")).get(url).json["eventsHash"] == found["eventsHash"]
    assert call_as(make_token("stranger")).get(url).status_code == 404
    assert reader.get(f"/api/invoices/{billed.run_id}/items/{billed.item_id}/explain").status_code == 404
    assert reader.get(f"{url}?cursor=none").json["code"] == "bad_cursor"


def test_a_run_is_opened_only_if_it_charges_what_was_expected(
    billed: Billed, call_as: As, keys: Keys, engine: Engine, now: datetime
) -> None:
    biller, grace = call_as(keys.biller), timedelta(hours=1)

    def process(**body: Any) -> Any:
        return biller.post("/api/usage/process-billing", json=body)

    with transaction(engine) as session:
        record(session, make_recording(now=now, quantity=7))
    rehearsed = process(dryRun=True).json["runId"]
    run_to_end(engine, UUID(rehearsed), settings_grace=grace, on_progress=lambda _: None)
    digest = biller.get(f"/api/billing-runs/{rehearsed}").json["digest"]
    with transaction(engine) as session:
        record(session, make_recording(now=now))
    refused(process(expectedDigest=hashlib.sha256(b"x").hexdigest()), "digest_changed")
    assert len(biller.get("/api/billing-runs").json["data"]) == 2
    answer = process(expectedDigest=digest)
    assert answer.status_code == 202, answer.json
    run_to_end(engine, UUID(answer.json["runId"]), settings_grace=grace, on_progress=lambda _: None)
    done = biller.get(f"/api/billing-runs/{answer.json['runId']}").json
    assert (done["status"], done["digest"], done["expectedDigest"]) == ("completed", digest, digest)
    refused(process(expectedDigest=digest), "digest_changed")
    other = hashlib.sha256(b"").hexdigest()
    assert process(expectedDigest=other, dryRun=True).json["errors"][0]["code"] == "contradiction"
    assert process(expectedDigest="x").json["errors"][0]["pointer"] == "/expectedDigest"


def test_a_range_that_ends_before_it_starts_is_refused(world: object, reader: FlaskClient) -> None:
    span = "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z"
    for url in ("user/user123", "subscription/sub456", "subscription/sub456/records"):
        answer = reader.get(f"/api/usage/{url}?{span}")
        assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (422, "to")
