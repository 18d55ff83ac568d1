"""Lists of invoices by number, drafts first; many items on a page of their own; an invoice as a page to read."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from api import fitted
from api.views import invoices, subscriptions
from tests.api.conftest import Bill, Billed
from tests.conftest import As, Clock, MakeToken
from tests.money.house import House, day, make_house
from usage_billing.db.session import transaction
from usage_billing.reports import invoices as shown
from usage_billing.reports import usage_page

LATER = timedelta(hours=2)


def caught_up(engine: Engine) -> House:
    """Three months made final by one run, and a draft."""
    house = make_house(engine)
    house.plan("a", fee="10")
    house.subscribe("z")
    house.subscribe("y")
    house.bill(day(1, month=4) + LATER)
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "1"}, at=day(1, month=4))
    return house


def test_invoices_are_listed_by_number_and_drafts_first(app: object, admin: FlaskClient, engine: Engine) -> None:
    caught_up(engine)
    found: list[dict[str, object]] = []
    url = "/api/invoices?limit=3"
    while url:
        page = admin.get(url).json
        found += page["data"]
        url = page["nextCursor"] and f"/api/invoices?limit=3&cursor={page['nextCursor']}"
    numbers = [one["number"] for one in found]
    assert numbers[:2] == [None, None]
    assert numbers[2:] == [f"INV-{number:08d}" for number in range(6, 0, -1)]
    ends = [str(one["closesAt"]) for one in found[2:]]
    assert ends == sorted(ends, reverse=True)


def test_a_draft_of_which_nothing_has_an_amount_is_not_listed(app: object, admin: FlaskClient, engine: Engine) -> None:
    house = make_house(engine)
    house.plan("a")
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "0"})
    house.subscribe()
    house.use(5, at=day(3))
    house.bill(day(4))
    assert admin.get("/api/invoices").json["data"] == []
    assert admin.get("/api/subscriptions/s/upcoming-invoice").json["code"] == "nothing_upcoming"
    house.bill(day(1, month=2) + LATER)
    assert admin.get("/api/invoices").json["data"] == []


def test_a_list_shows_the_first_items_and_where_all_are(billed: Billed, admin: FlaskClient, engine: Engine) -> None:
    (one,) = admin.get("/api/invoices").json["data"]
    assert one["itemsUrl"] is None
    with transaction(engine) as session:
        (view,) = shown.invoice_views(session, [session.get_one(shown.Invoice, one["id"])], items=0)
        assert (list(view.items), view.items_url) == ([], f"/api/invoices/{one['id']}/items")
    page = admin.get(f"/api/invoices/{one['id']}/items").json
    assert (page["currency"], page["data"], page["nextCursor"]) == ("USD", one["items"], None)


@pytest.fixture
def many(world: object, admin: FlaskClient, now: datetime) -> None:
    """Five usage types with a minimum beside the plan's assessments: a charge of each is due without any use."""
    for number in range(1, 6):
        usage_type = {"id": f"type-{number}", "unitName": "unit"}
        price = {"model": "per_unit", "unitPrice": "1", "minimumAmount": f"{number}.01"}
        quota = {"planId": "business", "usageType": usage_type["id"], "monthlyLimit": 0, "price": price}
        assert admin.post("/api/usage-types", json=usage_type).status_code == 201
        assert admin.post("/api/quotas", json=quota).status_code == 201


UPCOMING = "/api/subscriptions/sub456/upcoming-invoice"
CHANGES = {"id", "items", "nextCursor", "createdAt"}
"""What differs from one page, or one answer, to the next of an invoice that is not stored."""


def upcoming_pages(client: FlaskClient) -> list[Any]:
    found = [client.get(UPCOMING).json]
    while found[-1]["nextCursor"] is not None:
        found.append(client.get(f"{UPCOMING}?cursor={found[-1]['nextCursor']}").json)
    return found


def charges(*pages: Any) -> list[dict[str, Any]]:
    """The items of all pages, without the ids of what is not stored."""
    return [{name: value for name, value in item.items() if name != "id"} for page in pages for item in page["items"]]


def facts(page: Any) -> dict[str, Any]:
    return {name: value for name, value in page.items() if name not in CHANGES}


@pytest.mark.parametrize(("name", "sizes"), [("items", [2, 2, 1]), ("bytes", [1] * 5)])
def test_the_upcoming_invoice_comes_page_by_page_with_its_total_on_each(
    many: None, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch, name: str, sizes: list[int]
) -> None:
    (whole,) = upcoming_pages(admin)
    assert (len(whole["items"]), whole["total"], whole["itemsUrl"]) == (5, "15.05", None)
    if name == "items":
        monkeypatch.setattr(subscriptions, "MAX_ITEMS", 2)
    else:
        monkeypatch.setattr(fitted, "MOST_BYTES", 0)
    pages = upcoming_pages(admin)
    assert [len(page["items"]) for page in pages] == sizes
    assert charges(*pages) == charges(whole)
    for page in pages:
        assert facts(page) == facts(whole)
    assert admin.get(f"{UPCOMING}?cursor=x").json["code"] == "bad_cursor"
    assert admin.get(f"{UPCOMING}?limit=1").json["errors"][0]["code"] == "unknown"


@pytest.mark.parametrize(("name", "size"), [("items", 2), ("bytes", 1)])
def test_an_invoice_shows_the_first_items_and_where_all_are(
    many: None, bill: Bill, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch, name: str, size: int
) -> None:
    bill()
    (one,) = admin.get("/api/invoices").json["data"]
    url = f"/api/invoices/{one['id']}"
    whole = admin.get(url).json
    assert (whole, len(whole["items"]), whole["itemsUrl"]) == (one, 5, None)
    document = admin.get(f"{url}/document").text
    if name == "items":
        monkeypatch.setattr(invoices, "MAX_ITEMS", size)
    else:
        monkeypatch.setattr(fitted, "MOST_BYTES", 0)
    first = admin.get(url).json
    assert (first["items"], first["itemsUrl"]) == (whole["items"][:size], f"{url}/items")
    assert facts(first) | {"itemsUrl": None} == facts(whole)
    assert admin.get(url.upper().replace("/API/INVOICES", "/api/invoices")).json == first
    assert admin.get(f"{url}/document").text == document
    monkeypatch.undo()
    items = admin.get(first["itemsUrl"]).json["data"]
    assert sorted(item["id"] for item in items) == sorted(item["id"] for item in whole["items"])


def test_what_becomes_of_an_invoice_is_answered_with_its_first_items(
    many: None, bill: Bill, admin: FlaskClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill()
    (one,) = admin.get("/api/invoices").json["data"]
    clock.advance(days=60)
    monkeypatch.setattr(invoices, "MAX_ITEMS", 2)
    for step, status in (("finalize", "finalized"), ("pay", "paid")):
        answer = admin.post(f"/api/invoices/{one['id']}/{step}", headers={"Idempotency-Key": step})
        assert (answer.status_code, answer.json["status"], len(answer.json["items"])) == (200, status, 2), answer.json
        assert answer.json["itemsUrl"] == f"/api/invoices/{one['id']}/items"
        again = admin.post(f"/api/invoices/{one['id']}/{step}", headers={"Idempotency-Key": step})
        assert again.json == answer.json


def test_usage_of_many_types_comes_page_by_page_with_sums_over_all(
    app: object, admin: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(engine)
    house.plan("a")
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "1"})
    for name in ("s", "t", "u"):
        house.subscribe(name)
        house.use(5, at=day(3), name=name)
    monkeypatch.setattr(usage_page, "MAX_LINES", 2)
    url = "/api/usage/user/ann?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"
    first = admin.get(url).json
    second = admin.get(f"{url}&cursor={first['nextCursor']}").json
    assert [line["subscriptionId"] for page in (first, second) for line in page["usage"]] == ["s", "t", "u"]
    assert first["totals"] == second["totals"] == {"USD": "15.00"}
    assert second["nextCursor"] is None
    assert admin.get(f"{url}&cursor=x").json["code"] == "bad_cursor"


def test_an_invoice_is_a_plain_page(
    billed: Billed, admin: FlaskClient, engine: Engine, call_as: As, make_token: MakeToken
) -> None:
    url = f"/api/invoices/{billed.invoice_id}/document"
    with transaction(engine) as session:
        session.execute(text("UPDATE customers SET name = '<script>alert(1)</script> & \"more\"'"))
    answer = admin.get(f"{url}?format=html")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    page = answer.text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;" in page
    assert "1 to 30 November 2026" in page
    assert ">30.00<" in page
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert admin.get(url).text == page
    assert call_as(make_token("user123")).get(url).status_code == 200
    assert call_as(make_token("stranger")).get(url).status_code == 404
    refused = admin.get(f"{url}?format=facturx")
    assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "not_a_choice")
