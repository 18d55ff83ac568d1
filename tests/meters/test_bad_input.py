"""Bad input about meters and prices by dimension: refused at both doors, and nothing is changed."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.factories.meters import make_meter
from tests.integration.conftest import Cli
from tests.support.refusals import Doors, Row
from usage_billing.db.session import transaction

LATER = "2100-01-01T00:00:00Z"
METER = {"id": "m", "of": "assessment", "unitName": "n", "value": "n"}
CREATE = ("usage-types", "create", "m", "--of", "assessment", "--value", "n")


@pytest.fixture
def doors(world: Engine, admin: FlaskClient, cli: Cli) -> Doors:
    """Tokens by model and direction, of which a price names the direction; and the most tokens of a call."""
    with transaction(world) as session:
        make_meter(session, value="tokens", dimensions=["model", "direction"])
        make_meter(session, id="peak", aggregation="max", value="tokens", dimensions=["model"])
    made = admin.post("/api/quotas", json=QUOTA | {"price": by_dimension(cell(direction="out"))})
    assert made.status_code == 201, made.json
    return Doors(world, admin, cli)


def meter(says: str, *typed: str, code: int = 2, typed_says: str = "", status: int = 422, **sent: Any) -> Row:
    """A definition that is refused."""
    return Row(METER | sent, (*CREATE, *typed), says, status, code, typed_says)


def windowed(says: str, typed_says: str = "", **window: str | int) -> Row:
    options = [text for name, value in window.items() for text in (f"--{name}", str(value))]
    return meter(says, *options, typed_says=typed_says, window=window)


def of(says: str, *, id: str = "m", of: str = "assessment", status: int = 422, code: int = 2) -> Row:
    typed = ("usage-types", "create", id, "--of", of, "--value", "n")
    return Row(METER | {"id": id, "of": of}, typed, says, status, code)


FIVE = tuple("abcde")
DEFINITIONS = {
    "an expression that is cut short": meter("/value", "--value", "n +", value="n +"),
    "one that is too long": meter("/value", "--value", "x" * 1001, value="x" * 1001),
    "one that is too deep": meter("/value", "--value", "(" * 31 + "x" + ")" * 31, value="(" * 31 + "x" + ")" * 31),
    "a function that there is not": meter("/value", "--value", "size(x)", value="size(x)"),
    "a condition as a value": meter("/value", "--value", "a == 1", value="a == 1"),
    "a bare field as a condition": meter("/where", "--where", "streaming", where="streaming"),
    "a number as a condition": meter("/where", "--where", "x + 1", where="x + 1"),
    "of a meter": of("/of", of="tokens"),
    "of itself": of("/of", of="m", code=3),
    "of nothing": of("/of", of="nothing", code=3),
    "the id of a usage type": of("already_exists", id="assessment", status=409),
    "the id of another meter": of("already_exists", id="tokens", status=409),
    "more series than may be": meter("/seriesLimit", "--series-limit", "100001", seriesLimit=100001),
    "no series": meter("/seriesLimit", "--series-limit", "0", seriesLimit=0),
    "five dimensions": meter(
        "/dimensions", *(text for one in FIVE for text in ("--dimension", one)), dimensions=list(FIVE)
    ),
    "one dimension twice": meter("/dimensions/1", "--dimension", "a", "--dimension", "a", dimensions=["a", "a"]),
    "windows that do not divide a day": windowed("/window/every", every="7m", across="max"),
    "a percentile without its percentage": windowed("/window/percent", every="day", across="percentile"),
    "the percentile 0": windowed("/window/percent", every="day", across="percentile", percent=0),
    "the percentile 101": windowed("/window/percent", every="day", across="percentile", percent=101),
    "the percentile -5": windowed("/window/percent", every="day", across="percentile", percent=-5),
}


def test_what_is_no_meter(doors: Doors) -> None:
    doors.try_each(DEFINITIONS, "/api/usage-types")


UNIT = {"model": "per_unit", "unitPrice": "1"}
QUOTA = {"planId": "business", "usageType": "tokens", "monthlyLimit": "0"}


def cell(name: str = "a", **when: Any) -> dict[str, Any]:
    return {"name": name, "when": when, "price": UNIT}


def by_dimension(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"model": "by_dimension", "cells": list(cells), "default": UNIT}


def priced(says: str, *cells: dict[str, Any], of: str = "tokens") -> Row:
    price = by_dimension(*cells)
    typed = ("--usage-type", of, "--price", json.dumps(price))
    return Row(QUOTA | {"usageType": of, "price": price}, typed, says)


PRICES = {
    "a cell that an earlier one covers": priced("/price/cells/1", cell(model="l"), cell("b", model="l")),
    "one covered by a list": priced(
        "/price/cells/2", cell(model="l"), cell("b", model=["g", "h"]), cell("c", model="h", direction=["in", "out"])
    ),
    "a dimension that the meter lacks": priced("/price/cells/0", cell(colour="red")),
    "such a one in the second cell": priced("/price/cells/1", cell(model="l"), cell("b", model="g", colour="red")),
    "two cells of one name": priced("/price/cells/1", cell(model="l"), cell(model="g")),
    "a cell called as the rest is": priced("/price/cells/0", cell("default", model="l")),
    "a cell without a name": priced("/price/cells/0/name", cell("", model="l")),
    "a cell with NUL in its name": priced("/price/cells/0/name", cell("a\0", model="l")),
    "a cell of a name of 10,000 characters": priced("/price/cells/0/name", cell("x" * 10_000, model="l")),
    "of a usage type without dimensions": priced("/price/model", cell(model="l"), of="assessment"),
    "of a meter that does not add up": priced("/price/model", cell(model="l"), of="peak"),
}


def test_what_is_no_price_by_dimension(doors: Doors) -> None:
    begins = ("quotas", "create", "--plan", "business", "--limit", "0")
    doors.try_each(PRICES, "/api/quotas", begins=begins)


def dropped(*dimensions: str) -> Row:
    named = [one.partition("=") for one in dimensions]
    sent = [{"as": name, "value": value} if equals else name for name, equals, value in named]
    typed = [text for one in dimensions for text in ("--dimension", one)]
    body = {"dimensions": sent, "effectiveFrom": LATER}
    return Row(body, (*typed, "--effective-from", LATER), "dimension_in_use", 409)


DROPPED = {"left out": dropped("model"), "under another name": dropped("model", "way=direction")}


def test_a_dimension_that_a_price_names_does_not_go(doors: Doors) -> None:
    path, begins = "/api/usage-types/tokens", ("usage-types", "change", "tokens")
    doors.try_each(DROPPED, path, method="PATCH", begins=begins)
    (quota,) = [one for one in doors.admin.get("/api/quotas?limit=200").json["data"] if one["usageType"] == "tokens"]
    told = doors.admin.patch("/api/usage-types/tokens", json={"dimensions": [], "effectiveFrom": LATER})
    assert (told.status_code, told.json["detail"]) == (
        409,
        f"direction is named by the prices of quotas {quota['id']}",
    )
    kept = {"dimensions": ["direction", "size"], "effectiveFrom": LATER}
    assert doors.admin.patch("/api/usage-types/tokens", json=kept).status_code == 200
