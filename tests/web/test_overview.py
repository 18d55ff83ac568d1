"""The overview shows the API's figures, and asks the database for no more than it needs."""

from datetime import datetime

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Clock
from tests.factories import make_recording, record
from tests.support.statements import statements_of
from tests.web.conftest import Books, OpenPortal
from usage_billing.db.session import once, read_only, transaction


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


def test_the_part_that_moves_asks_nothing_twice(app: Flask, used: Books, portal: OpenPortal) -> None:
    from api.state import state_of

    browser = portal()
    tag = browser.get("/portal/overview/live").headers["ETag"]
    with statements_of(state_of(app).engine) as sent:
        assert browser.get("/portal/overview/live").status_code == 200
    assert len(sent) <= 18
    assert len(set(sent)) == len(sent)
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
