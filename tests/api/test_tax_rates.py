"""Rates of tax over HTTP and at the terminal: said with their days, corrected by saying them again, never guessed."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.integration.conftest import Cli, cli

__all__ = ["cli"]

RATE = {"country": "DE", "category": "S", "rate": "19", "effectiveFrom": "2021-01-01"}


def told(found: Any) -> list[tuple[str, ...]]:
    return [tuple(one[name] for name in RATE) for one in found]


def test_a_rate_is_said_once_and_corrected_by_saying_it_again(admin: FlaskClient, cli: Cli) -> None:
    first = admin.post("/api/tax-rates", json=RATE)
    assert (first.status_code, told([first.json])) == (201, [tuple(RATE.values())])
    assert admin.post("/api/tax-rates", json=RATE).json == first.json
    admin.post("/api/tax-rates", json=RATE | {"rate": 16, "effectiveFrom": "2020-07-01"})
    admin.post("/api/tax-rates", json=RATE | {"country": "FR", "category": "AA", "rate": "5.5"})
    again = admin.post("/api/tax-rates", json=RATE | {"rate": "91"}).json
    right = admin.post("/api/tax-rates", json=RATE).json
    assert len({first.json["id"], again["id"], right["id"]}) == 3
    assert told(admin.get("/api/tax-rates?country=DE").json["data"]) == [
        ("DE", "S", "16", "2020-07-01"),
        ("DE", "S", "19", "2021-01-01"),
    ]
    assert told(admin.get("/api/tax-rates?category=AA").json["data"]) == [("FR", "AA", "5.5", "2021-01-01")]
    assert told(cli("taxes", "list", "--country", "DE", "--json").json) == [
        ("DE", "S", "16", "2020-07-01"),
        ("DE", "S", "19", "2021-01-01"),
    ]


@pytest.mark.parametrize(
    ("said", "pointer", "code"),
    [
        ({"country": "de"}, "/country", "unknown_country"),
        ({"category": "Z"}, "/category", "not_supported"),
        ({"category": "X"}, "/category", "not_a_choice"),
        ({"rate": "100.1"}, "/rate", "not_a_decimal"),
        ({"rate": "-1"}, "/rate", "not_a_decimal"),
        ({"rate": "0.0000001"}, "/rate", "not_a_decimal"),
        ({"effectiveFrom": "2021-02-30"}, "/effectiveFrom", "not_a_day"),
        ({"effectiveFrom": "2021-01-01T00:00:00Z"}, "/effectiveFrom", "not_a_day"),
        ({"effectiveFrom": 2021}, "/effectiveFrom", "not_a_day"),
        ({"until": "2022-01-01"}, "/until", "unknown"),
    ],
)
def test_a_wrong_rate_is_refused(admin: FlaskClient, said: dict[str, Any], pointer: str, code: str) -> None:
    answer = admin.post("/api/tax-rates", json=RATE | said)
    assert answer.status_code == 422, answer.json
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [(pointer, code)]
    assert admin.get("/api/tax-rates").json["data"] == []


def test_rates_are_an_admin_s(reader: FlaskClient) -> None:
    assert reader.get("/api/tax-rates").status_code == 403
    assert reader.post("/api/tax-rates", json=RATE).status_code == 403


def test_a_file_is_said_whole_or_not_at_all(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text("country,category,rate,effectiveFrom,note\nDE,S,19,2021-01-01,x\nDE,AA,7,2021-01-01,\n")
    said = cli("taxes", "import", str(file))
    assert (said.code, said.err) == (0, "rates in the file: 2, new: 2\n")
    assert cli("taxes", "import", str(file), "--json").json == []
    for line, says in (
        ("DE,S,20", "line 4: effectiveFrom must be a day"),
        ("DE,S,2O,2022-01-01", "line 4: the rate must be a decimal number"),
        ("DE,E,0,2022-01-01", "line 4: the category must be one of: S, AA"),
        ("XX,S,1,2022-01-01", "line 4: the country must be"),
        ("DE,S,1,2022-01-01,a,b", "line 4: it has more cells"),
    ):
        wrong = tmp_path / "wrong.csv"
        wrong.write_text(f"{file.read_text()}{line}\n")
        refused = cli("taxes", "import", str(wrong))
        assert (refused.code, refused.out) == (2, "")
        assert says in refused.err
        assert refused.err.count("\n") == 1
    file.write_text("country,category,rate\nDE,S,19\n")
    assert "effectiveFrom is missing" in cli("taxes", "import", str(file)).err
    file.write_bytes(b"country,category,rate,effectiveFrom\n\xff")
    assert "no CSV in UTF-8" in cli("taxes", "import", str(file)).err
    assert len(cli("taxes", "list", "--json").json) == 2


def test_what_is_taxed_how_is_said_and_changed(admin: FlaskClient, cli: Cli) -> None:
    admin.post("/api/usage-types", json={"id": "print", "unitName": "copy", "taxCategory": "AA"})
    admin.post("/api/plans", json={"id": "p", "name": "P", "currency": "EUR", "taxCategory": "Z"})
    admin.post("/api/customers", json={"id": "red-cross", "name": "R", "taxExempt": True})
    assert admin.patch("/api/usage-types/print", json={"taxCategory": "E"}).json["unitName"] == "copy"
    assert admin.patch("/api/plans/p", json={"taxCategory": "O"}).json["name"] == "P"
    assert cli("usage-types", "change", "print", "--tax-category", "S", "--json").json["taxCategory"] == "S"
    assert cli("plans", "change", "p", "--tax-category", "AE", "--json").json["taxCategory"] == "AE"
    assert admin.get("/api/customers/red-cross").json["taxExempt"] is True
    changed = cli("customers", "change", "red-cross", "--no-tax-exempt", "--json").json
    assert (changed["taxExempt"], changed["name"]) == (False, "R")
    assert admin.patch("/api/plans/p", json={"taxCategory": "X"}).status_code == 422
    assert cli("plans", "change", "p", "--tax-category", "X").code == 2
    assert cli("plans", "change", "p").code == 2
