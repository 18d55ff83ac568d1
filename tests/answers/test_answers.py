"""What every noun looks like, over the API and as ``--json``: each answer whole, in a file that is reviewed."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.answers.conftest import Cli
from tests.answers.snapshots import FOLDER, check

API = {
    "customers": (
        "GET /api/customers",
        "GET /api/customers/acme",
        "GET /api/customers/user123/credits",
        "GET /api/customers/nobody",
    ),
    "seller": ("GET /api/seller",),
    "plans": ("GET /api/plans", "GET /api/plans/gold"),
    "usage_types": ("GET /api/usage-types", "GET /api/usage-types/report"),
    "quotas": ("GET /api/quotas", "GET /api/quotas/{quota}"),
    "subscriptions": ("GET /api/subscriptions", "GET /api/subscriptions/sub-acme"),
    "keys": (
        "GET /api/api-keys?limit=2",
        "GET /api/api-keys/{key}",
        'POST /api/api-keys {"name": "more", "scopes": ["usage:write"]}',
    ),
    "quarantine": ("GET /api/quarantine", "GET /api/quarantine/{stray}"),
    "invoices": (
        "GET /api/invoices?limit=2",
        "GET /api/invoices/{invoice}",
        "GET /api/invoices/{invoice}/items/{item}/explain?limit=1",
        "GET /api/subscriptions/sub456/upcoming-invoice",
    ),
    "runs": ("GET /api/billing-runs?limit=1", "GET /api/billing-runs/{run}", "POST /api/usage/process-billing"),
    "usage": ("GET /api/usage/user/user123", "GET /api/usage/subscription/sub-acme"),
    "records": (
        "GET /api/usage/subscription/sub456/records?limit=2",
        "GET /api/usage/records/{kept}",
        "GET /api/usage/records/{again}",
        "GET /api/usage/records/{taken}",
        "GET /api/usage/records/{stray}",
    ),
    "recording": (
        'POST /api/usage/record {"userId": "acme", "subscriptionId": "sub-acme", "usageType": "report", "quantity": 1}',
        'POST /api/usage/record/batch {"events": [{"userId": "user123", "subscriptionId": "sub456",'
        ' "usageType": "report", "quantity": "0.1"}]}',
        'POST /api/usage/record {"quantity": -1}',
    ),
    "prices": (
        'POST /api/prices/preview {"price": {"model": "package", "packageSize": 3, "packagePrice": "1.1",'
        ' "discountPercent": 10}, "quantity": "8", "currency": "KWD"}',
    ),
    "health": ("GET /health/live", "GET /health/ready"),
}
CLI = {
    "customers": ("customers list", "customers show acme"),
    "seller": ("seller show",),
    "plans": ("plans list", "plans show gold"),
    "usage_types": ("usage-types list", "usage-types show report"),
    "quotas": ("quotas list --all", "quotas show {quota}"),
    "subscriptions": ("subscriptions list", "subscriptions show sub-acme"),
    "keys": ("keys list --all", "keys create --name more --scope usage:write"),
    "quarantine": ("quarantine list", "quarantine show {discarded}"),
    "invoices": (
        "invoices list --limit 2",
        "invoices show INV-00000001",
        "invoices explain INV-00000001 --events 1",
    ),
    "runs": ("runs list --limit 1", "runs show {run}"),
    "records": ("usage show {kept}", "usage show {again}", "usage show {taken}", "usage show {stray}"),
    "prices": ('prices preview --quantity 8 --currency KWD --price {"model":"flat","amount":"2"}',),
}


@pytest.mark.parametrize("noun", API)
def test_over_the_api(books: dict[str, str], app: Flask, admin: FlaskClient, noun: str) -> None:
    check(f"api/{noun}", {asked: _ask(admin, asked, books) for asked in API[noun]})


@pytest.mark.parametrize("noun", CLI)
def test_as_json_at_a_terminal(books: dict[str, str], cli: Cli, noun: str) -> None:
    check(f"cli/{noun}", {asked: _call(cli, asked, books) for asked in CLI[noun]})


def test_the_openapi_document(client: FlaskClient) -> None:
    """Every noun, field and parameter, as callers are told of them."""
    document = json.loads(client.get("/api/openapi.json").get_data())
    document["info"].pop("version")
    check("openapi", document)


def test_each_file_is_of_an_answer() -> None:
    files = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.json")}
    assert files == {*(f"api/{noun}" for noun in API), *(f"cli/{noun}" for noun in CLI), "openapi"}


def _ask(caller: FlaskClient, asked: str, ids: dict[str, str]) -> dict[str, Any]:
    method, _, rest = asked.partition(" ")
    path, _, body = rest.partition(" ")
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    answer = caller.open(path, method=method, data=body or None, content_type="application/json" if body else None)
    return {"status": answer.status_code, "body": json.loads(answer.get_data())}


def _call(cli: Cli, asked: str, ids: dict[str, str]) -> Any:
    words = [word.format(**ids) if word.startswith("{") and word[1:-1] in ids else word for word in asked.split()]
    answer = cli(*words, "--json")
    assert answer.code == 0, answer.err
    return answer.json
