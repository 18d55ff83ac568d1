"""Alerts over HTTP and at the command line: what is taken, what is refused, and whom an event is told to."""

from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import text

from tests.alerts.conftest import Watched
from tests.conftest import As, MakeToken
from tests.integration.conftest import Cli, cli
from tests.support.books import rows
from tests.support.events import relayed
from tests.support.refusals import TYPED, Doors, Row
from usage_billing.db.session import read_only
from usage_billing.reports.doctor.alerts import check_alerts
from usage_billing.reports.figures import load_figures

__all__ = ["cli"]

PERCENT: dict[str, Any] = {"id": "a", "scope": {"subscriptionId": "s"}, "on": "percent", "thresholds": ["80", "100"]}


def test_an_alert_over_its_life(watched: Watched, admin: FlaskClient) -> None:
    body = PERCENT | {"usageType": "calls"}
    made = admin.post("/api/alerts", json=body)
    assert made.status_code == 201, made.json
    shown = made.json
    assert shown["scope"] == {"subscriptionId": "s"}
    assert (shown["basis"], shown["thresholds"], shown["every"]) == ("allowance", ["80", "100"], None)
    assert (shown["resolve"], shown["rearm"], shown["late"], shown["to"]) == (False, "never", "tell", None)
    assert admin.get("/api/alerts/a").json == shown
    assert admin.get("/api/alerts?subscriptionId=s").json["data"] == [shown]
    assert admin.get("/api/alerts?userId=ann").json["data"] == []
    assert admin.post("/api/alerts", json=body).json["code"] == "already_exists"
    watched.judge()
    watched.use(9)
    (fired,) = admin.get("/api/alerts/a/firings").json["data"]
    assert (fired["threshold"], fired["value"], fired["limit"], fired["usageType"]) == ("80", "9", "10", "calls")
    changed = admin.patch("/api/alerts/a", json={"thresholds": ["90"], "resolve": True})
    assert (changed.status_code, changed.json["thresholds"]) == (200, ["90"])
    watched.judge()
    assert [one["threshold"] for one in admin.get("/api/alerts/a/firings?unresolved=true").json["data"]] == ["90"]
    assert admin.delete("/api/alerts/a").json["endedAt"] is not None
    assert admin.patch("/api/alerts/a", json={"resolve": False}).json["code"] == "alert_ended"
    assert admin.post("/api/alerts/a/test").json["code"] == "alert_ended"
    assert admin.get("/api/alerts?ended=false").json["data"] == []
    assert admin.post("/api/alerts", json=body).json["code"] == "already_exists"
    assert len(admin.get("/api/alerts/a/firings").json["data"]) == 2
    assert [row.action for row in rows(watched.engine, "SELECT action FROM audit_log ORDER BY id")] == [
        "alert.created",
        "alert.changed",
        "alert.ended",
    ]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"thresholds": []}, "/thresholds"),
    ({"thresholds": ["100", "80"]}, "/thresholds/1"),
    ({"thresholds": ["80", "80"]}, "/thresholds/1"),
    ({"thresholds": ["-1"]}, "/thresholds/0"),
    ({"thresholds": ["0"]}, "/thresholds/0"),
    ({"thresholds": ["NaN"]}, "/thresholds/0"),
    ({"thresholds": [str(n) for n in range(1, 22)]}, "/thresholds"),
    ({"thresholds": None}, "/thresholds"),
    ({"every": "5"}, "/thresholds"),
    ({"thresholds": None, "every": "0"}, "/every"),
    ({"thresholds": None, "every": "5", "resolve": True}, "/resolve"),
    ({"scope": {}}, "/scope"),
    ({"scope": {"all": False}}, "/scope"),
    ({"scope": {"all": True, "userId": "ann"}}, "/scope"),
    ({"on": "everything"}, "/on"),
    ({"basis": "spend"}, "/amount"),
    ({"amount": "5"}, "/amount"),
    ({"on": "units", "basis": "allowance"}, "/basis"),
    ({"on": "units", "currency": "USD"}, "/currency"),
    ({"on": "amount", "currency": "EUR"}, "/currency"),
    ({"on": "amount", "scope": {"all": True}}, "/currency"),
    ({"on": "amount", "thresholds": ["1.005"]}, "/thresholds/0"),
    ({"basis": "spend", "amount": "1.005"}, "/amount"),
    ({"to": []}, "/to"),
    ({"late": "never"}, "/late"),
    ({"colour": "red"}, "/colour"),
]
ABSENT: list[dict[str, Any]] = [
    {"scope": {"subscriptionId": "none"}},
    {"scope": {"userId": "none"}},
    {"scope": {"planId": "none"}},
    {"usageType": "none"},
    {"to": ["none"]},
]


def test_what_is_wrong_is_refused_and_changes_nothing(watched: Watched, admin: FlaskClient) -> None:
    for said, pointer in WRONG:
        answer = admin.post("/api/alerts", json=PERCENT | said)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer), said
    for said in ABSENT:
        assert admin.post("/api/alerts", json=PERCENT | said).status_code == 404, said
    assert rows(watched.engine, "SELECT id FROM alert_rules") == []


def typed(says: str, *options: str, code: int = 2, typed_says: str = "", on: str = "units", **sent: Any) -> Row:
    """An alert that is refused; typed with the options that say its lines."""
    command = ("alerts", "create", "a", "--subscription", "s", "--on", on, *options)
    return Row({"id": "a", "scope": {"subscriptionId": "s"}, "on": on} | sent, command, says, 422, code, typed_says)


def lines(says: str, *texts: str, typed_says: str = "") -> Row:
    options = [one for text in texts for one in ("--at", text)]
    return typed(says, *options, typed_says=typed_says, thresholds=list(texts))


LINES = {
    "a threshold below 0": lines("/thresholds/0", "-1", typed_says=TYPED),
    "a threshold of 0": lines("/thresholds/0", "0"),
    "a threshold that is no number": lines("/thresholds/0", "NaN", typed_says=TYPED),
    "the same twice": lines("/thresholds/1", "80", "80"),
    "unsorted": lines("/thresholds/1", "100", "80"),
    "twenty-one": lines("/thresholds", *map(str, range(1, 22))),
    "none": lines("/thresholds"),
    "each 0": typed("/every", "--every", "0", every="0"),
    "thresholds and multiples": typed("/thresholds", "--at", "5", "--every", "5", thresholds=["5"], every="5"),
    "multiples of a balance": Row(
        {"id": "a", "scope": {"all": True}, "on": "balance", "currency": "USD", "every": "5"},
        ("alerts", "create", "a", "--all", "--on", "balance", "--currency", "USD", "--every", "5"),
        "/every",
    ),
}


def test_lines_that_cannot_be_are_refused_at_both_doors(watched: Watched, admin: FlaskClient, cli: Cli) -> None:
    Doors(watched.engine, admin, cli).try_each(LINES, "/api/alerts")


def test_a_percentage_of_what_has_no_bound_is_warned_of_and_never_told(
    watched: Watched, admin: FlaskClient, cli: Cli
) -> None:
    assert "free" in admin.post("/api/alerts", json=PERCENT | {"usageType": "free"}).json["warning"]
    assert "warning" not in admin.post("/api/alerts", json=PERCENT | {"id": "b", "usageType": "calls"}).json
    command = ("alerts", "create", "c", "--subscription", "s", "--on", "percent", "--at", "1", "--usage-type", "free")
    assert "free" in cli(*command, "--json").json["warning"]
    watched.judge()
    watched.use(10**12, of="free")
    watched.judge()
    assert (watched.told(), watched.firings()) == ([], [])


def test_an_alert_is_told_to_the_endpoints_that_it_names(watched: Watched, admin: FlaskClient) -> None:
    for name, types, user in (
        ("all", ["*"], None),
        ("alerts", ["alert.triggered"], None),
        ("invoices", ["invoice.paid"], None),
        ("bobs", ["*"], "bob"),
    ):
        endpoint = {"id": name, "url": "https://1.1.1.1/hooks", "types": types, "userId": user}
        assert admin.post("/api/webhook-endpoints", json=endpoint).status_code == 201
    for id, to in (("a", None), ("b", ["invoices", "bobs"])):
        assert admin.post("/api/alerts", json=PERCENT | {"id": id, "to": to}).status_code == 201
    for id in "ab":
        assert admin.post(f"/api/alerts/{id}/test").status_code == 202
    relayed(watched.engine)
    found = rows(
        watched.engine,
        "SELECT o.payload ->> 'ruleId' AS rule, d.endpoint_id AS endpoint FROM webhook_deliveries AS d"
        " JOIN outbox_messages AS o ON o.id = d.event_id ORDER BY 1, 2",
    )
    assert [(row.rule, row.endpoint) for row in found] == [("a", "alerts"), ("a", "all"), ("b", "invoices")]
    assert [one["test"] for one in watched.told()] == [True, True]
    assert rows(watched.engine, "SELECT id FROM alert_firings") == []
    event = admin.get("/api/events?types=alert.triggered").json["data"][1]["id"]
    assert admin.post(f"/api/events/{event}/resend").json["deliveries"] == 1


def test_at_the_command_line(watched: Watched, cli: Cli) -> None:
    make = ("alerts", "create", "a", "--subscription", "s", "--usage-type", "calls", "--on", "percent")
    assert cli(*make, "--at", "80", "--at", "100", "--json").json["thresholds"] == ["80", "100"]
    assert cli(*make, "--at", "80").code == 2
    assert cli(*make[:2], "b", *make[3:]).code == 2
    watched.judge()
    watched.use(8)
    assert "80" in cli("alerts", "firings", "a").out
    assert [one["id"] for one in cli("alerts", "list", "--json").json] == ["a"]
    assert cli("alerts", "change", "a", "--at", "90", "--resolve", "--json").json["resolve"] is True
    assert cli("alerts", "change", "a").code == 2
    assert cli("alerts", "test", "a").code == 0
    assert cli("alerts", "end", "a").code == 0
    assert cli("alerts", "show", "a", "--json").json["endedAt"] is not None
    assert cli("alerts", "show", "none").code == 3


def test_doctor_names_what_waits_to_be_judged(watched: Watched) -> None:
    def found() -> list[tuple[str, str]]:
        with read_only(watched.engine) as session:
            return [(one.state, one.message) for one in check_alerts(session)]

    assert found() == []
    watched.alert("a", at=[5], watches="units", usage_type="calls")
    assert found() == [("ok", "alerts that hold: 1")]
    with watched.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO alert_looks (subscription_id, asked_at) VALUES ('s', now() - interval '1 h')")
        )
    ((state, message),) = found()
    assert (state, "1, the first for 3600 s" in message) == ("warn", True)
    with read_only(watched.engine) as session:
        figures = load_figures(session)
    assert (figures.alerts, figures.alert_looks) == (1, 1)


def test_a_customer_reads_what_is_over_its_own_and_changes_nothing(
    watched: Watched, admin: FlaskClient, call_as: As, make_token: MakeToken
) -> None:
    for id, scope in (("s", {"subscriptionId": "s"}), ("ann", {"userId": "ann"}), ("p", {"planId": "p"})):
        assert admin.post("/api/alerts", json=PERCENT | {"id": id, "scope": scope}).status_code == 201
    assert admin.post("/api/alerts", json=PERCENT | {"id": "all", "scope": {"all": True}}).status_code == 201
    watched.judge()
    watched.use(8)
    ann, bob = call_as(make_token("ann")), call_as(make_token("bob"))
    assert [one["id"] for one in ann.get("/api/alerts").json["data"]] == ["ann", "s"]
    assert bob.get("/api/alerts").json["data"] == bob.get("/api/alerts?userId=ann").json["data"] == []
    assert ann.get("/api/alerts/s").json == admin.get("/api/alerts/s").json
    assert len(ann.get("/api/alerts/ann/firings").json["data"]) == 1
    for path in ("/api/alerts/p", "/api/alerts/all", "/api/alerts/p/firings"):
        assert ann.get(path).status_code == 404
    assert bob.get("/api/alerts/s/firings").status_code == 404
    assert ann.post("/api/alerts", json=PERCENT).status_code == 403
    assert ann.delete("/api/alerts/s").status_code == 403
