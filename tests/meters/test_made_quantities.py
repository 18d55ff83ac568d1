"""Usage types that make the quantity of a recording from its metadata: at every door, in the books, proven again."""

import json
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.state import state_of
from tests.conftest import Clock, Drain
from tests.factories import make_recording, make_world, record
from tests.factories.catalog import LONG_AGO
from tests.integration.conftest import Cli
from tests.support.books import rows
from usage_billing.catalog.service import NewUsageType
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.session import read_only
from usage_billing.flows.administration.manage_quantities import QuantityChange, create_plain, define_quantity
from usage_billing.flows.recording.quarantine import replay
from usage_billing.flows.recording.void_usage import void_usage
from usage_billing.metering.recording import TO_BE_MADE, Beside, Recording, decode_recordings, encode_recordings
from usage_billing.reports.verify.books import find_differences

TOKENS = {"id": "tokens", "unitName": "token", "quantityFrom": "input - cached + 4 * output"}
CALL = {"userId": "user123", "subscriptionId": "sub456", "usageType": "tokens"}


def metadata(input: Any = 100, cached: Any = 40, output: Any = 10) -> dict[str, Any]:
    return {"input": input, "cached": cached, "output": output}


@pytest.fixture
def tokens(world: Engine, admin: FlaskClient) -> FlaskClient:
    """An administrator in the founding document's world, which counts tokens too."""
    assert admin.post("/api/usage-types", json=TOKENS).status_code == 201
    return admin


def send(admin: FlaskClient, **fields: Any) -> Any:
    return admin.post("/api/usage/record", json=CALL | fields)


def recorded(engine: Engine) -> list[Any]:
    return rows(engine, "SELECT trim_scale(quantity)::text, made FROM usage ORDER BY id")


def reasons(engine: Engine) -> list[Any]:
    return rows(engine, "SELECT reason, detail FROM quarantined_usage ORDER BY id")


def differences(engine: Engine) -> set[str]:
    with read_only(engine) as session:
        return {found.kind for found in find_differences(session)}


def test_a_recording_without_quantity_gets_what_its_metadata_come_to(
    tokens: FlaskClient, engine: Engine, drain: Drain
) -> None:
    shown = tokens.get("/api/usage-types/tokens").json
    assert (shown["quantityFrom"], shown["version"], shown["value"], shown["dimensions"]) == (
        TOKENS["quantityFrom"], 1, None, None
    )  # fmt: skip
    answer = send(tokens, metadata=metadata(), idempotencyKey="a")
    assert answer.status_code == 202, answer.json
    waiting = tokens.get(f"/api/usage/records/{answer.json['id']}").json
    assert (waiting["status"], "quantity" in waiting) == ("accepted", False)
    # 0 is a report, too; text spells numbers; places beyond the twelfth are rounded half up.
    assert send(tokens, metadata=metadata(0, 0, 0)).status_code == 202
    assert send(tokens, metadata=metadata("1e-3", 0, "0.0000000000005"), quantity="0.001000000002").status_code == 202
    assert send(tokens, metadata=metadata("1.0350000000000001e-05", 0, 0)).status_code == 202
    batch = {"events": [CALL | {"metadata": metadata(1, 0, 0)}, CALL | {"usageType": "report", "quantity": 3}]}
    assert tokens.post("/api/usage/record/batch", json=batch).status_code == 202
    assert drain() == 6
    assert recorded(engine) == [
        ("100", True), ("0", True), ("0.001000000002", True), ("0.00001035", True), ("1", True), ("3", None),
    ]  # fmt: skip
    assert reasons(engine) == []
    assert differences(engine) == set()
    used = {line["usageType"]: line["used"] for line in tokens.get("/api/usage/subscription/sub456").json["usage"]}
    assert used["tokens"] == "101.001010350002"


def test_it_is_counted_once_however_it_is_sent_again(tokens: FlaskClient, engine: Engine, drain: Drain) -> None:
    for fields in ({}, {}, {"quantity": 100}, {"quantity": "100.0"}):
        assert send(tokens, metadata=metadata(), idempotencyKey="a", **fields).status_code == 202
        drain()
    assert len(recorded(engine)) == 1
    assert reasons(engine) == []
    send(tokens, metadata=metadata(input=101), idempotencyKey="a")
    drain()
    assert [reason for reason, _ in reasons(engine)] == ["conflicting_duplicate"]


@pytest.mark.parametrize("later", ["2 * input", None, "missing", "input - 1000", "input - cached + 4 * output"])
@pytest.mark.parametrize("first", ["input - cached + 4 * output", None])
def test_it_is_counted_once_though_the_definition_changed_meanwhile(
    engine: Engine, world: Engine, admin: FlaskClient, drain: Drain, first: str | None, later: str | None
) -> None:
    """A sender that sends again has the answer lost, and knows nothing of definitions."""
    assert admin.post("/api/usage-types", json=TOKENS | {"quantityFrom": "input"}).status_code == 201
    since = "2026-01-05T00:00:00Z"

    def define(value: str | None) -> None:
        asked = {"quantityFrom": value, "effectiveFrom": since}
        assert admin.patch("/api/usage-types/tokens", json=asked).status_code == 200

    define(first)
    given = {"metadata": metadata(), "idempotencyKey": "a", "timestamp": "2026-01-06T00:00:00Z"}
    bare = {} if first else {"quantity": 100}
    assert send(admin, **given, **bare).status_code == 202
    drain()
    define(later)
    # As it was, with the quantity that it had, in a batch with itself, and beside what is new.
    for more in (bare, {"quantity": 100}, bare):
        batch = [CALL | given | more, CALL | given | more, CALL | {"usageType": "report", "quantity": 3}]
        assert admin.post("/api/usage/record/batch", json={"events": batch}).status_code == 202
        drain()
    assert recorded(engine) == [("100", True if first else None), *[("3", None)] * 3]
    assert reasons(engine) == []
    # What has other content is none.
    send(admin, **(given | {"metadata": metadata(input=7000)}), **bare)
    send(admin, **given, quantity=101)
    drain()
    assert len(reasons(engine)) == 2
    assert differences(engine) == set()


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"metadata": {"input": 1, "output": 2}}, "no_value", "the field cached is missing"),
        ({"metadata": metadata(output="many")}, "no_value", "the field output is not what quantityFrom takes it for"),
        ({"metadata": metadata(output=True), "quantity": 5}, "no_value", "the field output is not"),
        ({"metadata": metadata(input=10**15, cached=-1)}, "no_value", "more than 10**15"),
        ({}, "no_value", "the field input is missing"),
        ({"metadata": metadata(cached=200)}, "negative_quantity", "makes -60"),
        (
            {"metadata": metadata(), "quantity": 99},
            "quantity_differs",
            "its quantity is 99, and quantityFrom makes 100",
        ),
    ],
)
def test_what_has_no_quantity_is_quarantined(
    tokens: FlaskClient, engine: Engine, drain: Drain, fields: dict[str, Any], reason: str, words: str
) -> None:
    assert send(tokens, idempotencyKey="k", timestamp="2026-03-01T00:00:00Z", **fields).status_code == 202
    assert send(tokens, metadata=metadata()).status_code == 202
    assert drain() == 2
    assert recorded(engine) == [("100", True)]
    [(found, detail)] = reasons(engine)
    assert found == reason
    assert words in detail
    [shown] = tokens.get("/api/quarantine").json["data"]
    assert shown["recording"] == {
        **CALL, "idempotencyKey": "k", "timestamp": "2026-03-01T00:00:00Z", "metadata": {}, **fields,
        **({"quantity": str(fields["quantity"])} if "quantity" in fields else {}),
    }  # fmt: skip
    assert tokens.post(f"/api/quarantine/{shown['id']}/replay").status_code == 409
    assert differences(engine) == set()


def test_a_type_that_makes_none_needs_a_quantity_and_no_type_takes_zero(
    tokens: FlaskClient, engine: Engine, drain: Drain
) -> None:
    for answer, pointer in (
        (send(tokens, usageType="report"), "/quantity"),
        (send(tokens, usageType="nothing"), "/quantity"),
        (tokens.post("/api/usage/record/batch", json={"events": [CALL, CALL | {"usageType": "report"}]}),
         "/events/1/quantity"),
    ):  # fmt: skip
        assert answer.status_code == 422
        assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, "required")]
    assert send(tokens, quantity=0, metadata=metadata(0, 0, 0)).json["errors"][0]["code"] == "out_of_range"
    assert drain() == 0


def test_while_the_database_is_away_the_worker_decides(
    tokens: FlaskClient, engine: Engine, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = state_of(tokens.application).making

    def away() -> frozenset[str]:
        with read_only(engine) as session:
            raise OperationalError("SELECT", {}, Exception("gone")) if session else None

    making.forget()
    monkeypatch.setattr(making, "_read", away)
    assert send(tokens, usageType="report", metadata=metadata()).status_code == 202
    assert send(tokens, metadata=metadata()).status_code == 202
    assert drain() == 2
    assert recorded(engine) == [("100", True)]
    assert [reason for reason, _ in reasons(engine)] == ["no_value"]


def test_the_next_definition_holds_for_what_occurs_from_then_on(
    tokens: FlaskClient, engine: Engine, drain: Drain, clock: Clock
) -> None:
    change = {"quantityFrom": "output", "effectiveFrom": (clock() + timedelta(days=1)).isoformat()}
    assert tokens.patch("/api/usage-types/tokens", json=change).status_code == 200
    early, late = (clock() + timedelta(days=days) for days in (0, 2))
    clock.now = late
    for at in (early, late):
        send(tokens, metadata=metadata(), timestamp=at.isoformat())
    drain()
    assert tokens.patch("/api/usage-types/tokens", json={"quantityFrom": None}).status_code == 200
    clock.now = late + timedelta(seconds=1)
    send(tokens, metadata=metadata(), quantity=7)
    send(tokens, metadata=metadata())
    drain()
    assert recorded(engine) == [("100", True), ("10", True), ("7", None)]
    assert [reason for reason, _ in reasons(engine)] == ["no_value"]
    versions = tokens.get("/api/usage-types/tokens/definitions").json["data"]
    assert [(one["version"], one["quantityFrom"]) for one in versions] == [
        (3, None), (2, "output"), (1, TOKENS["quantityFrom"]),
    ]  # fmt: skip
    assert differences(engine) == set()


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"quantityFrom": "input +"}, "/quantityFrom", "not_an_expression"),
        ({"quantityFrom": "input > 3"}, "/quantityFrom", "not_an_expression"),
        ({"quantityFrom": "input", "value": "input"}, "/quantityFrom", "contradiction"),
    ],
)
def test_a_wrong_change_changes_nothing(tokens: FlaskClient, body: Any, pointer: str, code: str) -> None:
    answer = tokens.patch("/api/usage-types/tokens", json=body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, code)]
    assert len(tokens.get("/api/usage-types/tokens/definitions").json["data"]) == 1


def test_what_a_mistyped_expression_quarantined_counts_once_it_is_put_right(session: Session, now: datetime) -> None:
    make_world(session)
    kept = make_recording(now=now, metadata='{"input":3,"imput":1}', key="k")
    lost = make_recording(now=now, metadata='{"input":4}', key="l")
    kept, lost = (msgspec.structs.replace(one, quantity=TO_BE_MADE, beside=Beside(made=True)) for one in (kept, lost))
    define_quantity(session, "assessment", QuantityChange(value="imput"), actor="ann", now=LONG_AGO)
    assert record(session, kept, lost).quarantined
    right = QuantityChange(value="input", effective_from=LONG_AGO)
    later = now + timedelta(days=40)
    early = QuantityChange(value="input", effective_from=LONG_AGO - timedelta(seconds=1))
    with pytest.raises(InvalidInput, match="must not be before that of version 1"):
        define_quantity(session, "assessment", early, actor="ann", now=later)
    define_quantity(session, "assessment", right, actor="ann", now=later)
    assert replay(session, lost.id, actor="ann", now=later).outcome == "recorded"
    stored = session.execute(text("SELECT quantity, made FROM usage ORDER BY quantity")).all()
    assert stored == [(1, True), (4, True)]
    assert list(find_differences(session)) == []


def test_a_meter_makes_no_quantity(tokens: FlaskClient) -> None:
    meter = {"id": "m", "unitName": "m", "of": "tokens", "aggregation": "sum"}
    wrong = tokens.post("/api/usage-types", json=meter | {"quantityFrom": "input"})
    assert (wrong.status_code, wrong.json["errors"][0]["pointer"]) == (422, "/quantityFrom")
    assert tokens.post("/api/usage-types", json=meter).status_code == 201
    assert tokens.patch("/api/usage-types/m", json={"quantityFrom": "input"}).status_code == 422
    unread = tokens.post("/api/usage-types", json=TOKENS | {"id": "x", "quantityFrom": "nope("})
    assert (unread.status_code, tokens.get("/api/usage-types/x").status_code) == (422, 404)


def test_it_is_tried_out_before_it_is_stored(tokens: FlaskClient, drain: Drain) -> None:
    def tried(**asked: Any) -> list[tuple[Any, ...]]:
        found = tokens.post("/api/usage-types/evaluate", json=asked).json["data"]
        return [(one["counts"], one["value"], one["refusals"]) for one in found]

    assert tried(quantityFrom="input * 2", metadata={"input": "0.1"}) == [(True, "0.2", [])]
    [(counts, value, [words])] = tried(quantityFrom="input", metadata={"input": -1})
    assert (counts, value) == (None, None)
    assert "below 0" in words
    send(tokens, metadata=metadata())
    drain()
    assert tried(quantityFrom="output", of="tokens", subscriptionId="sub456") == [
        (True, "10", ["its quantity is 100"])
    ]  # fmt: skip
    for more in ({"value": "input"}, {"where": "input > 1"}, {"aggregation": "max"}, {"dimensions": ["input"]}):
        asked = {"quantityFrom": "input", "metadata": {}} | more
        assert tokens.post("/api/usage-types/evaluate", json=asked).status_code == 422


def test_import_and_commands_know_it(tokens: FlaskClient, cli: Cli, engine: Engine, tmp_path: Path) -> None:
    file, table = tmp_path / "a.jsonl", tmp_path / "a.csv"
    at = "2026-03-01T00:00:00Z"
    call = CALL | {"metadata": metadata(), "timestamp": at}
    file.write_text("\n".join(json.dumps(one) for one in (call, call, call | {"usageType": "report"})))
    names = ("userId", "subscriptionId", "usageType", "metadata", "timestamp")
    cells = ["user123", "sub456", "tokens", '"' + json.dumps(metadata()).replace('"', '""') + '"', at]
    table.write_text("\n".join([",".join(names), ",".join(cells)]))
    refused = cli("import", str(file))
    assert (refused.code, refused.err.splitlines()[0]) == (2, "line 3: quantity is required")
    assert cli("import", str(file), "--skip-bad", "--json").json["recorded"] == 2
    assert cli("import", str(table), "--json").json["duplicates"] == 1
    assert recorded(engine) == [("100", True)] * 2
    use = ("usage", "record", "--customer", "user123", "--subscription", "sub456", "--usage-type")
    assert cli(*use, "tokens", "--metadata", json.dumps(metadata(1, 0, 0)), "--json").json["quantity"] == "1"
    refused = cli(*use, "report")
    assert (refused.code, refused.err) == (2, "usage-billing: --quantity: is required\n")
    assert cli("usage-types", "create", "x", "--quantity-from", "a", "--json").json["quantityFrom"] == "a"
    assert cli("usage-types", "change", "x", "--quantity-from", "", "--json").json["quantityFrom"] is None
    assert [one["version"] for one in cli("usage-types", "definitions", "x", "--json").json] == [2, 1]
    tried = cli("usage-types", "evaluate", "--quantity-from", "a", "--metadata", '{"a": 2}', "--json").json
    assert tried[0]["value"] == "2"
    for wrong in (("--value", "a"), ("--of", "tokens")):
        assert cli("usage-types", "create", "y", "--quantity-from", "a", *wrong).code == 2
    assert differences(engine) == set()


def test_a_worker_that_does_not_know_it_counts_nothing(session: Session, now: datetime) -> None:
    """An earlier build reads the inbox's array without ``made``."""
    make_world(session)
    sent = make_recording(now=now, quantity=int(TO_BE_MADE), metadata='{"input":3}')
    sent = msgspec.structs.replace(sent, beside=Beside(by=3, made=True))
    assert msgspec.json.decode(encode_recordings([sent]))[0][4::7] == ["-1", {"by": 3, "made": True}]
    [read] = decode_recordings(encode_recordings([sent]))
    assert read == sent
    with pytest.raises(Exception, match=r"ck_usage_(quantity|beyond_limit)"):
        record(session, msgspec.structs.replace(sent, beside=Beside(by=3)))


def test_what_was_quarantined_counts_once_there_is_a_definition(session: Session, now: datetime) -> None:
    make_world(session)
    lost = msgspec.structs.replace(
        make_recording(now=now, metadata='{"input":3}', key="k"), quantity=TO_BE_MADE, beside=Beside(made=True)
    )
    assert record(session, lost).quarantined
    with pytest.raises(Conflict, match="no_value"):
        replay(session, lost.id, actor="ann", now=now)
    define_quantity(session, "assessment", QuantityChange(value="input"), actor="ann", now=now)
    assert replay(session, lost.id, actor="ann", now=now).outcome == "recorded"
    assert session.execute(text("SELECT quantity, made FROM usage")).one() == (3, True)
    assert list(find_differences(session)) == []


@pytest.mark.parametrize("seed", range(3))
def test_random_quantities_are_divided_and_taken_back_as_any(session: Session, now: datetime, seed: int) -> None:
    """Zeros lie on neither side of the allowance, wherever they stand."""
    random = Random(seed)
    make_world(session, limit="20.5")
    define_quantity(session, "assessment", QuantityChange(value="div(a, b, 12)"), actor="ann", now=LONG_AGO)
    total, ids = Decimal(0), list[tuple[Recording, Decimal]]()
    for _ in range(40):
        a, b = random.choice((0, 0, 1, 2, 5, "7.5")), random.choice((1, 3, 7))
        made = (Decimal(a) / b).quantize(Decimal("1e-12"), ROUND_HALF_UP)
        one = make_recording(now=now, metadata=json.dumps({"a": a, "b": b}))
        one = msgspec.structs.replace(one, quantity=TO_BE_MADE, beside=Beside(made=True))
        assert record(session, one).recorded == 1
        total += made
        ids.append((one, made))
        if random.random() < 0.3:
            gone, made = ids.pop(random.randrange(len(ids)))
            void_usage(session, gone.id, reason="r", actor="ann", now=now)
            total -= made
    stored = session.execute(text("SELECT total, beyond_limit, beyond_events FROM usage_summaries")).one()
    assert stored[:2] == (total, max(total - Decimal("20.5"), 0))
    assert stored[2] == session.scalar(text("SELECT count(*) FROM usage WHERE beyond_limit > 0"))
    assert list(find_differences(session)) == []


def test_verify_makes_each_quantity_again(session: Session, now: datetime) -> None:
    make_world(session)
    create_plain(session, NewUsageType(id="t", unit_name="t", quantity_from="a"), actor="ann", now=LONG_AGO)
    record(session, make_recording(now=now, usage_type="t", metadata='{"a":4}', quantity=4), make_recording(now=now))

    def kinds(change: str) -> set[str]:
        with session.begin_nested() as undone:
            session.execute(text(change))
            found = {one.kind for one in find_differences(session)}
            undone.rollback()
        return found

    assert kinds("SELECT 1") == set()
    assert kinds("""UPDATE usage SET metadata = '{"a": 5}' WHERE made""") == {"usage_quantity"}
    assert kinds("UPDATE usage SET made = NULL WHERE made") == {"usage_quantity"}
    assert kinds("UPDATE usage SET made = true WHERE made IS NULL") == {"usage_quantity"}
    assert kinds("UPDATE quantity_definitions SET value = 'a + 1'") == {"usage_quantity"}
    assert kinds("UPDATE quantity_definitions SET made_at = now() + interval '1 day'") == {"usage_quantity"}
