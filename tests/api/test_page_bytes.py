"""A page of a list has at most 1 MiB: it ends earlier, and its cursor leads to the rest."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api import fitted
from tests.api.conftest import Billed
from tests.api.test_invoice_lists import caught_up
from tests.factories import make_recording, make_usage_type, record
from tests.support.callers import Keys
from tests.support.events import relayed
from usage_billing.alerts.service import last_look
from usage_billing.db.session import transaction
from usage_billing.flows.alerting.judge_anew import judge_anew

MIB = 1024 * 1024
RECORDS = "/api/usage/subscription/sub456/records"
ENTRIES = "/api/wallets/w/entries"
FIRINGS = "/api/alerts/one/firings"
TOP_UPS = "/api/wallets/w/top-ups"
SCHEDULES = "/api/wallets/w/schedules"
GRANTS = "/api/wallets/w/grants"
DELIVERIES = "/api/webhook-endpoints/one/deliveries"


def pages(client: FlaskClient, url: str, *, limit: int = 200) -> list[Any]:
    """All pages of a list, as answers."""
    found, cursor = [], ""
    while True:
        more = f"{'&' if '?' in url else '?'}limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        answer = client.get(url + more)
        assert answer.status_code == 200, answer.json
        found.append(answer)
        cursor = answer.json["nextCursor"]
        if cursor is None:
            return found


@pytest.mark.parametrize(("url", "subscription"), [(RECORDS, "sub456"), ("/api/quarantine", "nobody")])
def test_large_things_make_more_pages(
    world: object, admin: FlaskClient, engine: Engine, now: Any, url: str, subscription: str
) -> None:
    with transaction(engine) as session:
        metadata = f'{{"text":"{"ü" * 8000}"}}'
        made = [make_recording(now=now, subscription=subscription, metadata=metadata) for _ in range(150)]
        record(session, *made)
    found = pages(admin, url)
    sizes = [len(answer.data) for answer in found]
    assert len(sizes) > 1
    assert max(sizes) <= MIB
    assert min(sizes[:-1]) > MIB * 0.9
    shown = [one["id"] for answer in found for one in answer.json["data"]]
    assert sorted(shown) == sorted(str(one.id) for one in made)


LISTS = (
    *("/api/customers", "/api/plans", "/api/usage-types", "/api/quotas", "/api/subscriptions", "/api/api-keys"),
    *(
        "/api/invoices",
        "/api/billing-runs",
        "/api/quarantine",
        "/api/tax-rates",
        "/api/wallets",
        "/api/events",
        "/api/webhook-endpoints",
        DELIVERIES,
        "/api/alerts",
        FIRINGS,
        RECORDS,
        ENTRIES,
        TOP_UPS,
        SCHEDULES,
        GRANTS,
    ),
    *("/api/packages", "/api/purchases"),
)


def test_the_lists_are_all_there_are(client: FlaskClient) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    lists = {
        path
        for path, item in paths.items()
        if "Page" in str(item.get("get", {}).get("responses", {}).get("200", {}).get("content", ""))
    }
    records, entries = "/api/usage/subscription/{subscription_id}/records", "/api/wallets/{wallet_id}/entries"
    deliveries = "/api/webhook-endpoints/{endpoint_id}/deliveries"
    firings, top_ups = "/api/alerts/{alert_id}/firings", "/api/wallets/{wallet_id}/top-ups"
    schedules, grants = "/api/wallets/{wallet_id}/schedules", "/api/wallets/{wallet_id}/grants"
    named = {RECORDS, ENTRIES, DELIVERIES, FIRINGS, TOP_UPS, SCHEDULES, GRANTS}
    assert lists == {*LISTS, records, entries, deliveries, firings, top_ups, schedules, grants} - named


@pytest.mark.parametrize("url", LISTS)
def test_a_page_has_one_thing_at_least_and_none_is_lost(
    billed: Billed, admin: FlaskClient, keys: Keys, engine: Engine, now: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    keys.of("usage:read")
    for country in ("DE", "FR"):
        rate = {"country": country, "category": "S", "rate": "20", "effectiveFrom": "2021-01-01"}
        assert admin.post("/api/tax-rates", json=rate).status_code == 201
    wallet = {"id": "w2", "userId": "user123", "unit": {"unitName": "page", "usageTypes": ["page"]}}
    assert admin.post("/api/usage-types", json={"id": "page", "unitName": "page"}).status_code == 201
    assert admin.post("/api/wallets", json=wallet).status_code == 201
    assert admin.post("/api/wallets/w/grants", json={"amount": "5", "idempotencyKey": "more"}).status_code == 201
    paid = f"/api/top-ups/{billed.top_up_id}/paid"  # the wallet is low still, and asks again
    assert admin.post(paid, json={"cost": "1.00"}).status_code == 200
    recurs = {"amount": "5", "every": {"interval": "day"}, "idempotencyKey": "more"}
    assert admin.post("/api/wallets/w/schedules", json=recurs).status_code == 201
    pack = {"id": "pack2", "name": "P", "unit": {"unitName": "page", "usageTypes": ["page"]}, "currency": "USD"}
    assert admin.post("/api/packages", json=pack | {"amount": "5", "price": "2"}).status_code == 201
    buy = {"userId": "user123", "charge": "paid", "idempotencyKey": "more"}
    assert admin.post("/api/packages/pack2/purchases", json=buy).status_code == 201
    with transaction(engine) as session:
        record(session, *(make_recording(now=now, subscription="nobody") for _ in range(3)))
    for name in ("one", "two"):
        endpoint = {"id": name, "url": "https://1.1.1.1/hooks", "types": ["*"]}
        assert admin.post("/api/webhook-endpoints", json=endpoint).status_code == 201
        alert = {"id": name, "scope": {"subscriptionId": "sub456"}, "on": "units", "thresholds": ["1", "2"]}
        assert admin.post("/api/alerts", json=alert).status_code == 201
    with transaction(engine) as session:
        judge_anew(session, now=now, upto=last_look(session))
    caught_up(engine)
    relayed(engine)
    (whole,) = pages(admin, url)
    assert len(whole.json["data"]) > 1 or url in ("/api/usage-types", "/api/quotas")
    monkeypatch.setattr(fitted, "MOST_BYTES", 0)
    found = pages(admin, url)
    assert [len(answer.json["data"]) for answer in found] == [1] * len(whole.json["data"])
    assert [one for answer in found for one in answer.json["data"]] == whole.json["data"]


def test_items_and_usage_are_cut_as_well(
    billed: Billed, admin: FlaskClient, engine: Engine, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(engine) as session:
        make_usage_type(session, id="page")
        record(session, make_recording(now=now, usage_type="page"))
    items, usage = f"/api/invoices/{billed.invoice_id}/items", "/api/usage/subscription/sub456"
    whole_items, whole_usage = admin.get(items).json["data"], admin.get(usage).json
    monkeypatch.setattr(fitted, "MOST_BYTES", 0)
    assert [one for answer in pages(admin, items) for one in answer.json["data"]] == whole_items
    first = admin.get(usage).json
    second = admin.get(f"{usage}?cursor={first['nextCursor']}").json
    assert (len(first["usage"]), second["nextCursor"]) == (1, None)
    assert first["usage"] + second["usage"] == whole_usage["usage"]
    assert first["totals"] == second["totals"] == whole_usage["totals"]
