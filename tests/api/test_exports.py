"""Exports over HTTP and at the terminal: the API's own figures, of one moment, without formulas, memory flat."""

import csv
import io
import re
import tracemalloc
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.api.conftest import Billed
from tests.conftest import As, MakeToken
from tests.integration.conftest import Cli, cli
from tests.money.house import House, day, make_house
from usage_billing.core.spans import ALWAYS
from usage_billing.db.session import read_only, transaction
from usage_billing.exports.columns import COLUMNS, Export
from usage_billing.exports.stream import csv_of, zip_of

__all__ = ["cli"]

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "billing.md").read_text(encoding="utf-8")

# Twenty thousand items like the first.
_GROW = """
    INSERT INTO usage_invoice_items
    SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), 'cell', 'c' || n))).*
    FROM usage_invoice_items AS t, generate_series(1, 10000) AS n
    WHERE t.id = (
        SELECT x.id FROM usage_invoice_items AS x JOIN invoices AS i ON i.id = x.invoice_id
        WHERE i.number = 1 LIMIT 1
    )
"""


@pytest.fixture
def house(app: object, engine: Engine) -> House:
    """An invoice, a credit, an invoice that it pays in part; of a customer who is named like a formula."""
    house = make_house(engine)
    house.plan("a", fee="7")
    house.quota("a", "0", {"model": "per_unit", "unitPrice": "1.23"})
    house.subscribe()
    first = house.use(1000, at=day(3))
    house.use(5, at=day(4))
    house.bill(day(2, month=2))
    house.void(first, at=day(3, month=2))
    house.bill(day(2, month=3))
    house.bill(day(2, month=4))
    house.use(1700, at=day(3, month=4))
    with transaction(engine) as session:
        session.execute(text("UPDATE customers SET legal_name = '=cmd(\"x\"), Ltd', tax_id = '-1'"))
    house.bill(day(2, month=5))
    return house


def table(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))


def exported(admin: FlaskClient, what: str, asked: str = "") -> list[dict[str, str]]:
    return table(admin.get(f"/api/exports/{what}{asked}"))


def test_invoices_and_items_are_the_api_s_final_ones(house: House, admin: FlaskClient) -> None:
    finals = [one for one in admin.get("/api/invoices?limit=200").json["data"] if one["number"]]
    finals.sort(key=lambda one: one["number"])
    assert len(finals) > 3
    lines = exported(admin, "invoices")
    assert [line["number"] for line in lines] == [one["number"] for one in finals]
    for line, one in zip(lines, finals, strict=True):
        for name in ("userId", "status", "currency", "kind", "total", "creditApplied", "prepaidApplied", "amountDue"):
            assert line[name] == one[name]
        for name in ("periodStart", "periodEnd", "finalizedAt", "dueAt", "paidAt"):
            assert line[f"{name}_utc"] == (one[name] or "")
    assert (lines[-1]["buyerName"], lines[-1]["buyerTaxId"]) == ('\'=cmd("x"), Ltd', "'-1")
    items = exported(admin, "items")
    expected = [(one["number"], item) for one in finals for item in one["items"]]
    assert [line["itemId"] for line in items] == [item["id"] for _, item in expected]
    for line, (number, item) in zip(items, expected, strict=True):
        assert line["number"] == number
        for name in ("kind", "quantity", "billable", "covered", "amount", "description"):
            assert line[name] == item[name]
        assert (line["unitPrice"], line["usageType"]) == (item["unitPrice"] or "", item["usageType"] or "")
    assert any(line["amount"].startswith("-") for line in items)


def test_usage_credits_and_payments_are_those_of_the_books(house: House, admin: FlaskClient) -> None:
    usage = exported(admin, "usage")
    assert sorted(line["quantity"] for line in usage) == ["1000", "1700", "5"]
    assert [bool(line["voidedAt_utc"]) for line in usage if line["quantity"] == "1000"] == [True]
    credits = exported(admin, "credits")
    kept = admin.get("/api/customers/ann/credits").json["entries"]["data"]
    assert [(line["kind"], line["amount"]) for line in credits] == [
        (one["kind"], one["amount"]) for one in reversed(kept)
    ]
    assert {line["kind"] for line in credits} == {"granted", "applied"}
    owed = next(one for one in admin.get("/api/invoices?status=finalized").json["data"] if one["amountDue"] != "0.00")
    admin.post(f"/api/invoices/{owed['id']}/pay", json={"reference": "@E2E", "paidAt": "2026-05-03T00:00:00Z"})
    paid = {line["number"]: line for line in exported(admin, "payments")}
    line = paid[owed["number"]]
    assert (line["amount"], line["reference"]) == (owed["amountDue"], "'@E2E")


def test_a_span_is_of_what_each_export_says(house: House, admin: FlaskClient) -> None:
    april = "?from=2026-04-01T00:00:00Z&to=2026-05-01T00:00:00Z"
    assert [line["quantity"] for line in exported(admin, "usage", april)] == ["1700"]
    everything = exported(admin, "invoices")
    middle = everything[1]["finalizedAt_utc"]
    before = exported(admin, "invoices", f"?to={middle}")
    after = exported(admin, "invoices", f"?from={middle}")
    assert before + after == everything
    assert exported(admin, "usage", "?from=2027-01-01T00:00:00Z") == []


def test_all_are_one_zip_of_one_moment(house: House, admin: FlaskClient, engine: Engine) -> None:
    answer = admin.get("/api/exports/all")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as files:
        assert files.testzip() is None
        assert files.namelist() == [f"{export}.csv" for export in Export]
        for export in Export:
            assert files.read(f"{export}.csv") == admin.get(f"/api/exports/{export}").data
    with read_only(engine) as session:
        begun = zip_of(session, ALWAYS)
        pieces = [next(begun)]
        house.use(42, at=day(9, month=5))
        pieces += begun
    assert b"".join(pieces) == answer.data
    assert len(exported(admin, "usage")) == 4


def test_memory_does_not_grow_with_the_lines(house: House, engine: Engine) -> None:
    with transaction(engine) as session:
        for change in ("DISABLE TRIGGER USER", _GROW, "ENABLE TRIGGER USER"):
            session.execute(text(change if change == _GROW else f"ALTER TABLE usage_invoice_items {change}"))
    with read_only(engine) as session:
        lines: Iterator[bytes] = csv_of(session, Export.ITEMS, ALWAYS)
        for _ in islice(lines, 3):
            pass
        tracemalloc.start()
        size = sum(len(piece) for piece in lines)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert size > 2_000_000
    assert most < 2_000_000  # a list of its lines alone has more


def test_the_terminal_writes_what_the_api_answers(house: House, admin: FlaskClient, cli: Cli, tmp_path: Path) -> None:
    for what in (*Export, "all"):
        assert cli("export", str(what), "--out", "out").code == 0
        assert (tmp_path / "out").read_bytes() == admin.get(f"/api/exports/{what}").data
    assert cli("export", "credits").out == admin.get("/api/exports/credits").text
    assert cli("export", "secrets").code == 2
    assert cli("export", "usage", "--from", "2026-02-01", "--to", "2026-01-01").code == 2
    assert cli("export", "usage", "--out", "no/where").code == 2


@pytest.mark.parametrize("query", ["?from=yesterday", "?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "?kind=x"])
def test_what_cannot_be_read_is_refused(house: House, admin: FlaskClient, query: str) -> None:
    answer = admin.get(f"/api/exports/usage{query}")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert admin.get("/api/exports/secrets").status_code == 404


def test_exports_are_for_admins(billed: Billed, call_as: As, make_token: MakeToken) -> None:
    assert call_as(make_token("user123")).get("/api/exports/usage").status_code == 403


@pytest.mark.parametrize("export", Export)
def test_the_columns_are_documented(export: Export) -> None:
    found = re.search(rf"^\| `{export}` \|[^|]*\|([^|]*)\|$", DOCUMENTED, flags=re.MULTILINE)
    assert found is not None
    assert re.findall(r"`([^`]+)`", found[1]) == list(COLUMNS[export])
