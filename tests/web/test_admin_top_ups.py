"""Top-ups and recurring grants at the desk: what the flows of the API do, under the same audit; refused, nothing is."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As, Clock
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser, OpenPortal
from tests.web.test_admin_subscriptions import audited
from tests.web.test_admin_today import figures
from web.admin import today

WALLET = {"id": "w-1", "userId": "user123", "unit": {"unitName": "assessment", "usageTypes": ["assessment"]}}
RULE = {"below": "100", "amount": "1000"}
RECURS = {"amount": "250", "every": "month", "anchor": "calendar", "untilNext": "yes", "priority": "50"}


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


@pytest.fixture
def wallet(api: FlaskClient, used: Books) -> str:
    """The path of a wallet of user123 for assessments."""
    assert api.post("/api/wallets", json=WALLET).status_code == 201
    return "/admin/wallets/w-1"


def _asked(api: FlaskClient) -> list[dict[str, Any]]:
    return list(api.get("/api/wallets/w-1/top-ups").json["data"])  # type: ignore[index]


def test_a_rule_is_set_shown_and_ended(desk: DeskBrowser, wallet: str, api: FlaskClient, engine: Engine) -> None:
    assert "It has no rule" in desk.see(wallet)
    assert desk.client.get(f"{wallet}/end-top-up-rule").status_code == 404
    page = desk.change(f"{wallet}/top-up-rule", **RULE, atMost="2", per="week", cooldownSeconds="60")
    assert "1,000</p>" not in page
    for words in ("once less than 100 is available", "at most 2 times within a week", "not within 60 s after it asked"):
        assert words in page
    assert (figures(page)["asked"], figures(page)["available"].strip()) == ("1,000", "0")
    shown: Any = api.get("/api/wallets/w-1/top-up-rule").json
    assert (shown["below"], shown["amount"], shown["atMost"]) == ("100", "1000", {"count": 2, "per": "week"})
    form = desk.see(f"{wallet}/top-up-rule")
    for name, value in (("below", "100"), ("amount", "1000"), ("upTo", ""), ("atMost", "2"), ("cooldownSeconds", "60")):
        assert re.search(rf'name="{name}"[^>]* value="{value}"', form), name
    assert '<option value="week" selected>' in form
    assert "Its rule was ended" in desk.change(f"{wallet}/end-top-up-rule")
    assert desk.send(f"{wallet}/end-top-up-rule").status_code == 404
    assert audited(engine, "wallet:w-1")[-2:] == [
        ("key", "wallet.top_up_rule_set"),
        ("key", "wallet.top_up_rule_ended"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"below": ""},
        {"below": "0"},
        {"amount": ""},
        {"upTo": "500"},
        {"amount": "", "upTo": "50"},
        {"amount": "", "packageId": "none"},
        {"atMost": "2"},
        {"per": "week"},
        {"per": "year", "atMost": "2"},
        {"cooldownSeconds": "-1"},
        {"cooldownSeconds": "9999999"},
        {"end": "yes"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    desk: DeskBrowser, wallet: str, api: FlaskClient, fields: dict[str, str]
) -> None:
    answer = desk.send(f"{wallet}/top-up-rule", **(RULE | fields))
    assert answer.status_code == 422
    assert "end" in fields or 'aria-invalid="true"' in answer.text
    assert api.get("/api/wallets/w-1/top-up-rule").status_code == 404


def test_what_was_asked_for_is_paid_once_or_not(
    desk: DeskBrowser, wallet: str, api: FlaskClient, engine: Engine, clock: Clock
) -> None:
    desk.change(f"{wallet}/top-up-rule", **RULE)
    (asked,) = _asked(api)
    path = f"/admin/top-ups/{asked['id']}"
    for page in (desk.see(wallet), desk.see("/admin/top-ups"), desk.see("/admin/top-ups?state=asked&wallet=w-1")):
        assert f'href="{path}/paid"' in page
        assert "waits to be paid" in page
    assert "No top-ups here" in desk.see("/admin/top-ups?state=paid")
    assert desk.send(f"{path}/paid", reference="order 7").status_code == 422  # units have a cost
    assert "not paid" in desk.change(f"{path}/failed", reason="card <b>refused")
    assert "card &lt;b&gt;refused" in desk.see("/admin/top-ups?state=failed")
    assert "does not ask before" in desk.see(wallet)
    assert desk.send(f"{path}/paid", cost="80.00").status_code == 409
    clock.advance(minutes=5)
    desk.change(f"{wallet}/top-up-rule", **RULE)
    again = _asked(api)[0]
    page = desk.change(f"/admin/top-ups/{again['id']}/paid", cost="80.00", reference="order 7")
    assert (figures(page)["left"], figures(page).get("asked", "")) == ("1,000", "")
    paid = _asked(api)[0]
    assert (paid["state"], paid["reference"]) == ("paid", "order 7")
    assert desk.send(f"/admin/top-ups/{again['id']}/failed").status_code == 409
    assert [action for who, action in audited(engine, "wallet:w-1") if who == "key"][-5:] == [
        "wallet.top_up_rule_set",
        "wallet.top_up_failed",
        "wallet.top_up_rule_set",
        "wallet.granted",
        "wallet.top_up_paid",
    ]


def test_a_request_that_is_too_old_cannot_be_answered(
    wallet: str, api: FlaskClient, clock: Clock, request: pytest.FixtureRequest
) -> None:
    assert api.post("/api/wallets/w-1/top-up-rule", json=RULE).status_code == 200
    (asked,) = _asked(api)
    clock.advance(hours=24)
    desk: DeskBrowser = request.getfixturevalue("desk")
    page = desk.see("/admin/top-ups")
    assert ">expired</span>" in page
    assert "waits to be paid" not in page
    assert desk.send(f"/admin/top-ups/{asked['id']}/paid", cost="80.00").status_code == 409


def test_grants_recur_and_end(
    desk: DeskBrowser, wallet: str, api: FlaskClient, engine: Engine, portal: OpenPortal
) -> None:
    assert "Nothing recurs in it" in desk.see(wallet)
    recurs = RECURS | {"idempotencyKey": "k", "rollover": "2", "most": "100", "percent": "50"}
    for _ in range(2):
        page = desk.change(f"{wallet}/recur", **recurs)
    assert desk.send(f"{wallet}/recur", **(recurs | {"amount": "251"})).status_code == 409
    (made,) = api.get("/api/wallets/w-1/schedules").json["data"]  # type: ignore[index]
    assert (made["amount"], made["every"], made["untilNext"]) == (
        "250",
        {"interval": "month", "intervalCount": 1},
        True,
    )
    assert made["rollover"] == {"max": "100", "maxPercent": 50, "periods": 2}
    assert "2 times, at most 100, at most 50 %" in page
    assert "w-1" in desk.see("/admin/schedules?wallet=w-1")
    assert "Nothing recurs here" in desk.see("/admin/schedules?wallet=w-2")
    assert "Next: 250 on 1 December 2026." in portal().get("/portal/wallets").text
    assert "Als Nächstes: 250 am 1. Dezember 2026." in portal(locale="de").get("/portal/wallets").text
    path = f"/admin/schedules/{made['id']}/end"
    assert desk.send(path, at="2020-01-01").status_code == 422
    desk.change(path)
    assert desk.send(path).status_code == 409
    assert "Next:" not in portal().get("/portal/wallets").text
    assert audited(engine, "wallet:w-1")[-2:] == [("key", "wallet.schedule_made"), ("key", "wallet.schedule_ended")]


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "0"},
        {"every": "moon"},
        {"anchor": "easter"},
        {"timezone": "Mars/Olympus"},
        {"endsAt": "2020-01-01"},
        {"validity": "1 year"},
        {"most": "5"},
        {"percent": "101", "rollover": "1"},
        {"untilNext": "no", "rollover": "1"},
        {"usageTypes": "none"},
        {"idempotencyKey": ""},
    ],
)
def test_a_recurring_grant_that_cannot_be_is_refused(
    desk: DeskBrowser, wallet: str, api: FlaskClient, fields: dict[str, str]
) -> None:
    answer = desk.send(f"{wallet}/recur", **(RECURS | {"idempotencyKey": "k"} | fields))
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert api.get("/api/wallets/w-1/schedules").json["data"] == []  # type: ignore[index]


def test_all_grants_of_a_wallet_end(desk: DeskBrowser, wallet: str, api: FlaskClient, engine: Engine) -> None:
    body = {"amount": "5", "idempotencyKey": "a", "effectiveAt": "2026-11-01T00:00:00Z"}
    assert api.post("/api/wallets/w-1/grants", json=body).status_code == 201
    assert f'href="{wallet}/reset"' in desk.see(wallet)
    assert desk.send(f"{wallet}/reset", at="2027-01-01").status_code == 422
    assert figures(desk.change(f"{wallet}/reset"))["available"].strip() == "0"
    assert audited(engine, "wallet:w-1")[-1] == ("key", "wallet.reset")


def test_a_reset_keeps_some_and_a_wallet_is_closed_and_opened(desk: DeskBrowser, wallet: str, api: FlaskClient) -> None:
    body = {"amount": "500", "idempotencyKey": "a", "effectiveAt": "2026-11-01T00:00:00Z"}
    assert api.post("/api/wallets/w-1/grants", json=body).status_code == 201
    for _ in range(2):
        kept = desk.change(f"{wallet}/reset", keep="2", idempotencyKey="once")
        assert (figures(kept)["rolled-over"], "rollover" in kept) == ("2", True)
    assert api.post("/api/wallets/w-1/grants", json={"amount": "50000", "idempotencyKey": "b"}).status_code == 201
    assert desk.send(f"{wallet}/close", settle="no").status_code == 409
    assert ", closed " in desk.change(f"{wallet}/close", settle="yes")
    assert ", closed " not in desk.change(f"{wallet}/open")


def test_pages_that_are_open_see_what_is_asked_for(
    desk: DeskBrowser, wallet: str, api: FlaskClient, portal: OpenPortal, clock: Clock
) -> None:
    browser = portal()
    tags = [browser.get("/portal/wallets/live").headers["ETag"]]

    def moved() -> str:
        answer = browser.get("/portal/wallets/live", headers={"If-None-Match": tags[-1]})
        assert answer.status_code == 200
        tags.append(answer.headers["ETag"])
        return answer.text

    desk.change(f"{wallet}/top-up-rule", **RULE)
    page = moved()
    assert 'data-figure="asked">1,000<' in page
    assert api.get("/api/wallets/w-1").json["asked"] == "1000"  # type: ignore[index]
    desk.change(f"/admin/top-ups/{_asked(api)[0]['id']}/failed")
    assert 'data-figure="asked"' not in moved()
    desk.change(f"{wallet}/recur", **RECURS, idempotencyKey="k", endsAt="2027-06-01")
    assert 'data-coming="250"' in moved()
    (made,) = api.get("/api/wallets/w-1/schedules").json["data"]  # type: ignore[index]
    desk.change(f"/admin/schedules/{made['id']}/end", at="2026-11-30T00:00:00Z")
    assert "data-coming" not in moved()
    clock.advance(seconds=1)
    assert browser.get("/portal/wallets/live", headers={"If-None-Match": tags[-1]}).status_code == 304


def test_the_clock_ends_what_was_asked_for(wallet: str, api: FlaskClient, portal: OpenPortal, clock: Clock) -> None:
    assert api.post("/api/wallets/w-1/top-up-rule", json=RULE).status_code == 200
    clock.advance(hours=23, minutes=59, seconds=59)
    browser = portal()
    tag = browser.get("/portal/wallets/live").headers["ETag"]
    clock.advance(seconds=1)
    answer = browser.get("/portal/wallets/live", headers={"If-None-Match": tag})
    assert (answer.status_code, 'data-figure="asked"' in answer.text) == (200, False)


def test_today_leads_to_what_nothing_answers_also_where_nothing_was_ever_granted(
    desk: DeskBrowser, wallet: str, clock: Clock
) -> None:
    desk.change(f"{wallet}/top-up-rule", **RULE)
    clock.advance(minutes=50)
    assert "See top-ups" not in desk.see("/admin")
    clock.advance(minutes=20)
    today.forget()
    page = desk.see("/admin")
    assert "Top-ups that nothing has answered for an hour: 1000 assessment of user123 in w-1" in page
    assert 'href="/admin/top-ups?state=asked"' in page


def test_a_list_refuses_a_state_that_is_none(desk: DeskBrowser, wallet: str) -> None:
    assert desk.client.get("/admin/top-ups?state=lost").status_code == 422
