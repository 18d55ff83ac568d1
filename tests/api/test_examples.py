"""What the documentation fills in is what its schema says, and the service does what is asked or says why not.

The world is the example of ``usage-billing up``, because there a reader tries a request first.
"""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from sqlalchemy import Engine

from api import examples
from api.ingest.routes import CLOUD_EVENTS
from api.problem_codes import CODES
from usage_billing.db.session import transaction
from usage_billing.flows.administration.first_start import Example, prepare
from usage_billing.settings import Settings

METHODS = ("get", "post", "patch", "put", "delete")
# What an example may meet: a made-up id is not there, and what was ended or made before is so already.
MAY_MEET = {404, 409}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/openapi.json").json
    return found


@pytest.fixture
def started(app: Flask, engine: Engine, settings: Settings, clock: Any) -> None:
    """The example, as the first start loads it."""
    with transaction(engine) as session:
        made = prepare(session, admin_key="", internal_key="", secret=settings.secret, seed=True, now=clock.now)
    assert made is Example.LOADED


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any], list[dict[str, Any]]]]:
    """Method, path, operation and all of its parameters."""
    return [
        (method, path, item[method], [*item.get("parameters", ()), *item[method].get("parameters", ())])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def is_valid(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    whole = {"components": document["components"], **schema}
    return bool(Draft202012Validator(whole).is_valid(value))


def body_of(operation: dict[str, Any]) -> tuple[dict[str, Any], Any] | None:
    """The schema and the example of a body, if there is one."""
    if "requestBody" not in operation:
        return None
    content = operation["requestBody"]["content"]["application/json"]
    return content["schema"], content["example"]


def test_every_body_and_every_path_has_an_example_of_its_schema(document: dict[str, Any]) -> None:
    bodies = 0
    for method, path, operation, parameters in operations(document):
        for parameter in parameters:
            if parameter["in"] == "path":
                assert "example" in parameter, (path, parameter["name"])
            if "example" in parameter:
                assert is_valid(document, parameter["schema"], parameter["example"]), (method, path, parameter)
        found = body_of(operation)
        if found is not None:
            assert is_valid(document, *found), (method, path, found[1])
            takes_any = path == CLOUD_EVENTS  # whose format has extensions
            assert is_valid(document, found[0], {**found[1], "noSuchField": 1}) == takes_any, (method, path)
            bodies += 1
    assert bodies == len(examples.BODIES)


def test_what_is_filled_in_is_done_or_answered_by_a_documented_problem(
    started: None, document: dict[str, Any], admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The address of an endpoint is looked up in the world's names, which a test does not ask.
    monkeypatch.setattr("api.views.endpoints.judged", lambda *_, **__: None)
    done, met, wrong = set(), {}, []
    for method, path, operation, parameters in operations(document):
        values = {(one["in"], one["name"]): one["example"] for one in parameters if "example" in one}
        url, found = path, body_of(operation)
        for (place, name), value in values.items():
            if place == "path":
                url = url.replace(f"{{{name}}}", str(value))
        query = {name: value for (place, name), value in values.items() if place == "query"}
        answer = admin.open(url, method=method.upper(), query_string=query, json=None if found is None else found[1])
        if str(answer.status_code) in operation["responses"] and answer.status_code < 300:
            done.add(operation["operationId"])
        elif answer.status_code in MAY_MEET and answer.json["code"] in CODES:
            met[operation["operationId"]] = answer.json["code"]
        else:
            wrong.append((method, url, answer.status_code, answer.text))
    assert wrong == []
    assert done >= {
        "record_usage",
        "record_batch",
        "process_billing",
        "preview_price",
        *_of(done | met.keys(), "create"),
    }
    # By then the endpoint of the deliveries is removed, and the invoice of the items is made up.
    assert done >= _of(done | met.keys(), "list") - {"list_items", "list_deliveries"}
    assert {one for one in met if one.startswith(("create", "change"))} <= {"change_api_key"}


def _of(operations: set[str], verb: str) -> set[str]:
    return {one for one in operations if one.startswith(f"{verb}_")}
