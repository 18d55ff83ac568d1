"""Endpoints and events at the desk: made, changed, secrets shown once, disabled, enabled, replayed, sent again."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As
from tests.support.books import scalars
from tests.support.callers import Keys
from tests.support.events import relayed
from tests.web.conftest import DeskBrowser
from tests.web.desk_books import told
from tests.web.test_admin_subscriptions import audited
from tests.web.test_admin_today import figures
from usage_billing.core.clock import instant_text, utc_now
from usage_billing.db.session import transaction
from usage_billing.outbox.service import Fact, tell
from web.admin import today

URL = "https://1.1.1.1/hooks"
NEW = {"id": "books", "url": URL, "ordered": "no"}
ONE = "/admin/endpoints/books"
SECRET_FORM = r"whsec_[A-Za-z0-9+/]{32,}={0,2}"


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


def _shown(api: FlaskClient) -> Any:
    return api.get("/api/webhook-endpoints/books").json


def _secrets(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return re.findall(SECRET_FORM, unescape(answer.text))


def test_one_is_made_and_its_secret_shown_once(
    desk: DeskBrowser, world: None, api: FlaskClient, engine: Engine
) -> None:
    (secret,) = _secrets(desk.send("/admin/endpoints/new", **NEW, types=["invoice.paid", "invoice.voided"]))
    assert _shown(api)["types"] == ["invoice.paid", "invoice.voided"]
    assert secret not in desk.see(ONE)
    assert _secrets(desk.send(f"{ONE}/reveal")) == [secret]
    (new,) = _secrets(desk.send(f"{ONE}/rotate", overlap="1h"))
    assert _secrets(desk.send(f"{ONE}/reveal")) == [new, secret]
    acts = ["created", "revealed", "rotated", "revealed"]
    assert audited(engine, "endpoint:books") == [("key", f"endpoint.{act}") for act in acts]
    assert "books" in desk.see("/admin/endpoints?status=active")
    assert "books" not in desk.see("/admin/endpoints?status=disabled")


def test_a_change_touches_what_was_changed(desk: DeskBrowser, world: None, api: FlaskClient, engine: Engine) -> None:
    desk.send("/admin/endpoints/new", **NEW)
    before = _shown(api)
    given = {"url": URL, "ordered": "yes", "ratePerSecond": "5", "userId": "user123", "description": "The <ledger>"}
    page = desk.change(f"{ONE}/change", **given)
    assert "The &lt;ledger&gt;" in page
    wanted = {"ordered": True, "ratePerSecond": 5, "userId": "user123", "description": "The <ledger>"}
    assert _shown(api) == before | wanted
    assert scalars(engine, "SELECT detail ->> 'fields' FROM audit_log WHERE action = 'endpoint.changed'") == [
        '["customer_id", "description", "ordered", "rate_per_second"]'
    ]
    desk.change(f"{ONE}/change", **given)
    assert len(audited(engine, "endpoint:books")) == 2


def test_the_form_of_a_change_has_what_it_is_told(desk: DeskBrowser, world: None, api: FlaskClient) -> None:
    types = ["invoice.paid", "invoice.voided"]
    desk.send("/admin/endpoints/new", **NEW, types=types)
    boxes = re.findall(r'<input[^>]*name="types"[^>]*>', desk.see(f"{ONE}/change"))
    chosen = [re.findall('value="([^"]+)"', box)[0] for box in boxes if "checked" in box]
    assert chosen == types
    desk.change(f"{ONE}/change", url=URL, ordered="no", types=chosen, description="The ledger")
    assert _shown(api)["types"] == types


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://1.1.1.1/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://user:x@1.1.1.1/"},
        {"url": ""},
        {"types": ["invoice.lost"]},
        {"userId": "nowhere"},
        {"ratePerSecond": "0"},
        {"ordered": "perhaps"},
        {"id": "a b"},
    ],
)
def test_what_is_no_endpoint_is_refused(
    desk: DeskBrowser, world: None, api: FlaskClient, wrong: dict[str, Any]
) -> None:
    answer = desk.send("/admin/endpoints/new", **(NEW | wrong))
    assert answer.status_code in {404, 422}, wrong
    assert api.get("/api/webhook-endpoints").json == {"data": [], "nextCursor": None}


def test_what_is_held_is_said_and_goes_out(desk: DeskBrowser, world: None, api: FlaskClient, engine: Engine) -> None:
    desk.send("/admin/endpoints/new", **NEW)
    assert "disabled" in desk.change(f"{ONE}/disable")
    with transaction(engine) as session:
        tell(session, [Fact("invoice.paid", "one", {}, "user123"), Fact("invoice.voided", "two", {}, "user123")])
    relayed(engine)
    today.forget()
    assert 'href="/admin/endpoints?status=disabled">See endpoints</a>' in desk.see("/admin")
    page = desk.see(ONE)
    assert (figures(page)["held"], figures(page)["waiting"]) == ("2", "0")
    assert "2 events are held" in page
    answer = desk.send(f"{ONE}/test")
    assert (answer.status_code, "enable it first" in answer.text) == (409, True)
    page = desk.change(f"{ONE}/enable", resume="all")
    assert (figures(page)["held"], figures(page)["waiting"]) == ("0", "2")
    desk.change(f"{ONE}/test")
    relayed(engine)
    assert "endpoint.test" in desk.see(ONE)
    assert desk.send(f"{ONE}/enable", resume="some").status_code == 422
    acts = ["created", "disabled", "enabled", "tested"]
    assert audited(engine, "endpoint:books") == [("key", f"endpoint.{act}") for act in acts]
    assert desk.change(f"{ONE}/delete")
    assert desk.client.get(ONE).status_code == 404


def test_an_event_says_who_was_told_what_they_answered_and_is_sent_again(
    desk: DeskBrowser, world: None, api: FlaskClient, engine: Engine, now: datetime
) -> None:
    event, delivery = told(engine, now)
    page = desk.see(f"/admin/events/{event}")
    shown: Any = api.get(f"/api/events/{event}").json
    assert f'"invoiceId": "{shown["data"]["invoiceId"]}"' in unescape(page)
    assert "<i>" not in page
    assert re.findall(r"(503|no answer in 15 s) after ([\d,]+) ms", page) == [
        ("503", "312"),
        ("no answer in 15 s", "15,000"),
    ]
    tries = desk.see(f"/admin/deliveries/{delivery}")
    assert "&lt;b&gt;no&lt;/b&gt;" in tries
    listed = desk.see("/admin/events?type=invoice.paid&customer=user123")
    assert event in listed
    assert event not in desk.see("/admin/events?type=invoice.voided")
    assert "failed" in desk.see(f"{ONE}?state=failed")
    desk.change(f"/admin/events/{event}/resend", endpointId="books")
    assert api.get(f"/api/deliveries/{delivery}").json["state"] == "waiting"  # type: ignore[index]
    assert audited(engine, f"event:{event}") == [("key", "event.resent")]
    assert desk.send(f"/admin/events/{event}/resend", endpointId="off").status_code == 422  # it is disabled
    assert desk.client.get("/admin/events/evt_00000000000000000000000000000000").status_code == 404


def test_a_span_is_replayed_once_at_a_time(
    desk: DeskBrowser, world: None, api: FlaskClient, engine: Engine, now: datetime
) -> None:
    _, delivery = told(engine, now)
    since, until = (instant_text(utc_now() + timedelta(hours=hours)) for hours in (-1, 1))
    desk.change(f"{ONE}/replay", since=since, until=until, only="failed", types=["invoice.paid"])
    assert api.get(f"/api/deliveries/{delivery}").json["replayId"]  # type: ignore[index]
    answer = desk.send(f"{ONE}/replay", since=since, until=until, only="all")
    assert (answer.status_code, "is under way" in answer.text) == (409, True)
    assert desk.send(f"{ONE}/replay", since="soon", only="all").status_code == 422
    assert desk.send(f"{ONE}/replay", since="2020-01-01", only="all").status_code == 422


def test_lists_go_on_by_cursor(desk: DeskBrowser, world: None, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.admin.lists.ROWS", 2)
    desk.send("/admin/endpoints/new", **NEW)
    with transaction(engine) as session:
        tell(session, [Fact("invoice.paid", f"n{number}", {}, "user123") for number in range(5)])
    relayed(engine)
    for start, kind in (("/admin/events", "events"), (ONE, "events")):
        found: list[str] = []
        address: str | None = start
        while address is not None:
            page = desk.see(address)
            found += re.findall(rf'/admin/{kind}/(evt_[0-9a-f]{{32}})"', page)
            older = re.findall(r'<a href="([^"]+)">Older<', page)
            address = unescape(older[0]) if older else None
        assert len(found) == len(set(found)) == 5, start
