"""The overview shows the API's figures, and asks the database for no more than it needs."""

import sys
from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Clock
from tests.factories import make_recording, record
from tests.support.statements import statements_of
from tests.web.conftest import Books, OpenPortal
from usage_billing.core import giving_way
from usage_billing.db.session import once, read_only, transaction
from web.portal import kept


def test_its_figures_are_the_apis(
    world: None, engine: Engine, now: datetime, portal: OpenPortal, reader: FlaskClient
) -> None:
    with transaction(engine) as session:
        record(session, *(make_recording(now=now) for _ in range(53)))
    page = portal().get("/portal").text
    usage = reader.get("/api/usage/user/user123").json
    assert usage is not None
    line = next(one for one in usage["usage"] if one["usageType"] == "assessment")
    assert line["used"] == "53"
    assert '<strong data-used="assessment">53</strong>' in page
    assert f'data-figure="total">${usage["totals"]["USD"]}' in page


def test_the_part_that_moves_asks_nothing_twice(
    app: Flask, used: Books, portal: OpenPortal, engine: Engine, clock: Clock
) -> None:
    from api.state import state_of

    browser = portal()
    tag = browser.get("/portal/overview/live").headers["ETag"]
    with statements_of(state_of(app).engine) as sent:
        assert browser.get("/portal/overview/live").status_code == 200
    assert len(sent) == 1  # it is kept
    kept.forget()
    with statements_of(state_of(app).engine) as sent:
        assert browser.get("/portal/overview/live").status_code == 200
    assert len(sent) <= 21
    assert len(set(sent)) == len(sent)
    for _ in range(2):  # what was charged before is asked once there is something to charge
        with transaction(engine) as session:
            record(session, make_recording(now=clock()))
        with statements_of(state_of(app).engine) as sent:
            assert browser.get("/portal/overview/live", headers={"If-None-Match": tag}).status_code == 200
    assert len(sent) <= 5
    tag = browser.get("/portal/overview/live").headers["ETag"]
    with statements_of(state_of(app).engine) as sent:
        assert browser.get("/portal/overview/live", headers={"If-None-Match": tag}).status_code == 304
    assert len(sent) == 1


def test_what_is_kept_of_contracts_goes_with_a_change(
    app: Flask, used: Books, portal: OpenPortal, admin: FlaskClient, clock: Clock
) -> None:
    browser = portal()
    tag = browser.get("/portal/overview/live").headers["ETag"]
    assert admin.post("/api/subscriptions/sub456/pause", json={"at": "now"}).status_code == 200
    clock.advance(seconds=1)
    assert browser.get("/portal/overview/live", headers={"If-None-Match": tag}).status_code == 200
    assert "Paused: nothing is charged." in browser.get("/portal").text


def test_a_moment_is_asked_once_and_a_change_each_time(engine: Engine) -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return len(asked)

    with read_only(engine) as session:
        assert [once(session, "a", ask), once(session, "a", ask), once(session, "b", ask)] == [1, 1, 2]
    with transaction(engine) as session:
        assert [once(session, "a", ask), once(session, "a", ask)] == [3, 4]


def test_while_the_part_that_moves_is_written_others_go_first(
    used: Books, portal: OpenPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = portal()
    kept.forget()
    gave_way: list[str] = []
    monkeypatch.setattr(giving_way, "SLICE_NANOSECONDS", 0)
    giving_way.let_others_go(lambda: gave_way.append(sys._getframe(2).f_code.co_name))
    try:
        assert browser.get("/portal/overview/live").status_code == 200
    finally:
        giving_way.let_others_go(None)
    assert gave_way.count("render") > 30
