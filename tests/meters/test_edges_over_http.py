"""The edges of meters as a caller sees them: sent over HTTP, counted by workers, read over HTTP and at the terminal.

What a definition or a price is refused for stands in ``test_api``, ``test_by_dimension`` and ``test_cli``.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Drain
from tests.factories.meters import fold
from tests.integration.conftest import Cli
from usage_billing.db.session import transaction

LEVEL = {"aggregation": "level", "mode": "change", "per": "hour"}
HOURS = {"window": {"every": "hour", "across": "max"}}
NIGHT = {"by": "day", "from": "2026-11-01T00:00:00Z", "to": "2026-11-03T00:00:00Z"}


@dataclass(frozen=True)
class Edge:
    """A meter of ``n``; the values that are sent, each at an instant of November 2026; which of them are taken back.

    ``used`` is on its usage line, ``total`` that of its series (the same unless given), ``skipped`` have no value.
    """

    meter: dict[str, Any]
    sent: list[tuple[str, Any]]
    used: str
    total: str | None = "used"
    skipped: int = 0
    gone: tuple[int, ...] = ()
    windows: list[str | None] = field(default_factory=list)


NO_NUMBERS = ["NaN", "Infinity", " 1", True, 10**16, None, [1], {"n": 1}]
EDGES = {
    "what is no number is skipped, and the others count": Edge(
        {"aggregation": "sum"}, [("01T00:00:00", 2), *(("01T00:00:00", one) for one in NO_NUMBERS)], "2", skipped=8
    ),
    "more than 12 places are rounded half up": Edge(
        {"aggregation": "sum"},
        [("01T00:00:00", "0.0000000000005"), ("01T00:00:00", "0.00000000000049")],
        "0.000000000001",
    ),
    "no recordings: 0 on the line, nothing in a series": Edge({"aggregation": "latest"}, [], "0", total=None),
    "a level below 0 is kept, shown, and counts as 0": Edge(
        LEVEL, [("01T00:00:00", -5), ("02T00:00:00", 5)], "0", "-120"
    ),
    "a sum below 0 is kept, shown, and counts as 0": Edge({"aggregation": "sum"}, [("01T00:00:00", -5)], "0", "-5"),
    "of one instant the one recorded later is the latest": Edge(
        {"aggregation": "latest"}, [("01T05:00:00", 7), ("01T05:00:00", 6), ("01T04:00:00", 9)], "6"
    ),
    "an edge belongs to the later bucket and window": Edge(
        {"aggregation": "sum", **HOURS}, [("01T04:59:59.999999", 1), ("01T05:00:00", 2), ("01T05:59:59.999999", 3)], "5"
    ),
    "an edge of a day belongs to the later one": Edge(
        {"aggregation": "sum"}, [("01T23:59:59.999999", 1), ("02T00:00:00", 2)], "3", windows=["1", "2"]
    ),
    "the only holder of a value goes": Edge(
        {"aggregation": "unique_count"}, [("01T00:00:00", "ada"), ("01T00:00:00", "ben")], "1", gone=(1,)
    ),
    "an extreme that two hold stays": Edge(
        {"aggregation": "max"}, [("01T00:00:00", 7), ("01T01:00:00", 7)], "7", gone=(0,)
    ),
    "the next is the extreme once it goes": Edge(
        {"aggregation": "max"}, [("01T00:00:00", 7), ("01T01:00:00", 9)], "7", gone=(1,)
    ),
}


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_an_edge_is_what_the_documents_say(
    world: Engine, admin: FlaskClient, drain: Drain, cli: Cli, edge: Edge
) -> None:
    meter = {
        "id": "m",
        "of": "assessment",
        "unitName": "n",
        "since": "2026-11-01T00:00:00Z",
        "value": "n",
        **edge.meter,
    }
    assert admin.post("/api/usage-types", json=meter).status_code == 201
    ids = []
    for at, value in edge.sent:
        body = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": 1}
        body |= {"timestamp": f"2026-11-{at}Z", "metadata": {"n": value}}
        answer = admin.post("/api/usage/record", json=body)
        assert answer.status_code == 202, answer.json
        ids.append(answer.json["id"])
        drain()
    for place in edge.gone:
        assert admin.post(f"/api/usage/records/{ids[place]}/void", json={"reason": "a mistake"}).status_code == 200
    with transaction(world) as session:
        fold(session)
    lines = {one["usageType"]: one["used"] for one in admin.get("/api/usage/subscription/sub456").json["usage"]}
    assert lines.get("m", "0") == edge.used
    asked = {"usageType": "m", **NIGHT}
    series = admin.get("/api/usage/subscription/sub456/series", query_string=asked).json
    assert series["total"] == (edge.used if edge.total == "used" else edge.total)
    if edge.windows:
        assert series["series"][0]["values"] == edge.windows
    assert admin.get("/api/usage-types/m/folding").json["skipped"] == edge.skipped
    span = ("--from", NIGHT["from"], "--to", NIGHT["to"])
    shown = cli("usage", "series", "sub456", "m", *span, "--json")
    assert (shown.code, shown.json["total"]) == (0, series["total"])


def test_a_meter_is_retired_and_never_deleted(world: Engine, admin: FlaskClient, cli: Cli) -> None:
    meter = {"id": "m", "of": "assessment", "unitName": "n", "aggregation": "max", "value": "n"}
    assert admin.post("/api/usage-types", json=meter).status_code == 201
    assert admin.delete("/api/usage-types/m").status_code == 405
    assert admin.post("/api/usage-types/m/retire").status_code == 200
    assert json.loads(cli("usage-types", "show", "m", "--json").out)["retiredAt"] is not None
