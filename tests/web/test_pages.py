"""Every page shows the API's figures; what is not there, or another's, is told apart by nothing."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api.state import state_of
from tests.conftest import Clock
from tests.factories import make_customer, make_plan, make_quota, make_subscription
from tests.factories.meters import make_meter
from tests.support.statements import statements_of
from tests.web.conftest import Books, OpenPortal
from usage_billing.db.session import transaction
from usage_billing.flows.administration.manage_meters import change_meter
from usage_billing.flows.folding import drive_reads
from usage_billing.meters.asked import MeterChanges
from usage_billing.rating.pricing import MODELS


def _figure(page: str, name: str) -> str:
    found = re.findall(rf'data-figure="{name}">([^<]*)<', page)
    assert found, name
    return unescape(found[0])


def _json(client: FlaskClient, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.json


def test_an_invoice_is_the_apis(used: Books, portal: OpenPortal, reader: FlaskClient) -> None:
    invoice = _json(reader, f"/api/invoices/{used.invoice_id}")
    browser = portal()
    listed = browser.get("/portal/invoices").text
    assert invoice["number"] in listed
    assert f"${invoice['amountDue']}" in listed
    page = browser.get(f"/portal/invoices/{used.invoice_id}").text
    assert _figure(page, "due") == f"${invoice['amountDue']}" == "$30.00"
    assert unescape(page).count(invoice["items"][0]["description"]) == 1
    assert "1 to 31 October 2026" in page


def test_an_item_is_explained_down_to_its_recordings(used: Books, portal: OpenPortal, reader: FlaskClient) -> None:
    address = f"/invoices/{used.invoice_id}/items/{used.item_id}"
    said = _json(reader, f"/api{address}/explain?limit=50")
    browser = portal()
    page = browser.get(f"/portal{address}").text
    assert _figure(page, "amount") == f"${said['amount']}"
    keys = re.findall(r"<td><code>([^<]*)</code></td>", page)
    assert keys == [event["idempotencyKey"] for event in said["events"]["data"]]
    more = re.findall(r'href="(/portal/invoices/[^"]*after=50)"', page)
    assert len(re.findall(r"<td><code>", browser.get(more[0]).text)) == 3


def test_the_files_of_an_invoice_are_the_apis(
    used: Books, portal: OpenPortal, reader: FlaskClient, engine: Engine
) -> None:
    browser = portal()
    csv = browser.get(f"/portal/invoices/{used.invoice_id}/csv")
    assert csv.data == reader.get(f"/api/invoices/{used.invoice_id}/document?format=csv").data
    assert "attachment" in csv.headers["Content-Disposition"]
    pending = browser.get(f"/portal/invoices/{used.invoice_id}/pdf")
    assert (pending.status_code, pending.headers["Refresh"]) == (200, "2")
    statement = (
        "INSERT INTO invoice_documents (invoice_id, kind, content, sha256, template_version)"
        " VALUES (:id, 'pdf', :content, sha256(:content), '1')"
    )
    with transaction(engine) as session:
        session.execute(text(statement), {"id": used.invoice_id, "content": b"%PDF-1.7 kept"})
    assert browser.get(f"/portal/invoices/{used.invoice_id}/pdf").data == b"%PDF-1.7 kept"


def test_the_upcoming_invoice_is_the_apis(used: Books, portal: OpenPortal, reader: FlaskClient) -> None:
    said = _json(reader, "/api/subscriptions/sub456/upcoming-invoice")
    page = portal().get("/portal/upcoming").text
    assert _figure(page, "due") == f"${said['amountDue']}" == "$20.00"


@pytest.mark.parametrize(("span", "total"), [("period", "52"), ("last", "53"), ("hours", "52"), ("months", "105")])
def test_usage_over_time_is_the_apis(
    used: Books, portal: OpenPortal, reader: FlaskClient, span: str, total: str
) -> None:
    browser = portal()
    page = browser.get(f"/portal/usage?type=assessment&span={span}").text
    assert _figure(page, "whole") == total
    by = {"hours": "hour", "months": "month"}.get(span, "day")
    values = re.findall(r'<td class="n" data-v="([0-9.]+)">', page)
    csv = browser.get(f"/portal/usage.csv?type=assessment&span={span}").text.splitlines()
    asked = {"usageType": "assessment", "by": by, "from": csv[1].split(",")[0], "to": csv[-1].split(",")[1]}
    series = reader.get("/api/usage/subscription/sub456/series", query_string=asked).json
    assert series is not None
    assert series["total"] == total
    assert values == series["series"][0]["values"][::-1][:100]
    assert [line.split(",")[-1] for line in csv[1:]] == series["series"][0]["values"]


def test_recordings_are_listed_and_found(used: Books, portal: OpenPortal) -> None:
    browser = portal()
    page = browser.get("/portal/records").text
    assert page.count("/portal/records?find=") == 50
    older = unescape(re.findall(r'href="(/portal/records\?after=[^"]*)"', page)[0])
    assert browser.get(older).text.count("/portal/records?find=") == 50
    for looked in (str(used.record_id), "call-0"):
        assert str(used.record_id) in browser.get("/portal/records", query_string={"find": looked}).text
    assert "Nothing with this id or key" in browser.get("/portal/records?find=call-99").text
    day = browser.get("/portal/records?day=2026-10-26").text
    assert day.count("/portal/records?find=") == 50
    assert browser.get("/portal/records?day=2026-10-27").text.count("/portal/records?find=") == 0


def test_a_quantity_is_reckoned_by_the_price_agreed(used: Books, portal: OpenPortal, reader: FlaskClient) -> None:
    browser = portal()
    page = browser.get("/portal/prices?type=assessment&quantity=1234.5").text
    body = {"price": {"model": "per_unit", "unitPrice": "10.00"}, "currency": "USD", "quantity": "1184.5"}
    said = reader.post("/api/prices/preview", json=body).json
    assert said is not None
    assert _figure(page, "preview").replace(",", "") == f"${said['amount']}" == "$11845.00"
    wrong = browser.get("/portal/prices?type=assessment&quantity=1e5x").text
    assert 'aria-invalid="true"' in wrong
    assert 'value="1e5x"' in wrong


TIERS = [{"upTo": "10", "unitPrice": "2.50"}, {"upTo": None, "unitPrice": "1.25", "flatFee": "7.00"}]
TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "per_unit": ({"unitPrice": "0.001"}, "$0.001 each"),
    "graduated": ({"tiers": TIERS}, "$1.25 each, and $7.00 once"),
    "volume": ({"tiers": TIERS}, "$1.25 each, and $7.00 once"),
    "package": ({"packageSize": "100", "packagePrice": "5.00"}, "$5.00 for each begun package of 100"),
    "percentage": ({"rate": "0.029", "fixedFee": "0.30"}, "0.029 times the quantity, and $0.30 for each recording"),
    "flat": ({"amount": "9.5", "discountPercent": "10"}, "$9.50 once, however much is used"),
}


@pytest.mark.parametrize("model", [name for name in MODELS if name != "by_dimension"])
def test_a_price_of_every_model_is_told(
    model: str, used: Books, portal: OpenPortal, admin: FlaskClient, clock: Clock
) -> None:
    price, words = TOLD[model]
    quota = {"planId": "business", "subscriptionId": "sub456", "usageType": "assessment", "monthlyLimit": 50}
    quota |= {"unitName": "assessment", "price": {"model": model, **price}, "effective": "now"}
    made = admin.post("/api/quotas", json=quota)
    assert made.status_code == 201, made.text
    clock.advance(seconds=1)
    assert words in unescape(portal().get("/portal/prices").text)


MORE = [
    {"model": "per_unit", "unitPrice": "3", "roundQuantity": {"to": "10", "mode": "up"}, "minimumAmount": "99999"},
    {"model": "graduated", "tiers": TIERS, "discountPercent": "12.5", "maximumAmount": "20"},
    {"model": "package", "packageSize": "100", "packagePrice": "5.00", "freeUnits": "7"},
    {
        "model": "percentage",
        "rate": "0.1",
        "fixedFee": "0.3",
        "freeUnits": "2",
        "minimumPerRecording": "1000",
    },
]
ENGLISH = re.compile(
    r"\b(tier|each|once|packages?|flat|amount|recordings?|counted|discount|minimum|maximum|least|most|less|up to|"
    r"rounded|without|charge|first|default|beyond|allowance|adjustment|all)\b",
    re.IGNORECASE,
)


def _words(page: str) -> str:
    """What stands on a page, without its marks."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page.partition("<main")[2])))


@pytest.mark.parametrize("price", [{"model": name, **one} for name, (one, _) in TOLD.items()] + MORE, ids=str)
def test_the_steps_of_a_price_are_the_apis_and_in_the_readers_language(
    price: dict[str, Any], used: Books, portal: OpenPortal, admin: FlaskClient, clock: Clock
) -> None:
    quota = {"planId": "business", "subscriptionId": "sub456", "usageType": "assessment", "monthlyLimit": 50}
    made = admin.post("/api/quotas", json=quota | {"unitName": "assessment", "price": price, "effective": "now"})
    assert made.status_code == 201, made.text
    clock.advance(seconds=1)
    address = "/portal/prices?type=assessment&quantity=1234.5"
    said = admin.post("/api/prices/preview", json={"price": price, "currency": "USD", "quantity": "1184.5"}).json
    assert said is not None
    page = portal().get(address).text
    shown = [unescape(step).replace(",", "") for step in re.findall(r"<dt><bdi>([^<]*)</bdi></dt>", page)]
    assert shown == [step["label"] for step in said["breakdown"]]
    for locale in ("de", "fr"):
        assert ENGLISH.findall(_words(portal(locale=locale).get(address).text)) == []


def test_prices_by_dimension_are_told(used: Books, portal: OpenPortal, admin: FlaskClient, engine: Engine) -> None:
    with transaction(engine) as session:
        make_meter(session, value="tokens", dimensions=["model"])
    cells = [{"name": "<{}> %s", "when": {"model": "l"}, "price": {"model": "per_unit", "unitPrice": "2"}}]
    price = {"model": "by_dimension", "cells": cells, "default": {"model": "flat", "amount": "3"}}
    quota = {"planId": "business", "usageType": "tokens", "monthlyLimit": 5, "price": price}
    made = admin.post("/api/quotas", json=quota)
    assert made.status_code == 201, made.text
    page = _words(portal(locale="de").get("/portal/prices?type=tokens&quantity=10").text)
    assert "<{}> %s : je 2,00 $" in page
    assert "alles andere: 3,00 $ einmal, gleich wie viel genutzt wird" in page
    assert (
        "lässt sich hier nicht ausprobieren" in page
    )  # a quantity alone meets no cell: it would be the default's price


def test_items_are_in_the_readers_language(used: Books, portal: OpenPortal) -> None:
    for address in (f"/portal/invoices/{used.invoice_id}", "/portal/upcoming"):
        assert "über das Kontingent hinaus" in portal(locale="de").get(address).text
        assert "beyond the allowance" in portal().get(address).text
    address = f"/portal/invoices/{used.invoice_id}/items/{used.item_id}"
    german = portal(locale="de").get(address).text
    assert "3 assessment über das Kontingent hinaus, 1.\u201331. Okt. 2026" in german
    assert "<bdi>3 \u00d7 10</bdi>" in german
    assert ENGLISH.findall(_words(portal(locale="fr").get(address).text)) == []


def test_usage_of_a_meter_is_broken_down_by_its_newest_dimensions(
    used: Books, portal: OpenPortal, engine: Engine, now: datetime
) -> None:
    with transaction(engine) as session:
        make_meter(session, value="tokens", dimensions=["model"])
        make_quota(session, usage_type="tokens", limit=None)
        changes = MeterChanges(given={"dimensions": ["region"]}, effective_from=now + timedelta(days=40))
        change_meter(session, "tokens", changes, actor="a test", now=now)
    browser = portal()
    assert browser.get("/portal/usage?type=tokens&dimension=region").status_code == 200
    assert browser.get("/portal/usage?type=tokens&dimension=model").status_code == 422


BAD = [
    "/portal/usage?type=nothing",
    "/portal/usage?span=century",
    "/portal/usage?dimension=model",
    "/portal/records?after=x",
    "/portal/records?day=yesterday",
    "/portal/records?after=99999999999999999999999.01890a5d-ac96-774b-bcce-b302099a8057",
    "/portal/invoices?before=-1",
    "/portal/upcoming?page=2",
]


@pytest.mark.parametrize("address", BAD)
def test_what_an_address_says_and_no_page_knows_is_refused(used: Books, portal: OpenPortal, address: str) -> None:
    assert portal().get(address).status_code == 422


def test_another_customers_are_not_there(used: Books, portal: OpenPortal, engine: Engine) -> None:
    with transaction(engine) as session:
        make_customer(session, id="other", name="Other")
        make_plan(session, id="other", name="Other")
        make_subscription(session, id="other", customer="other", plan="other")
    browser = portal("other")
    for rule in browser.application.url_map.iter_rules():
        if rule.endpoint.startswith("portal.") and rule.arguments >= {"invoice_id"}:
            address = rule.rule.replace("<uuid:invoice_id>", str(used.invoice_id))
            address = address.replace("<uuid:item_id>", str(used.item_id))
            assert browser.get(address).status_code == 404, address
    for page in ("", "/usage", "/records", "/upcoming", "/prices", "/overview/live", "/usage/live", "/upcoming/live"):
        assert browser.get(f"/portal{page}?subscription=sub456").status_code == 404, page
        assert browser.get(f"/portal{page}").status_code == 200, page
    assert str(used.record_id) not in browser.get("/portal/records").text
    assert "Nothing with this" in browser.get(f"/portal/records?find={used.record_id}").text


def test_a_draft_is_no_invoice(used: Books, portal: OpenPortal, engine: Engine) -> None:
    with transaction(engine) as session:
        draft = session.scalars(text("SELECT id FROM invoices WHERE number IS NULL")).first()
    assert draft is not None
    assert portal().get(f"/portal/invoices/{draft}").status_code == 404


def test_a_session_for_some_pages_sees_no_other(used: Books, portal: OpenPortal) -> None:
    browser = portal(pages=["overview", "prices"])
    page = browser.get("/portal").text
    assert re.findall(r'<a href="/portal[^"]*"[^>]*>([A-Z][a-z]+)</a>', page)[:2] == ["Overview", "Prices"]
    assert "/portal/invoices" not in page
    for name, status in (("prices", 200), ("usage", 404), ("invoices", 404), ("upcoming/live", 404)):
        assert browser.get(f"/portal/{name}").status_code == status


def test_what_does_not_move_is_not_sent_again_for_one_statement(
    used: Books, portal: OpenPortal, engine: Engine, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive_reads, "LOOK_EVERY_SECONDS", 3600)  # each second, one asks whether there are meters
    drive_reads.look_again(state_of(app).engine)
    browser = portal()
    for name in ("overview", "usage", "upcoming"):
        first = browser.get(f"/portal/{name}/live")
        tag = {"If-None-Match": first.headers["ETag"]}
        with statements_of(state_of(app).engine) as asked:
            assert browser.get(f"/portal/{name}/live", headers=tag).status_code == 304
        assert len(asked) == 1, asked
        with transaction(engine) as session:
            session.execute(text("UPDATE subscriptions SET version = version + 1"))
        assert browser.get(f"/portal/{name}/live", headers=tag).status_code == 200


def test_days_are_the_subscriptions_and_times_the_readers(portal: OpenPortal, used: Books, engine: Engine) -> None:
    with transaction(engine) as session:
        make_customer(session, id="tokyo", name="Tokyo")
        make_plan(session, id="tokyo", name="Tokyo")
        make_subscription(session, id="tokyo", customer="tokyo", plan="tokyo", timezone="Asia/Tokyo")
    assert "Days and times are Asia/Tokyo." in portal("tokyo").get("/portal").text
    page = portal("tokyo", timezone="America/New_York").get("/portal").text
    assert "Days and times are America/New_York." in page
    assert "days are Asia/Tokyo." in page
