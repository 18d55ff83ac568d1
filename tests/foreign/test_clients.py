"""The unmodified clients of OpenMeter, Lago, Stripe and CloudEvents against the real service: `make test-clients`.

Each runs in an environment of its own, with the versions that stand beside its program. What it sent is then in the
books, each fact once, with the digits that it had.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.foreign.conftest import Send
from usage_billing.db.session import read_only

pytestmark = pytest.mark.clients


def _refused(engine: Engine) -> list[str]:
    with read_only(engine) as session:
        return list(session.scalars(text("SELECT detail FROM quarantined_usage ORDER BY id")))


def _times(rows: list[Any]) -> set[str]:
    return {row.occurred_at.isoformat() for row in rows}


def test_openmeter_for_python(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    assert send("send_openmeter") == ["401 ClientAuthenticationError"]
    found = books()
    assert [(row.key, row.quantity) for row in found] == [(key, 1) for key in ("four", "one", "six", "three", "two")]
    assert {row.subscription_id for row in found} == {"sub456"}
    assert _times(found) == {"2026-11-01T12:00:00.123456+00:00"}
    assert json.loads(found[0].metadata, parse_float=Decimal) == {
        "tokens": 15, "cost": Decimal("0.1"), "tiny": Decimal("0.0000001"), "big": 2**60, "text": "7", "nothing": None,
    }  # fmt: skip
    [detail] = _refused(engine)
    assert detail.startswith("event 1: type must be")


def test_lago_for_python(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    lines = send("send_lago")
    assert lines == [
        "one sub456 tokens", "None", "401 401 key_invalid", "422 422 validation_errors",
    ]  # fmt: skip
    found = books()
    assert [row.key for row in found] == ["four", "one", "three", "two"]
    assert _times(found) == {"2026-11-01T12:00:00+00:00", "2026-11-01T12:00:00.500000+00:00"}
    bad, late = _refused(engine)
    assert bad.startswith("event 1: code must be")
    assert late == "event 0: timestamp must be in seconds since 1970"


def test_stripe_for_python(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    assert send("send_stripe") == ["MeterEvent calls one"] * 2 + ["AuthenticationError 401"]
    found = books()
    quantities = {row.key: row.quantity for row in found}
    assert quantities == {
        "one": 25, "two": Decimal("0.1"), "three": Decimal("1E-7"), "four": 25, "five": 25, "six": 25,
    }  # fmt: skip
    assert json.loads(found[0].metadata) == {"model": "gpt"}
    alone, *streamed = _refused(engine)
    assert alone == "event 0: payload[value] is required"
    assert all(one.startswith("event 1: ") and "payload[value]" in one for one in streamed)


def test_litellm_reports_a_model_call_to_both(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    """The customer is all that it names, also where Lago has a subscription; a model without a price costs null."""
    send("send_litellm")
    found = books()
    assert _refused(engine) == []
    assert sorted(row.type for row in found) == ["calls", "calls", "tokens", "tokens"]
    assert {row.subscription_id for row in found} == {"sub456"}
    reports = [json.loads(row.metadata, parse_float=Decimal) for row in found if row.type == "tokens"]
    assert {report["total_tokens"] for report in reports} == {30}
    assert {report["cost"] for report in reports} == {Decimal("0.0000135"), None}


@pytest.mark.parametrize("version", [1, 2])
def test_cloudevents_for_python(version: int, send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    assert set(send(f"send_cloudevents_{version}")) == {"202"}
    found = books()
    assert [(row.key, row.source) for row in found] == [("one", "svc"), ("two", "svc")]
    assert _times(found) == {f"2026-11-01T12:00:00{'.500000' if version == 1 else ''}+00:00"}
    assert _refused(engine) == []


def test_the_clients_for_node(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    lines = send("send.mjs")
    found = books()
    assert _refused(engine) == []
    assert [(row.key, row.type, row.quantity) for row in found] == [
        ("ce-1", "tokens", 1), ("ce-2", "tokens", 1), ("la-1", "tokens", 1), ("la-2", "tokens", 1),
        ("om-1", "tokens", 1), ("om-2", "tokens", 1), ("st-1", "calls", 25), ("st-2", "calls", 25),
        ("st-3", "calls", 25),
    ]  # fmt: skip
    assert lines == [
        "openmeter 401 Not authenticated", "lago la-1", "lago 401 Unauthorized",
        "stripe billing.meter_event st-1", "stripe StripeAuthenticationError 401", "cloudevents 202", "cloudevents 202",
    ]  # fmt: skip
