"""Every character that a name or a key may have, all the way through: URL, query, cursor, token, CSV, command."""

from pathlib import Path
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.api.conftest import EVENT
from tests.conftest import As, Drain, MakeToken
from tests.factories import make_customer, make_subscription, make_usage_type
from tests.support.callers import Keys
from tests.unit.test_identifiers import ALLOWED
from usage_billing.cli.group import run
from usage_billing.db.session import transaction
from usage_billing.settings import Settings

NAME = "n" + ALLOWED  # no hyphen first
KEYS = ["a b", "a/b", r"a\101", "aA", r"\x41", "A", "'; --", "é", "x" * 1024, ALLOWED]


@pytest.fixture
def named(engine: Engine, world: object) -> str:
    """A customer, a usage type and a subscription that are all called ``NAME``."""
    with transaction(engine) as session:
        make_customer(session, id=NAME, name="All of them")
        make_usage_type(session, id=NAME, unit_name="unit")
        make_subscription(session, id=NAME, customer=NAME)
    return NAME


def event(**more: object) -> dict[str, object]:
    return EVENT | {"userId": NAME, "subscriptionId": NAME, "usageType": NAME} | more


def used(reader: FlaskClient) -> str:
    """What is used of the type that is called ``NAME``."""
    lines = reader.get(f"/api/usage/subscription/{quote(NAME, safe='')}").json["usage"]
    return next(str(line["used"]) for line in lines if line["usageType"] == NAME)


def test_a_name_of_every_character_is_recorded_read_listed_and_asked_for(
    named: str, call_as: As, keys: Keys, make_token: MakeToken, drain: Drain
) -> None:
    admin, path = call_as(keys.admin), quote(named, safe="")
    recorded = call_as(keys.writer).post("/api/usage/record", json=event(idempotencyKey="k1"))
    assert recorded.status_code == 202
    assert drain() == 1
    user = call_as(make_token(named))
    for answer in (
        user.get(f"/api/usage/user/{path}"),
        user.get(f"/api/usage/subscription/{path}"),
        user.get(f"/api/usage/records/{recorded.json['id']}"),
        admin.get(f"/api/customers/{path}"),
        admin.get(f"/api/subscriptions?userId={path}"),
        admin.get(f"/api/usage/subscription/{path}/records?usageType={path}"),
    ):
        assert answer.status_code == 200, answer.json
        assert named in answer.json.__repr__() or named in str(answer.json)
    first = admin.get("/api/customers?limit=1").json
    seen = [first["data"][0]["id"]]
    while first["nextCursor"]:
        first = admin.get(f"/api/customers?limit=1&cursor={first['nextCursor']}").json
        seen += [one["id"] for one in first["data"]]
    assert named in seen
    assert len(set(seen)) == len(seen)


def test_keys_of_every_kind_are_kept_apart_and_each_counts_once(
    named: str, call_as: As, keys: Keys, drain: Drain
) -> None:
    writer, reader = call_as(keys.writer), call_as(keys.reader)
    sent = [event(idempotencyKey=key, quantity=1) for key in KEYS]
    sent += [event(idempotencyKey="c", source="a/b"), event(idempotencyKey="b/c", source="a")]
    for _ in range(2):
        answer = writer.post("/api/usage/record/batch", json={"events": sent})
        assert answer.status_code == 202, answer.json
        drain()
    assert used(reader) == str(sum(int(str(one["quantity"])) for one in sent))
    header = writer.post(
        "/api/usage/record", json=event(quantity=1), headers={"Idempotency-Key": "é".encode().decode("latin-1")}
    )
    drain()
    assert reader.get(f"/api/usage/records/{header.json['id']}").json["status"] == "duplicate"


def test_names_pass_through_a_file_and_a_command(
    named: str,
    settings: Settings,
    drain: Drain,
    call_as: As,
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    Path("past.csv").write_text(
        f"userId,subscriptionId,usageType,quantity,timestamp\n{named},{named},{named},0.30000000000000004,2026-11-01T00:00:00Z\n"
    )
    assert run(["import", "past.csv"]) == 0
    assert run(["customers", "show", named]) == 0
    assert used(call_as(keys.reader)) == "0.3"


@pytest.mark.parametrize("name", [".", "..", "-a"])
@pytest.mark.parametrize("noun", ["customers", "plans", "usage-types"])
def test_no_new_name_is_dots_or_an_option(admin: FlaskClient, name: str, noun: str) -> None:
    body = {"customers": {"name": "x"}, "plans": {"name": "x", "currency": "EUR"}, "usage-types": {"unitName": "x"}}[
        noun
    ]
    answer = admin.post(f"/api/{noun}", json={"id": name, **body})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == "not_an_identifier"
