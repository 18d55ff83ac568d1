"""Recordings and quarantine at the desk: why, what was sent, one, a reason, all; taken back; recorded by hand."""

import re
from datetime import datetime
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As
from tests.factories import make_customer, make_recording, make_subscription, record
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser
from tests.web.test_admin_subscriptions import audited
from tests.web.test_admin_today import WRITER, figures
from usage_billing.db.session import transaction
from usage_billing.metering.service import RefusedRecording, quarantine
from usage_billing.metering.states import QuarantineReason
from web.admin import quarantine_many


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


@pytest.fixture
def lost(engine: Engine, world: None, now: datetime) -> list[str]:
    """Three recordings for a subscription that is not there, and one of another customer; their ids."""
    made = [make_recording(now=now, subscription="lost", key=f"lost-{number}") for number in range(3)]
    made.append(make_recording(now=now, customer="stranger", key="stranger"))
    with transaction(engine) as session:
        record(session, *made)
    return [str(one.id) for one in made]


@pytest.fixture
def found(engine: Engine, lost: list[str]) -> list[str]:
    """The ids of the lost recordings, now that their subscription is there."""
    with transaction(engine) as session:
        make_subscription(session, id="lost")
    return lost


def _open(api: FlaskClient, reason: str) -> int:
    return len(api.get(f"/api/quarantine?reason={reason}&status=open").json["data"])  # type: ignore[index]


def test_it_says_why_and_what_was_sent(desk: DeskBrowser, lost: list[str], api: FlaskClient) -> None:
    listed = desk.see("/admin/quarantine")
    assert "quarantined" in desk.see(f"/admin/records/{lost[0]}")
    for one in lost:
        assert f'href="/admin/quarantine/{one}"' in listed
    assert "unknown subscription 3" in listed
    page = desk.see(f"/admin/quarantine/{lost[0]}")
    shown: Any = api.get(f"/api/quarantine/{lost[0]}").json
    assert shown["detail"] in unescape(page)
    sent = unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.S)[0]).replace("<mark>", "").replace("</mark>", "")
    import json

    assert json.loads(sent) == shown["recording"]
    assert "<mark>  &#34;subscriptionId&#34;: &#34;lost&#34;" in page


def test_one_is_replayed(desk: DeskBrowser, found: list[str], engine: Engine, api: FlaskClient) -> None:
    page = desk.change(f"/admin/quarantine/{found[0]}/replay")
    assert "replayed" in page
    assert audited(engine, f"record:{found[0]}") == [("key", "quarantine.replayed")]
    status: Any = api.get(f"/api/usage/records/{found[0]}").json
    assert status["status"] == "recorded"
    again = desk.send(f"/admin/quarantine/{found[0]}/replay")
    assert again.status_code == 409
    assert "was replayed already" in again.text


def test_one_whose_reason_is_not_gone_stays(desk: DeskBrowser, lost: list[str], engine: Engine) -> None:
    answer = desk.send(f"/admin/quarantine/{lost[0]}/replay")
    assert answer.status_code == 409
    assert "still cannot be counted" in answer.text
    assert audited(engine, f"record:{lost[0]}") == []


def test_one_is_discarded(desk: DeskBrowser, lost: list[str], engine: Engine) -> None:
    assert "cannot be undone" in desk.see(f"/admin/quarantine/{lost[0]}/discard")
    assert "discarded" in desk.change(f"/admin/quarantine/{lost[0]}/discard")
    assert audited(engine, f"record:{lost[0]}") == [("key", "quarantine.discarded")]


def test_the_ticked_ones_are_replayed(desk: DeskBrowser, found: list[str], api: FlaskClient) -> None:
    answer = desk.send("/admin/quarantine/replay", id=[found[0], found[3]])
    assert figures(answer.text) == {"recorded": "1", "refused": "1"}
    assert (_open(api, "unknown_subscription"), _open(api, "wrong_customer")) == (2, 1)


def test_a_reason_is_replayed_by_pages(
    desk: DeskBrowser, found: list[str], api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine_many, "AT_ONCE", 2)
    answer = desk.send("/admin/quarantine/replay", reason="unknown_subscription")
    assert figures(answer.text) == {"recorded": "2"}
    after = re.findall(r'name="after" value="([^"]+)"', answer.text)[0]
    answer = desk.send("/admin/quarantine/replay", reason="unknown_subscription", after=after)
    assert figures(answer.text) == {"recorded": "1"}
    assert "Go on with" not in answer.text
    assert (_open(api, "unknown_subscription"), _open(api, "wrong_customer")) == (0, 1)


def test_all_are_discarded_only_when_that_is_said_twice(desk: DeskBrowser, lost: list[str], api: FlaskClient) -> None:
    answer = desk.send("/admin/quarantine/discard", reason="")
    assert "Discard 4" in answer.text
    assert _open(api, "unknown_subscription") == 3
    answer = desk.send("/admin/quarantine/discard", reason="", sure="yes")
    assert figures(answer.text) == {"discarded": "4"}
    assert _open(api, "unknown_subscription") == 0


@pytest.mark.parametrize("fields", [{"id": "x"}, {"after": "x"}, {"colour": "red"}])
def test_what_is_no_choice_does_nothing(
    desk: DeskBrowser, lost: list[str], api: FlaskClient, fields: dict[str, str]
) -> None:
    assert desk.send("/admin/quarantine/discard", sure="yes", **fields).status_code == 422
    assert _open(api, "unknown_subscription") == 3


def test_a_recording_is_the_apis_and_is_taken_back(
    desk: DeskBrowser, used: Books, engine: Engine, api: FlaskClient
) -> None:
    address = f"/admin/records/{used.record_id}"
    shown: Any = api.get(f"/api/usage/records/{used.record_id}").json
    seen = figures(desk.see(address))
    assert seen == {
        name: WRITER.number(shown[field])
        for name, field in (("quantity", "quantity"), ("within", "withinLimit"), ("beyond", "beyondLimit"))
    }
    missing = desk.send(f"{address}/take-back", reason="")
    assert missing.status_code == 422
    page = desk.change(f"{address}/take-back", reason="sent twice")
    assert "taken back" in page
    assert audited(engine, f"usage:{used.record_id}") == [("key", "usage.voided")]
    assert desk.send(f"{address}/take-back", reason="again").status_code == 409


def test_recordings_are_found_by_id_and_by_key(desk: DeskBrowser, used: Books) -> None:
    for query in (f"find={used.record_id}", "find=call-0&subscription=sub456"):
        answer = desk.client.get(f"/admin/records?{query}")
        assert answer.headers["Location"] == f"/admin/records/{used.record_id}"
    assert "Nothing with this id or key" in desk.see("/admin/records?find=call-0")
    assert desk.client.get("/admin/records?subscription=nowhere").status_code == 404


def test_one_use_is_recorded_by_hand_once(desk: DeskBrowser, world: None, api: FlaskClient, engine: Engine) -> None:
    fields = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": "3"}
    key = re.findall(r'name="idempotencyKey" type="text" value="([^"]+)"', desk.see("/admin/records/new"))[0]
    for _ in range(2):
        answer = desk.send("/admin/records/new", **fields, idempotencyKey=key, metadata='{"a": 1}')
        assert answer.status_code == 303
    lines: Any = api.get("/api/usage/subscription/sub456").json
    assert [one["used"] for one in lines["usage"] if one["usageType"] == "assessment"] == ["3"]
    for wrong in (
        {"quantity": "-1"},
        {"quantity": "x"},
        {"timestamp": "soon"},
        {"metadata": "[1"},
        {"metadata": '{"a": {"b": 1, "b": 2}}'},
        {"userId": "?"},
    ):
        answer = desk.send("/admin/records/new", **(fields | wrong), idempotencyKey="k")
        assert answer.status_code == 422, wrong
        assert 'aria-invalid="true"' in answer.text


def test_hostile_texts_stay_texts(desk: DeskBrowser, world: None, engine: Engine, now: datetime) -> None:
    hostile = "<script>alert(1)</script>\u202e\u05d0"
    made = make_recording(now=now, subscription="lost", key=hostile)
    with transaction(engine) as session:
        make_customer(session, id="other")
        record(session, made)
    page = desk.see(f"/admin/quarantine/{made.id}")
    assert "<script>alert" not in page
    assert hostile in unescape(page)


def test_one_that_the_books_do_not_take_blocks_no_other(
    desk: DeskBrowser, world: None, engine: Engine, now: datetime, api: FlaskClient
) -> None:
    untaken = make_recording(now=now, quantity=Decimal("1e40"), key="untaken")
    good = make_recording(now=now, key="good")
    with transaction(engine) as session:
        quarantine(session, [RefusedRecording(one, QuarantineReason.FAILED, "it failed") for one in (untaken, good)])
    answer = desk.send("/admin/quarantine/replay", reason="failed")
    assert answer.status_code == 200
    assert "the books do not take what it says" in answer.text
    left: Any = api.get("/api/quarantine?status=open").json
    assert [one["id"] for one in left["data"]] == [str(untaken.id)]
    one: Any = api.post(f"/api/quarantine/{untaken.id}/replay")
    assert (one.status_code, one.json["code"]) == (409, "still_refused")
