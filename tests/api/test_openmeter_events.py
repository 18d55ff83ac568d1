"""What OpenMeter's clients list of the events that came in, and of what is wrong with some."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from usage_billing.reports import ingested

EVENTS = "/openmeter/api/v1/events"
BATCH = "application/cloudevents-batch+json"


def _event(now: datetime, key: str, *, hours: int = 0, **more: Any) -> dict[str, Any]:
    event = {"specversion": "1.0", "id": key, "source": "svc", "type": "assessment", "subject": "user123"}
    at = now - timedelta(hours=hours)
    return event | {"time": at.isoformat().replace("+00:00", "Z"), "data": {"n": 7}} | more


@pytest.fixture
def sent(world: Engine, writer: FlaskClient, drain: Callable[[], Any], now: datetime) -> list[dict[str, Any]]:
    """Three events that are counted, one of no known customer, one that cannot be read."""
    events = [
        _event(now, "first", hours=2),
        _event(now, "second", hours=1, subject="sub456"),
        _event(now, "late", hours=80),
        _event(now, "lost", subject="nobody"),
        _event(now, "bad", type="has blanks"),
    ]
    assert writer.post(EVENTS, data=json.dumps(events), content_type=BATCH).status_code == 204
    drain()
    return events


def _listed(reader: FlaskClient, **asked: Any) -> list[dict[str, Any]]:
    answer = reader.get(EVENTS, query_string=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json
    return found


def _ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["event"]["id"] for one in found]


def test_events_are_listed_as_they_came_with_what_is_wrong(
    reader: FlaskClient, sent: list[dict[str, Any]], now: datetime
) -> None:
    found = _listed(reader)
    assert _ids(found) == ["bad", "lost", "second", "first"], "of the last 72 hours, the latest first"
    bad, lost, second, first = found
    assert bad["event"] == sent[4]
    assert bad["validationError"].startswith("broken_payload: event 4: type must be")
    assert lost["event"] == sent[3] | {"time": lost["event"]["time"]}
    assert lost["validationError"].startswith("unknown_subscription: ")
    assert "validationError" not in first | second
    assert first["event"] == sent[0] | {"subject": "sub456", "time": first["event"]["time"]}
    assert datetime.fromisoformat(first["event"]["time"]) == now - timedelta(hours=2)
    assert (first["customerId"], lost.get("customerId")) == ("user123", None)
    assert datetime.fromisoformat(first["ingestedAt"]) == now


@pytest.mark.usefixtures("sent")
def test_a_part_of_them_is_asked_for(reader: FlaskClient, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingested, "_SLACK", timedelta(days=10_000))  # ids have the machine's time, which is another

    def at(hours: float) -> str:
        return (now - timedelta(hours=hours)).isoformat()

    assert _ids(_listed(reader, limit=2)) == ["bad", "lost"]
    assert (
        _ids(_listed(reader, subject="user123")) == _ids(_listed(reader, customerId="user123")) == ["second", "first"]
    )
    assert _ids(_listed(reader, subject="user123", **{"from": at(100)})) == ["second", "first", "late"]
    assert _ids(_listed(reader, subject="nobody")) == ["lost"]
    assert _ids(_listed(reader, subject="sub456", customerId="rival")) == []
    assert _ids(_listed(reader, **{"from": at(100), "to": at(2)})) == ["late", "first"]
    assert _ids(_listed(reader, **{"from": at(1.5), "to": at(1)})) == ["second"], "both ends are part of it"
    assert _ids(_listed(reader, id="irs")) == ["first"]
    assert _listed(reader, ingestedAtTo=at(1)) == _listed(reader, ingestedAtFrom=at(-1)) == []
    assert len(_listed(reader, ingestedAtFrom=at(0), ingestedAtTo=at(0))) == 4


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("asked", [{}, {"subject": "user123"}])
def test_what_is_beyond_the_bound_is_said(
    reader: FlaskClient, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    monkeypatch.setattr(ingested, "MOST_LOOKED_AT", 1)
    answer = reader.get(EVENTS, query_string=asked)
    assert (answer.status_code, answer.json["code"]) == (400, "too_much")  # type: ignore[index]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("from=yesterday", "from"), ("colour=red", "colour"),
        ("id=a&id=b", "id"), ("ingestedAtTo=2026", "ingestedAtTo"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(reader: FlaskClient, asked: str, field: str) -> None:
    answer = reader.get(f"{EVENTS}?{asked}")
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"][0]["parameter"] == field  # type: ignore[index]
