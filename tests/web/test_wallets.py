"""What is in hand is shown as the API answers it; what a period comes to is an estimate, and says so."""

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import Clock
from tests.factories import make_customer, make_recording, make_usage_type, record
from tests.web.conftest import OpenPortal
from usage_billing.db.session import transaction

WALLET = {"id": "w!", "userId": "user123", "unit": {"unitName": "assessment", "usageTypes": ["assessment"]}}


@pytest.fixture
def wallet(world: None, admin: FlaskClient, engine: Engine, now: datetime) -> dict[str, Any]:
    """100 bought, 20 given until December, 30 that begin next year; 75 used, of which 25 lie beyond; credit of 5.00."""
    assert admin.post("/api/wallets", json=WALLET).status_code == 201
    for amount, key, more in (
        ("100", "a", {"cost": "80.00"}),
        ("20.5", "b", {"expiresAt": (now + timedelta(days=20)).isoformat(), "usageTypes": ["assessment"]}),
        ("30", "c", {"effectiveAt": (now + timedelta(days=60)).isoformat(), "category": "adjustment"}),
    ):
        body = {"amount": amount, "idempotencyKey": key, "effectiveAt": (now - timedelta(days=14)).isoformat()}
        assert admin.post("/api/wallets/w!/grants", json=body | more).status_code == 201
    credit = {"amount": "5.00", "currency": "USD", "reason": "<i>sorry", "idempotencyKey": "x"}
    assert admin.post("/api/customers/user123/credits", json=credit).status_code == 201
    with transaction(engine) as session:
        record(session, *(make_recording(now=now) for _ in range(75)))
    return WALLET


def _figures(page: str, name: str) -> list[str]:
    return [unescape(found).replace(",", "") for found in re.findall(rf'data-figure="{name}">([^<]*)<', page)]


def test_what_is_in_hand_is_the_apis(wallet: dict[str, Any], portal: OpenPortal, reader: FlaskClient) -> None:
    said = reader.get("/api/wallets/w!").json
    assert said is not None
    page = portal().get("/portal/wallets").text
    assert _figures(page, "available") == [said["available"]] == ["95.5"]
    assert _figures(page, "left") == [said["left"]] == ["125.5"]
    assert _figures(page, "provisional") == [said["provisional"]] == ["25"]
    assert _figures(page, "balance") == ["$5.00"]
    # The one that is given pays first, and is empty; so what expires next is nothing.
    badges = re.findall(r"</svg>(bought|given|correction)</span>", page)
    assert badges == ["given", "correction", "bought"]
    assert "expire on" not in page
    assert "$80.00" in page
    assert f"{said['provisional']} paid for beforehand" in portal().get("/portal").text
    assert f'data-in-hand="w!">{said["available"]} left' in portal().get("/portal").text


def test_what_is_owed_is_not_said_to_be_paid_for(
    world: None, portal: OpenPortal, admin: FlaskClient, engine: Engine, now: datetime
) -> None:
    """120 used of 50, of which 10 are given, 50 are owed and 10 are charged."""
    assert admin.post("/api/wallets", json=WALLET | {"uncovered": "owe", "overdraft": "50"}).status_code == 201
    with transaction(engine) as session:
        record(session, *(make_recording(now=now) for _ in range(120)))
    page = portal().get("/portal").text
    assert "70 beyond</span>; 50 owed" in page
    assert "paid for beforehand" not in page
    body = {"amount": "10", "idempotencyKey": "a", "coversSince": (now - timedelta(days=14)).isoformat()}
    assert admin.post("/api/wallets/w!/grants", json=body).status_code == 201
    assert "70 beyond</span>; 10 paid for beforehand; 50 owed" in portal().get("/portal").text
    assert "50 offen" in portal(locale="de").get("/portal").text


def test_what_expires_next_is_said(
    wallet: dict[str, Any], portal: OpenPortal, admin: FlaskClient, now: datetime
) -> None:
    ends = (now + timedelta(days=3)).isoformat()
    body = {"amount": "7", "idempotencyKey": "d", "effectiveAt": now.isoformat(), "expiresAt": ends, "priority": 99}
    assert admin.post("/api/wallets/w!/grants", json=body).status_code == 201
    page = portal().get("/portal/wallets").text
    assert "7 of it expire on 18 November 2026." in page


def test_what_moved_is_the_apis(
    wallet: dict[str, Any], portal: OpenPortal, reader: FlaskClient, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = reader.get("/api/wallets/w!/entries").json
    assert said is not None
    monkeypatch.setattr("web.portal.wallets.PAGE", 2)
    browser = portal()
    first = browser.get("/portal/wallets/of/w!").text
    amounts = re.findall(r'<td class="n">([^<]+)</td>', first)
    (older,) = re.findall(r'href="(/portal/wallets/of/w%21\?before=[0-9]+)"', first)
    amounts += re.findall(r'<td class="n">([^<]+)</td>', browser.get(older).text)
    assert amounts == [f"+{row['amount']}" for row in said["data"]] == ["+30", "+20.5", "+100"]
    balance = browser.get("/portal/wallets/balance").text
    assert "&lt;i&gt;sorry" in balance
    assert _figures(balance, "balance") == ["$5.00"]


def test_a_refund_is_not_said_to_be_taken_back(
    wallet: dict[str, Any], portal: OpenPortal, admin: FlaskClient, reader: FlaskClient
) -> None:
    """What was received is what was used, refunded, taken back and is left."""
    said = reader.get("/api/wallets/w!").json
    assert said is not None
    bought, given, _ = (one["id"] for one in said["grants"])
    assert admin.post(f"/api/grants/{bought}/refund", json={"amount": "60", "idempotencyKey": "r"}).status_code == 200
    assert admin.post(f"/api/grants/{given}/void", json={"used": True}).status_code == 200
    page = portal().get("/portal/wallets").text
    parts = [_figures(page, name) for name in ("refunded", "taken-back", "provisional", "left")]
    assert parts == [["60"], ["20.5"], ["25"], ["45"]]  # of 150.5
    moved = portal().get("/portal/wallets/of/w!").text
    assert re.findall(r"<td>([^<]+)</td><td class=\"n\">\u2212", moved) == ["taken back", "refunded"]
    german = portal(locale="de").get("/portal/wallets/of/w!").text
    assert ("erstattet" in german, german.count("zurückgenommen")) == (True, 1)


def test_another_customers_wallet_is_not_there(wallet: dict[str, Any], portal: OpenPortal, engine: Engine) -> None:
    with transaction(engine) as session:
        make_customer(session, id="other", name="Other")
    browser = portal("other")
    assert browser.get("/portal/wallets/of/w!").status_code == 404
    assert "Nothing in hand" in browser.get("/portal/wallets").text
    assert "No credit yet" in browser.get("/portal/wallets/balance").text
    assert portal(pages=["overview"]).get("/portal/wallets/of/w!").status_code == 404
    assert "/portal/wallets" not in portal(pages=["overview"]).get("/portal").text
    for wrong in ("?before=x", "?before=-1", "?page=2"):
        assert portal().get(f"/portal/wallets/balance{wrong}").status_code == 422


def test_a_grant_moves_pages_that_are_open(
    wallet: dict[str, Any], portal: OpenPortal, admin: FlaskClient, clock: Clock
) -> None:
    browser = portal()
    for name in ("wallets", "overview"):
        tag = browser.get(f"/portal/{name}/live").headers["ETag"]
        assert browser.get(f"/portal/{name}/live", headers={"If-None-Match": tag}).status_code == 304
        body = {"amount": "1", "idempotencyKey": name, "effectiveAt": clock().isoformat()}
        assert admin.post("/api/wallets/w!/grants", json=body).status_code == 201
        assert browser.get(f"/portal/{name}/live", headers={"If-None-Match": tag}).status_code == 200
    body = {"amount": "1", "idempotencyKey": "soon", "expiresAt": (clock() + timedelta(seconds=90)).isoformat()}
    admin.post("/api/wallets/w!/grants", json=body)
    tag = browser.get("/portal/wallets/live").headers["ETag"]
    clock.advance(seconds=91)
    assert browser.get("/portal/wallets/live", headers={"If-None-Match": tag}).status_code == 200


def _estimate(portal: OpenPortal) -> str:
    return " ".join(_figures(portal().get("/portal").text, "estimate"))


def test_what_use_will_cost_is_an_estimate_and_named_so(
    world: None, portal: OpenPortal, engine: Engine, now: datetime
) -> None:
    """Half of November is over at ``now``, so 60 used are 120 at its end: 70 beyond at 10.00."""
    assert _estimate(portal) == ""
    with transaction(engine) as session:
        record(session, *(make_recording(now=now) for _ in range(60)))
    page = portal().get("/portal").text
    assert _figures(page, "total") == ["$100.00"]
    spent, whole = now - datetime.fromisoformat("2026-11-01T00:00:00Z"), timedelta(days=30)
    ahead = round(60 * (whole / spent))
    assert _estimate(portal) == (
        f"Estimate: about ${(ahead - 50) * 10} by the end of the period if use goes on at this rate."
    )
    assert "Schätzung: etwa" in portal(locale="de").get("/portal").text


def test_what_cannot_be_estimated_is_not(
    world: None, portal: OpenPortal, engine: Engine, admin: FlaskClient, now: datetime
) -> None:
    each = {"model": "percentage", "rate": "0.1", "fixedFee": "1"}
    with transaction(engine) as session:
        make_usage_type(session, id="odd")
    quota = {"planId": "business", "usageType": "odd", "monthlyLimit": "0", "price": each}
    assert admin.post("/api/quotas", json=quota).status_code == 201
    with transaction(engine) as session:
        record(session, *(make_recording(now=now) for _ in range(60)))
    assert _estimate(portal).startswith("Estimate")
    with transaction(engine) as session:
        record(session, make_recording(now=now, usage_type="odd"))
    assert _estimate(portal) == ""


def test_a_wallet_that_pays_leaves_no_estimate(wallet: dict[str, Any], portal: OpenPortal, engine: Engine) -> None:
    assert _estimate(portal) == ""
    with transaction(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM wallet_draws")) == 0
