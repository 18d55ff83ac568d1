"""What every answer carries, and what a problem looks like."""

import json
import logging
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.conftest import EVENT
from tests.conftest import As
from tests.support.callers import Keys
from usage_billing import logs
from usage_billing.settings import Settings


@pytest.mark.parametrize("path", ["/health/live", "/api/docs", "/api/openapi.json", "/api/customers", "/nothing"])
def test_every_answer_has_the_headers_of_a_careful_service(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-eval" not in headers["Content-Security-Policy"]
    assert "Server" not in headers
    assert "Strict-Transport-Security" not in headers
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers


def test_behind_https_browsers_are_told_to_stay_there(client: FlaskClient) -> None:
    answer = client.get("/health/live", base_url="https://billing.example")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a-request-id-of-mine", True),
        ("x" * 129, False),
        ("short", False),
        ("with space in it", False),
        ("é" * 10, False),
    ],
)
def test_a_sane_request_id_is_kept(client: FlaskClient, given: str, kept: bool) -> None:
    answer = client.get("/health/live", headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is kept
    assert len(answer.headers["X-Request-Id"]) >= 8


def test_a_method_that_is_not_taken(client: FlaskClient) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        answer = client.open("/api/usage/record", method=method)
        assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "POST"


def test_a_problem_is_what_rfc_9457_says(client: FlaskClient) -> None:
    answer = client.get("/api/customers")
    assert answer.json == {
        "type": "/api/docs/problems#not_authenticated",
        "title": "Not authenticated",
        "status": 401,
        "detail": "give x-api-key: KEY, or Authorization: Bearer with a key or a token",
        "code": "not_authenticated",
        "requestId": answer.headers["X-Request-Id"],
    }
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_mistake_of_ours_tells_nothing_and_is_logged(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the secret formula")

    monkeypatch.setattr("api.views.customers.get_customer", broken)
    with caplog.at_level(logging.ERROR):
        answer = admin.get("/api/customers/acme")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "secret formula" not in answer.get_data(as_text=True)
    assert "secret formula" in caplog.text


def test_no_credential_is_logged(
    call_as: As, keys: Keys, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        call_as(keys.writer).post("/api/usage/record", json=EVENT)
        client.get("/api/customers", headers={"x-api-key": "a-key-that-does-not-hold"})
    assert keys.writer not in caplog.text
    assert "a-key-that-does-not-hold" not in caplog.text


def test_a_request_is_one_line_of_log(admin: FlaskClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, before = logging.getLogger(), [*logging.getLogger().handlers]
    logs.configure(Settings(logs=tmp_path), "test")
    try:
        admin.get("/api/customers?limit=5")
        said = capsys.readouterr().err.splitlines()
    finally:
        for handler in {*root.handlers} - {*before}:
            root.removeHandler(handler)
            handler.close()
    [file] = tmp_path.glob("*.log")
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    [line] = [one for one in lines if one["logger"] == "api.access"]
    assert (line["message"], line["status"], line["actor"][:7]) == ("GET /api/customers 200", 200, "key:ub_")
    assert [text for text in said if f"api.access: GET /api/customers 200 requestId={line['requestId']}" in text]
