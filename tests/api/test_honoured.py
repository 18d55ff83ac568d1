"""What a request says is honoured or refused, on every route."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.auth import rule_of
from tests.api.conftest import EVENT
from tests.conftest import As
from tests.support.callers import FOREIGN, Keys

pytestmark = pytest.mark.usefixtures("world")
ID = "01a20414-889a-718b-8ca0-84ba671558f5"


def routes(app: Flask) -> list[tuple[str, str]]:
    """Every method and address that needs a credential, with something in each place."""
    found = []
    for rule in app.url_map.iter_rules():
        # Whatever an event of another program's holds, it is accepted: what cannot be read is seen in quarantine.
        if rule_of(app, rule.endpoint).public or rule.endpoint.startswith((*FOREIGN, "cloud_events.")):
            continue
        path = re.sub(r"<uuid:[^>]*>", ID, rule.rule)
        path = re.sub(r"<(int|number)[^>]*>", "1", path)
        path = re.sub(r"<[^>]*>", "nothing", path)
        found += [(method, path) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


def test_no_route_passes_over_a_parameter_or_a_field(app: Flask, call_as: As, keys: Keys) -> None:
    """The list is made from the routes, so that one that comes is looked at too."""
    admin, asked = call_as(keys.admin), routes(app)
    assert len(asked) > 50
    for method, path in asked:
        answer = admin.open(f"{path}?no-such-parameter=1", method=method)
        assert answer.status_code == 422, (method, path, answer.status_code)
        assert "unknown" in answer.text, (method, path)
        if method != "GET":
            answer = admin.open(path, method=method, json={"noSuchField": "0.01"})
            assert answer.status_code == 422, (method, path, answer.status_code)
            assert "noSuchField" in answer.text, (method, path)


def test_a_parameter_given_twice_is_refused(call_as: As, keys: Keys) -> None:
    answer = call_as(keys.admin).get("/api/plans?limit=1&limit=2")
    assert answer.status_code == 422
    assert "repeated" in answer.text


@pytest.mark.parametrize("body", [None, b"", b"{}", b" { } "], ids=["none", "empty", "an object", "spaces"])
def test_nothing_said_is_nothing_refused(call_as: As, keys: Keys, body: bytes | None) -> None:
    answer = call_as(keys.admin).post(f"/api/invoices/{ID}/void", data=body, content_type="application/json")
    assert answer.status_code == 404


@pytest.mark.parametrize("body", [b"[]", b"1", b"null"])
def test_what_is_no_object_is_refused_too(call_as: As, keys: Keys, body: bytes) -> None:
    answer = call_as(keys.admin).post(f"/api/invoices/{ID}/void", data=body, content_type="application/json")
    assert answer.status_code == 422


def test_recording_takes_no_parameters(writer: FlaskClient) -> None:
    assert writer.post("/api/usage/record?dryRun=1", json=EVENT).status_code == 422
    assert writer.post("/api/usage/record", json=EVENT).status_code == 202
