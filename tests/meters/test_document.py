"""Every example of docs/metering.md, sent: defined over HTTP, recorded, folded, read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Drain
from tests.factories import make_usage_type
from tests.factories.meters import fold
from usage_billing.db.session import transaction

TEXT = (Path(__file__).parents[2] / "docs" / "metering.md").read_text(encoding="utf-8")
_EXAMPLES = re.compile(r"```json\n((?:[^`].*\n)+)```\n\n((?:\|.*\n)+)\nTogether (.+)\.\n")

# What a meter's example is charged: a quota, and the items of the invoice.
_PRICED = re.compile(r'```json\n(\{"planId"(?:.*\n)+?)```\n\n((?:\|.*\n)+)')


def prices() -> dict[str, tuple[dict[str, Any], list[list[str]]]]:
    """The quota of a meter, and the rows of what is charged, by meter."""
    found = {}
    for quota, table in _PRICED.findall(TEXT):
        rows = [[cell.strip() for cell in line.split(" | ")] for line in table.splitlines()[2:]]
        asked = json.loads(quota)
        found[asked["usageType"]] = (asked, [[cell.strip("| ") for cell in row] for row in rows])
    return found


def examples() -> list[tuple[dict[str, Any], list[dict[str, str]], str]]:
    """Each meter with the rows of its table, by the table's headings, and the total."""
    found = []
    for meter, table, total in _EXAMPLES.findall(TEXT):
        heading, _, *rows = [[cell.strip() for cell in line.split(" | ")] for line in table.splitlines()]
        heading, *rows = ([cell.strip("| ") for cell in row] for row in (heading, *rows))
        found.append((json.loads(meter), [dict(zip(heading, row, strict=True)) for row in rows], total))
    return found


def test_there_are_examples() -> None:
    assert (len(examples()), list(prices())) == (14, ["tokens", "stored"])


@pytest.mark.parametrize(("meter", "rows", "total"), examples(), ids=lambda value: str(value)[:40])
def test_an_example_holds(
    world: Engine,
    admin: FlaskClient,
    drain: Drain,
    meter: dict[str, Any],
    rows: list[dict[str, str]],
    total: str,
) -> None:
    with transaction(world) as session:
        make_usage_type(session, id="llm-call")
    assert admin.post("/api/usage-types", json=meter).status_code == 201
    terms = {name: given for name, given in meter.items() if name not in {"id", "of", "unitName", "since"}}
    for row in rows:
        metadata = json.loads(row.pop("metadata").strip("`"))
        tried = admin.post("/api/usage-types/evaluate", json=terms | {"metadata": metadata}).json["data"][0]
        at = {"timestamp": row.pop("at")} if "at" in row else {}
        counts = {"does not count": False, "skipped": None}.get(row["value"], True)
        assert (tried["counts"], tried["value"]) == (counts, row.pop("value") if counts else None)
        assert tried["dimensions"] == {name: value for name, value in row.items() if name != "value"}
        body = {"userId": "user123", "subscriptionId": "sub456", "usageType": "llm-call", "quantity": 1}
        assert admin.post("/api/usage/record", json=body | at | {"metadata": metadata}).status_code == 202
    quota, charged = prices().get(meter["id"], ({}, []))
    if quota:
        assert admin.post("/api/quotas", json=quota).status_code == 201
    assert drain() == len(rows)
    with transaction(world) as session:
        fold(session)
    lines = admin.get("/api/usage/subscription/sub456").json["usage"]
    assert {line["usageType"]: line["used"] for line in lines}[meter["id"]] == total
    if quota:
        items = admin.get("/api/subscriptions/sub456/upcoming-invoice").json["items"]
        assert [
            [one["cell"], one["quantity"], one["amount"]] for one in items if one["usageType"] == meter["id"]
        ] == charged


# A usage type that makes quantities, what it makes of metadata, and what that comes to.
_MADE = re.compile(r"```json\n(\{.*\n \"quantityFrom\".*\n)```\n\n((?:\|.*\n)+)\nThe recordings come to (.+)\.\n")


def test_quantities_are_made_as_it_says(world: Engine, admin: FlaskClient, drain: Drain) -> None:
    [(usage_type, table, total)] = _MADE.findall(TEXT)
    made = admin.post("/api/usage-types", json=json.loads(usage_type)).json
    for line in table.splitlines()[2:]:
        metadata, said = (cell.strip("|` ") for cell in line.split(" | "))
        body = {"userId": "user123", "subscriptionId": "sub456", "usageType": made["id"]}
        answer = admin.post("/api/usage/record", json=body | {"metadata": json.loads(metadata)})
        assert drain() == 1
        became = admin.get(f"/api/usage/records/{answer.json['id']}").json
        assert said == (became["reason"] if became["status"] == "quarantined" else became["quantity"])
    lines = admin.get("/api/usage/subscription/sub456").json["usage"]
    assert {line["usageType"]: line["used"] for line in lines}[made["id"]] == total
