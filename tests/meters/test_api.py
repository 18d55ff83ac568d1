"""Meters over HTTP: defined, shown, tried out, defined anew, retired; and each way of asking wrongly."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.conftest import Clock, Drain
from tests.factories.meters import fold
from usage_billing.db.session import transaction

METER = {
    "id": "tokens-by-model",
    "of": "assessment",
    "unitName": "token",
    "value": "input_tokens + output_tokens",
    "where": 'status == "ok"',
    "dimensions": ["model", {"as": "way", "value": "streaming == true ? 'stream' : 'whole'"}],
    "seriesLimit": 10,
    "since": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def meters(world: Engine, admin: FlaskClient) -> FlaskClient:
    """An administrator in the founding document's world."""
    return admin


def define(admin: FlaskClient, **changes: Any) -> Any:
    body = {name: value for name, value in (METER | changes).items() if value is not None}
    return admin.post("/api/usage-types", json=body)


def test_a_meter_is_shown_as_it_was_defined(meters: FlaskClient) -> None:
    made = define(meters)
    assert made.status_code == 201, made.json
    expected = {
        "id": "tokens-by-model",
        "unitName": "token",
        "aggregation": "sum",
        "of": "assessment",
        "value": "input_tokens + output_tokens",
        "where": 'status == "ok"',
        "dimensions": [
            {"as": "model", "value": "model"},
            {"as": "way", "value": "streaming == true ? 'stream' : 'whole'"},
        ],
        "seriesLimit": 10,
        "version": 1,
        "effectiveFrom": "1970-01-01T00:00:00Z",
        "since": "2026-01-01T00:00:00Z",
        "retiredAt": None,
    }
    assert {name: made.json[name] for name in expected} == expected
    assert meters.get("/api/usage-types/tokens-by-model").json == made.json
    [listed] = [one for one in meters.get("/api/usage-types").json["data"] if one["of"]]
    assert listed == made.json


def test_recordings_are_counted_and_read_as_any_usage(
    meters: FlaskClient, engine: Engine, drain: Drain, clock: Clock
) -> None:
    define(meters)
    for number, (model, status) in enumerate((("gpt", "ok"), ("gpt", "ok"), ("mini", "ok"), ("gpt", "error"))):
        body = {
            "userId": "user123",
            "subscriptionId": "sub456",
            "usageType": "assessment",
            "quantity": 1,
            "idempotencyKey": f"call-{number}",
            "metadata": {"model": model, "status": status, "input_tokens": 10, "output_tokens": 2.5},
        }
        assert meters.post("/api/usage/record", json=body).status_code == 202
    assert drain() == 4
    assert meters.get("/api/usage-types/tokens-by-model/folding").json["behind"] == 4
    with transaction(engine) as session:
        fold(session)
    lines = meters.get("/api/usage/subscription/sub456").json["usage"]
    assert {line["usageType"]: line["used"] for line in lines} == {"assessment": "4", "tokens-by-model": "37.5"}
    assert meters.get("/api/usage-types/tokens-by-model/folding").json["behind"] == 0


@pytest.mark.parametrize(
    ("changes", "pointer", "code", "says"),
    [
        ({"value": "input_tokens +"}, "/value", "not_an_expression", "at character 15"),
        ({"value": "size(x)"}, "/value", "not_an_expression", "no function size"),
        ({"value": "(" * 31 + "x" + ")" * 31}, "/value", "not_an_expression", "30 deep"),
        ({"value": "x" * 1001}, "/value", "not_an_expression", "1000 characters"),
        ({"value": "status == 'ok'"}, "/value", "not_an_expression", "a number is wanted"),
        ({"where": "streaming"}, "/where", "not_an_expression", "a field alone is no condition"),
        ({"where": "x + 1"}, "/where", "not_an_expression", "a condition is wanted"),
        ({"aggregation": "median"}, "/aggregation", "not_supported", "sum, count"),
        ({"aggregation": "count"}, "/value", "contradiction", "a count has no value"),
        ({"aggregation": "unique_count", "value": None}, "/value", "required", "needs a value"),
        ({"aggregation": "max", "value": "status == 'ok'"}, "/value", "not_an_expression", "a number is wanted"),
        ({"aggregation": "median"}, "/aggregation", "not_supported", "sum, count, max"),
        ({"mode": "change"}, "/mode", "contradiction", "is of a level"),
        ({"of": "nothing"}, "/of", "unknown_usage_type", "no usage type"),
        ({"of": None}, "/value", "contradiction", "is a meter's"),
        ({"seriesLimit": 100_001}, "/seriesLimit", "out_of_range", "100000"),
        ({"seriesLimit": 0}, "/seriesLimit", "out_of_range", ""),
        ({"dimensions": ["a", "b", "c", "d", "e"]}, "/dimensions", "out_of_range", "at most 4"),
        ({"dimensions": ["a", "a"]}, "/dimensions/1", "contradiction", "is taken"),
        ({"dimensions": ["other"]}, "/dimensions/0", "contradiction", "is taken"),
        ({"dimensions": ["a + b"]}, "/dimensions/0", "required", "needs a name"),
        ({"dimensions": ["a +"]}, "/dimensions/0", "not_an_expression", "at character 4"),
        ({"dimensions": [{"as": "x"}]}, "/dimensions/0/value", "not_a_text", ""),
        ({"dimensions": [{"as": "x", "value": "x", "y": 1}]}, "/dimensions/0/y", "unknown", ""),
        ({"dimensions": [7]}, "/dimensions/0", "invalid", ""),
        ({"dimensions": "model"}, "/dimensions", "invalid", ""),
        ({"window": {"every": "day"}}, "/window/across", "required", ""),
        ({"window": {"across": "max"}}, "/window/every", "required", ""),
        ({"window": {"every": "7m", "across": "max"}}, "/window/every", "not_supported", "5m, hour, day"),
        ({"window": {"every": 5, "across": "max"}}, "/window/every", "not_supported", ""),
        ({"window": {"every": "day", "across": "median"}}, "/window/across", "not_supported", "percentile"),
        ({"window": {"every": "day", "across": "percentile"}}, "/window/percent", "required", "95"),
        ({"window": {"every": "day", "across": "max", "percent": 95}}, "/window/percent", "contradiction", ""),
        (
            {"window": {"every": "day", "across": "percentile", "percent": 0}},
            "/window/percent",
            "out_of_range",
            "above 0",
        ),
        ({"window": {"every": "day", "across": "percentile", "percent": 101}}, "/window/percent", "not_a_decimal", ""),
        ({"window": {"every": "day", "across": "percentile", "percent": -5}}, "/window/percent", "not_a_decimal", ""),
        ({"window": {"every": "day", "across": "percentile", "percent": True}}, "/window/percent", "not_a_decimal", ""),
        ({"window": {"every": "day", "across": "max", "empty": "null"}}, "/window/empty", "not_supported", "skip"),
        ({"window": {"every": "day", "across": "max", "rate": "week"}}, "/window/rate", "not_supported", ""),
        (
            {"aggregation": "max", "window": {"every": "day", "across": "max", "rate": "hour"}},
            "/window/rate",
            "contradiction",
            "adds up",
        ),
        ({"window": {"every": "day", "across": "max", "size": 1}}, "/window/size", "unknown", ""),
        ({"window": "day"}, "/window", "not_an_object", "every"),
        (
            {"aggregation": "level", "mode": "set", "per": "hour", "window": {"every": "day", "across": "max"}}
            | {"seriesLimit": None},
            "/window",
            "contradiction",
            "no windows",
        ),
        ({"of": None, "value": None, "window": {"every": "day", "across": "max"}}, "/where", "contradiction", ""),
    ],
)
def test_a_wrong_definition_is_refused_where_it_is_wrong(
    meters: FlaskClient, engine: Engine, changes: dict[str, Any], pointer: str, code: str, says: str
) -> None:
    answer = define(meters, **changes)
    assert answer.status_code == 422, answer.json
    [error] = answer.json["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert says in error["detail"]
    assert meters.get("/api/usage-types/tokens-by-model").status_code == 404


def test_a_meter_of_a_meter_is_refused(meters: FlaskClient) -> None:
    define(meters)
    answer = define(meters, id="another", of="tokens-by-model")
    assert answer.status_code == 422
    assert "name the usage type that it counts, assessment" in answer.json["errors"][0]["detail"]
    assert define(meters).status_code == 409


def test_a_definition_is_a_version_for_later_periods(meters: FlaskClient, clock: Clock) -> None:
    define(meters)
    changed = meters.patch(
        "/api/usage-types/tokens-by-model", json={"where": None, "effectiveFrom": "2026-12-01T00:00:00Z"}
    )
    assert changed.status_code == 200, changed.json
    assert (changed.json["version"], changed.json["where"], changed.json["value"]) == (2, None, METER["value"])
    versions = meters.get("/api/usage-types/tokens-by-model/definitions").json["data"]
    assert [(one["version"], one["where"]) for one in versions] == [(2, None), (1, METER["where"])]
    early = meters.patch(
        "/api/usage-types/tokens-by-model", json={"value": "x", "effectiveFrom": "2026-11-20T00:00:00Z"}
    )
    assert (early.status_code, early.json["errors"][0]["pointer"]) == (422, "/effectiveFrom")
    past = meters.patch(
        "/api/usage-types/tokens-by-model", json={"value": "x", "effectiveFrom": "2026-11-01T00:00:00Z"}
    )
    assert (past.status_code, past.json["errors"][0]["detail"]) == (422, "must not be in the past")
    assert meters.patch("/api/usage-types/tokens-by-model", json={}).status_code == 422
    alone = meters.patch("/api/usage-types/tokens-by-model", json={"effectiveFrom": "2027-01-01T00:00:00Z"})
    assert alone.status_code == 422
    plain = meters.patch("/api/usage-types/assessment", json={"value": "x"})
    assert (plain.status_code, plain.json["code"]) == (409, "not_a_meter")
    assert meters.get("/api/usage-types/assessment/definitions").json == {"data": []}
    assert meters.get("/api/usage-types/nothing/definitions").status_code == 404


def test_a_retired_meter_counts_no_more_and_keeps_what_it_has(
    meters: FlaskClient, engine: Engine, drain: Drain
) -> None:
    define(meters, aggregation="count", value=None, where=None, dimensions=None)
    body = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": 1}
    meters.post("/api/usage/record", json=body)
    drain()
    assert meters.post("/api/usage-types/tokens-by-model/retire").json["retiredAt"] is not None
    meters.post("/api/usage/record", json=body)
    drain()
    with transaction(engine) as session:
        fold(session)
        assert session.scalar(text("SELECT sum(events) FROM meter_totals")) == 1
    again = meters.post("/api/usage-types/tokens-by-model/retire")
    assert (again.status_code, again.json["code"]) == (409, "meter_retired")
    assert meters.post("/api/usage-types/assessment/retire").json["code"] == "not_a_meter"
    assert meters.post("/api/usage-types/nothing/retire").status_code == 404


def test_a_definition_is_tried_out_on_metadata(meters: FlaskClient) -> None:
    terms = {name: METER[name] for name in ("value", "where", "dimensions")}

    def tried(metadata: Any) -> Any:
        answer = meters.post("/api/usage-types/evaluate", json=terms | {"metadata": metadata})
        assert answer.status_code == 200, answer.json
        return answer.json["data"][0]

    good = tried({"status": "ok", "input_tokens": 0.1, "output_tokens": "0.2", "model": "gpt", "streaming": True})
    assert (good["counts"], good["value"]) == (True, "0.3")
    assert good["dimensions"] == {"model": "gpt", "way": "stream"}
    assert good["refusals"] == []
    other = tried({"status": "error", "input_tokens": 1, "output_tokens": 1})
    assert (other["counts"], other["value"], other["refusals"]) == (False, None, [])
    bad = tried({"status": "ok", "input_tokens": "many", "model": ["gpt"]})
    assert (bad["counts"], bad["value"]) == (None, None)
    assert bad["refusals"] == [
        "value: a field that it needs is missing or unfit",
        "model: a list, an object, or longer than 128 characters; counts as null",
    ]
    assert tried({"input_tokens": 1})["refusals"][0] == "where: a field that it needs is missing or unfit"


def test_a_definition_is_tried_out_on_recordings_and_what_is_skipped_is_listed(
    meters: FlaskClient, engine: Engine, drain: Drain
) -> None:
    define(meters, value="n", where=None, dimensions=None)
    body = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": 1}
    for n in (1, "NaN", 3):
        meters.post("/api/usage/record", json=body | {"metadata": {"n": n}})
    drain()
    with transaction(engine) as session:
        assert fold(session).skipped == 1
    asked = {"value": "n", "of": "assessment", "subscriptionId": "sub456", "last": 3}
    tried = meters.post("/api/usage-types/evaluate", json=asked).json["data"]
    assert sorted((one["value"] or "") for one in tried) == ["", "1", "3"]
    [skipped] = meters.get("/api/usage-types/tokens-by-model/skipped").json["data"]
    assert skipped["recordId"] in {one["recordId"] for one in tried}
    assert skipped["refusals"] == ["value: a field that it needs is missing or unfit"]
    assert meters.get("/api/usage-types/tokens-by-model/folding").json["skipped"] == 1
    assert meters.get("/api/usage-types/assessment/skipped").json == {"data": []}
    assert meters.get("/api/usage-types/assessment/folding").json["code"] == "not_a_meter"
    assert meters.get("/api/usage-types/nothing/folding").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"value": "n"}, 422, "/subscriptionId"),
        ({"value": "n", "subscriptionId": "sub456"}, 422, "/of"),
        ({"value": "n", "metadata": {}, "subscriptionId": "sub456"}, 422, "/subscriptionId"),
        ({"value": "n", "metadata": {}, "last": 3}, 422, "/last"),
        ({"value": "n +", "metadata": {}}, 422, "/value"),
        ({"value": "n", "metadata": [1]}, 422, "/metadata"),
        ({"value": "n", "of": "assessment", "subscriptionId": "nothing"}, 404, None),
    ],
)
def test_a_wrong_trial_is_refused(meters: FlaskClient, body: Any, status: int, pointer: str | None) -> None:
    answer = meters.post("/api/usage-types/evaluate", json=body)
    assert answer.status_code == status, answer.json
    if pointer is not None:
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_windows_are_shown_and_no_later_definition_changes_them(meters: FlaskClient) -> None:
    window = {"every": "5m", "across": "percentile", "percent": 95, "rate": "second"}
    made = define(meters, window=window)
    assert made.status_code == 201, made.json
    shown = {"every": "5m", "across": "percentile", "percent": "95", "empty": "zero", "rate": "second"}
    assert made.json["window"] == shown
    for change in ({"window": {"every": "day", "across": "max"}}, {"window": None}):
        refused = meters.patch("/api/usage-types/tokens-by-model", json=change)
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/window")
    later = {"where": None, "effectiveFrom": "2027-01-01T00:00:00Z"}
    assert meters.patch("/api/usage-types/tokens-by-model", json=later).json["window"] == shown
    tried = {"value": "n", "window": window, "metadata": {"n": 3}}
    assert meters.post("/api/usage-types/evaluate", json=tried).json["data"][0]["value"] == "3"
    wrong = meters.post("/api/usage-types/evaluate", json=tried | {"window": {"every": "day"}})
    assert wrong.json["errors"][0]["pointer"] == "/window/across"
    price = {"model": "by_dimension", "cells": [], "default": {"model": "per_unit", "unitPrice": "1"}}
    cells = [{"name": "GPT", "when": {"model": "gpt"}, "price": {"model": "per_unit", "unitPrice": "2"}}]
    quota = {"planId": "business", "usageType": "tokens-by-model", "monthlyLimit": 0, "unitName": "token"}
    answer = meters.post("/api/quotas", json=quota | {"price": price | {"allowance": "in_order", "cells": cells}})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "not_supported")
    assert "windows" in answer.json["errors"][0]["detail"]
