"""The page of today says what the API says, and leads to where each figure comes from."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

from flask import Flask
from sqlalchemy import Engine

from tests.conftest import As
from tests.factories import make_recording, record
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run
from web.admin import today
from web.numbers import Writer

WRITER = Writer(locale="en", zone="UTC")


def figures(page: str) -> dict[str, str]:
    """The figures of a page that say what they are."""
    return dict(re.findall(r'data-figure="([^"]+)"[^>]*>([^<]*)<', page))


def _busy(engine: Engine, now: datetime) -> None:
    """Two recordings in quarantine, and a draft."""
    with transaction(engine) as session:
        lost = [make_recording(now=now, subscription="none", key=f"lost-{number}") for number in range(2)]
        record(session, *lost)
        run_id = open_run(session, RunRequest(as_of=now), requested_by="test", now=now).id
    run_to_end(engine, run_id, settings_grace=timedelta(hours=1), on_progress=lambda _: None)


def test_figures_are_the_apis(
    desk: DeskBrowser, used: Books, engine: Engine, now: datetime, call_as: As, keys: Keys
) -> None:
    _busy(engine, now)
    page = desk.see("/admin")
    found = figures(page)
    api = call_as(keys.admin)
    drafts = api.get("/api/invoices?status=draft").json["data"]  # type: ignore[index]
    total = sum((Decimal(one["total"]) for one in drafts), Decimal(0))
    assert total
    assert found["drafts-USD"] == WRITER.money(total, "USD")
    quarantined = api.get("/api/quarantine?status=open").json["data"]  # type: ignore[index]
    assert found["quarantined"] == found["reason-unknown_subscription"] == str(len(quarantined)) == "2"
    assert found["waiting"] == "0"
    runs = api.get("/api/billing-runs").json["data"]  # type: ignore[index]
    assert re.findall(r'href="/admin/runs/([0-9a-f-]{36})"', page) == [one["id"] for one in runs]
    for address in ("records", "quarantine", "invoices?status=draft", "quarantine?reason=unknown_subscription"):
        assert f'href="/admin/{address}"' in page


def test_what_is_wrong_stands_first(desk: DeskBrowser, used: Books, engine: Engine, now: datetime) -> None:
    _busy(engine, now)
    page = desk.see("/admin")
    assert page.index("No worker runs") < page.index("Recordings name subscriptions that do not exist")


def test_an_empty_service(desk: DeskBrowser) -> None:
    page = desk.see("/admin")
    assert "no drafts" in page
    assert "Everything that was accepted is counted" in page
    assert "No runs yet" in page


def test_the_part_that_moves_is_unchanged_until_it_does(
    desk: DeskBrowser, used: Books, engine: Engine, now: datetime
) -> None:
    first = desk.client.get("/admin/today/live")
    tag = first.headers["ETag"]
    assert desk.client.get("/admin/today/live", headers={"If-None-Match": tag}).status_code == 304
    with transaction(engine) as session:
        record(session, make_recording(now=now, subscription="none"))
    again = desk.client.get("/admin/today/live", headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert figures(again.text)["quarantined"] == "1"


def test_a_rate_is_made_of_two_looks_ten_seconds_apart(app: Flask, monkeypatch: object) -> None:
    seconds = iter([100, 105, 111, 121, 122])
    monkeypatch.setattr(today.time, "monotonic", lambda: next(seconds))  # type: ignore[attr-defined]
    memory = today._Memory()
    looks = [memory.a_second(recorded) for recorded in (0, 50, 110, 210, 5)]
    # The counter went back: it is another database's.
    assert looks == [None, None, Decimal("10.0"), Decimal("10.0"), None]
